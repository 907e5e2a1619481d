//! Targets as people write them, `http://[::1]:8000/health`, and the socket addresses they stand for.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Why a target cannot be asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// It is not `scheme://host:port/path`.
    #[error("`{target}` is not a target: {reason}")]
    Malformed {
        /// As it was written, without its password.
        target: String,
        /// What is missing or wrong.
        reason: String,
    },
    /// It needs TLS.
    #[error("`{target}` needs TLS, which probes do not speak: ask the service behind it over http, or its port over tcp")]
    Tls {
        /// As it was written, without its password.
        target: String,
    },
    /// Its name stands for no address.
    #[error("`{host}` has no address: {reason}")]
    Unresolved {
        /// The name.
        host: String,
        /// What the resolver said.
        reason: String,
    },
    /// A file that the request names cannot be used.
    #[error("{reason}")]
    File {
        /// Which, and why.
        reason: String,
    },
}

/// The parts of a target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Url {
    pub(crate) scheme: String,
    pub(crate) user: Option<String>,
    pub(crate) host: String,
    pub(crate) port: Option<u16>,
    /// Path and query, empty or starting with `/` or `?`; the fragment is dropped.
    pub(crate) path: String,
}

impl Url {
    /// Splits a target; `default_scheme` is used when it names none.
    pub(crate) fn parse(target: &str, default_scheme: &str) -> Result<Self, TargetError> {
        let malformed = |reason: &str| TargetError::Malformed { target: without_password(target), reason: reason.to_owned() };
        if target.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err(malformed("it contains white space"));
        }
        let (scheme, rest) = target.split_once("://").unwrap_or((default_scheme, target));
        let rest = rest.split('#').next().unwrap_or_default();
        let cut = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at_checked(cut).unwrap_or((rest, ""));
        let (user, place) = match authority.rsplit_once('@') {
            Some((login, place)) => (login.split(':').next().filter(|user| !user.is_empty()), place),
            None => (None, authority),
        };
        let (host, port) = split_port(place).ok_or_else(|| malformed("its port is not a number from 1 to 65535"))?;
        if host.is_empty() {
            return Err(malformed("it names no host"));
        }
        let user = user.map(decode_percent).transpose().map_err(|()| malformed("its user is not valid percent-encoding"))?;
        Ok(Self { scheme: scheme.to_ascii_lowercase(), user, host: host.to_owned(), port, path: path.to_owned() })
    }

    /// `host:port` as a Host header has it.
    pub(crate) fn authority(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        match self.port {
            Some(port) => format!("{host}:{port}"),
            None => host,
        }
    }
}

/// Splits `host:port`, `[v6]:port`, `host` and `[v6]`.
fn split_port(place: &str) -> Option<(&str, Option<u16>)> {
    let (host, port) = match place.strip_prefix('[') {
        Some(rest) => {
            let (host, tail) = rest.split_once(']')?;
            (host, if tail.is_empty() { None } else { Some(tail.strip_prefix(':')?) })
        }
        None => match place.rsplit_once(':') {
            // A bare IPv6 address has colons and no port.
            Some((head, _)) if head.contains(':') => (place, None),
            Some((head, port)) => (head, Some(port)),
            None => (place, None),
        },
    };
    match port {
        None => Some((host, None)),
        Some(port) => port.parse().ok().filter(|port| *port != 0).map(|port| (host, Some(port))),
    }
}

/// A target as it may be shown: `scheme://user:password@host` loses its password.
pub(crate) fn without_password(target: &str) -> String {
    let (scheme, rest) = target.split_once("://").map_or(("", target), |(scheme, rest)| (scheme, rest));
    let cut = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at_checked(cut).unwrap_or((rest, ""));
    let Some((login, place)) = authority.rsplit_once('@') else {
        return target.to_owned();
    };
    let user = login.split(':').next().unwrap_or_default();
    let separator = if scheme.is_empty() { "" } else { "://" };
    format!("{scheme}{separator}{user}@{place}{path}")
}

pub(crate) fn decode_percent(text: &str) -> Result<String, ()> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digits = [rest.next().ok_or(())?, rest.next().ok_or(())?];
            let digits = std::str::from_utf8(&digits).map_err(|_| ())?;
            bytes.push(u8::from_str_radix(digits, 16).map_err(|_| ())?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).map_err(|_| ())
}

/// Finds the addresses of a host; `localhost` and literal addresses need no resolver.
pub(crate) async fn resolve(host: &str, port: u16) -> Result<Vec<SocketAddr>, TargetError> {
    if let Ok(address) = host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(address, port)]);
    }
    if host.eq_ignore_ascii_case("localhost") {
        return Ok(vec![(Ipv4Addr::LOCALHOST, port).into(), (Ipv6Addr::LOCALHOST, port).into()]);
    }
    let unresolved = |reason: String| TargetError::Unresolved { host: host.to_owned(), reason };
    let found: Vec<SocketAddr> = tokio::net::lookup_host((host, port)).await.map_err(|error| unresolved(error.to_string()))?.collect();
    if found.is_empty() { Err(unresolved("the name is not known".to_owned())) } else { Ok(found) }
}

#[cfg(test)]
mod tests {
    use super::{Url, without_password};

    #[test]
    fn targets_are_split() {
        let cases = [
            ("http://127.0.0.1:8000/health?x=1#y", "http", None, "127.0.0.1", Some(8000), "/health?x=1"),
            ("HTTP://[::1]:80", "http", None, "::1", Some(80), ""),
            ("http://[fe80::1]/x", "http", None, "fe80::1", None, "/x"),
            ("::1", "tcp", None, "::1", None, ""),
            ("db:5432", "tcp", None, "db", Some(5432), ""),
            ("postgres://us%65r:p%40ss@db/shop", "postgres", Some("user"), "db", None, "/shop"),
            ("http://host?q", "http", None, "host", None, "?q"),
        ];
        for (target, scheme, user, host, port, path) in cases {
            let url = Url::parse(target, "tcp").unwrap();
            assert_eq!(
                (url.scheme.as_str(), url.user.as_deref(), url.host.as_str(), url.port, url.path.as_str()),
                (scheme, user, host, port, path),
                "{target}"
            );
        }
    }

    #[test]
    fn broken_targets_are_named_without_their_password() {
        for target in ["tcp://", "tcp://:80", "tcp://a:b", "tcp://a:0", "tcp://a:70000", "http://[::1", "http://[::1]x", "a b"] {
            assert!(Url::parse(target, "tcp").is_err(), "{target}");
        }
        let error = Url::parse("postgres://me:secret@db:port/x", "tcp").unwrap_err().to_string();
        assert_eq!(error, "`postgres://me@db:port/x` is not a target: its port is not a number from 1 to 65535");
        assert_eq!(without_password("http://host:80/a@b"), "http://host:80/a@b");
    }
}
