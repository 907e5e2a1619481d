//! Server-sent events as they arrive, in pieces of any size.

/// Most bytes of one event.
const LARGEST: usize = 64 * 1024 * 1024;

/// One event.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct SseEvent {
    /// Its kind; `message` where none is named.
    pub(crate) kind: String,
    pub(crate) data: String,
    /// The id to come back with, where one was given so far.
    pub(crate) id: Option<String>,
    /// Milliseconds to wait before coming back, where that was said.
    pub(crate) retry: Option<u64>,
}

/// An event is larger than can be meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an event of more than {LARGEST} bytes")]
pub(crate) struct TooLarge;

/// Reads events from pieces of a stream (HTML standard, section 9.2.6).
#[derive(Debug, Default)]
pub(crate) struct SseReader {
    /// What of the stream is not a whole line yet.
    rest: Vec<u8>,
    kind: String,
    data: String,
    has_data: bool,
    id: Option<String>,
    retry: Option<u64>,
    begun: bool,
    /// The last piece ended in a carriage return: a line feed that follows belongs to it.
    after_return: bool,
}

impl SseReader {
    /// Takes a piece and gives the events that it completes.
    pub(crate) fn take(&mut self, piece: &[u8]) -> Result<Vec<SseEvent>, TooLarge> {
        let mut events = Vec::new();
        for byte in piece {
            let follows_return = std::mem::take(&mut self.after_return);
            match byte {
                b'\n' if follows_return => {}
                b'\n' | b'\r' => {
                    self.after_return = *byte == b'\r';
                    let line = std::mem::take(&mut self.rest);
                    events.extend(self.line(&line));
                }
                byte => {
                    if self.rest.len() + self.data.len() >= LARGEST {
                        return Err(TooLarge);
                    }
                    self.rest.push(*byte);
                }
            }
        }
        Ok(events)
    }

    fn line(&mut self, line: &[u8]) -> Option<SseEvent> {
        let text = String::from_utf8_lossy(line);
        let text = if std::mem::replace(&mut self.begun, true) { &*text } else { text.strip_prefix('\u{feff}').unwrap_or(&text) };
        if text.is_empty() {
            return self.finish();
        }
        let (name, value) = text.split_once(':').unwrap_or((text, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match name {
            "event" => value.clone_into(&mut self.kind),
            "data" => {
                if self.has_data {
                    self.data.push('\n');
                }
                self.has_data = true;
                self.data.push_str(value);
            }
            "id" if !value.contains('\0') => self.id = Some(value.to_owned()),
            "retry" => self.retry = value.parse().ok().or(self.retry),
            _ => {}
        }
        None
    }

    fn finish(&mut self) -> Option<SseEvent> {
        let kind = std::mem::take(&mut self.kind);
        let data = std::mem::take(&mut self.data);
        if !std::mem::take(&mut self.has_data) {
            return None;
        }
        let kind = if kind.is_empty() { "message".to_owned() } else { kind };
        Some(SseEvent { kind, data, id: self.id.clone(), retry: self.retry })
    }
}

#[cfg(test)]
mod tests {
    use super::{SseEvent, SseReader};

    fn read(pieces: &[&[u8]]) -> Vec<SseEvent> {
        let mut reader = SseReader::default();
        pieces.iter().flat_map(|piece| reader.take(piece).expect("small")).collect()
    }

    #[test]
    fn events_come_whole_however_the_stream_is_cut() {
        let text =
            "\u{feff}: hello\r\nid: 1-2\r\nevent: endpoint\r\ndata: /a\r\n\r\nretry: 500\ndata: one\ndata:two\n\n\n\ndata\n\n".as_bytes();
        let whole = read(&[text]);
        assert_eq!(
            whole,
            [
                SseEvent { kind: "endpoint".into(), data: "/a".into(), id: Some("1-2".into()), retry: None },
                SseEvent { kind: "message".into(), data: "one\ntwo".into(), id: Some("1-2".into()), retry: Some(500) },
                SseEvent { kind: "message".into(), data: String::new(), id: Some("1-2".into()), retry: Some(500) },
            ]
        );
        for at in 1..text.len() {
            let (first, second) = text.split_at(at);
            assert_eq!(read(&[first, second]), whole, "cut at {at}");
        }
        let bytes: Vec<&[u8]> = text.chunks(1).collect();
        assert_eq!(read(&bytes), whole);
    }

    #[test]
    fn an_event_that_is_not_ended_is_none() {
        assert_eq!(read(&[b"data: half\n"]), []);
        assert_eq!(read(&[b"event: nothing\n\n"]), []);
    }
}
