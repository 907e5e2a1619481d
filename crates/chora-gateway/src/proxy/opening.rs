//! What a connection begins with: a request of HTTP/1, HTTP/2, TLS, or anything else.

use std::time::Duration;

use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

/// How long a client may say nothing before it is taken for one whose server speaks first.
const SILENCE: Duration = Duration::from_millis(250);
/// How often a beginning that could be both is looked at again.
const PAUSE: Duration = Duration::from_millis(10);
/// Longest method, in letters.
const METHOD: usize = 24;
/// How an address starts that a request names as a whole.
const WHOLE: &[u8] = b"http";
/// How a client begins that knows that HTTP/2 is spoken.
const PREFACE: &[u8] = b"PRI * HTTP/2";
/// Most that has to be seen: a method, a space, and the start of an address.
const SEEN: usize = METHOD + 1 + WHOLE.len();

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Opening {
    /// A request of HTTP/1.
    Http,
    /// HTTP/2 without TLS, by a client that knows that it is spoken.
    Http2,
    /// The greeting of TLS.
    Tls,
    /// A protocol that only its two ends know, or none.
    Other,
}

/// Judges a connection by what its client says first, and takes nothing of it. `None` when the client has left. One that
/// could be both for `limit` is none of HTTP.
pub(super) async fn judge(stream: &TcpStream, limit: Duration) -> Option<Opening> {
    match timeout(SILENCE, stream.peek(&mut [0])).await {
        Err(_) => Some(Opening::Other),
        Ok(Ok(0) | Err(_)) => None,
        Ok(Ok(_)) => timeout(limit, look(stream, opening, Opening::Other)).await.unwrap_or(Some(Opening::Other)),
    }
}

/// Which HTTP a connection begins with on which nothing else is spoken. `None` when the client has left, or says nothing for
/// `limit`.
pub(super) async fn version(stream: &TcpStream, limit: Duration) -> Option<Opening> {
    timeout(limit, look(stream, http, Opening::Http)).await.unwrap_or_default()
}

/// Looks until it is known what the bytes begin, or there are no more of them: then it is `otherwise`.
async fn look(stream: &TcpStream, known: fn(&[u8]) -> Option<Opening>, otherwise: Opening) -> Option<Opening> {
    let mut bytes = [0; SEEN];
    loop {
        // Before looking: what comes with the end is seen.
        let ended = stream.ready(Interest::READABLE).await.ok()?.is_read_closed();
        let seen = stream.peek(&mut bytes).await.ok()?;
        let opening = known(bytes.get(..seen).unwrap_or_default());
        if opening.is_some() || ended {
            return opening.or(Some(otherwise));
        }
        // What was seen stays readable, so that readiness cannot tell that there is more.
        sleep(PAUSE).await;
    }
}

/// Which HTTP these bytes begin, where they are one.
fn http(bytes: &[u8]) -> Option<Opening> {
    let known = bytes.len().min(PREFACE.len());
    match bytes.get(..known) == PREFACE.get(..known) {
        true => (known == PREFACE.len()).then_some(Opening::Http2),
        false => Some(Opening::Http),
    }
}

/// What these bytes begin; `None` where they could be both.
fn opening(bytes: &[u8]) -> Option<Opening> {
    match bytes {
        // A record of TLS is a handshake, and its version begins so from SSL 3 to TLS 1.3.
        [0x16, 3, ..] => return Some(Opening::Tls),
        [0x16] => return None,
        _ => {}
    }
    let letters = bytes.iter().take_while(|byte| byte.is_ascii_uppercase()).count();
    if letters > METHOD {
        return Some(Opening::Other);
    }
    let (method, rest) = bytes.split_at(letters);
    match rest {
        [] => None,
        [b' ', ..] if method == b"PRI" => match http(bytes) {
            Some(Opening::Http) => Some(Opening::Other),
            opening => opening,
        },
        [b' ', ..] if method.is_empty() => Some(Opening::Other),
        [b' ', b'/' | b'*', ..] => Some(Opening::Http),
        [b' ', target @ ..] => {
            let known = target.len().min(WHOLE.len());
            match target.get(..known).zip(WHOLE.get(..known)) {
                Some((start, whole)) if start.eq_ignore_ascii_case(whole) => (known == WHOLE.len()).then_some(Opening::Http),
                _ => Some(Opening::Other),
            }
        }
        _ => Some(Opening::Other),
    }
}

#[cfg(test)]
mod tests {
    use super::{Opening, opening};

    #[test]
    fn what_a_connection_begins_with_is_known_as_soon_as_it_can_be() {
        let (http, http2, tls) = (Some(Opening::Http), Some(Opening::Http2), Some(Opening::Tls));
        let (other, open) = (Some(Opening::Other), None);
        for (bytes, expected) in [
            ("", open),
            ("G", open),
            ("GET", open),
            ("GET ", open),
            ("GET /", http),
            ("GET / HTTP/1.1\r\n", http),
            ("OPTIONS *", http),
            ("VERYLONGMETHODOFSOMEBODY ", open),
            ("VERYLONGMETHODOFSOMEBODY /", http),
            ("VERYLONGMETHODOFSOMEBODYX", other),
            ("GET h", open),
            ("GET HTT", open),
            ("GET http", http),
            ("GET key", other),
            ("GET hey", other),
            ("PRI", open),
            ("PRI ", open),
            ("PRI * HTTP/", open),
            ("PRI * HTTP/2.0", http2),
            ("PRI * HTTP/3.0", other),
            ("PRI /", other),
            ("PRIM /", http),
            (" /", other),
            ("get /", other),
            ("GEt", other),
            ("GET\r\n", other),
            ("INVITE sip:a", other),
            ("\x16", open),
            ("\x16\x03", tls),
            ("\x16\x03\x01", tls),
            ("\x16\x02", other),
            ("\0", other),
        ] {
            assert_eq!(opening(bytes.as_bytes()), expected, "{bytes:?}");
        }
    }

    #[test]
    fn where_only_http_is_spoken_its_version_is_known_as_soon_as_it_can_be() {
        for (bytes, expected) in [
            ("", None),
            ("P", None),
            ("PO", Some(Opening::Http)),
            ("PRO", Some(Opening::Http)),
            ("PRI * HTTP/1", Some(Opening::Http)),
            ("PRI * HTTP/2", Some(Opening::Http2)),
            ("\x16\x03", Some(Opening::Http)),
        ] {
            assert_eq!(super::http(bytes.as_bytes()), expected, "{bytes:?}");
        }
    }
}
