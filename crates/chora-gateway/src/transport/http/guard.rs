//! Who may call: the Host that was asked for, the Origin of a web page, the bearer token.

use std::net::{IpAddr, SocketAddr};

use hyper::header::{AUTHORIZATION, HOST, HeaderValue, ORIGIN};
use hyper::http::request::Parts;
use hyper::{HeaderMap, StatusCode};
use sha2::{Digest as _, Sha256};

/// A bearer token; only its hash is kept, and compared in constant time.
#[derive(Clone)]
pub struct Token([u8; 32]);

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[redacted]")
    }
}

impl Token {
    /// A token from its text; surrounding white space does not count. `None` where nothing is left.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let text = text.trim();
        (!text.is_empty()).then(|| Self(Sha256::digest(text.as_bytes()).into()))
    }

    fn is(&self, given: &str) -> bool {
        let given: [u8; 32] = Sha256::digest(given.as_bytes()).into();
        self.0.iter().zip(given).fold(0, |different, (ours, theirs)| different | (ours ^ theirs)) == 0
    }
}

/// The checks that every request passes before anything else looks at it.
#[derive(Debug, Clone, Default)]
pub struct Guard {
    /// Names beyond `localhost` and addresses, in lower case; `*` is any.
    pub hosts: Vec<String>,
    /// Origins of web pages that may call.
    pub origins: Vec<String>,
    /// What clients must send as `Authorization: Bearer …`.
    pub token: Option<Token>,
}

/// Why a request is not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusal {
    /// The status to answer with.
    pub status: StatusCode,
    /// Why, for the client.
    pub why: &'static str,
}

impl Guard {
    /// Lets a request in, or says why not. `open` requests, such as those of probes, need no token.
    ///
    /// # Errors
    ///
    /// The Host or the Origin is a stranger's (403), or the token is missing or wrong (401).
    pub fn check(&self, parts: &Parts, open: bool) -> Result<(), Refusal> {
        if !self.knows_host(host(parts)) {
            return Err(Refusal { status: StatusCode::FORBIDDEN, why: "this Host is not served here; name it with --allow-host" });
        }
        let mut origins = parts.headers.get_all(ORIGIN).iter();
        if origins.any(|origin| !origin.to_str().is_ok_and(|origin| self.knows_origin(origin) || self.is_own(origin, host(parts)))) {
            return Err(Refusal { status: StatusCode::FORBIDDEN, why: "this Origin may not call; name it with --allow-origin" });
        }
        if !open && !self.knows_token(&parts.headers) {
            return Err(Refusal { status: StatusCode::UNAUTHORIZED, why: "a bearer token is needed" });
        }
        Ok(())
    }

    /// Rebinding a name needs a name: an address in the Host header is no attack.
    fn knows_host(&self, host: Option<&str>) -> bool {
        host.is_some_and(|host| self.hosts.iter().any(|allowed| allowed == "*") || self.is_named(host))
    }

    fn is_named(&self, host: &str) -> bool {
        let name = without_port(host).to_ascii_lowercase();
        name == "localhost" || is_address(&name) || self.hosts.contains(&name)
    }

    /// A page of this very server. Where any name will do, one that was rebound would be its own as well: such a name is no proof.
    fn is_own(&self, origin: &str, host: Option<&str>) -> bool {
        let authority = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
        authority.zip(host).is_some_and(|(authority, host)| authority.eq_ignore_ascii_case(host) && self.is_named(host))
    }

    fn knows_origin(&self, origin: &str) -> bool {
        self.origins.iter().any(|known| known.eq_ignore_ascii_case(origin))
    }

    fn knows_token(&self, headers: &HeaderMap) -> bool {
        let Some(token) = &self.token else { return true };
        let given = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).and_then(|value| value.split_once(' '));
        given.is_some_and(|(scheme, given)| scheme.eq_ignore_ascii_case("bearer") && token.is(given.trim()))
    }
}

