//! Connections to one replica, kept open between requests.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::request_body::RequestBody;

/// How long a connection may wait for its next request. Common servers close theirs after 2 to 5 s, and a request sent
/// into that is lost.
const IDLE: Duration = Duration::from_millis(1500);
/// Most connections that wait.
const MOST_IDLE: usize = 256;

/// A replica.
pub(super) struct Upstream {
    address: String,
    idle: Mutex<Idle>,
}

#[derive(Default)]
struct Idle {
    waiting: Vec<(SendRequest<RequestBody>, Instant)>,
    closed: bool,
}

/// A connection in use.
pub(super) struct Connection {
    pub(super) sender: SendRequest<RequestBody>,
    /// Whether it carried a request before.
    pub(super) reused: bool,
}

impl Upstream {
    pub(super) fn new(address: &str) -> Arc<Self> {
        Arc::new(Self { address: address.to_owned(), idle: Mutex::default() })
    }

    /// The connection used last, when one still stands.
    pub(super) fn waiting(&self) -> Option<Connection> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some((sender, since)) = idle.waiting.pop() {
            if since.elapsed() > IDLE {
                idle.waiting.clear();
                return None;
            }
            if sender.is_ready() {
                return Some(Connection { sender, reused: true });
            }
        }
        None
    }

    /// A plain connection.
    pub(super) async fn dial(&self, limit: Duration) -> io::Result<TcpStream> {
        let stream = tokio::time::timeout(limit, TcpStream::connect(&self.address)).await.map_err(|_| io::ErrorKind::TimedOut)??;
        _ = stream.set_nodelay(true);
        Ok(stream)
    }

    /// A new connection for requests.
    pub(super) async fn connect(&self, limit: Duration) -> io::Result<Connection> {
        let stream = self.dial(limit).await?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
        // How the connection ends is told to the request that it carries.
        tokio::spawn(async move { connection.with_upgrades().await });
        Ok(Connection { sender, reused: false })
    }

    /// Keeps a connection whose response is under way for the request after it.
    pub(super) fn keep(self: &Arc<Self>, mut sender: SendRequest<RequestBody>) {
        if sender.is_ready() {
            return self.put(sender);
        }
        let upstream = Arc::clone(self);
        tokio::spawn(async move {
            // Ready once the response has been read to its end; an error when it never will be.
            if sender.ready().await.is_ok() {
                upstream.put(sender);
            }
        });
    }

    fn put(&self, sender: SendRequest<RequestBody>) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.closed {
            return;
        }
        let old = idle.waiting.iter().take_while(|(_, since)| since.elapsed() > IDLE).count();
        idle.waiting.drain(..old);
        if idle.waiting.len() < MOST_IDLE {
            idle.waiting.push((sender, Instant::now()));
        }
    }

    pub(super) fn close(&self) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.closed = true;
        idle.waiting.clear();
    }

    pub(super) fn reopen(&self) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).closed = false;
    }
}
