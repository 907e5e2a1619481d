//! Who may call: the checks of the gateway, before every request.

use axum::extract::Request;
use axum::http::header::{HeaderValue, ORIGIN, WWW_AUTHENTICATE};
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use chora_gateway::{Guard, open_to};

/// Passes a request on, or says why not. The server's own health needs no token: it is for probes; nor does a page that asks
/// whether it may call.
pub(super) async fn admit(guard: &Guard, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let origin = parts.headers.get(ORIGIN).cloned();
    let asks_first = parts.method == Method::OPTIONS && origin.is_some();
    if let Err(refusal) = guard.check(&parts, asks_first || parts.uri.path() == "/health") {
        let mut response = (refusal.status, refusal.why).into_response();
        if refusal.status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"chora\""));
        }
        return response;
    }
    let request = Request::from_parts(parts, body);
    let mut response = if asks_first { StatusCode::NO_CONTENT.into_response() } else { next.run(request).await };
    if let Some(origin) = origin {
        open_to(response.headers_mut(), origin);
    }
    response
}
