//! A published port: accepts connections and serves each by the routes of the moment.

mod http2;

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use futures_util::future::Either;
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use hyper::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;

pub(super) use self::http2::Occupied;
use super::acme;
use super::answer::Answer;
use super::cut::Cut;
use super::forward::{self, Client, Way};
use super::headers::{Hop, Origin};
use super::noted::Noted;
use super::opening::{self, Opening};
use super::routes::{Kind, Routes};
use super::service::Service;
use super::shards::{Part, Shards};
use super::table::ListenerEntry;
use super::tls::{HTTP2, Tls};
use super::tunnel;
use crate::metrics::Counter;
use crate::transport::stall;

/// Largest head of a request, in bytes.
const HEAD_BYTES: usize = 64 * 1024;

/// A connection's place among those that a port takes, the sign that it has not ended, and its part of its thread's load.
pub(super) type Place = Arc<(OwnedSemaphorePermit, mpsc::Sender<()>, Part)>;

/// A port.
pub(super) struct Listener {
    pub(super) local: SocketAddr,
    /// Greetings of TLS that led to nothing.
    pub(super) failed_handshakes: Counter,
    connections: usize,
    routes: RwLock<Arc<Routes>>,
    stop: CancellationToken,
}

/// What a connection of HTTP/1 is told from outside.
enum Sign {
    /// It ends at once.
    Over,
    /// It ends after the request that it carries.
    Stop,
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
    pub(super) fn serve(self, routes: Routes, shards: &Arc<Shards>, stop: CancellationToken, open: mpsc::Sender<()>) -> Arc<Listener> {
        let listener = Arc::new(Listener {
            local: self.local,
            failed_handshakes: Counter::default(),
            connections: self.entry.limits.connections,
            routes: RwLock::new(Arc::new(routes)),
            stop,
        });
        tokio::spawn(Arc::clone(&listener).accept(self.socket, Arc::clone(shards), open));
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

    async fn accept(self: Arc<Self>, socket: TcpListener, shards: Arc<Shards>, open: mpsc::Sender<()>) {
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
            let origin = Origin { peer, secure: false };
            let (listener, open) = (Arc::clone(&self), open.clone());
            let serve = move |stream, part| listener.serve(stream, origin, Arc::new((permit, open, part)));
            if let Err(error) = shards.serve(stream, serve) {
                tracing::warn!("a connection cannot be served: {error}");
            }
        }
    }

    async fn serve(self: Arc<Self>, stream: TcpStream, mut origin: Origin, place: Place) {
        _ = stream.set_nodelay(true);
        let opening = tokio::select! {
            opening = self.opening(&stream) => opening,
            () = self.stop.cancelled() => return,
        };
        // Without an opening the client has left.
        let Some(opening) = opening else { return };
        // The port may have changed in the meantime.
        let routes = self.routes();
        let tls = routes.tls.as_ref().filter(|_| opening == Opening::Tls || matches!(routes.kind, Kind::Http { .. }));
        let passed = passed(&routes, opening);
        stall::limit(&stream, routes.write(passed.is_some()));
        match (passed, tls) {
            (Some(service), _) => tunnel::pass(stream, service).await,
            (None, None) if opening == Opening::Http2 => http2::serve(self, stream, (origin, place)).await,
            (None, None) => self.serve_http(stream, origin, place).await,
            (None, Some(tls)) => {
                let Some(stream) = self.shake(tls, stream, routes.head).await else { return };
                origin.secure = true;
                match stream.get_ref().1.alpn_protocol() {
                    Some(HTTP2) => http2::serve(self, stream, (origin, place)).await,
                    // An authority has seen what it came for.
                    Some(acme::PROTOCOL) => {}
                    _ => self.serve_http(stream, origin, place).await,
                }
            }
        }
    }

    /// What a connection begins with, looked at only where that makes a difference.
    async fn opening(&self, stream: &TcpStream) -> Option<Opening> {
        let routes = self.routes();
        match routes.kind {
            Kind::Auto { .. } => opening::judge(stream, routes.head).await,
            Kind::Http { .. } if routes.tls.is_some() => Some(Opening::Tls),
            Kind::Http { .. } | Kind::Redirect(_) => opening::version(stream, routes.head).await,
            Kind::Tcp(_) => Some(Opening::Other),
        }
    }

    /// Greets a client of TLS. One that is not done in the time of a head is cut.
    async fn shake(&self, tls: &Tls, stream: TcpStream, limit: Duration) -> Option<TlsStream<TcpStream>> {
        let shaking = tls.acceptor.accept(stream).into_fallible();
        tokio::pin!(shaking);
        let shaken = tokio::select! {
            shaken = tokio::time::timeout(limit, shaking.as_mut()) => shaken,
            () = self.stop.cancelled() => return None,
        };
        // The connection closes when it has been counted, so that who sees it closed sees the count.
        let (error, _stream) = match shaken {
            Ok(Ok(stream)) => return Some(stream),
            Ok(Err((error, stream))) => (error, Some(stream)),
            Err(_) => (io::ErrorKind::TimedOut.into(), None),
        };
        // What anybody on the network can cause does not fill a log.
        tracing::debug!(listener = %self.local, "a TLS handshake failed: {error}");
        self.failed_handshakes.add(1);
        None
    }

    async fn serve_http(&self, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, origin: Origin, place: Place) {
        let cut = Cut::new();
        let client = Client { hop: Arc::new(Hop::new(origin)), place, way: Way::Connection(Arc::clone(&cut)) };
        let answered = service_fn(|request: Request<Incoming>| {
            let routes = self.routes();
            let (client, cut) = (&client, &cut);
            async move {
                cut.asked();
                let answer = answer(&routes, client, request).await;
                cut.answered();
                Ok::<_, Infallible>(answer)
            }
        });
        let mut http = hyper::server::conn::http1::Builder::new();
        http.header_read_timeout(None).max_buf_size(HEAD_BYTES).half_close(false);
        let connection = http.serve_connection(TokioIo::new(Noted::new(stream, Arc::clone(&cut))), answered).with_upgrades();
        tokio::pin!(connection);
        let head = self.routes().head;
        // Polled only when they are woken, which most requests never see.
        let mut signs = FuturesUnordered::new();
        signs.push(Either::Left(async {
            tokio::select! {
                () = cut.overdue() => {}
                () = cut.forgotten(head) => {}
            }
            Sign::Over
        }));
        signs.push(Either::Right(async {
            self.stop.cancelled().await;
            Sign::Stop
        }));
        // A client that breaks off is no failure of ours.
        loop {
            tokio::select! {
                biased;
                Some(sign) = signs.next() => match sign {
                    Sign::Over => return,
                    Sign::Stop => connection.as_mut().graceful_shutdown(),
                },
                _ = connection.as_mut() => return,
            }
        }
    }
}

/// The service that a connection is passed through to.
fn passed(routes: &Routes, opening: Opening) -> Option<&Arc<Service>> {
    match &routes.kind {
        Kind::Tcp(service) => Some(service),
        Kind::Auto { service, h2c, .. } => match opening {
            Opening::Http => None,
            Opening::Http2 => (!h2c).then_some(service),
            Opening::Tls => routes.tls.is_none().then_some(service),
            Opening::Other => Some(service),
        },
        Kind::Http { .. } | Kind::Redirect(_) => None,
    }
}

async fn answer(routes: &Routes, client: &Client, request: Request<Incoming>) -> Answer {
    let mut answer = forward::answer(routes, client, request).await;
    if let Some(tls) = routes.tls.as_ref().filter(|_| client.hop.origin.secure) {
        tls.complete(&mut answer);
    }
    answer
}
