//! Who may call: the Host that was asked for, the Origin of a web page, the bearer token.

use std::net::{IpAddr, SocketAddr};

use axum::extract::Request;
use axum::http::header::{AUTHORIZATION, HOST, ORIGIN, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use super::token::Token;

/// The checks that every request passes before anything reads it.
pub(super) struct Guard {
    /// Names beyond loopback and addresses, in lower case; `*` is any.
    pub(super) hosts: Vec<String>,
    /// Origins of web pages, in lower case.
    pub(super) origins: Vec<String>,
    pub(super) token: Option<Token>,
}

impl Guard {
    /// Passes a request on, or says why not. The server's own health needs no token: it is for probes.
    pub(super) async fn admit(&self, request: Request, next: Next) -> Response {
        let headers = request.headers();
        if !self.knows_host(host(&request)) {
            return refuse(StatusCode::FORBIDDEN, "this Host is not served here; name it with --allow-host");
        }
        let origin = headers.get(ORIGIN).cloned();
        if origin.as_ref().is_some_and(|origin| !self.knows_origin(origin) && !is_own(origin, host(&request))) {
            return refuse(StatusCode::FORBIDDEN, "this Origin may not call; name it with --allow-origin");
        }
        if request.method() == Method::OPTIONS && origin.is_some() {
            return opened(StatusCode::NO_CONTENT.into_response(), origin);
        }
        if request.uri().path() != "/health" && !self.knows_token(headers) {
            let mut response = refuse(StatusCode::UNAUTHORIZED, "a bearer token is needed");
            response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"chora\""));
            return response;
        }
        opened(next.run(request).await, origin)
    }

    /// Rebinding a name needs a name: an address in the Host header is no attack.
    fn knows_host(&self, host: Option<&str>) -> bool {
        let Some(name) = host.map(without_port) else { return false };
        let name = name.to_ascii_lowercase();
        name == "localhost" || is_address(&name) || self.hosts.iter().any(|allowed| allowed == "*" || *allowed == name)
    }

    fn knows_origin(&self, origin: &HeaderValue) -> bool {
        origin.to_str().is_ok_and(|origin| self.origins.iter().any(|allowed| allowed.eq_ignore_ascii_case(origin)))
    }

    fn knows_token(&self, headers: &HeaderMap) -> bool {
        let Some(token) = &self.token else { return true };
        let given = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).and_then(|value| value.split_once(' '));
        given.is_some_and(|(scheme, given)| scheme.eq_ignore_ascii_case("bearer") && token.is(given.trim()))
    }
}

/// A page of this very server; its Host was checked before.
fn is_own(origin: &HeaderValue, host: Option<&str>) -> bool {
    let authority = origin.to_str().ok().and_then(|origin| origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://")));
    authority.zip(host).is_some_and(|(authority, host)| authority.eq_ignore_ascii_case(host))
}

fn host(request: &Request) -> Option<&str> {
    let mut named = request.headers().get_all(HOST).iter();
    match (named.next(), named.next()) {
        (Some(host), None) => host.to_str().ok(),
        _ => None,
    }
}

fn without_port(authority: &str) -> &str {
    if authority.starts_with('[') {
        return authority.split_inclusive(']').next().unwrap_or(authority);
    }
    authority.split(':').next().unwrap_or(authority)
}

fn is_address(name: &str) -> bool {
    let bare = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    bare.parse::<IpAddr>().is_ok()
}

/// Whether nobody but this machine can reach an address.
pub(super) fn is_loopback(address: SocketAddr) -> bool {
    address.ip().to_canonical().is_loopback()
}

fn refuse(status: StatusCode, why: &'static str) -> Response {
    (status, why).into_response()
}

/// Lets the page of an origin that was accepted read the answer.
fn opened(mut response: Response, origin: Option<HeaderValue>) -> Response {
    let Some(origin) = origin else { return response };
    let headers = response.headers_mut();
    headers.insert(HeaderName::from_static("access-control-allow-origin"), origin);
    headers.append(HeaderName::from_static("vary"), HeaderValue::from_static("origin"));
    for (name, value) in [
        ("access-control-allow-methods", "GET, POST, DELETE"),
        (
            "access-control-allow-headers",
            "authorization, content-type, accept, last-event-id, mcp-session-id, mcp-protocol-version, mcp-method, mcp-name",
        ),
        ("access-control-expose-headers", "mcp-session-id, www-authenticate"),
        ("access-control-max-age", "600"),
    ] {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::{Guard, is_loopback};

    #[test]
    fn hosts_are_loopback_addresses_and_names_that_were_allowed() {
        let guard = Guard { hosts: vec!["chora".into()], origins: Vec::new(), token: None };
        for (host, known) in [
            ("localhost:8000", true),
            ("LOCALHOST", true),
            ("127.0.0.1:8000", true),
            ("172.18.0.2:8000", true),
            ("[::1]:8000", true),
            ("chora:8000", true),
            ("evil.example", false),
            ("localhost.evil.example:8000", false),
            ("chora.evil.example", false),
            ("", false),
        ] {
            assert_eq!(guard.knows_host(Some(host)), known, "{host}");
        }
        assert!(!guard.knows_host(None));
        let open = Guard { hosts: vec!["*".into()], origins: Vec::new(), token: None };
        assert!(open.knows_host(Some("anything.example")));
    }

    #[test]
    fn only_this_machine_reaches_loopback() {
        for (address, loopback) in [
            ("127.0.0.1:1", true),
            ("127.9.9.9:1", true),
            ("[::1]:1", true),
            ("[::ffff:127.0.0.1]:1", true),
            ("0.0.0.0:1", false),
            ("[::]:1", false),
            ("10.0.0.1:1", false),
        ] {
            assert_eq!(is_loopback(address.parse().expect("an address")), loopback, "{address}");
        }
    }
}
