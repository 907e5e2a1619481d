//! Lines of the log: what each one says, or why it cannot be read.

use std::time::Duration;

use chora_core::model::event::{Event, EventStatus};
use serde_json::Value;

use super::normalise::{NO_DURATION, normalise};

/// A line that could be read.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Line number from 1.
    pub number: usize,
    /// What it says, in today's vocabulary.
    pub event: Event,
    /// What had to be read in another way than it stands; empty for a line in today's vocabulary.
    pub normalised: Vec<String>,
}

impl Entry {
    /// How long it took, where the line tells: what begins took no time yet, and older lines may not say.
    #[must_use]
    pub fn took(&self) -> Option<Duration> {
        let told = self.event.status != EventStatus::InProgress && self.normalised.iter().all(|change| change != NO_DURATION);
        Duration::try_from_secs_f64(self.event.duration_seconds).ok().filter(|_| told)
    }
}

/// A line that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
pub struct Damaged {
    /// Line number from 1.
    pub number: usize,
    /// The line; bytes that are no UTF-8 are shown as U+FFFD.
    pub text: String,
    /// Why.
    pub reason: String,
}

/// One line.
#[derive(Debug, Clone, PartialEq)]
pub enum Line {
    /// It could be read.
    Event(Box<Entry>),
    /// It could not.
    Damaged(Damaged),
}

/// Reads every line that is not blank, in order. Any bytes will do.
pub fn lines(bytes: &[u8]) -> impl Iterator<Item = Line> + '_ {
    numbered(bytes).filter(|(_, text)| !text.trim_ascii().is_empty()).map(|(number, text)| read(number, text))
}

/// Lines without their line ends, blank ones included, numbered from 1.
pub(super) fn numbered(bytes: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    (1..).zip(bytes.split_inclusive(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\n").unwrap_or(line)))
}

pub(super) fn read(number: usize, text: &[u8]) -> Line {
    match understand(text) {
        Ok((event, normalised)) => Line::Event(Box::new(Entry { number, event, normalised })),
        Err(reason) => Line::Damaged(Damaged { number, text: String::from_utf8_lossy(text).into_owned(), reason }),
    }
}

/// The event of a line and what was read in another way than it stands, or why there is none.
pub(super) fn understand(text: &[u8]) -> Result<(Event, Vec<String>), String> {
    match serde_json::from_slice(text) {
        Ok(Value::Object(object)) => normalise(object),
        Ok(_) => Err("not an object".to_owned()),
        Err(error) if error.is_eof() => Err(format!("ends too early: {error}")),
        Err(error) => Err(format!("no JSON: {error}")),
    }
}
