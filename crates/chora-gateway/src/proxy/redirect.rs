//! A port that sends its clients to the one with TLS: to the host that they asked for, and nowhere else.

use std::net::Ipv6Addr;

use hyper::header::{HeaderValue, LOCATION};
use hyper::http::request::Parts;
use hyper::{Method, StatusCode};

use super::answer::{self, Answer};
use super::headers;
use super::table::{self, RedirectEntry};

pub(super) fn answer(to: &RedirectEntry, parts: &Parts) -> Answer {
    let host = headers::host(parts);
    if !is_host(host) {
        return answer::last(answer::refuse(StatusCode::BAD_REQUEST, "a Host that is none"));
    }
    let lower = host.to_ascii_lowercase();
    if !to.hosts.is_empty() && !to.hosts.iter().any(|pattern| table::is_of(&lower, pattern)) {
        return answer::refuse(StatusCode::NOT_FOUND, "this host is not served here");
    }
    // `OPTIONS *` has no path.
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    let path = if path.starts_with('/') { path } else { "/" };
    let port = if to.port == 443 { String::new() } else { format!(":{}", to.port) };
    let Ok(location) = HeaderValue::try_from(format!("https://{host}{port}{path}")) else {
        return answer::refuse(StatusCode::BAD_REQUEST, "an address that is none");
    };
    // Every client knows 301, but many make a GET of whatever they sent: the others keep method and body with 308.
    let status = match parts.method {
        Method::GET | Method::HEAD => StatusCode::MOVED_PERMANENTLY,
        _ => StatusCode::PERMANENT_REDIRECT,
    };
    let mut answer = answer::refuse(status, "this is served over TLS");
    answer.headers_mut().insert(LOCATION, location);
    answer
}

/// Whether this is a name or an address that can stand in a link without changing what the link says.
fn is_host(host: &str) -> bool {
    match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(address) => address.parse::<Ipv6Addr>().is_ok(),
        None => !host.starts_with('*') && table::is_pattern(host.strip_suffix('.').unwrap_or(host)),
    }
}

#[cfg(test)]
mod tests {
    use super::is_host;

    #[test]
    fn hosts_are_names_and_addresses() {
        for host in ["a", "a.example", "A-1.example.", "192.0.2.1", "[2001:db8::1]", "my_host"] {
            assert!(is_host(host), "{host}");
        }
        for host in ["", ".", "*.example", "a b", "a/b", "a@b", "a\\b", "a:b", "a?b", "a#b", "[a]", "[::1", "a..b", "a%2fb", "ä"] {
            assert!(!is_host(host), "{host}");
        }
    }
}
