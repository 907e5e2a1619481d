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

/// A connection with a response that is under way; its upstream has it back for the next request when this is dropped.
pub(super) struct Lent {
    sender: Option<SendRequest<RequestBody>>,
    upstream: Arc<Upstream>,
}

impl Drop for Lent {
    fn drop(&mut self) {
        let Some(mut sender) = self.sender.take() else { return };
        if sender.is_ready() {
            return self.upstream.put(sender);
        }
        let upstream = Arc::clone(&self.upstream);
        tokio::spawn(async move {
            // Ready once the response has been read to its end; an error when it never will be.
            if sender.ready().await.is_ok() {
                upstream.put(sender);
            }
        });
    }
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

    /// Takes back a connection whose response is under way once that has ended.
    pub(super) fn lend(self: &Arc<Self>, sender: SendRequest<RequestBody>) -> Lent {
        Lent { sender: Some(sender), upstream: Arc::clone(self) }
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
