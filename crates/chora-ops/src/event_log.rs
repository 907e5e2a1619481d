//! The deployment log, `.chora/memory/events/deployment.jsonl` (SPEC §7): a real file, appended to under a lock, read with
//! tolerance, mended without loss. The order of lines is the order of events, whatever their timestamps say.

pub(crate) mod account;
mod append;
mod balance;
mod follow;
mod line;
mod mend;
mod normalise;
mod query;
mod reconcile;
pub(crate) mod redact;
mod repair;
mod verify;

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use chora_core::model::event::Event;

use balance::Known;

pub use follow::{Follower, Start};
pub use line::{Damaged, Entry, Line, lines};
pub use query::{EventQuery, Recent};
pub use reconcile::{repair, verify};
pub use repair::{Added, Part, Repair};
pub use verify::{LogReport, Normalised};

/// Why the log could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The log may not be written.
    #[error("the deployment log cannot be written: {0}")]
    ReadOnly(String),
    /// No space left.
    #[error("no space left for the deployment log: {0}")]
    DiskFull(String),
    /// Anything else.
    #[error("the deployment log failed: {0}")]
    Failed(String),
}

impl LogError {
    fn of(path: &Path, error: &io::Error) -> Self {
        let text = format!("{}: {error}", path.display());
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::DiskFull(text),
            io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied => Self::ReadOnly(text),
            _ => Self::Failed(text),
        }
    }
}

/// The log of one project.
#[derive(Debug, Clone)]
pub struct EventLog {
    path: PathBuf,
}

impl EventLog {
    /// The log of the project in a directory; nothing is made before the first append.
    #[must_use]
    pub fn at(project: &Path) -> Self {
        Self { path: project.join(".chora/memory/events/deployment.jsonl") }
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Appends one line, durably, in one write under an exclusive lock. What a killed writer left unfinished stays on its line.
    ///
    /// # Errors
    /// `ReadOnly`, `DiskFull` (nothing of the line stays then) or `Failed`.
    pub fn append(&self, event: &Event) -> Result<(), LogError> {
        let text = serde_json::to_string(event).map_err(|e| LogError::Failed(e.to_string()))?;
        append::append(&self.path, &text).map_err(|e| LogError::of(&self.path, &e))
    }

    /// The file's bytes for [`lines`]; empty when there is no log yet.
    ///
    /// # Errors
    /// When it is there and cannot be read.
    pub fn bytes(&self) -> Result<Vec<u8>, LogError> {
        match fs::read(&self.path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            read => read.map_err(|e| LogError::of(&self.path, &e)),
        }
    }

    /// The events that a query asks for, in the order of the file; damaged lines are left out. Lines tell the order, not clocks:
    /// from the first event on that is not older than asked, none is.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn events(&self, query: &EventQuery) -> Result<Vec<Entry>, LogError> {
        let bytes = self.bytes()?;
        let mut recent = query.recent();
        let entries = lines(&bytes).filter_map(|line| match line {
            Line::Event(entry) => recent.asks_for(&entry.event).then_some(*entry),
            Line::Damaged(_) => None,
        });
        Ok(entries.collect())
    }

    /// The events whose lines hold a text, such as an id; the others are not even parsed.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub(crate) fn naming(&self, text: &str) -> Result<Vec<Entry>, LogError> {
        let bytes = self.bytes()?;
        let named = line::numbered(&bytes).filter(|(_, line)| std::str::from_utf8(line).is_ok_and(|line| line.contains(text)));
        let entries = named.filter_map(|(number, line)| match line::read(number, line) {
            Line::Event(entry) => Some(*entry),
            Line::Damaged(_) => None,
        });
        Ok(entries.collect())
    }

    /// Reads every line and says what is wrong with the log itself.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn verify(&self) -> Result<LogReport, LogError> {
        Ok(verify::verify(&self.bytes()?))
    }

    /// Mends the log with what is known about its deployments; a log that needs nothing is not touched.
    fn repair_knowing(&self, known: &BTreeMap<String, Known>) -> Result<Repair, LogError> {
        repair::repair(&self.path, known).map_err(|e| LogError::of(&self.path, &e))
    }

    /// Follows the log as it grows.
    #[must_use]
    pub fn follow(&self, start: Start) -> Follower {
        Follower::new(self.path.clone(), start)
    }
}

#[cfg(test)]
mod tests;
