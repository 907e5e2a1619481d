//! The side of the clients: streamable HTTP at `/mcp` for every revision that has it, HTTP+SSE at `/sse` for the oldest,
//! health at `/health` and `/ready`, metrics on a listener of their own. With many servers each has all this under its name.

mod answer;
mod events;
mod exchange;
mod guard;
mod health;
mod house;
mod legacy;
mod modern;
mod oldest;
pub(crate) mod param_headers;
mod standard_headers;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::header::ORIGIN;
use hyper::http::request::Parts;
use hyper::{HeaderMap, Method, Request, StatusCode};
use tokio_util::sync::CancellationToken;

use self::answer::{Answer, refuse};
pub use self::guard::{Guard, Refusal, Token, is_loopback, open_to};
pub use self::house::{serve, serve_many, serve_many_metrics, serve_metrics};
use crate::bridge::Bridge;
use crate::message::params::{self, REVISION};
use crate::message::{Fault, Message, NotMessage, code};
use crate::revision::Revision;

/// How long a client may take to send a body.
const BODY: Duration = Duration::from_secs(60);

/// Where a bridge is served, and to whom.
#[derive(Debug, Clone)]
pub struct FrontSettings {
    /// Who may call.
    pub guard: Guard,
    /// Largest body of a request, in bytes.
    pub body_bytes: usize,
    /// Most connections at once.
    pub max_connections: usize,
}

/// What all connections to one server share.
pub(crate) struct Front {
    pub(crate) bridge: Arc<Bridge>,
    /// What its paths begin with: nothing, or a slash and a name.
    prefix: Box<str>,
    settings: Arc<FrontSettings>,
    stopping: CancellationToken,
}

impl Front {
    /// Answers what is asked at `path`, which is without the prefix.
    async fn answer(&self, path: &str, request: Request<Incoming>) -> Answer {
        self.bridge.metrics.requests.add(1);
        let (parts, body) = request.into_parts();
        let about_itself = matches!(path, "/health" | "/ready");
        let origin = parts.headers.get(ORIGIN).cloned();
        // A page asks without its token whether it may ask with it.
        let asks_first = parts.method == Method::OPTIONS && origin.is_some();
        if let Err(refusal) = self.settings.guard.check(&parts, about_itself || asks_first) {
            self.bridge.metrics.refused.add(1);
            return refuse(refusal.status, refusal.why);
        }
        let mut answer = if asks_first { answer::empty(StatusCode::NO_CONTENT) } else { self.answer_admitted(path, &parts, body).await };
        if let Some(origin) = origin {
            open_to(answer.headers_mut(), origin);
        }
        answer
    }

    async fn answer_admitted(&self, path: &str, parts: &Parts, body: Incoming) -> Answer {
        match (path, &parts.method) {
            ("/health", &Method::GET) => health::live(&self.bridge),
            ("/ready", &Method::GET) => health::ready(&self.bridge),
            ("/mcp", &Method::POST) => match self.body(body).await {
                Ok(bytes) => self.post(parts, &bytes).await,
                Err(answer) => answer,
            },
            ("/mcp", &Method::GET) => legacy::listen(self, parts),
            ("/mcp", &Method::DELETE) => legacy::delete(self, parts).await,
            ("/sse", &Method::GET) => oldest::open(self).await,
            ("/messages", &Method::POST) => match self.body(body).await {
                Ok(bytes) => oldest::post(self, parts, &bytes).await,
                Err(answer) => answer,
            },
            ("/mcp", _) => answer::not_allowed("GET, POST, DELETE"),
            ("/health" | "/ready" | "/sse", _) => answer::not_allowed("GET"),
            ("/messages", _) => answer::not_allowed("POST"),
            _ => refuse(StatusCode::NOT_FOUND, "nothing is served here; MCP is at /mcp"),
        }
    }

    async fn body(&self, body: Incoming) -> Result<Bytes, Answer> {
        let limit = self.settings.body_bytes;
        let read = tokio::time::timeout(BODY, Limited::new(body, limit).collect()).await;
        match read {
            Ok(Ok(collected)) => Ok(collected.to_bytes()),
            Ok(Err(error)) if error.is::<LengthLimitError>() => {
                self.bridge.metrics.refused.add(1);
                Err(refuse(StatusCode::PAYLOAD_TOO_LARGE, "the body is larger than --max-body"))
            }
            Ok(Err(_)) => Err(refuse(StatusCode::BAD_REQUEST, "the body broke off")),
            Err(_) => Err(refuse(StatusCode::REQUEST_TIMEOUT, "the body did not arrive in time")),
        }
    }

    async fn post(&self, parts: &Parts, body: &[u8]) -> Answer {
        if !says(&parts.headers, "content-type", "application/json") {
            return refuse(StatusCode::UNSUPPORTED_MEDIA_TYPE, "the body must be application/json");
        }
        let version = header(&parts.headers, "mcp-protocol-version");
        let message = match Message::parse(body) {
            Ok(message) => message,
            Err(NotMessage::NotJson(reason)) => {
                return answer::fault(StatusCode::BAD_REQUEST, None, &Fault::new(code::PARSE, format!("the body is not JSON: {reason}")));
            }
            Err(error) => return answer::fault(StatusCode::BAD_REQUEST, None, &Fault::new(code::INVALID_REQUEST, error.to_string())),
        };
        if is_modern(version, &message) { modern::post(self, parts, message).await } else { legacy::post(self, parts, message).await }
    }
}

/// A request stands alone when its header or its body says so; what else it claims is looked at later.
fn is_modern(version: Option<&str>, message: &Message) -> bool {
    match version {
        Some(version) if Revision::parse(version).is_some_and(Revision::is_modern) => true,
        Some(version) if Revision::parse(version).is_some() => false,
        // Unknown revisions: those after the newest that is known have no handshake either.
        _ => match message {
            Message::Request(request) => params::meta(request.params.as_deref(), REVISION).is_some(),
            Message::Notification(_) => version.is_some_and(|version| version > Revision::MODERN.as_str()),
            Message::Response(_) => false,
        },
    }
}

/// A header that is there once and is text.
fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// Whether a header names a media type, `*/*` included; an absent header accepts all.
fn says(headers: &HeaderMap, name: &str, media_type: &str) -> bool {
    let Some(kind) = media_type.split('/').next() else { return false };
    let mut values = headers.get_all(name).iter().peekable();
    values.peek().is_none()
        || values.filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(',')).any(|range| {
            let range = range.split(';').next().unwrap_or_default().trim();
            range.eq_ignore_ascii_case(media_type)
                || range == "*/*"
                || range.strip_suffix("/*").is_some_and(|all| all.eq_ignore_ascii_case(kind))
        })
}
