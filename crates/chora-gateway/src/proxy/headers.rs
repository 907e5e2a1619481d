//! What a proxy changes in the head of a message, and the requests it does not pass on at all.

use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};

use hyper::body::Body;
use hyper::header::{
    CONNECTION, CONTENT_LENGTH, COOKIE, EXPECT, FORWARDED, HOST, HeaderName, HeaderValue, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use hyper::http::request::Parts;
use hyper::http::uri::{Authority, PathAndQuery};
use hyper::{HeaderMap, Method, Uri, Version};

/// Headers that are for the next hop only (RFC 9110 §7.6.1), and two that older clients send.
const HOP_BY_HOP: [HeaderName; 9] = [
    CONNECTION,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    HeaderName::from_static("proxy-authenticate"),
    HeaderName::from_static("proxy-authorization"),
];
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// Where a connection comes from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Origin {
    pub(super) peer: SocketAddr,
    /// Whether it speaks TLS with the gateway.
    pub(super) secure: bool,
}

/// What replicas are told of the hop that requests came by; most of it is the same for all of a connection.
pub(super) struct Hop {
    pub(super) origin: Origin,
    address: HeaderValue,
    /// The last host that was asked for, and what `Forwarded` says then.
    last: Mutex<Option<(Option<HeaderValue>, HeaderValue)>>,
}

impl Hop {
    pub(super) fn new(origin: Origin) -> Self {
        let address = origin.peer.ip().to_canonical().to_string();
        // Digits, dots and colons are always a value.
        let address = HeaderValue::try_from(address).unwrap_or(HeaderValue::from_static("unknown"));
        Self { origin, address, last: Mutex::new(None) }
    }

    fn proto(&self) -> &'static str {
        if self.origin.secure { "https" } else { "http" }
    }

    fn element(&self, host: Option<HeaderValue>) -> HeaderValue {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, element)) = &*last
            && *known == host
        {
            return element.clone();
        }
        let element = self.element_of(host.as_ref());
        *last = Some((host, element.clone()));
        element
    }

    fn element_of(&self, host: Option<&HeaderValue>) -> HeaderValue {
        let (ip, proto) = (self.origin.peer.ip().to_canonical(), self.proto());
        let node = if ip.is_ipv6() { format!("\"[{ip}]\"") } else { ip.to_string() };
        // A host that would break out of its quotes is left out.
        let host = host.and_then(|host| host.to_str().ok()).filter(|host| !host.contains(['"', '\\']));
        let element = match host {
            Some(host) => format!("for={node};host=\"{host}\";proto={proto}"),
            None => format!("for={node};proto={proto}"),
        };
        HeaderValue::try_from(element).unwrap_or(HeaderValue::from_static("for=unknown"))
    }
}

/// Why a request is refused with 400, or `None` when it is sound. What the parser refuses never gets here.
pub(super) fn fault(parts: &Parts) -> Option<&'static str> {
    let headers = &parts.headers;
    let mut hosts = headers.get_all(HOST).iter();
    match (hosts.next(), hosts.next()) {
        (_, Some(_)) => return Some("more than one Host"),
        (None, None) if parts.version >= Version::HTTP_11 && parts.uri.host().is_none() => return Some("no Host"),
        (Some(host), None) if parts.version == Version::HTTP_2 => {
            let other = |authority: &Authority| !authority.as_str().as_bytes().eq_ignore_ascii_case(host.as_bytes());
            if parts.uri.authority().is_some_and(other) {
                return Some("a Host that is not its authority");
            }
        }
        _ => {}
    }
    // Readers disagree which part of it is the host.
    let named = parts.uri.authority().map(|authority| authority.as_str().as_bytes());
    if named.into_iter().chain(headers.get(HOST).map(HeaderValue::as_bytes)).any(|host| host.contains(&b'@')) {
        return Some("a user in the address");
    }
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    match (codings.next(), codings.next()) {
        (_, Some(_)) => return Some("more than one Transfer-Encoding"),
        (Some(coding), None) if !coding.as_bytes().trim_ascii().eq_ignore_ascii_case(b"chunked") => {
            return Some("a Transfer-Encoding other than chunked");
        }
        (Some(_), None) if headers.contains_key(CONTENT_LENGTH) => return Some("Transfer-Encoding and Content-Length"),
        _ => {}
    }
    let path = parts.uri.path();
    (parts.method != Method::OPTIONS && !path.starts_with('/')).then_some("a target that is no path")
}

/// The host that a request is for, without its port.
pub(super) fn host(parts: &Parts) -> &str {
    let authority = match parts.uri.authority() {
        Some(authority) => authority.as_str(),
        None => parts.headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default(),
    };
    // An IPv6 address has colons of its own, inside brackets.
    match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => host,
        _ => authority,
    }
}