/// Lets the page of an origin that was let in read an answer.
pub fn open_to(headers: &mut HeaderMap, origin: HeaderValue) {
    headers.insert("access-control-allow-origin", origin);
    headers.append("vary", HeaderValue::from_static("origin"));
    for (name, value) in [
        ("access-control-allow-methods", "GET, POST, DELETE"),
        (
            "access-control-allow-headers",
            "authorization, content-type, accept, last-event-id, mcp-session-id, mcp-protocol-version, mcp-method, mcp-name",
        ),
        ("access-control-expose-headers", "mcp-session-id, www-authenticate"),
        ("access-control-max-age", "600"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
}

/// The one name that a request was sent to; `None` where there are several or none.
fn host(parts: &Parts) -> Option<&str> {
    let mut named = parts.headers.get_all(HOST).iter();
    match (named.next(), named.next()) {
        (Some(host), None) => host.to_str().ok(),
        (None, _) => parts.uri.host(),
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
    name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name).parse::<IpAddr>().is_ok()
}

/// Whether nobody but this machine can reach an address.
#[must_use]
pub fn is_loopback(address: SocketAddr) -> bool {
    address.ip().to_canonical().is_loopback()
}

#[cfg(test)]
mod tests {
    use hyper::{Request, StatusCode};

    use super::{Guard, Token, is_loopback};

    fn check(guard: &Guard, headers: &[(&str, &str)]) -> Option<u16> {
        let mut request = Request::builder();
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (parts, ()) = request.body(()).expect("a request").into_parts();
        guard.check(&parts, false).err().map(|refusal| refusal.status.as_u16())
    }

    #[test]
    fn hosts_are_loopback_addresses_and_names_that_were_allowed() {
        let guard = Guard { hosts: vec!["chora".into()], ..Guard::default() };
        for (host, refused) in [
            ("localhost:8000", None),
            ("LOCALHOST", None),
            ("127.0.0.1:8000", None),
            ("[::1]:8000", None),
            ("chora:8000", None),
            ("evil.example", Some(403)),
            ("localhost.evil.example:8000", Some(403)),
            ("chora.evil.example", Some(403)),
        ] {
            assert_eq!(check(&guard, &[("host", host)]), refused, "{host}");
        }
        assert_eq!(check(&guard, &[]), Some(403), "no Host at all");
        assert_eq!(check(&guard, &[("host", "localhost"), ("host", "evil.example")]), Some(403), "two of them");
        assert_eq!(check(&Guard { hosts: vec!["*".into()], ..Guard::default() }, &[("host", "any.example")]), None);
    }

    #[test]
    fn pages_of_other_origins_may_not_call() {
        let guard = Guard { origins: vec!["https://app.example".into()], ..Guard::default() };
        for origin in ["https://app.example", "http://localhost"] {
            assert_eq!(check(&guard, &[("host", "localhost"), ("origin", origin)]), None, "{origin}");
        }
        for origin in [
            "https://evil.example",
            "null",
            "http://app.example",
            "http://localhost.evil.example",
            "http://localhost:3000",
            "file://localhost",
        ] {
            assert_eq!(check(&guard, &[("host", "localhost"), ("origin", origin)]), Some(StatusCode::FORBIDDEN.as_u16()), "{origin}");
        }
    }

    #[test]
    fn a_page_of_a_name_that_was_rebound_may_not_call_where_any_name_will_do() {
        let any = Guard { hosts: vec!["*".into(), "tools.example".into()], origins: vec!["https://app.example".into()], token: None };
        for (host, origin, refused) in [
            ("evil.example", "http://evil.example", Some(403)),
            ("tools.example", "http://tools.example", None),
            ("10.0.0.5:8000", "http://10.0.0.5:8000", None),
            ("evil.example", "https://app.example", None),
        ] {
            assert_eq!(check(&any, &[("host", host), ("origin", origin)]), refused, "{host} {origin}");
        }
    }

    #[test]
    fn a_token_is_asked_for_where_there_is_one() {
        let guard = Guard { token: Token::new(" secret\n"), ..Guard::default() };
        for (value, refused) in [
            ("Bearer secret", None),
            ("bearer  secret", None),
            ("Bearer secret2", Some(401)),
            ("Bearer ", Some(401)),
            ("Basic secret", Some(401)),
            ("secret", Some(401)),
        ] {
            assert_eq!(check(&guard, &[("host", "localhost"), ("authorization", value)]), refused, "{value}");
        }
        assert_eq!(check(&guard, &[("host", "localhost")]), Some(401));
        assert!(Token::new(" \n").is_none());
        assert_eq!(format!("{:?}", guard.token), "Some([redacted])");
    }

    #[test]
    fn only_this_machine_reaches_loopback() {
        for (address, loopback) in [("127.9.9.9:1", true), ("[::ffff:127.0.0.1]:1", true), ("0.0.0.0:1", false), ("10.0.0.1:1", false)] {
            assert_eq!(is_loopback(address.parse().expect("an address")), loopback, "{address}");
        }
    }
}
