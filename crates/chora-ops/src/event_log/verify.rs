//! What is wrong with a log.

use indexmap::IndexMap;

use chora_core::model::event::EventStatus;

use super::account::deployment_of;
use super::line::{Damaged, Line, lines};

/// A line that was read in another way than it stands.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
pub struct Normalised {
    /// Line number from 1.
    pub number: usize,
    /// What was read in another way.
    pub changes: Vec<String>,
}

/// The state of a log.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
pub struct LogReport {
    /// Lines that are not blank.
    pub lines: usize,
    /// Lines in today's vocabulary.
    pub valid: usize,
    /// Lines in an older one.
    pub normalised: Vec<Normalised>,
    /// Lines that cannot be read.
    pub damaged: Vec<Damaged>,
    /// Deployments with no terminal line: they run, or their process was killed and nobody came back for them.
    pub without_end: Vec<String>,
    /// Deployments with more than one terminal line.
    pub ended_twice: Vec<String>,
    /// Deployments that end without having begun.
    pub without_beginning: Vec<String>,
    /// What to do about it; empty for a sound log.
    #[serde(default)]
    pub next: Vec<String>,
}

impl LogReport {
    /// Tells whether every line can be read and every deployment has one beginning and one end.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.damaged.is_empty() && self.without_end.is_empty() && self.ended_twice.is_empty() && self.without_beginning.is_empty()
    }
}

pub(super) fn verify(bytes: &[u8]) -> LogReport {
    let mut report = LogReport::default();
    // Beginnings and ends by deployment.
    let mut seen: IndexMap<String, (usize, usize)> = IndexMap::new();
    for line in lines(bytes) {
        report.lines += 1;
        match line {
            Line::Damaged(damaged) => report.damaged.push(damaged),
            Line::Event(entry) => {
                if let Some(id) = deployment_of(&entry.event) {
                    let (begun, ended) = seen.entry(id.to_owned()).or_default();
                    let count = if entry.event.status == EventStatus::InProgress { begun } else { ended };
                    *count += 1;
                }
                if entry.normalised.is_empty() {
                    report.valid += 1;
                } else {
                    report.normalised.push(Normalised { number: entry.number, changes: entry.normalised });
                }
            }
        }
    }
    let ids = |wrong: fn(usize, usize) -> bool| {
        seen.iter().filter(|(_, (begun, ended))| wrong(*begun, *ended)).map(|(id, _)| id.clone()).collect()
    };
    report.without_end = ids(|_, ended| ended == 0);
    report.ended_twice = ids(|_, ended| ended > 1);
    report.without_beginning = ids(|begun, _| begun == 0);
    report
}
