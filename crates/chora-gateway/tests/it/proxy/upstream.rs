//! A replica that runs inside the test and says which release it is.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

type Answer = Response<UnsyncBoxBody<Bytes, hyper::Error>>;

/// A release's only replica.
pub(crate) struct Replica {
    pub(crate) name: String,
    pub(crate) address: String,
    seen: Arc<Seen>,
    stop: CancellationToken,
}

struct Seen {
    name: String,
    requests: AtomicUsize,
    connections: AtomicUsize,
    /// Bytes of the answers that have no end.
    sent: AtomicUsize,
    /// Requests to `/slow` answer once it is true.
    gate: watch::Sender<bool>,
}

impl Replica {
    pub(crate) async fn start(name: &str) -> Self {
        Self::on(TcpListener::bind("127.0.0.1:0").await.expect("a free port"), name)
    }

    /// Answers on a port that is listened on already.
    pub(crate) fn on(listener: TcpListener, name: &str) -> Self {
        let address = listener.local_addr().expect("an address").to_string();
        let seen = Arc::new(Seen {
            name: name.to_owned(),
            requests: AtomicUsize::new(0),
            connections: AtomicUsize::new(0),
            sent: AtomicUsize::new(0),
            gate: watch::Sender::new(false),
        });
        let stop = CancellationToken::new();
        tokio::spawn(serve(listener, Arc::clone(&seen), stop.clone()));
        Self { name: name.to_owned(), address, seen, stop }
    }

    /// How many requests it has had.
    pub(crate) fn requests(&self) -> usize {
        self.seen.requests.load(Ordering::SeqCst)
    }

    /// How many connections it has taken.
    pub(crate) fn connections(&self) -> usize {
        self.seen.connections.load(Ordering::SeqCst)
    }

    /// How much of answers that have no end was asked for.
    pub(crate) fn sent(&self) -> usize {
        self.seen.sent.load(Ordering::SeqCst)
    }

    /// Lets the requests to `/slow` be answered.
    pub(crate) fn open_gate(&self) {
        self.seen.gate.send_replace(true);
    }

    /// Closes its port and all its connections.
    pub(crate) fn stop(&self) {
        self.stop.cancel();
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// An answer that has no end.
fn endless(seen: &Arc<Seen>, kind: &'static str) -> Answer {
    let (seen, piece) = (Arc::clone(seen), Bytes::from([b"data: ".as_slice(), &[b'x'; 64 * 1024], b"\n\n"].concat()));
    let pieces = stream::repeat_with(move || {
        seen.sent.fetch_add(piece.len(), Ordering::SeqCst);
        Ok(Frame::data(piece.clone()))
    });
    let mut response = Response::new(StreamBody::new(pieces).boxed_unsync());
    response.headers_mut().insert("content-type", kind.parse().expect("a value"));
    response
}

async fn serve(listener: TcpListener, seen: Arc<Seen>, stop: CancellationToken) {
    loop {
        let stream = tokio::select! {
            accepted = listener.accept() => accepted.expect("a connection").0,
            () = stop.cancelled() => return,
        };
        seen.connections.fetch_add(1, Ordering::SeqCst);
        let (seen, stop) = (Arc::clone(&seen), stop.clone());
        tokio::spawn(async move {
            let answered = service_fn(|request| {
                let seen = Arc::clone(&seen);
                async move { Ok::<_, Infallible>(answer(&seen, request).await) }
            });
            let connection = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), answered);
            tokio::select! {
                _ = connection.with_upgrades() => {}
                () = stop.cancelled() => {}
            }
        });
    }
}

fn text(text: impl Into<Bytes>) -> Answer {
    Response::new(Full::new(text.into()).map_err(|never| match never {}).boxed_unsync())
}

fn strict() -> Answer {
    let mut response = text("");
    response.headers_mut().insert("strict-transport-security", "max-age=1; includeSubDomains".parse().expect("a value"));
    response
}

fn broken() -> Answer {
    let mut response = text("it is broken");
    *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    response
}

/// A stream that begins with one event and stays open.
fn events(first: String) -> Answer {
    let first = stream::iter([Ok(Frame::data(Bytes::from(first)))]).chain(stream::pending());
    let mut response = Response::new(StreamBody::new(first).boxed_unsync());
    response.headers_mut().insert("content-type", "text/event-stream".parse().expect("a value"));
    response
}

async fn answer(seen: &Arc<Seen>, mut request: Request<Incoming>) -> Answer {
    seen.requests.fetch_add(1, Ordering::SeqCst);
    let session = request.headers().get("mcp-session-id").cloned();
    let path = request.uri().path().to_owned();
    match path.as_str() {
        "/echo" => Response::new(request.into_body().boxed_unsync()),
        "/head" => {
            let lines = request.headers().iter().map(|(name, value)| format!("{name}: {}\n", value.to_str().expect("text")));
            let mut response = text(lines.collect::<String>());
            response.headers_mut().insert("connection", "x-internal".parse().expect("a value"));
            response.headers_mut().insert("x-internal", "1".parse().expect("a value"));
            response.headers_mut().insert("keep-alive", "timeout=5".parse().expect("a value"));
            response
        }
        "/hsts" => strict(),
        "/slow" => {
            seen.gate.subscribe().wait_for(|open| *open).await.expect("a gate");
            text(seen.name.clone())
        }
        "/broken" => broken(),
        "/stream" => events(format!("data: {}\n\n", seen.name)),
        "/endless" => endless(seen, "application/octet-stream"),
        "/flood" => endless(seen, "text/event-stream"),
        "/sse" => events(format!("event: endpoint\ndata: /messages?sessionId=old-{}\n\n", seen.name)),
        "/upgrade" => {
            let changing = hyper::upgrade::on(&mut request);
            let name = seen.name.clone();
            tokio::spawn(async move {
                let mut stream = TokioIo::new(changing.await.expect("an upgraded connection"));
                let mut byte = [0];
                stream.write_all(name.as_bytes()).await.expect("a write");
                while stream.read(&mut byte).await.is_ok_and(|read| read == 1) {
                    _ = stream.write_all(&byte.map(|byte| byte.to_ascii_uppercase())).await;
                }
            });
            let mut response = text("");
            *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
            response.headers_mut().insert("connection", "upgrade".parse().expect("a value"));
            response.headers_mut().insert("upgrade", "shout".parse().expect("a value"));
            response
        }
        "/mcp" if request.method() == Method::GET => events(format!("data: {}\n\n", seen.name)),
        "/mcp" => {
            let body = request.into_body().collect().await.expect("a body").to_bytes();
            let mut response = text(seen.name.clone());
            if session.is_none() && body.starts_with(b"initialize") {
                let id = format!("{}-{}", seen.name, seen.requests.load(Ordering::SeqCst));
                response.headers_mut().insert("mcp-session-id", id.parse().expect("a value"));
            }
            response
        }
        _ => {
            // Read to its end, so that the connection can be used again.
            request.into_body().collect().await.expect("a body");
            text(format!("{} {path}", seen.name))
        }
    }
}
