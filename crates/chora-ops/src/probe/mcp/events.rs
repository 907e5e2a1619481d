//! Server-sent events (HTML Living Standard §9.2), parsed as the pieces arrive.

use std::collections::VecDeque;

use crate::probe::answer::Trouble;
use crate::probe::http::Body;

/// More than this of one stream is not read.
const STREAM_LIMIT: usize = 4 << 20;

/// One event that has data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Event {
    pub(super) kind: String,
    pub(super) data: String,
}

/// Splits bytes into events; lines end with LF, CR or CR LF.
#[derive(Debug, Default)]
pub(super) struct Parser {
    line: Vec<u8>,
    after_return: bool,
    begun: bool,
    kind: String,
    data: Option<String>,
    ready: VecDeque<Event>,
}

impl Parser {
    pub(super) fn feed(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            let line_feed_of_pair = byte == b'\n' && self.after_return;
            self.after_return = byte == b'\r';
            match byte {
                b'\n' if line_feed_of_pair => {}
                b'\n' | b'\r' => self.end_line(),
                _ => self.line.push(byte),
            }
        }
    }

    pub(super) fn next(&mut self) -> Option<Event> {
        self.ready.pop_front()
    }

    fn end_line(&mut self) {
        let line = String::from_utf8_lossy(&std::mem::take(&mut self.line)).into_owned();
        let line = if self.begun { line.as_str() } else { line.trim_start_matches('\u{feff}') };
        self.begun = true;
        if line.is_empty() {
            let kind = std::mem::take(&mut self.kind);
            if let Some(data) = self.data.take() {
                self.ready.push_back(Event { kind: if kind.is_empty() { "message".to_owned() } else { kind }, data });
            }
            return;
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match (field, &mut self.data) {
            ("event", _) => value.clone_into(&mut self.kind),
            ("data", Some(data)) => {
                data.push('\n');
                data.push_str(value);
            }
            ("data", data @ None) => *data = Some(value.to_owned()),
            _ => {}
        }
    }
}

/// The events of an answer's body.
#[derive(Debug)]
pub(super) struct Events {
    body: Body,
    parser: Parser,
    read: usize,
}

impl Events {
    pub(super) fn new(body: Body) -> Self {
        Self { body, parser: Parser::default(), read: 0 }
    }

    /// The next event; `None` when the stream has ended.
    pub(super) async fn next(&mut self) -> Result<Option<Event>, Trouble> {
        loop {
            if let Some(event) = self.parser.next() {
                return Ok(Some(event));
            }
            let Some(piece) = self.body.piece().await? else { return Ok(None) };
            self.read += piece.len();
            if self.read > STREAM_LIMIT {
                return Err(Trouble::Wrong("the event stream is longer than 4 MiB".to_owned()));
            }
            self.parser.feed(&piece);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Parser;

    fn parse(text: &str, piece: usize) -> Vec<(String, String)> {
        let mut parser = Parser::default();
        for piece in text.as_bytes().chunks(piece) {
            parser.feed(piece);
        }
        std::iter::from_fn(|| parser.next()).map(|event| (event.kind, event.data)).collect()
    }

    #[test]
    fn events_are_the_same_however_the_bytes_arrive() {
        let cases: [(&str, &[(&str, &str)]); 7] = [
            ("data: a\n\n", &[("message", "a")]),
            ("\u{feff}event: endpoint\r\ndata: /m?x=1\r\n\r\n", &[("endpoint", "/m?x=1")]),
            ("data:a\rdata: b\r\rdata:  c\n\n", &[("message", "a\nb"), ("message", " c")]),
            (": keep-alive\n\nid: 4\nretry: 5\n\n", &[]),
            ("event: x\n\ndata: ä\n\n", &[("message", "ä")]),
            ("data\n\n", &[("message", "")]),
            ("data: unfinished\n", &[]),
        ];
        for (text, expected) in cases {
            let expected: Vec<_> = expected.iter().map(|(kind, data)| ((*kind).to_owned(), (*data).to_owned())).collect();
            for piece in [1, 2, 3, 1000] {
                assert_eq!(parse(text, piece), expected, "{text:?} in pieces of {piece}");
            }
        }
    }
}
