//! Revision 2026-07-28: every request stands alone, and nobody waiting for an answer is a cancellation.

use std::sync::Arc;

use bytes::Bytes;
use hyper::StatusCode;
use hyper::http::request::Parts;

use super::answer::{Answer, empty, fault, json, refuse};
use super::exchange::{Exchange, exchange};
use super::{Front, header, param_headers, says, standard_headers};
use crate::bridge::Era;
use crate::calls::{self, Lone};
use crate::message::{Fault, Id, Message, Outcome, Request, Response, code, params};
use crate::revision::Revision;
use crate::stream::Stream;
use crate::upstream::{unavailable, written};

/// Answers one message.
pub(super) async fn post(front: &Front, parts: &Parts, message: Message) -> Answer {
    match message {
        Message::Request(request) => call(front, parts, request).await,
        // The revision has none that a server must act on; clients in the field send them nevertheless.
        Message::Notification(_) => match header(&parts.headers, "mcp-protocol-version").map(unsupported) {
            Some(Some(no)) => fault(StatusCode::BAD_REQUEST, None, &no),
            _ => empty(StatusCode::ACCEPTED),
        },
        Message::Response(_) => fault(
            StatusCode::BAD_REQUEST,
            None,
            &Fault::new(code::INVALID_REQUEST, "a server of this revision asks nothing that can be answered"),
        ),
    }
}

async fn call(front: &Front, parts: &Parts, request: Request) -> Answer {
    if !says(&parts.headers, "accept", "application/json") || !says(&parts.headers, "accept", "text/event-stream") {
        return refuse(StatusCode::NOT_ACCEPTABLE, "answers are application/json or text/event-stream; both must be accepted");
    }
    if let Err(no) = standard_headers::check(&parts.headers, &request) {
        return fault(StatusCode::BAD_REQUEST, Some(request.id), &no);
    }
    if request.method == "initialize" {
        let no = Fault::new(code::METHOD_NOT_FOUND, "this revision has no handshake");
        return fault(StatusCode::NOT_FOUND, Some(request.id), &no);
    }
    match front.bridge.era().await {
        Ok(Era::Modern) => {
            if let Err(no) = check_params(front, parts, &request).await {
                return fault(StatusCode::BAD_REQUEST, Some(request.id), &no);
            }
        }
        Ok(Era::Legacy) => {}
        Err(gone) => return fault(StatusCode::SERVICE_UNAVAILABLE, Some(request.id), &unavailable(&gone)),
    }
    let stream = Arc::new(Stream::new(false));
    let id = request.id.clone();
    match calls::begin(&front.bridge, request, &stream).await {
        Ok(Lone::Sent(held)) => exchange(front, Exchange { stream, name: None, opening: Bytes::new(), status, held }).await,
        Ok(Lone::Passing(held)) => exchange(front, Exchange { stream, name: None, opening: Bytes::new(), status, held }).await,
        Err(outcome) => answered(id, outcome),
    }
}

/// An answer that is there at once.
fn answered(id: Id, outcome: Outcome) -> Answer {
    let status = match outcome.code() {
        // The server is gone: its client may try again.
        Some(code::UNAVAILABLE) => StatusCode::SERVICE_UNAVAILABLE,
        error => status(error),
    };
    json(status, written(&Message::Response(Response { id: Some(id), outcome })))
}

/// Compares a call's `Mcp-Param-*` headers with its arguments. What the tool wants there is remembered; before a no it is
/// asked again, as the tool may have changed.
async fn check_params(front: &Front, parts: &Parts, request: &Request) -> Result<(), Fault> {
    if request.method != "tools/call" {
        return Ok(());
    }
    let params = request.params.as_deref();
    let arguments =
        params::member(params, "arguments").and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or(serde_json::Value::Null);
    let repeats = parts.headers.keys().any(|name| name.as_str().starts_with("mcp-param-"));
    let is_empty = arguments.as_object().is_none_or(serde_json::Map::is_empty);
    let Some(tool) = params::text(params, "name").filter(|_| repeats || !is_empty) else { return Ok(()) };
    let known = front.bridge.header_params(&tool, false).await;
    match param_headers::check(&parts.headers, &arguments, &known) {
        Ok(()) => Ok(()),
        Err(_) => param_headers::check(&parts.headers, &arguments, &front.bridge.header_params(&tool, true).await),
    }
}

/// The status that the revision gives to errors.
fn status(error: Option<i64>) -> StatusCode {
    match error {
        Some(
            code::PARSE
            | code::INVALID_REQUEST
            | code::INVALID_PARAMS
            | code::HEADER_MISMATCH
            | code::MISSING_CAPABILITY
            | code::UNSUPPORTED_REVISION,
        ) => StatusCode::BAD_REQUEST,
        Some(code::METHOD_NOT_FOUND) => StatusCode::NOT_FOUND,
        _ => StatusCode::OK,
    }
}

/// The error for a revision that is not served without a handshake; `None` where it is.
pub(super) fn unsupported(version: &str) -> Option<Fault> {
    if version == Revision::MODERN.as_str() {
        return None;
    }
    let data = serde_json::json!({ "supported": [Revision::MODERN.as_str()], "requested": version });
    Some(Fault::new(code::UNSUPPORTED_REVISION, "this revision is not supported").with(data))
}
