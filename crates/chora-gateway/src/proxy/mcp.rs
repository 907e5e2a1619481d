//! The little that a proxy has to know of MCP: which session a request belongs to, and when one begins.

use hyper::HeaderMap;
use hyper::http::request::Parts;

use crate::revision::Revision;

const SESSION: &str = "mcp-session-id";
const VERSION: &str = "mcp-protocol-version";
/// How much of a stream is searched for the event that names its session.
const HEAD: usize = 4096;

/// The session that a request belongs to: by header, or by query as the oldest transport has it. Requests of revisions
/// without sessions belong to none, whatever they carry.
pub(super) fn session(parts: &Parts) -> Option<String> {
    let version = parts.headers.get(VERSION).and_then(|version| version.to_str().ok());
    if version.is_some_and(|version| version >= Revision::MODERN.as_str()) {
        return None;
    }
    named(&parts.headers).map(str::to_owned).or_else(|| in_query(parts.uri.query()?))
}

/// The session that a response's head names.
pub(super) fn named(headers: &HeaderMap) -> Option<&str> {
    headers.get(SESSION).and_then(|id| id.to_str().ok()).filter(|id| !id.is_empty())
}

fn in_query(query: &str) -> Option<String> {
    let named = |name: &str| name.eq_ignore_ascii_case("sessionId") || name.eq_ignore_ascii_case("session_id");
    form_urlencoded::parse(query.as_bytes()).find(|(name, value)| named(name) && !value.is_empty()).map(|(_, value)| value.into_owned())
}

/// Looks for the session in the first event of a stream of the oldest transport:
/// `event: endpoint`, `data: /messages?sessionId=…`.
#[derive(Default)]
pub(super) struct EndpointSearch {
    seen: Vec<u8>,
}

/// How far a search is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Search {
    More,
    Found(String),
    /// The stream begins with something else.
    Over,
}

impl EndpointSearch {
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Search {
        let room = HEAD.saturating_sub(self.seen.len());
        self.seen.extend(bytes.iter().take(room));
        let text = String::from_utf8_lossy(&self.seen).replace("\r\n", "\n");
        for event in text.split_inclusive("\n\n") {
            let Some(event) = event.strip_suffix("\n\n") else { break };
            let field = |name: &str| event.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim);
            match (field("event"), field("data")) {
                (Some("endpoint"), Some(data)) => {
                    let query = data.split_once('?').map(|(_, query)| query);
                    return query.and_then(in_query).map_or(Search::Over, Search::Found);
                }
                // A comment, or a time to wait before connecting again.
                (None, None) => {}
                _ => return Search::Over,
            }
        }
        if self.seen.len() >= HEAD { Search::Over } else { Search::More }
    }
}

#[cfg(test)]
mod tests {
    use hyper::Request;

    use super::{EndpointSearch, Search, session};

    #[test]
    fn the_session_is_found_in_the_first_event_however_it_is_cut() {
        let stream = b": hello\n\nevent: endpoint\r\ndata: /messages/?session_id=a%2Bb\r\n\r\n";
        for at in 0..stream.len() {
            let (first, second) = stream.split_at(at);
            let mut search = EndpointSearch::default();
            assert_eq!(search.feed(first), Search::More);
            assert_eq!(search.feed(second), Search::Found("a+b".into()));
        }
        assert_eq!(EndpointSearch::default().feed(b"data: 1\n\n"), Search::Over);
        assert_eq!(EndpointSearch::default().feed(&[b'x'; 5000]), Search::Over);
    }

    #[test]
    fn requests_of_the_stateless_revision_belong_to_no_session() {
        let of = |uri: &str, headers: &[(&str, &str)]| {
            let mut request = Request::builder().uri(uri);
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            session(&request.body(()).expect("a request").into_parts().0)
        };
        assert_eq!(of("/mcp", &[("mcp-session-id", "s")]).as_deref(), Some("s"));
        assert_eq!(of("/mcp", &[("mcp-session-id", "s"), ("mcp-protocol-version", "2025-11-25")]).as_deref(), Some("s"));
        assert_eq!(of("/mcp", &[("mcp-session-id", "s"), ("mcp-protocol-version", "2026-07-28")]), None);
        assert_eq!(of("/messages?sessionId=s", &[]).as_deref(), Some("s"));
        assert_eq!(of("/messages?x=s", &[]), None);
    }
}
