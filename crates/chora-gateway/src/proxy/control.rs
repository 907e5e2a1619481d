//! The control API: JSON over HTTP on the control socket. An answer other than 200 is `{"error":"…"}`, and nothing has
//! changed. Times are in milliseconds.
//!
//! | call | body or query | answer |
//! |---|---|---|
//! | `GET /v1/state` | | `{table, listeners: [{bind, local}], services: {<name>: {active, releases, hold, …}}}` |
//! | `PUT /v1/table?drain_ms=` | a table | `{switched: [<as /v1/switch>]}` |
//! | `POST /v1/switch` | `{service, release: {name, addresses}, drain_ms}` | `{switched, from, to, in_flight, streams, sessions}` |
//! | `GET /v1/drain/<service>?wait_ms=` | | `{done, active, releases: [{name, state, in_flight, …, end}]}` |
//! | `POST /v1/hold` | `{service, limit_ms}` | `{held, in_flight, limit_ms}` |
//! | `POST /v1/release-hold` | `{service, ready_ms}` | `{held, refused, longest_wait_ms}` |
//! | `POST /v1/maintenance` | `{on, message, allow: [<path prefix>]}` | `{maintenance}` |
//! | `POST /v1/rehearse` | `{candidates: [{service, release: {name, addresses}, questions}]}` | `{answers: [[{ok, words}]]}` |
//! | `POST /v1/watch` | a watch: `{name, until_ms, drain_ms, back: {<name>: {name, addresses}}, questions, back_questions, …}` | `{watching}` |
//! | `GET /v1/watch` | | `{watch}`, with `end: {state, at_ms, why}` once it has ended |
//! | `DELETE /v1/watch` | | `{watching}` |
//! | `GET /v1/files` | | `{files: [<SHA-256>]}` |
//! | `PUT /v1/files` | `{sha256, text}` | `{path}` |
//! | `DELETE /v1/files` | | `{forgotten}`: how many files the table did not name |
//! | `POST /v1/canary` | `{canaries: {<name>: {release: {name, addresses}, share, header: {name, value}, cookie: {name, value}}}, drain_ms}` | `{canaries: [<name>]}` |
//! | `GET /v1/canary` | | `{canaries: {<name>: {release, new: {requests, ended, errors, latencies: [[us, count]]}, old: {…}}}}` |
//! | `DELETE /v1/canary?drain_ms=` | | `{canaries: []}` |
//! | `GET /metrics` | | text of Prometheus |
//!
//! Calls about holds take `services: [<name>]` as well: then the answer has sums, and the longest wait.

mod files;
mod holding;
mod rehearsal;
mod report;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use hyper::http::request::Parts;
use hyper::service::service_fn;
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::net::UnixStream;
use tokio_util::sync::CancellationToken;

use super::answer::{self, Answer};
use super::files::FileError;
use super::plane::{ChangeError, Plane};
use super::socket::ControlSocket;
use super::table::{CanaryEntry, Maintenance, ReleaseEntry, Table, TableError};
use super::watch::WatchEntry;

