//! Following a log as it grows. Only whole lines are told; a log that was put in the old one's place is taken up where the last line stood.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::time::Duration;

use chora_core::ports::clock::Clock;

use super::LogError;
use super::line::{Line, numbered, read};

/// First and longest pause between two looks at a quiet log.
const PAUSES: (Duration, Duration) = (Duration::from_millis(20), Duration::from_millis(500));

/// Where following begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// With the first line there is.
    Beginning,
    /// With the first line to come.
    End,
}

/// A place in a log.
#[derive(Debug)]
pub struct Follower {
    path: PathBuf,
    skip_first: bool,
    file: Option<(u64, u64)>,
    position: u64,
    number: usize,
    last: Vec<u8>,
}

impl Follower {
    pub(super) fn new(path: PathBuf, start: Start) -> Self {
        let mut follower = Self { path, skip_first: false, file: None, position: 0, number: 0, last: Vec::new() };
        if start == Start::End {
            // What cannot be read now is told by the first poll.
            follower.skip_first = follower.poll().is_err();
        }
        follower
    }

    /// The lines that were added since the last call; empty when there are none.
    ///
    /// # Errors
    /// When the log is there and cannot be read.
    pub fn poll(&mut self) -> Result<Vec<Line>, LogError> {
        let lines = self.fresh().map_err(|e| LogError::of(&self.path, &e))?;
        Ok(if std::mem::take(&mut self.skip_first) { Vec::new() } else { lines })
    }

    /// Waits for lines, looking less and less often while nothing happens.
    ///
    /// # Errors
    /// When the log is there and cannot be read.
    pub async fn next(&mut self, clock: &dyn Clock) -> Result<Vec<Line>, LogError> {
        let (mut pause, longest) = PAUSES;
        loop {
            let lines = self.poll()?;
            if !lines.is_empty() {
                return Ok(lines);
            }
            clock.sleep(pause).await;
            pause = (pause * 2).min(longest);
        }
    }

    fn fresh(&mut self) -> io::Result<Vec<Line>> {
        let mut file = match File::open(&self.path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            opened => opened?,
        };
        let seen = file.metadata()?;
        let same = self.file == Some((seen.dev(), seen.ino())) && seen.len() >= self.position;
        self.file = Some((seen.dev(), seen.ino()));
        if !same {
            self.take_up(&mut file)?;
        }
        file.seek(SeekFrom::Start(self.position))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(self.advance(&bytes))
    }

    /// Finds the place after the last line that was told.
    fn take_up(&mut self, file: &mut File) -> io::Result<()> {
        let last = std::mem::take(&mut self.last);
        (self.position, self.number) = (0, 0);
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        let mut place = 0;
        for (number, line) in numbered(&bytes) {
            place += line.len() + 1;
            if !last.is_empty() && line == last.as_slice() {
                self.position = u64::try_from(place.min(bytes.len())).unwrap_or(u64::MAX);
                self.number = number;
            }
        }
        self.last = last;
        Ok(())
    }

    fn advance(&mut self, bytes: &[u8]) -> Vec<Line> {
        let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
        let mut lines = Vec::new();
        for (_, line) in numbered(bytes.get(..whole).unwrap_or_default()) {
            self.number += 1;
            if !line.trim_ascii().is_empty() {
                lines.push(read(self.number, line));
                self.last = line.to_vec();
            }
        }
        self.position += u64::try_from(whole).unwrap_or(u64::MAX);
        lines
    }
}
