//! Lines of a stream, each at most so long.

use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};

/// What was read.
pub(crate) enum Line<'a> {
    /// A line without its line break; the last one may have had none.
    Whole(&'a [u8]),
    /// A line beyond the limit; it was skipped up to its end.
    TooLong,
    /// The stream has ended.
    End,
}

/// A reader of lines.
pub(crate) struct Lines<R> {
    reader: BufReader<R>,
    line: Vec<u8>,
    longest: usize,
}

impl<R: AsyncRead + Unpin> Lines<R> {
    pub(crate) fn new(stream: R, longest: usize) -> Self {
        Self { reader: BufReader::with_capacity(16 * 1024, stream), line: Vec::new(), longest }
    }

    pub(crate) async fn next(&mut self) -> std::io::Result<Line<'_>> {
        // One huge line should not hold its memory for ever.
        if self.line.capacity() > 256 * 1024 {
            self.line = Vec::new();
        }
        self.line.clear();
        let mut too_long = false;
        loop {
            let chunk = self.reader.fill_buf().await?;
            if chunk.is_empty() {
                return Ok(match (too_long, self.line.is_empty()) {
                    (true, _) => Line::TooLong,
                    (false, true) => Line::End,
                    (false, false) => Line::Whole(&self.line),
                });
            }
            let end = chunk.iter().position(|byte| *byte == b'\n');
            let part = chunk.get(..end.unwrap_or(chunk.len())).unwrap_or_default();
            too_long |= self.line.len() + part.len() > self.longest;
            if too_long {
                self.line.clear();
            } else {
                self.line.extend_from_slice(part);
            }
            let used = end.map_or(chunk.len(), |end| end + 1);
            self.reader.consume(used);
            if end.is_some() {
                return Ok(if too_long { Line::TooLong } else { Line::Whole(&self.line) });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Line, Lines};

    async fn read(bytes: &[u8], longest: usize) -> Vec<String> {
        let mut lines = Lines::new(bytes, longest);
        let mut read = Vec::new();
        loop {
            match lines.next().await.expect("bytes") {
                Line::Whole(line) => read.push(String::from_utf8_lossy(line).into_owned()),
                Line::TooLong => read.push("(too long)".to_owned()),
                Line::End => return read,
            }
        }
    }

    #[tokio::test]
    async fn lines_end_at_line_breaks_and_at_the_end() {
        assert_eq!(read(b"a\n\nbc\nd", 10).await, ["a", "", "bc", "d"]);
        assert_eq!(read(b"", 10).await, [""; 0]);
    }

    #[tokio::test]
    async fn a_long_line_is_skipped_and_the_next_is_read() {
        assert_eq!(read(b"aaaaaa\nb\n", 5).await, ["(too long)", "b"]);
        assert_eq!(read(&[vec![b'x'; 100_000], b"\ny".to_vec()].concat(), 50_000).await, ["(too long)", "y"]);
    }
}
