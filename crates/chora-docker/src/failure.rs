//! What the engine and the way to it answer, as [`EngineError`].

use std::error::Error;
use std::io;

use chora_core::ports::EngineError;

/// Oldest API that Chora speaks: Debian 12's engine, 20.10.
pub(crate) const OLDEST_API: (u32, u32) = (1, 41);

/// Maps an HTTP refusal; `about` names the object asked for, such as ``container `web` ``.
pub(crate) fn refusal(status: u16, message: &str, about: &str) -> EngineError {
    let reason = message.trim().to_owned();
    let lower = reason.to_lowercase();
    if let Some(error) = by_words(&lower, &reason) {
        return error;
    }
    match status {
        404 => EngineError::NotFound { what: missing_object(&reason, about) },
        409 => EngineError::Conflict { reason },
        403 if lower.contains("active endpoints") || lower.contains("already exists") => EngineError::Conflict { reason },
        400..=499 => EngineError::Invalid { reason },
        _ => EngineError::Failed { reason: if reason.is_empty() { format!("HTTP status {status} for {about}") } else { reason } },
    }
}

fn by_words(lower: &str, reason: &str) -> Option<EngineError> {
    let reason = reason.to_owned();
    if lower.contains("port is already allocated") || (lower.contains("address already in use") && lower.contains("bind")) {
        return Some(EngineError::PortTaken { reason });
    }
    if lower.contains("no space left on device") || lower.contains("disk quota exceeded") {
        return Some(EngineError::DiskFull { reason });
    }
    if lower.starts_with("client version ") && lower.contains(" is too ") {
        let (major, minor) = OLDEST_API;
        return Some(EngineError::ApiVersion { offered: reason, needed: format!("{major}.{minor} or newer") });
    }
    None
}

/// A 404 about a container may be about the image or the network it needs.
fn missing_object(reason: &str, about: &str) -> String {
    let reason = reason.strip_prefix("Error response from daemon: ").unwrap_or(reason);
    if let Some(image) = reason.strip_prefix("No such image: ").or_else(|| reason.strip_prefix("no such image: ")) {
        return format!("image `{image}`");
    }
    // The engine puts the object that is missing last: "… matching network mode n: network n not found".
    let reason = reason.rsplit(": ").next().unwrap_or(reason);
    if let Some(network) = reason.strip_prefix("network ").and_then(|rest| rest.strip_suffix(" not found")) {
        return format!("network `{network}`");
    }
    about.to_owned()
}