/// The protocol that a client asks to change to; HTTP/2 is not one that can be passed on.
pub(super) fn upgrade(headers: &HeaderMap) -> Option<HeaderValue> {
    let asked = headers.get(UPGRADE)?;
    let named = listed(headers).any(|name| name.eq_ignore_ascii_case("upgrade"));
    (named && !asked.as_bytes().trim_ascii().eq_ignore_ascii_case(b"h2c")).then(|| asked.clone())
}

/// Takes out what is for one hop only, what `Connection` names included.
pub(super) fn strip(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = listed(headers).filter_map(|name| name.parse().ok()).collect();
    for name in named.iter().filter(|name| **name != HOST).chain(&HOP_BY_HOP) {
        headers.remove(name);
    }
}

fn listed(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    headers.get_all(CONNECTION).iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(',')).map(str::trim)
}

/// The head of the request for a replica: for one hop, with where it came from.
pub(super) fn forward(parts: &mut Parts, hop: &Hop, behind_proxy: bool) {
    let upgrade = upgrade(&parts.headers);
    let authority = parts.uri.authority().and_then(|authority| HeaderValue::from_str(authority.as_str()).ok());
    strip(&mut parts.headers);
    // Answered here already, by reading the body.
    parts.headers.remove(EXPECT);
    if let Some(authority) = authority {
        parts.headers.insert(HOST, authority);
    }
    if parts.version == Version::HTTP_2 {
        join_cookies(&mut parts.headers);
    }
    came_from(&mut parts.headers, hop, behind_proxy);
    // HTTP/1.1 has to name one, empty where the client of HTTP/1.0 named none (RFC 9112 §3.2).
    parts.headers.entry(HOST).or_insert(HeaderValue::from_static(""));
    mark_upgrade(&mut parts.headers, upgrade);
    let path = parts.uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
    parts.uri = Uri::from(path);
    parts.version = Version::HTTP_11;
}

/// One line again, of the pieces that HTTP/2 lets a client make of its cookies (RFC 9113 §8.2.3).
fn join_cookies(headers: &mut HeaderMap) {
    let pieces: Vec<&[u8]> = headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if pieces.len() > 1
        && let Ok(whole) = HeaderValue::from_bytes(&pieces.join(&b"; "[..]))
    {
        headers.insert(COOKIE, whole);
    }
}

/// Says that a GET or HEAD has a body of unknown length: without that, the client of HTTP/1 would take it to have none.
pub(super) fn mark_body(parts: &mut Parts, body: &impl Body) {
    let rare = parts.method == Method::GET || parts.method == Method::HEAD;
    if rare && !body.is_end_stream() && body.size_hint().exact().is_none() {
        parts.headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }
}

/// Says that a connection is to change its protocol, or has.
pub(super) fn mark_upgrade(headers: &mut HeaderMap, upgrade: Option<HeaderValue>) {
    if let Some(upgrade) = upgrade {
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(UPGRADE, upgrade);
    }
}

fn came_from(headers: &mut HeaderMap, hop: &Hop, behind_proxy: bool) {
    let host = headers.get(HOST).cloned();
    for (name, value) in [(FORWARDED_PROTO, Some(HeaderValue::from_static(hop.proto()))), (FORWARDED_HOST, host.clone())] {
        if behind_proxy && headers.contains_key(&name) {
            continue;
        }
        match value {
            Some(value) => headers.insert(name, value),
            None => headers.remove(name),
        };
    }
    append(headers, FORWARDED_FOR, hop.address.clone());
    append(headers, FORWARDED, hop.element(host));
}

/// Puts a value at the end of a list, in one line.
fn append(headers: &mut HeaderMap, name: HeaderName, value: HeaderValue) {
    if !headers.contains_key(&name) {
        headers.insert(name, value);
        return;
    }
    let before = headers.get_all(&name).iter().filter_map(|value| value.to_str().ok()).map(str::as_bytes);
    let list: Vec<&[u8]> = before.chain([value.as_bytes()]).collect();
    if let Ok(list) = HeaderValue::from_bytes(&list.join(&b", "[..])) {
        headers.insert(name, list);
    }
}

#[cfg(test)]
mod tests {
    use hyper::http::request::Parts;
    use hyper::{Request, Version};

    use super::{Hop, Origin, fault, forward, host, upgrade};

    fn hop(peer: &str, secure: bool) -> Hop {
        Hop::new(Origin { peer: peer.parse().expect("an address"), secure })
    }

