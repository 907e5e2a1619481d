//! Who answers at which path: one server, or many, each under its name.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::header::ORIGIN;
use hyper::service::Service;
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use super::answer::{Answer, empty, not_allowed, refuse};
use super::guard::open_to;
use super::{Front, FrontSettings, health};
use crate::bridge::Bridge;
use crate::many::Many;
use crate::transport::stall;

/// How long a client may take to send the head of a request.
const HEAD: Duration = Duration::from_secs(15);
/// How long a client may take nothing of what there is for it.
const UNREAD: Duration = Duration::from_secs(60);
/// How long open answers have to end once the server stops.
const CLOSING: Duration = Duration::from_secs(5);

/// Everything that is served on a listener.
struct House {
    /// Answers where no name is given.
    nameless: Option<Front>,
    named: HashMap<Box<str>, Front>,
    many: Option<Arc<Many>>,
    settings: Arc<FrontSettings>,
}

/// Serves a bridge on a listener until `stop` is cancelled; then open streams end and answers under way have a few seconds.
pub async fn serve(listener: TcpListener, bridge: Arc<Bridge>, settings: FrontSettings, stop: CancellationToken) {
    let settings = Arc::new(settings);
    let nameless = Some(Front { bridge, prefix: "".into(), settings: Arc::clone(&settings), stopping: stop.clone() });
    listen(listener, House { nameless, named: HashMap::new(), many: None, settings }, stop).await;
}

/// Serves many servers on a listener, each at `/NAME/mcp` and so on, until `stop` is cancelled, as [`serve`] does.
pub async fn serve_many(listener: TcpListener, many: Arc<Many>, settings: FrontSettings, stop: CancellationToken) {
    let settings = Arc::new(settings);
    let front = |bridge: &Arc<Bridge>, prefix: String| Front {
        bridge: Arc::clone(bridge),
        prefix: prefix.into(),
        settings: Arc::clone(&settings),
        stopping: stop.clone(),
    };
    let named = many.servers().iter().map(|named| (named.name.clone(), front(&named.bridge, format!("/{}", named.name)))).collect();
    let nameless = many.together().map(|bridge| front(bridge, String::new()));
    let house = House { nameless, named, many: Some(many), settings };
    listen(listener, house, stop).await;
}

async fn listen(listener: TcpListener, house: House, stop: CancellationToken) {
    let room = Arc::new(tokio::sync::Semaphore::new(house.settings.max_connections));
    let house = Arc::new(house);
    let graceful = GracefulShutdown::new();
    loop {
        // A connection waits in the kernel's queue while all places are taken.
        let place = tokio::select! {
            place = Arc::clone(&room).acquire_owned() => place,
            () = stop.cancelled() => break,
        };
        let Ok(place) = place else { break };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => break,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Out of file descriptors, or a client that left: others can still be served.
                tracing::warn!("a connection cannot be accepted: {error}");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let connection = connection(stream, Arc::clone(&house));
        let watched = graceful.watch(connection);
        tokio::spawn(async move {
            // A client that breaks off is no failure of ours.
            _ = watched.await;
            drop(place);
        });
    }
    _ = tokio::time::timeout(CLOSING, graceful.shutdown()).await;
}

type Connection = hyper::server::conn::http1::Connection<TokioIo<TcpStream>, Answerer>;
type Answering = std::pin::Pin<Box<dyn Future<Output = Result<Answer, Infallible>> + Send>>;

struct Answerer(Arc<House>);

impl Service<Request<Incoming>> for Answerer {
    type Response = Answer;
    type Error = Infallible;
    type Future = Answering;

    fn call(&self, request: Request<Incoming>) -> Answering {
        let house = Arc::clone(&self.0);
        Box::pin(async move { Ok(house.answer(request).await) })
    }
}

fn connection(stream: TcpStream, house: Arc<House>) -> Connection {
    // Answers are small and awaited: waiting for more to send would cost 40 ms each.
    _ = stream.set_nodelay(true);
    stall::limit_unless_set(&stream, UNREAD);
    let mut http = hyper::server::conn::http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD).max_buf_size(64 * 1024).half_close(false);
    http.serve_connection(TokioIo::new(stream), Answerer(house))
}

/// Serves a bridge's metrics, in the text format of Prometheus, on a listener of their own until `stop` is cancelled.
pub async fn serve_metrics(listener: TcpListener, bridge: Arc<Bridge>, stop: CancellationToken) {
    scraped(listener, Arc::new(move |path: &str| health::metrics(&bridge, path)), stop).await;
}

/// Serves the metrics of many servers, as [`serve_metrics`] does; the label `server` says whose they are.
pub async fn serve_many_metrics(listener: TcpListener, many: Arc<Many>, stop: CancellationToken) {
    scraped(listener, Arc::new(move |path: &str| health::metrics_of_many(&many, path)), stop).await;
}

async fn scraped<F>(listener: TcpListener, answering: Arc<F>, stop: CancellationToken)
where
    F: Fn(&str) -> Answer + Send + Sync + 'static,
{
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => return,
        };
        let Ok((stream, _)) = accepted else {
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let answering = Arc::clone(&answering);
        tokio::spawn(async move {
            let scraped = hyper::service::service_fn(move |request: Request<Incoming>| {
                let answer = answering(request.uri().path());
                async move { Ok::<_, Infallible>(answer) }
            });
            let mut http = hyper::server::conn::http1::Builder::new();
            http.timer(TokioTimer::new()).header_read_timeout(HEAD);
            // A scraper that breaks off is no failure of ours.
            _ = http.serve_connection(TokioIo::new(stream), scraped).await;
        });
    }
}

impl House {
    async fn answer(&self, request: Request<Incoming>) -> Answer {
        let path = request.uri().path().to_owned();
        if let Some(many) = &self.many {
            if matches!(path.as_str(), "/health" | "/ready") {
                return self.answer_itself(many, &path, &request);
            }
            let named = path.strip_prefix('/').and_then(|path| path.split_once('/'));
            if let Some((name, rest)) = named
                && let Some(front) = self.named.get(name)
            {
                return front.answer(&format!("/{rest}"), request).await;
            }
        }
        match &self.nameless {
            Some(front) => front.answer(&path, request).await,
            None => self.admitted(&request, false, || {
                refuse(StatusCode::NOT_FOUND, "nothing is served here; servers are at /NAME/mcp, and /health names them")
            }),
        }
    }

    /// What is asked of all servers at once.
    fn answer_itself(&self, many: &Many, path: &str, request: &Request<Incoming>) -> Answer {
        self.admitted(request, true, || match (path, request.method()) {
            ("/health", &Method::GET) => health::all_live(many),
            ("/ready", &Method::GET) => health::all_ready(many),
            _ => not_allowed("GET"),
        })
    }

    /// An answer for those who may ask.
    fn admitted(&self, request: &Request<Incoming>, about_itself: bool, answer: impl FnOnce() -> Answer) -> Answer {
        let origin = request.headers().get(ORIGIN).cloned();
        let asks_first = request.method() == Method::OPTIONS && origin.is_some();
        // What is checked is in the head.
        let (head, ()) = Request::new(()).into_parts();
        let mut parts = head;
        (parts.method, parts.uri, parts.headers) = (request.method().clone(), request.uri().clone(), request.headers().clone());
        if let Err(refusal) = self.settings.guard.check(&parts, about_itself || asks_first) {
            return refuse(refusal.status, refusal.why);
        }
        let mut answer = if asks_first { empty(StatusCode::NO_CONTENT) } else { answer() };
        if let Some(origin) = origin {
            open_to(answer.headers_mut(), origin);
        }
        answer
    }
}
