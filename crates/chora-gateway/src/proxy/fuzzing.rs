//! What the fuzz targets may see of the proxy.

use std::net::{Ipv4Addr, SocketAddr};

use hyper::http::request::Parts;

use super::headers::{self, Hop, Origin};
use super::mcp::{self, EndpointSearch, Search};

/// The head as a replica gets it; `None` for one that is refused.
pub(crate) fn forward(mut parts: Parts) -> Option<Parts> {
    if headers::fault(&parts).is_some() {
        return None;
    }
    drop(mcp::session(&parts));
    let origin = Origin { peer: SocketAddr::from((Ipv4Addr::LOCALHOST, 1)), secure: false };
    headers::forward(&mut parts, &Hop::new(origin), false);
    Some(parts)
}

/// The session that a stream opens is the same however it is cut.
pub(crate) fn search_session(first: &[u8], second: &[u8]) {
    let (mut whole, mut pieces) = (EndpointSearch::default(), EndpointSearch::default());
    let expected = whole.feed(&[first, second].concat());
    let found = match pieces.feed(first) {
        Search::More => pieces.feed(second),
        found => found,
    };
    assert_eq!(found, expected);
}
