//! A connection of HTTP/2: many requests at once, each answered as one of HTTP/1 is.
//!
//! It ends when nothing has been under way for as long as a connection may be without a request, and after what is under way
//! when its port goes: the client is told (GOAWAY), and what it had sent by then is still answered.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use hyper::Request;
use hyper::body::Incoming;
use hyper::header::CONNECTION;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};

use super::{HEAD_BYTES, Listener, answer};
use crate::proxy::forward::{Client, Way};
use crate::proxy::headers::{Hop, Origin};
use crate::proxy::listener::Place;

/// How often a client is asked whether it is still there, and how long it has to say so.
const PING: Duration = Duration::from_secs(30);
const PONG: Duration = Duration::from_secs(20);
/// Most streams that a client may take back before they were looked at; more of them end the connection.
const RESETS: usize = 20;
/// How long a client may take to leave that was told to, and for which nothing is on its way.
const FAREWELL: Duration = Duration::from_secs(1);
/// How long after its last request something may still be on its way to a client.
const QUIET: Duration = Duration::from_secs(5);
/// How long it may be.
const UNREAD: Duration = Duration::from_secs(60);

pub(super) async fn serve(
    listener: Arc<Listener>,
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    (origin, place): (Origin, Place),
) {
    let routes = listener.routes();
    let (busy, hop, unread) = (Busy::new(), Arc::new(Hop::new(origin)), routes.write(false));
    let mut http = http2::Builder::new(TokioExecutor::new());
    http.timer(TokioTimer::new())
        .max_concurrent_streams(routes.streams)
        .max_header_list_size(u32::try_from(HEAD_BYTES).unwrap_or(u32::MAX))
        .max_pending_accept_reset_streams(RESETS)
        .keep_alive_interval(PING)
        .keep_alive_timeout(PONG);
    let answered = service_fn(|request: Request<Incoming>| {
        let client = Client { hop: Arc::clone(&hop), place: Arc::clone(&place), way: Way::Stream { occupied: busy.begin(), unread } };
        let routes = listener.routes();
        async move {
            let mut answer = answer(&routes, &client, request).await;
            // The end of a request is no end of the connection here.
            answer.headers_mut().remove(CONNECTION);
            Ok::<_, Infallible>(answer)
        }
    });
    let connection = http.serve_connection(TokioIo::new(stream), answered);
    tokio::pin!(connection);
    // A client that breaks off is no failure of ours.
    let leaving = tokio::select! {
        _ = connection.as_mut() => return,
        () = busy.idle(routes.head) => FAREWELL,
        () = listener.stop.cancelled() => if busy.is_quiet() { FAREWELL } else { UNREAD },
    };
    connection.as_mut().graceful_shutdown();
    tokio::select! {
        _ = connection => {}
        () = busy.idle(leaving) => {}
    }
}

/// How much is under way on a connection.
pub(crate) struct Busy(Mutex<Load>);

struct Load {
    requests: usize,
    /// When the last of them ended.
    since: Instant,
}

/// Something under way on a connection; it counts until it is dropped.
pub(in crate::proxy) struct Occupied(Arc<Busy>);

impl Busy {
    fn new() -> Arc<Self> {
        Arc::new(Self(Mutex::new(Load { requests: 0, since: Instant::now() })))
    }

    fn load(&self) -> MutexGuard<'_, Load> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(self: &Arc<Self>) -> Arc<Occupied> {
        self.load().requests += 1;
        Arc::new(Occupied(Arc::clone(self)))
    }

    /// For how long nothing has been under way.
    fn quiet_for(&self) -> Option<Duration> {
        let load = self.load();
        (load.requests == 0).then(|| load.since.elapsed())
    }

    fn is_quiet(&self) -> bool {
        self.quiet_for().is_some_and(|quiet| quiet >= QUIET)
    }

    /// Returns when nothing has been under way for `limit`, counted from now.
    async fn idle(&self, limit: Duration) {
        let begun = Instant::now();
        loop {
            let quiet = self.quiet_for().unwrap_or_default().min(begun.elapsed());
            if quiet >= limit {
                return;
            }
            tokio::time::sleep(limit.saturating_sub(quiet)).await;
        }
    }
}

impl Drop for Occupied {
    fn drop(&mut self) {
        let mut load = self.0.load();
        load.requests = load.requests.saturating_sub(1);
        load.since = Instant::now();
    }
}
