//! What the fuzz targets call: the parsers of this crate, each with what must hold of any input. Built for them only.

use futures_util::FutureExt as _;
use hyper::header::{CONTENT_LENGTH, HOST, TRANSFER_ENCODING};
use hyper::{Method, Request};

use crate::message::Message;
use crate::proxy::fuzzing::{forward, search_session};
use crate::remote::sse::SseReader;
use crate::transport::lines::{Line, Lines};

/// A JSON-RPC message that is read is written as one line that says the same.
///
/// # Panics
/// When it is not.
pub fn json_rpc(text: &[u8]) {
    let Ok(message) = Message::parse(text) else { return };
    let mut once = Vec::new();
    message.write(&mut once);
    assert!(!once.contains(&b'\n') && !once.contains(&b'\r'), "more than one line");
    let mut twice = Vec::new();
    Message::parse(&once).expect("what was written is a message").write(&mut twice);
    assert_eq!(once, twice);
}

/// Events are the same however their stream is cut.
///
/// # Panics
/// When they are not.
pub fn events(cut: usize, stream: &[u8]) {
    let mut whole = SseReader::default();
    let mut pieces = SseReader::default();
    let (first, second) = stream.split_at(cut.checked_rem(stream.len() + 1).unwrap_or(0));
    let read = |reader: &mut SseReader, piece: &[u8]| reader.take(piece).expect("small");
    let expected = read(&mut whole, stream);
    let found = [read(&mut pieces, first), read(&mut pieces, second)].concat();
    assert_eq!(found, expected);
    search_session(first, second);
}

/// Lines are those of the text, but for those that are too long.
///
/// # Panics
/// When they are not.
pub fn lines(longest: usize, text: &[u8]) {
    let mut lines = Lines::new(text, longest);
    let mut expected = text.split(|byte| *byte == b'\n');
    loop {
        let read = lines.next().now_or_never().expect("bytes are there at once").expect("bytes can be read");
        match (read, expected.next()) {
            (Line::Whole(line), Some(whole)) => assert!(line == whole && line.len() <= longest),
            (Line::TooLong, Some(whole)) => assert!(whole.len() > longest),
            (Line::End, rest) => return assert!(rest.is_none_or(<[u8]>::is_empty), "a line was lost"),
            (_, None) => panic!("a line too many"),
        }
    }
}

/// What is passed on of a head is for one hop, and cannot be read in two ways.
///
/// # Panics
/// When it can.
pub fn head(text: &str) {
    let mut lines = text.lines();
    let mut words = lines.next().unwrap_or_default().split(' ');
    let method = words.next().and_then(|method| method.parse::<Method>().ok()).unwrap_or(Method::GET);
    let mut request = Request::builder().method(method).uri(words.next().unwrap_or("/"));
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        request = request.header(name.trim(), value.trim());
    }
    let Ok(request) = request.body(()) else { return };
    let Some(parts) = forward(request.into_parts().0) else { return };
    for name in ["connection", "te", "trailer", "transfer-encoding", "keep-alive", "proxy-connection", "expect"] {
        // An upgrade is asked for anew.
        let asked = name == "connection" && parts.headers.contains_key("upgrade");
        assert!(asked || !parts.headers.contains_key(name), "{name} was passed on");
    }
    assert!(parts.headers.get_all(HOST).iter().count() <= 1, "more than one host");
    assert!(!(parts.headers.contains_key(CONTENT_LENGTH) && parts.headers.contains_key(TRANSFER_ENCODING)), "two lengths");
    assert!(parts.uri.authority().is_none() && parts.headers.contains_key("x-forwarded-for"));
}
