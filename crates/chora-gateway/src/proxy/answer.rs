//! What the gateway says itself.

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::header::{CONNECTION, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use hyper::{Response, StatusCode};

use super::response_body::Broken;

/// What a client gets.
pub(super) type Answer = Response<UnsyncBoxBody<Bytes, Broken>>;

/// An answer of ready bytes.
pub(super) fn whole(status: StatusCode, media_type: &'static str, body: impl Into<Bytes>) -> Answer {
    let body = Full::new(body.into()).map_err(|never| match never {});
    let mut response = Response::new(body.boxed_unsync());
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    response
}

/// A short no.
pub(super) fn refuse(status: StatusCode, why: &str) -> Answer {
    whole(status, "text/plain; charset=utf-8", format!("{why}\n"))
}

/// The same answer, and the end of its connection: where a request is not sound, neither is what comes behind it.
pub(super) fn last(mut answer: Answer) -> Answer {
    answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    answer
}

/// A no that may be a yes in `seconds`.
pub(super) fn later(status: StatusCode, why: &str, seconds: u64) -> Answer {
    let mut response = refuse(status, why);
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    response
}

/// The session is gone: an MCP client opens a new one on this.
pub(super) fn session_gone() -> Answer {
    const BODY: &str = r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32001,"message":"session not found"}}"#;
    whole(StatusCode::NOT_FOUND, "application/json", BODY)
}

/// The page of a service that is being worked on.
pub(super) fn maintenance(message: &str) -> Answer {
    let message = message.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let page = format!("<!doctype html><meta charset=\"utf-8\"><title>Maintenance</title><h1>Maintenance</h1><p>{message}</p>\n");
    let mut response = whole(StatusCode::SERVICE_UNAVAILABLE, "text/html; charset=utf-8", page);
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("60"));
    response
}
