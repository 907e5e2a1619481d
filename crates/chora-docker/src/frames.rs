//! Streams from the engine: multiplexed output, and JSON documents one after the other.

use bytes::{Buf, Bytes, BytesMut};
use chora_core::model::container::{LogChunk, LogStream};
use chora_core::ports::EngineError;
use futures_util::{Stream, StreamExt, TryStreamExt, stream};
use serde::de::DeserializeOwned;

const HEADER: usize = 8;

/// Cuts output into the pieces that the engine made of it; with a terminal there is one stream and no framing.
pub(crate) struct Demultiplexer {
    pending: BytesMut,
    is_terminal: bool,
}

impl Demultiplexer {
    pub(crate) fn new(is_terminal: bool) -> Self {
        Self { pending: BytesMut::new(), is_terminal }
    }

    pub(crate) fn push(&mut self, bytes: Bytes) -> Result<Vec<LogChunk>, EngineError> {
        if self.is_terminal {
            return Ok(vec![LogChunk { stream: LogStream::Stdout, bytes }]);
        }
        self.pending.extend_from_slice(&bytes);
        let mut chunks = Vec::new();
        while let Some([kind, _, _, _, a, b, c, d]) = self.pending.first_chunk::<HEADER>().copied() {
            let length = u32::from_be_bytes([a, b, c, d]) as usize;
            if self.pending.len() < HEADER + length {
                break;
            }
            self.pending.advance(HEADER);
            let bytes = self.pending.split_to(length).freeze();
            match kind {
                0 | 1 => chunks.push(LogChunk { stream: LogStream::Stdout, bytes }),
                2 => chunks.push(LogChunk { stream: LogStream::Stderr, bytes }),
                _ => return Err(EngineError::Failed { reason: String::from_utf8_lossy(&bytes).into_owned() }),
            }
        }
        Ok(chunks)
    }
}

/// Cuts a stream of output into chunks.
pub(crate) fn chunks(
    source: impl Stream<Item = Result<Bytes, EngineError>>,
    is_terminal: bool,
) -> impl Stream<Item = Result<LogChunk, EngineError>> {
    let mut cutter = Demultiplexer::new(is_terminal);
    source
        .map(move |bytes| bytes.and_then(|bytes| cutter.push(bytes)))
        .map_ok(|chunks| stream::iter(chunks.into_iter().map(Ok)))
        .try_flatten()
}

/// Reads JSON documents, one a line.
pub(crate) fn documents<T: DeserializeOwned>(
    source: impl Stream<Item = Result<Bytes, EngineError>>,
) -> impl Stream<Item = Result<T, EngineError>> {
    let mut pending = BytesMut::new();
    source
        .map(Some)
        .chain(stream::iter([None]))
        .map(move |piece| match piece {
            Some(Ok(bytes)) => {
                pending.extend_from_slice(&bytes);
                let whole = pending.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
                parse_lines(&pending.split_to(whole))
            }
            Some(Err(error)) => Err(error),
            None => parse_lines(&std::mem::take(&mut pending)),
        })
        .map_ok(|documents| stream::iter(documents.into_iter().map(Ok)))
        .try_flatten()
}

fn parse_lines<T: DeserializeOwned>(bytes: &[u8]) -> Result<Vec<T>, EngineError> {
    bytes
        .split(|byte| *byte == b'\n')
        .map(<[u8]>::trim_ascii)
        .filter(|line| !line.is_empty())
        .map(|line| {
            serde_json::from_slice(line)
                .map_err(|error| EngineError::Failed { reason: format!("a line of its answer cannot be read: {error}") })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use chora_core::model::container::LogStream;

    use super::{Demultiplexer, parse_lines};

    #[test]
    fn frames_survive_any_cut() {
        let wire = [&[1, 0, 0, 0, 0, 0, 0, 2][..], b"hi", &[2, 0, 0, 0, 0, 0, 0, 1], b"!"].concat();
        for cut in 0..wire.len() {
            let mut cutter = Demultiplexer::new(false);
            let mut seen = cutter.push(Bytes::copy_from_slice(&wire[..cut])).unwrap();
            seen.extend(cutter.push(Bytes::copy_from_slice(&wire[cut..])).unwrap());
            let told: Vec<_> = seen.iter().map(|chunk| (chunk.stream, &chunk.bytes[..])).collect();
            assert_eq!(told, [(LogStream::Stdout, &b"hi"[..]), (LogStream::Stderr, &b"!"[..])]);
        }
        let mut raw = Demultiplexer::new(true);
        assert_eq!(&raw.push(Bytes::from_static(b"\x01x")).unwrap()[0].bytes[..], b"\x01x");
    }

    #[test]
    fn documents_are_split_at_line_ends() {
        let parsed: Vec<u8> = parse_lines(b"1\r\n2\n\n").unwrap();
        assert_eq!(parsed, [1, 2]);
        assert!(parse_lines::<u8>(b"{").is_err());
    }
}