    fn parts(uri: &str, headers: &[(&str, &str)]) -> Parts {
        let mut request = Request::builder().uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).expect("a request").into_parts().0
    }

    #[test]
    fn unsound_requests_are_told() {
        assert_eq!(fault(&parts("/", &[("host", "a")])), None);
        assert_eq!(fault(&parts("http://b/", &[("host", "a")])), None);
        assert!(fault(&parts("http://a:b@c/", &[("host", "c")])).is_some());
        for headers in [
            &[][..],
            &[("host", "a"), ("host", "b")],
            &[("host", "a"), ("transfer-encoding", "gzip, chunked")],
            &[("host", "a"), ("transfer-encoding", "chunked"), ("transfer-encoding", "chunked")],
            &[("host", "a"), ("transfer-encoding", "chunked"), ("content-length", "1")],
        ] {
            assert!(fault(&parts("/", headers)).is_some(), "{headers:?}");
        }
    }

    #[test]
    fn the_head_is_made_for_the_next_hop() {
        let mut parts = parts(
            "http://absolute.example/a?b=c",
            &[
                ("host", "other.example"),
                ("connection", "close, x-private"),
                ("x-private", "1"),
                ("keep-alive", "timeout=5"),
                ("x-forwarded-for", "192.0.2.1"),
                ("x-forwarded-proto", "https"),
            ],
        );
        assert_eq!(host(&parts), "absolute.example");
        forward(&mut parts, &hop("[::ffff:198.51.100.2]:99", false), false);
        let got = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok());
        assert_eq!(parts.uri.to_string(), "/a?b=c");
        assert_eq!(got("host"), Some("absolute.example"));
        assert_eq!(got("connection").or(got("x-private")).or(got("keep-alive")), None);
        assert_eq!(got("x-forwarded-for"), Some("192.0.2.1, 198.51.100.2"));
        assert_eq!(got("x-forwarded-proto"), Some("http"));
        assert_eq!(got("forwarded"), Some("for=198.51.100.2;host=\"absolute.example\";proto=http"));
    }

    #[test]
    fn a_proxy_before_the_gateway_is_believed_where_the_table_says_so() {
        let mut parts = parts("/", &[("host", "a.example"), ("x-forwarded-proto", "https"), ("x-forwarded-host", "b.example")]);
        forward(&mut parts, &hop("198.51.100.2:99", false), true);
        assert_eq!(parts.headers["x-forwarded-proto"], "https");
        assert_eq!(parts.headers["x-forwarded-host"], "b.example");
    }

    #[test]
    fn what_came_over_tls_is_told() {
        let mut parts = parts("/", &[("host", "a.example"), ("x-forwarded-proto", "http")]);
        forward(&mut parts, &hop("[2001:db8::1]:99", true), false);
        assert_eq!(parts.headers["x-forwarded-proto"], "https");
        assert_eq!(parts.headers["forwarded"], "for=\"[2001:db8::1]\";host=\"a.example\";proto=https");
    }

    #[test]
    fn heads_of_http2_become_heads_of_http1() {
        let of = |uri: &str, headers: &[(&str, &str)]| {
            let mut parts = parts(uri, headers);
            parts.version = Version::HTTP_2;
            parts
        };
        assert!(fault(&of("https://a.example/", &[])).is_none());
        assert!(fault(&of("https://a.example/", &[("host", "A.example")])).is_none());
        assert!(fault(&of("https://a.example/", &[("host", "b.example")])).is_some());
        assert!(fault(&of("/", &[])).is_some());
        let mut parts = of("https://a.example/x", &[("cookie", "a=1"), ("x", "y"), ("cookie", "b=2; c=3")]);
        forward(&mut parts, &hop("198.51.100.2:99", true), false);
        assert_eq!(parts.headers.get_all("cookie").iter().collect::<Vec<_>>(), ["a=1; b=2; c=3"]);
        assert_eq!((parts.uri.to_string().as_str(), parts.version), ("/x", Version::HTTP_11));
        assert_eq!(parts.headers["host"], "a.example");
    }

    #[test]
    fn only_a_named_upgrade_counts_and_never_to_http2() {
        let asked = |headers: &[(&str, &str)]| upgrade(&parts("/", headers).headers).is_some();
        assert!(asked(&[("connection", "keep-alive, Upgrade"), ("upgrade", "websocket")]));
        assert!(!asked(&[("upgrade", "websocket")]));
        assert!(!asked(&[("connection", "upgrade"), ("upgrade", "h2c")]));
    }

    #[test]
    fn ports_are_no_part_of_a_host() {
        for (given, expected) in [("a.example:80", "a.example"), ("[::1]:80", "[::1]"), ("[::1]", "[::1]"), ("a", "a")] {
            assert_eq!(host(&parts("/", &[("host", given)])), expected);
        }
    }
}
