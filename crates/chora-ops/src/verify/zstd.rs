//! Layers packed with zstd (RFC 8878): one frame after another, some of which hold nothing of the layer.

use std::io::{self, Cursor, Read};

use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

/// Unpacks what a reader has.
pub(super) struct Unpacked<R> {
    source: R,
    decoder: FrameDecoder,
    /// Whether a frame has been begun.
    is_open: bool,
}

impl<R: Read> Unpacked<R> {
    pub(super) fn new(source: R) -> Self {
        Self { source, decoder: FrameDecoder::new(), is_open: false }
    }

    /// Goes to the next frame that holds something; `false` at the end.
    fn open(&mut self) -> io::Result<bool> {
        loop {
            let mut first = [0];
            if self.source.read(&mut first)? == 0 {
                return Ok(false);
            }
            match self.decoder.reset(Cursor::new(first).chain(&mut self.source)) {
                Ok(()) => return Ok(true),
                Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame { length, .. })) => {
                    io::copy(&mut self.source.by_ref().take(length.into()), &mut io::sink())?;
                }
                Err(error) => return Err(io::Error::other(error)),
            }
        }
    }
}

impl<R: Read> Read for Unpacked<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if !self.is_open && !self.open()? {
                return Ok(0);
            }
            self.is_open = true;
            while self.decoder.can_collect() == 0 && !self.decoder.is_finished() {
                self.decoder.decode_blocks(&mut self.source, BlockDecodingStrategy::UptoBlocks(1)).map_err(io::Error::other)?;
            }
            let read = self.decoder.read(buffer)?;
            if read > 0 || buffer.is_empty() {
                return Ok(read);
            }
            self.is_open = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use ruzstd::encoding::{CompressionLevel, compress_to_vec};

    use super::Unpacked;

    fn unpacked(packed: &[u8]) -> std::io::Result<Vec<u8>> {
        let mut found = Vec::new();
        Unpacked::new(packed).read_to_end(&mut found).map(|_| found)
    }

    #[test]
    fn all_frames_are_read_and_those_that_hold_nothing_are_passed_over() {
        let frame = |content: &[u8]| compress_to_vec(content, CompressionLevel::Fastest);
        let large = vec![7; 300_000];
        let skipped = [&[0x5a, 0x2a, 0x4d, 0x18, 3, 0, 0, 0][..], b"abc"].concat();
        let packed = [frame(b"one "), skipped, frame(b""), frame(&large), frame(b" two")].concat();
        assert_eq!(unpacked(&packed).expect("sound"), [b"one ", &large[..], b" two"].concat());
        assert_eq!(unpacked(b"").expect("nothing"), b"");
    }

    #[test]
    fn what_is_torn_is_an_error() {
        let packed = compress_to_vec(&vec![7; 300_000][..], CompressionLevel::Fastest);
        assert!(unpacked(&packed[..packed.len() - 3]).is_err());
        assert!(unpacked(&packed[..2]).is_err());
        assert!(unpacked(b"no frame").is_err());
    }
}
