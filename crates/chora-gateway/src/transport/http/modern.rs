//! Revision 2026-07-28: every request stands alone, and nobody waiting for an answer is a cancellation.

use std::sync::Arc;

use bytes::Bytes;
use hyper::StatusCode;
use hyper::http::request::Parts;

use super::answer::{Answer, empty, fault, json, refuse};
use super::exchange::{Exchange, LoneCall, PassingCall, Took, exchange};
use super::{Front, header, param_headers, says, standard_headers};
use crate::bridge::{ChildSharing, Era};
use crate::message::{Fault, Message, Request, Response, code, params};
use crate::revision::Revision;
use crate::stream::Stream;
use crate::translate::to_legacy::{self, Begun};
use crate::upstream::{Caller, Outbound, Sink, unavailable, written};

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
        Ok(Era::Modern) => {}
        Ok(Era::Legacy) => return translated(front, request).await,
        Err(gone) => return fault(StatusCode::SERVICE_UNAVAILABLE, Some(request.id), &unavailable(&gone)),
    }
    if let Err(no) = check_params(front, parts, &request).await {
        return fault(StatusCode::BAD_REQUEST, Some(request.id), &no);
    }
    let stream = Arc::new(Stream::new(false));
    let caller = Caller { session: None, id: request.id.clone(), sink: Sink::Client(Arc::clone(&stream)) };
    let took = Took::new(front);
    let (upstream, number) = match front.bridge.lone_call(Outbound { caller, method: request.method, params: request.params }).await {
        Ok(sent) => sent,
        Err(gone) => return fault(StatusCode::SERVICE_UNAVAILABLE, Some(request.id), &unavailable(&gone)),
    };
    let own_process = front.bridge.settings.sharing == ChildSharing::Request;
    let held = LoneCall { upstream, number, own_process, took, is_over: false };
    exchange(front, Exchange { stream, name: None, opening: Bytes::new(), status, held }).await
}

/// Answers a request before a server that wants a handshake.
async fn translated(front: &Front, request: Request) -> Answer {
    let stream = Arc::new(Stream::new(false));
    let took = Took::new(front);
    match to_legacy::begin(&front.bridge, &request, &stream).await {
        Begun::Answered(outcome) => {
            let answered = status(outcome.code());
            json(answered, written(&Message::Response(Response { id: Some(request.id), outcome })))
        }
        Begun::UnderWay(session) => {
            let connected = session.connected();
            let held = PassingCall { session, took, is_over: false, _connected: connected };
            exchange(front, Exchange { stream, name: None, opening: Bytes::new(), status, held }).await
        }
    }
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