/// Largest body, in bytes.
pub(super) const BODY_BYTES: usize = 4 * 1024 * 1024;
/// How long a caller may take to send a head or a body.
const CALLER: Duration = Duration::from_secs(30);
/// How long a release may take to drain when nobody says.
const DRAIN_MS: u64 = 30_000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SwitchRequest {
    service: String,
    release: ReleaseEntry,
    #[serde(default = "drain_ms")]
    drain_ms: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MaintenanceRequest {
    on: bool,
    #[serde(default)]
    message: String,
    #[serde(default)]
    allow: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CanaryRequest {
    canaries: BTreeMap<String, CanaryEntry>,
    #[serde(default = "drain_ms")]
    drain_ms: u64,
}

fn drain_ms() -> u64 {
    DRAIN_MS
}

/// Why a call was not done.
#[derive(Debug, thiserror::Error)]
enum Refused {
    #[error(transparent)]
    Change(#[from] ChangeError),
    #[error(transparent)]
    Table(#[from] TableError),
    #[error(transparent)]
    File(#[from] FileError),
    #[error("{0}")]
    Request(String),
    #[error("{} not held", of(.0))]
    NotHeld(Vec<String>),
    #[error("there is no such call")]
    NoCall,
}

fn of(services: &[String]) -> String {
    match services {
        [service] => format!("service {service} is"),
        services => format!("services {} are", services.join(", ")),
    }
}

impl Refused {
    fn status(&self) -> StatusCode {
        match self {
            Self::Change(ChangeError::NoService(_)) | Self::File(FileError::None) | Self::NoCall => StatusCode::NOT_FOUND,
            Self::Change(ChangeError::BadRelease(_)) | Self::File(FileError::Other(_)) | Self::Table(_) | Self::Request(_) => {
                StatusCode::BAD_REQUEST
            }
            Self::Change(ChangeError::Bind { .. } | ChangeError::Certificate { .. }) | Self::NotHeld(_) => StatusCode::CONFLICT,
            Self::Change(ChangeError::StateFile(_) | ChangeError::Interrupted)
            | Self::File(FileError::Folder { .. } | FileError::Interrupted) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

/// Serves the API until `stop` is cancelled.
pub(super) async fn serve(socket: ControlSocket, plane: Arc<Plane>, stop: CancellationToken) {
    loop {
        let accepted = tokio::select! {
            accepted = socket.listener.accept() => accepted,
            () = stop.cancelled() => return,
        };
        match accepted {
            Ok((stream, _)) => drop(tokio::spawn(connection(stream, Arc::clone(&plane), stop.clone()))),
            Err(error) => {
                tracing::warn!("a control connection cannot be accepted: {error}");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

async fn connection(stream: UnixStream, plane: Arc<Plane>, stop: CancellationToken) {
    let answered = service_fn(|request: Request<Incoming>| {
        let plane = Arc::clone(&plane);
        async move { Ok::<_, Infallible>(answer(&plane, request).await) }
    });
    let mut http = hyper::server::conn::http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(CALLER);
    tokio::select! {
        // A caller that breaks off is no failure of ours.
        _ = http.serve_connection(TokioIo::new(stream), answered) => {}
        () = stop.cancelled() => {}
    }
}

async fn answer(plane: &Plane, request: Request<Incoming>) -> Answer {
    let (parts, body) = request.into_parts();
    if (parts.uri.path(), &parts.method) == ("/metrics", &Method::GET) {
        return answer::whole(StatusCode::OK, "text/plain; version=0.0.4; charset=utf-8", report::metrics(plane).await);
    }
    match call(plane, &parts, body).await {
        Ok(document) => answer::whole(StatusCode::OK, "application/json", document.to_string()),
        Err(refused) => answer::whole(refused.status(), "application/json", json!({ "error": refused.to_string() }).to_string()),
    }
}

async fn call(plane: &Plane, parts: &Parts, body: Incoming) -> Result<Value, Refused> {
    match (&parts.method, parts.uri.path()) {
        (&Method::GET, "/v1/state") => Ok(report::state(plane).await),
        (&Method::PUT, "/v1/table") => {
            let table = Table::parse(&read(body).await?)?;
            let limit = number(parts, "drain_ms")?.unwrap_or(DRAIN_MS);
            Ok(json!({ "switched": plane.put(table, Duration::from_millis(limit)).await? }))
        }
        (&Method::POST, "/v1/switch") => {
            let request: SwitchRequest = parse(body).await?;
            let done = plane.switch(&request.service, request.release, Duration::from_millis(request.drain_ms)).await?;
            Ok(json!(done))
        }
        (&Method::POST, "/v1/hold") => {
            let request: holding::HoldRequest = parse(body).await?;
            holding::hold(plane, request)
        }
        (&Method::POST, "/v1/release-hold") => {
            let request: holding::ReleaseHoldRequest = parse(body).await?;
            holding::release(plane, request).await
        }
        (&Method::POST, "/v1/maintenance") => {
            let MaintenanceRequest { on, message, allow } = parse(body).await?;
            plane.set_maintenance(on.then_some(Maintenance { message, allow })).await?;
            Ok(json!({ "maintenance": on }))
        }
        (method, "/v1/files") => files::call(plane, method, body).await,
        (&Method::POST, "/v1/rehearse") => rehearsal::rehearse(plane, parse(body).await?).await,
        (&Method::GET, "/v1/watch") => Ok(json!({ "watch": plane.watch().await })),
        (&Method::POST, "/v1/watch") => {
            plane.set_watch(Some(parse::<WatchEntry>(body).await?)).await?;
            Ok(json!({ "watching": true }))
        }
        (&Method::DELETE, "/v1/watch") => {
            plane.set_watch(None).await?;
            Ok(json!({ "watching": false }))
        }
        (_, "/v1/canary") => canary(plane, parts, body).await,
        (&Method::GET, path) => {
            let service = path.strip_prefix("/v1/drain/").ok_or(Refused::NoCall)?;
            let service = decoded(service).ok_or_else(|| ChangeError::NoService(service.to_owned()))?;
            let wait = number(parts, "wait_ms")?.unwrap_or(DRAIN_MS);
            Ok(report::drain(&*plane.service(&service)?, Duration::from_millis(wait)).await)
        }
        _ => Err(Refused::NoCall),
    }
}

async fn canary(plane: &Plane, parts: &Parts, body: Incoming) -> Result<Value, Refused> {
    let (canaries, limit) = match parts.method {
        Method::GET => return Ok(report::canaries(plane)),
        Method::POST => {
            let request: CanaryRequest = parse(body).await?;
            (request.canaries, request.drain_ms)
        }
        Method::DELETE => (BTreeMap::new(), number(parts, "drain_ms")?.unwrap_or(DRAIN_MS)),
        _ => return Err(Refused::NoCall),
    };
    let names: Vec<String> = canaries.keys().cloned().collect();
    plane.set_canaries(canaries, Duration::from_millis(limit)).await?;
    Ok(json!({ "canaries": names }))
}

async fn parse<T: DeserializeOwned>(body: Incoming) -> Result<T, Refused> {
    serde_json::from_slice(&read(body).await?).map_err(|error| Refused::Request(format!("the body is not what was expected: {error}")))
}

async fn read(body: Incoming) -> Result<bytes::Bytes, Refused> {
    match tokio::time::timeout(CALLER, Limited::new(body, BODY_BYTES).collect()).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(_)) => Err(Refused::Request("the body broke off or is too large".to_owned())),
        Err(_) => Err(Refused::Request("the body did not arrive in time".to_owned())),
    }
}

/// A number in the query.
fn number(parts: &Parts, name: &str) -> Result<Option<u64>, Refused> {
    let query = parts.uri.query().unwrap_or_default();
    let Some((_, value)) = form_urlencoded::parse(query.as_bytes()).find(|(other, _)| other == name) else { return Ok(None) };
    value.parse().map(Some).map_err(|_| Refused::Request(format!("{name} must be a number of milliseconds")))
}

/// A part of a path without its percent encoding.
fn decoded(part: &str) -> Option<String> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let mut decoded = Vec::with_capacity(part.len());
    let mut bytes = part.bytes();
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'%' => digit(bytes.next()?)? * 16 + digit(bytes.next()?)?,
            other => other,
        });
    }
    String::from_utf8(decoded).ok()
}
