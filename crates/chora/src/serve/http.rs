//! The HTTP server: streamable HTTP at `/mcp`, its own health at `/health`.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::Request;
use axum::http::{Method, StatusCode};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use axum::serve::ListenerExt as _;
use chora_gateway::{Guard, is_loopback};
use chora_ops::{Failure, FailureKind};
use rmcp::model::ProtocolVersion;
use rmcp::transport::streamable_http_server::session::local::{LocalSessionManager, SessionConfig};
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::guard::admit;
use super::health::Vitals;
use super::token;
use super::{ServeOptions, Stop};
use crate::mcp::{Door, Running};

/// How long a session may be idle. A long call without progress counts as idle, so this is longer than any deployment.
const IDLE: Duration = Duration::from_secs(2 * 60 * 60);
/// The largest request body.
const BODY_BYTES: usize = 4 * 1024 * 1024;
/// How long answers have to reach their clients once nothing is under way any more; streams that stay open take all of it.
const ANSWERING: Duration = Duration::from_millis(500);
/// How long streams have to close.
const CLOSING: Duration = Duration::from_secs(2);

/// A server that has its address.
pub(super) struct Server {
    listener: TcpListener,
    address: SocketAddr,
    router: Router,
    streams: CancellationToken,
    running: Running,
}

impl Server {
    pub(super) async fn bind(options: &ServeOptions, door: Door, running: Running) -> Result<Self, Failure> {
        let token = options.token_file.as_deref().map(token::read).transpose()?;
        if token.is_none() && !options.insecure_no_token && !is_loopback(options.listen) {
            let failure = Failure::new(
                FailureKind::Denied,
                format!("{} can be reached from other machines and no token is asked for", options.listen),
            );
            return Err(failure
                .state("nothing is served")
                .hint("give --token-file, listen on 127.0.0.1, or on a closed network say --insecure-no-token"));
        }
        let (listener, address) = listen(options.listen).await?;
        let lower = |names: &[String]| names.iter().map(|name| name.to_ascii_lowercase()).collect();
        let guard = Arc::new(Guard { hosts: lower(&options.allow_host), origins: lower(&options.allow_origin), token });
        let streams = CancellationToken::new();
        let vitals = Vitals { started: Instant::now(), tools: door.tools(), max_sessions: options.max_sessions, running: running.clone() };
        Ok(Self { listener, address, router: router(door, vitals, guard, &streams), streams, running })
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Serves until told to stop; then calls under way have their time, and after that open streams are closed.
    pub(super) async fn run(self, stop: &mut Stop, limit: Duration) -> Result<(), Failure> {
        let (stopping, streams, running) = (CancellationToken::new(), self.streams, self.running);
        let listener = self.listener.tap_io(|stream| {
            // Answers are small and awaited: waiting for more to send would cost 40 ms each.
            _ = stream.set_nodelay(true);
        });
        let serving = axum::serve(listener, self.router).with_graceful_shutdown(stopping.clone().cancelled_owned());
        let mut serving = tokio::spawn(async move { serving.await });
        tokio::select! {
            ended = &mut serving => return ended.map_err(|error| error.to_string()).and_then(|ended| ended.map_err(|error| error.to_string())).map_err(|reason| broken(&reason)),
            () = stop.requested() => {}
        }
        stopping.cancel();
        super::settle(&running, stop, true, limit).await;
        // The last answers go out first: closing the streams would cut them off.
        if tokio::time::timeout(ANSWERING, &mut serving).await.is_err() {
            streams.cancel();
            if tokio::time::timeout(CLOSING, &mut serving).await.is_err() {
                serving.abort();
            }
        }
        Ok(())
    }
}

fn broken(reason: &str) -> Failure {
    Failure::new(FailureKind::Unavailable, format!("the server ended: {reason}"))
}

pub(crate) async fn listen(address: SocketAddr) -> Result<(TcpListener, SocketAddr), Failure> {
    let bound = async {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        Ok::<_, std::io::Error>((listener, address))
    };
    bound.await.map_err(|error| {
        let kind = match error.kind() {
            std::io::ErrorKind::AddrInUse => FailureKind::Conflict,
            std::io::ErrorKind::PermissionDenied => FailureKind::Denied,
            _ => FailureKind::Invalid,
        };
        Failure::new(kind, format!("{address} cannot be listened on: {error}"))
            .state("nothing is served")
            .hint("name another address with --listen")
    })
}

fn router(door: Door, vitals: Vitals, guard: Arc<Guard>, streams: &CancellationToken) -> Router {
    let mut sessions = LocalSessionManager::default();
    sessions.session_config = session_config();
    let sessions = Arc::new(sessions);
    // Host and Origin are checked by the guard, for every path.
    let config = StreamableHttpServerConfig::default()
        .disable_allowed_hosts()
        .with_json_response(true)
        .with_max_request_body_bytes(BODY_BYTES)
        .with_cancellation_token(streams.clone());
    let mcp = StreamableHttpService::new(move || Ok(door.clone()), Arc::clone(&sessions), config);
    let room = Room { sessions: Arc::clone(&sessions), most: vitals.max_sessions };
    let room = Arc::new(room);
    let mcp = Router::new().route_service("/mcp", mcp).layer(from_fn(move |request, next| {
        let room = Arc::clone(&room);
        async move { room.admit(request, next).await }
    }));
    let vitals = Arc::new(vitals);
    let health = get(move || async move { vitals.document(sessions.sessions.read().await.len()) });
    Router::new().merge(mcp).route("/health", health).layer(from_fn(move |request, next| {
        let guard = Arc::clone(&guard);
        async move { admit(&guard, request, next).await }
    }))
}

fn session_config() -> SessionConfig {
    let mut config = SessionConfig::default();
    config.keep_alive = Some(IDLE);
    config
}

/// Bounds the number of sessions.
struct Room {
    sessions: Arc<LocalSessionManager>,
    most: usize,
}

impl Room {
    async fn admit(&self, request: Request, next: Next) -> Response {
        if opens_session(&request) && self.sessions.sessions.read().await.len() >= self.most {
            return (StatusCode::SERVICE_UNAVAILABLE, [("retry-after", "10")], "all sessions are taken; end one, or raise --max-sessions")
                .into_response();
        }
        next.run(request).await
    }
}

/// A request without a session makes one, unless it speaks a revision without sessions.
fn opens_session(request: &Request) -> bool {
    let headers = request.headers();
    let stateless =
        headers.get("mcp-protocol-version").is_some_and(|version| version.as_bytes() >= ProtocolVersion::V_2026_07_28.as_str().as_bytes());
    request.method() == Method::POST && !stateless && !headers.contains_key("mcp-session-id")
}
