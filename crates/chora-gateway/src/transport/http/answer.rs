//! Responses.

use std::convert::Infallible;

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Empty, Full};
use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use hyper::{Response, StatusCode};

use crate::message::{Fault, Id, Message, Response as Reply};
use crate::upstream::written;

/// A body that is sent as it comes.
pub(super) type Body = UnsyncBoxBody<Bytes, Infallible>;
/// What a client gets.
pub(super) type Answer = Response<Body>;

/// An answer of ready bytes.
pub(super) fn whole(status: StatusCode, media_type: &'static str, body: impl Into<Bytes>) -> Answer {
    let mut response = Response::new(Full::new(body.into()).boxed_unsync());
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    response
}

/// A message as JSON. One that says to try again says when.
pub(super) fn json(status: StatusCode, message: Bytes) -> Answer {
    let mut response = whole(status, "application/json", message);
    if status == StatusCode::SERVICE_UNAVAILABLE {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
    }
    response
}

/// An answer without a body.
pub(super) fn empty(status: StatusCode) -> Answer {
    let mut response = Response::new(Empty::new().boxed_unsync());
    *response.status_mut() = status;
    response
}

/// A no that is not the protocol's.
pub(super) fn refuse(status: StatusCode, why: &'static str) -> Answer {
    let mut response = whole(status, "text/plain; charset=utf-8", why);
    if status == StatusCode::UNAUTHORIZED {
        response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"chora\""));
    }
    response
}

pub(super) fn not_allowed(allowed: &'static str) -> Answer {
    let mut response = refuse(StatusCode::METHOD_NOT_ALLOWED, "this method is not served here");
    response.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
    response
}

/// A JSON-RPC error.
pub(super) fn fault(status: StatusCode, id: Option<Id>, fault: &Fault) -> Answer {
    json(status, written(&Message::Response(Reply::error(id, fault))))
}

/// A body of events, sent as they come; no proxy on the way may hold them back.
pub(super) fn events(body: Body) -> Answer {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache, no-transform"));
    headers.insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    response
}