/// Maps a failure of the connection itself.
pub(crate) fn connection(error: &(dyn Error + 'static), endpoint: &str) -> EngineError {
    let mut reason = error.to_string();
    let mut next = Some(error);
    while let Some(current) = next {
        if let Some(cause) = current.downcast_ref::<io::Error>() {
            if cause.kind() == io::ErrorKind::PermissionDenied {
                return EngineError::PermissionDenied { endpoint: endpoint.to_owned() };
            }
            reason = cause.to_string();
        } else if current.source().is_none() {
            reason = current.to_string();
        }
        next = current.source();
    }
    if reason.to_lowercase().contains("permission denied") && endpoint.starts_with("ssh://") {
        return EngineError::PermissionDenied { endpoint: endpoint.to_owned() };
    }
    EngineError::Unreachable { endpoint: endpoint.to_owned(), reason }
}

/// Maps what a pull was told about `image`.
pub(crate) fn pull(error: EngineError, image: &str) -> EngineError {
    let reason = match error {
        EngineError::NotFound { what } => format!("{what} not found"),
        EngineError::Failed { reason } | EngineError::Invalid { reason } | EngineError::Conflict { reason } => reason,
        EngineError::TimedOut { what, limit } => format!("{what} did not end within {limit:?}"),
        other => return other,
    };
    let image = image.to_owned();
    if is_registry_outage(&reason) {
        EngineError::RegistryUnreachable { image, reason }
    } else {
        EngineError::ImageUnavailable { image, reason }
    }
}

/// Maps what a push was told about `image`.
pub(crate) fn push(error: EngineError, image: &str) -> EngineError {
    let reason = match error {
        EngineError::Failed { reason } | EngineError::Invalid { reason } | EngineError::Conflict { reason } => reason,
        EngineError::TimedOut { what, limit } => format!("{what} did not end within {limit:?}"),
        other => return other,
    };
    let lower = reason.to_lowercase();
    let refusals = [
        "unauthorized",
        "authentication required",
        "access to the resource is denied",
        "denied:",
        "no basic auth",
        "403 forbidden",
        // Words of containerd's image store.
        "push access denied",
        "insufficient_scope",
        "authorization failed",
    ];
    let image = image.to_owned();
    if refusals.iter().any(|words| lower.contains(words)) {
        EngineError::LoginNeeded { registry: crate::login::registry_of(&image).to_owned(), reason }
    } else if is_registry_outage(&reason) || is_broken_off(&lower) {
        EngineError::RegistryUnreachable { image, reason }
    } else {
        EngineError::PushRefused { image, reason }
    }
}

/// Words of the engine when a connection broke while it sent something.
fn is_broken_off(lower: &str) -> bool {
    lower.ends_with("eof") || ["broken pipe", "closed network connection", "failed to do request"].iter().any(|words| lower.contains(words))
}

/// Words of the engine when the registry could not be asked, as opposed to when it said no.
pub(crate) fn is_registry_outage(reason: &str) -> bool {
    let lower = reason.to_lowercase();
    let outages = [
        "connection refused",
        "connection reset",
        "no such host",
        "server misbehaving",
        "temporary failure in name resolution",
        "i/o timeout",
        "timeout exceeded",
        "deadline exceeded",
        "tls handshake timeout",
        "network is unreachable",
        "no route to host",
        ": eof",
        "unexpected eof",
        "toomanyrequests",
        "too many requests",
        "received unexpected http status: 5",
        "unexpected status code 5",
        "500 internal server error",
        "502 bad gateway",
        "503 service unavailable",
        "504 gateway",
        "proxyconnect",
        "did not end within",
    ];
    outages.iter().any(|words| lower.contains(words))
}

#[cfg(test)]
mod tests {
    use std::io;

    use chora_core::ports::EngineError;

    use super::{connection, is_registry_outage, push, refusal};

    #[test]
    fn refusals_are_told_apart_by_status_and_words() {
        let about = "container `web`";
        let port = "driver failed programming external connectivity on endpoint x: Bind for 0.0.0.0:80 failed: port is already allocated";
        assert!(matches!(refusal(500, port, about), EngineError::PortTaken { .. }));
        let bind = "failed to bind host port for 0.0.0.0:80:10.0.0.2:80/tcp: address already in use";
        assert!(matches!(refusal(500, bind, about), EngineError::PortTaken { .. }));
        assert!(matches!(refusal(500, "write /x: no space left on device", about), EngineError::DiskFull { .. }));
        assert_eq!(refusal(404, "No such container: web", about), EngineError::NotFound { what: about.into() });
        assert_eq!(refusal(404, "No such image: a:1", about), EngineError::NotFound { what: "image `a:1`".into() });
        assert_eq!(refusal(404, "network n not found", about), EngineError::NotFound { what: "network `n`".into() });
        assert!(matches!(refusal(409, "in use", about), EngineError::Conflict { .. }));
        assert!(matches!(refusal(403, "network n has active endpoints", about), EngineError::Conflict { .. }));
        assert!(matches!(refusal(400, "bad", about), EngineError::Invalid { .. }));
        let old = "client version 1.41 is too old. Minimum supported API version is 1.44";
        assert!(matches!(refusal(400, old, about), EngineError::ApiVersion { .. }));
        assert!(matches!(refusal(500, "oops", about), EngineError::Failed { .. }));
    }

    #[test]
    fn a_closed_socket_is_a_matter_of_permission() {
        let denied = io::Error::from(io::ErrorKind::PermissionDenied);
        assert!(matches!(connection(&denied, "unix:///x"), EngineError::PermissionDenied { .. }));
        let gone = io::Error::from(io::ErrorKind::ConnectionRefused);
        assert!(matches!(connection(&gone, "unix:///x"), EngineError::Unreachable { .. }));
    }

    #[test]
    fn a_push_that_wants_a_login_is_told() {
        let told = |reason: &str| push(EngineError::Failed { reason: reason.to_owned() }, "r.example/a:1");
        for refused in [
            "denied: requested access to the resource is denied",
            "push access denied, repository does not exist or may require authorization: server message: insufficient_scope: authorization failed",
            "failed to authorize: failed to fetch anonymous token: unexpected status: 401 Unauthorized",
        ] {
            assert!(matches!(told(refused), EngineError::LoginNeeded { registry, .. } if registry == "r.example"), "{refused}");
        }
        assert!(matches!(told("manifest invalid"), EngineError::PushRefused { .. }));
    }

    #[test]
    fn a_registry_that_is_down_is_not_one_that_refuses() {
        for down in [
            "Get \"http://127.0.0.1:5/v2/\": dial tcp 127.0.0.1:5: connect: connection refused",
            "Get \"https://r.invalid/v2/\": dial tcp: lookup r.invalid: no such host",
            "toomanyrequests: You have reached your pull rate limit",
            "received unexpected HTTP status: 503 Service Unavailable",
            "net/http: TLS handshake timeout",
            "failed to do request: Head \"http://127.0.0.1:5/v2/a/manifests/1\": EOF",
            "unexpected status from HEAD request to http://r/v2/a/manifests/1: 503 Service Unavailable",
        ] {
            assert!(is_registry_outage(down), "{down}");
        }
        for refused in [
            "manifest for a:1 not found: manifest unknown: manifest unknown",
            "pull access denied for a, repository does not exist or may require 'docker login'",
            "unauthorized: authentication required",
            "unexpected status from HEAD request to https://r/v2/a/manifests/sha256:4294044045035e0f: 403 Forbidden",
        ] {
            assert!(!is_registry_outage(refused), "{refused}");
        }
    }
}
