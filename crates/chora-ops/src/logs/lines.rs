//! Output as the engine hands it over, in lines.

use chora_core::model::container::{LogChunk, LogStream};
use chora_core::ports::EngineError;
use futures_util::StreamExt as _;
use futures_util::stream::{BoxStream, iter, once};

use super::LogLine;
use crate::failure::Failure;
use crate::redactor::Redactor;

/// A line without an end is passed on when it is this long, in bytes.
const PATIENCE: usize = 64 * 1024;

/// The lines of one container; what has no end comes when the container's output ends.
pub(super) fn lines(
    source: usize,
    chunks: BoxStream<'static, Result<LogChunk, EngineError>>,
    redactor: Redactor,
) -> BoxStream<'static, Result<LogLine, Failure>> {
    let ended = once(async { None });
    let mut pending = Pending::default();
    let pieces = chunks.map(Some).chain(ended).map(move |chunk| match chunk {
        Some(Ok(chunk)) => pending.take(&chunk).into_iter().map(Ok).collect(),
        Some(Err(error)) => vec![Err(Failure::from(error))],
        None => pending.rest().into_iter().map(Ok).collect(),
    });
    let line = move |(stream, text): (LogStream, String)| LogLine { source, stream, text: redactor.clean(&text) };
    pieces.flat_map(iter).map(move |piece: Result<(LogStream, String), Failure>| piece.map(&line)).boxed()
}

/// What was written and has no end yet, of both streams.
#[derive(Default)]
struct Pending {
    stdout: Vec<u8>,
    stderr: Vec<u8>,
}

impl Pending {
    /// Takes bytes in and gives the lines that are whole now.
    fn take(&mut self, chunk: &LogChunk) -> Vec<(LogStream, String)> {
        let pending = match chunk.stream {
            LogStream::Stdout => &mut self.stdout,
            LogStream::Stderr => &mut self.stderr,
        };
        pending.extend_from_slice(&chunk.bytes);
        let whole = pending.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
        let taken = if whole == 0 && pending.len() >= PATIENCE { pending.len() } else { whole };
        let bytes: Vec<u8> = pending.drain(..taken).collect();
        split(chunk.stream, &bytes)
    }

    /// What is left when a container ended in the middle of a line.
    fn rest(&mut self) -> Vec<(LogStream, String)> {
        let mut rest = split(LogStream::Stdout, &std::mem::take(&mut self.stdout));
        rest.extend(split(LogStream::Stderr, &std::mem::take(&mut self.stderr)));
        rest
    }
}

fn split(stream: LogStream, bytes: &[u8]) -> Vec<(LogStream, String)> {
    String::from_utf8_lossy(bytes).lines().map(|line| (stream, line.to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::{PATIENCE, lines};
    use crate::redactor::Redactor;
    use chora_core::model::container::{LogChunk, LogStream};
    use chora_core::model::secret::Secret;
    use futures_util::StreamExt as _;

    async fn told(chunks: &[(LogStream, &str)], redactor: Redactor) -> Vec<(LogStream, String)> {
        let chunks: Vec<_> =
            chunks.iter().map(|(stream, text)| Ok(LogChunk { stream: *stream, bytes: (*text).to_owned().into() })).collect();
        let told = lines(0, futures_util::stream::iter(chunks).boxed(), redactor);
        told.map(|line| line.map(|line| (line.stream, line.text)).unwrap()).collect().await
    }

    #[tokio::test]
    async fn lines_are_put_together_from_pieces_for_each_stream() {
        use LogStream::{Stderr, Stdout};
        let chunks = [(Stdout, "on"), (Stderr, "oh"), (Stdout, "e\ntwo\r\nth"), (Stderr, " no\n"), (Stdout, "ree")];
        let expected = [(Stdout, "one"), (Stdout, "two"), (Stderr, "oh no"), (Stdout, "three")];
        assert_eq!(told(&chunks, Redactor::default()).await, expected.map(|(stream, text)| (stream, text.to_owned())));
    }

    #[tokio::test]
    async fn a_line_that_never_ends_is_passed_on_in_parts() {
        let long = "x".repeat(PATIENCE);
        let told = told(&[(LogStream::Stdout, &long), (LogStream::Stdout, "y")], Redactor::default()).await;
        assert_eq!(told.iter().map(|(_, text)| text.len()).collect::<Vec<_>>(), [PATIENCE, 1]);
    }

    #[tokio::test]
    async fn a_secret_that_a_container_wrote_is_not_passed_on() {
        let redactor = Redactor::default();
        redactor.learn(&Secret::new(b"hunter2-do-not-print".to_vec()));
        let told = told(&[(LogStream::Stdout, "token hunter2-"), (LogStream::Stdout, "do-not-print\n")], redactor).await;
        assert_eq!(told, [(LogStream::Stdout, "token [redacted]".to_owned())]);
    }
}
