//! A published port: accepts connections and serves each by the routes of the moment.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use hyper::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_util::sync::CancellationToken;

use super::cut::Cut;
use super::forward::{self, Client};
use super::opening::{self, Opening};
use super::routes::{Kind, Routes};
use super::table::ListenerEntry;
use super::tunnel;
use crate::transport::stall;

/// Largest head of a request, in bytes.
const HEAD_BYTES: usize = 64 * 1024;

/// A connection's place among those that a port takes, and the sign that it has not ended.
pub(super) type Place = Arc<(OwnedSemaphorePermit, mpsc::Sender<()>)>;

/// A port.
pub(super) struct Listener {
    pub(super) local: SocketAddr,
    connections: usize,
    routes: RwLock<Arc<Routes>>,
    stop: CancellationToken,
}

/// A port that is bound, not yet served.
pub(super) struct Bound {
    entry: ListenerEntry,
    socket: TcpListener,
    local: SocketAddr,
}

impl Bound {
    pub(super) async fn new(entry: &ListenerEntry) -> io::Result<Self> {
        let socket = TcpListener::bind(entry.bind).await?;
        let local = socket.local_addr()?;
        Ok(Self { entry: entry.clone(), socket, local })
    }

    pub(super) fn is_for(&self, entry: &ListenerEntry) -> bool {
        self.entry.bind == entry.bind
    }

    /// Begins to serve. `open` is held by every connection.
    pub(super) fn serve(self, routes: Routes, stop: CancellationToken, open: mpsc::Sender<()>) -> Arc<Listener> {
        let listener = Arc::new(Listener {
            local: self.local,
            connections: self.entry.limits.connections,
            routes: RwLock::new(Arc::new(routes)),
            stop,
        });
        tokio::spawn(Arc::clone(&listener).accept(self.socket, open));
        listener
    }
}

impl Listener {
    pub(super) fn set_routes(&self, routes: Routes) {
        *self.routes.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(routes);
    }

    /// Accepts nothing more; connections end after the request that they carry.
    pub(super) fn stop(&self) {
        self.stop.cancel();
    }

    fn routes(&self) -> Arc<Routes> {
        Arc::clone(&self.routes.read().unwrap_or_else(PoisonError::into_inner))
    }

    async fn accept(self: Arc<Self>, socket: TcpListener, open: mpsc::Sender<()>) {
        let room = Arc::new(Semaphore::new(self.connections));
        loop {
            // A connection waits in the kernel's queue while all places are taken.
            let next = async {
                let place = Arc::clone(&room).acquire_owned().await.map_err(io::Error::other)?;
                let (stream, peer) = socket.accept().await?;
                Ok::<_, io::Error>((place, stream, peer))
            };
            let next = tokio::select! {
                next = next => next,
                () = self.stop.cancelled() => return,
            };
            let (permit, stream, peer) = match next {
                Ok(next) => next,
                Err(error) => {
                    // Out of file descriptors, or a client that left: others can still be served.
                    tracing::warn!("a connection cannot be accepted: {error}");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            };
            let client = Client { peer, place: Arc::new((permit, open.clone())), cut: Cut::new() };
            tokio::spawn(Arc::clone(&self).serve(stream, client));
        }
    }

    async fn serve(self: Arc<Self>, stream: TcpStream, client: Client) {
        _ = stream.set_nodelay(true);
        let mut routes = self.routes();
        let mut passed = matches!(routes.kind, Kind::Tcp(_));
        if matches!(routes.kind, Kind::Auto { .. }) {
            let opening = tokio::select! {
                opening = opening::judge(&stream, routes.head) => opening,
                () = self.stop.cancelled() => return,
            };
            // Without an opening the client has left.
            let Some(opening) = opening else { return };
            passed = opening == Opening::Other;
            // The port may have changed in the meantime.
            routes = self.routes();
        }
        stall::limit(&stream, routes.write(passed));
        match &routes.kind {
            Kind::Auto { service, .. } if passed => tunnel::pass(stream, service).await,
            Kind::Tcp(service) => tunnel::pass(stream, service).await,
            Kind::Http { .. } | Kind::Auto { .. } => self.serve_http(stream, client).await,
        }
    }

    async fn serve_http(&self, stream: TcpStream, client: Client) {
        let answered = service_fn(|request: Request<Incoming>| {
            let routes = self.routes();
            let client = &client;
            async move { Ok::<_, Infallible>(forward::answer(&routes, client, request).await) }
        });
        let mut http = hyper::server::conn::http1::Builder::new();
        http.timer(TokioTimer::new()).header_read_timeout(self.routes().head).max_buf_size(HEAD_BYTES).half_close(false);
        let connection = http.serve_connection(TokioIo::new(stream), answered).with_upgrades();
        tokio::pin!(connection);
        // A client that breaks off is no failure of ours.
        tokio::select! {
            _ = connection.as_mut() => return,
            () = client.cut.overdue() => return,
            () = self.stop.cancelled() => connection.as_mut().graceful_shutdown(),
        }
        tokio::select! {
            _ = connection => {}
            () = client.cut.overdue() => {}
        }
    }
}
