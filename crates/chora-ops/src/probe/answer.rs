//! How a probe ends: within its time, with a verdict and one line of evidence.

use std::time::Duration;

use chora_core::model::contract::Contract;
use chora_core::model::health::{ProbeAnswer, ProbeVerdict};
use tokio::time::Instant;

/// What was learnt when the conditions hold.
#[derive(Debug, Default)]
pub(crate) struct Passed {
    pub(crate) degraded: bool,
    pub(crate) answered: String,
    pub(crate) contract: Option<Contract>,
}

/// Why they do not.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// Nobody answers, or not in time.
    Silent(String),
    /// The answer is wrong.
    Wrong(String),
    /// The answer can never be right.
    Refused(String, Option<Box<Contract>>),
}

impl Trouble {
    pub(crate) fn map(self, change: impl FnOnce(String) -> String) -> Self {
        match self {
            Self::Silent(words) => Self::Silent(change(words)),
            Self::Wrong(words) => Self::Wrong(change(words)),
            Self::Refused(words, contract) => Self::Refused(change(words), contract),
        }
    }
}

/// Turns an outcome into the answer that the port promises.
pub(crate) fn answer(asked: String, outcome: Result<Passed, Trouble>, took: Duration) -> ProbeAnswer {
    let (verdict, answered, contract) = match outcome {
        Ok(passed) if passed.degraded => (ProbeVerdict::Degraded, passed.answered, passed.contract),
        Ok(passed) => (ProbeVerdict::Pass, passed.answered, passed.contract),
        Err(Trouble::Silent(words)) => (ProbeVerdict::NoAnswer, words, None),
        Err(Trouble::Wrong(words)) => (ProbeVerdict::WrongAnswer, words, None),
        Err(Trouble::Refused(words, contract)) => (ProbeVerdict::Refused, words, contract.map(|contract| *contract)),
    };
    ProbeAnswer { verdict, asked, answered, took, contract }
}

/// The one time budget that all inner waits share.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Deadline {
    at: Instant,
    limit: Duration,
}

impl Deadline {
    pub(crate) fn after(limit: Duration) -> Self {
        Self { at: Instant::now() + limit, limit: Duration::from_millis(u64::try_from(limit.as_millis()).unwrap_or(u64::MAX)) }
    }

    /// Waits for `work`; when time runs out, the trouble says that `what` did not answer.
    pub(crate) async fn bound<T>(&self, what: &str, work: impl Future<Output = Result<T, Trouble>>) -> Result<T, Trouble> {
        match tokio::time::timeout_at(self.at, work).await {
            Ok(outcome) => outcome,
            Err(_) => Err(Trouble::Silent(format!("{what} did not answer within {:?}", self.limit))),
        }
    }
}

/// The first `length` characters on one line.
pub(crate) fn excerpt(text: &str, length: usize) -> String {
    let line = text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(length) {
        Some((end, _)) => format!("{}…", line.get(..end).unwrap_or_default()),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::excerpt;

    #[test]
    fn an_excerpt_is_one_short_line() {
        assert_eq!(excerpt(" a\r\n\tb\u{0}c ", 200), "a b c");
        assert_eq!(excerpt("äöüß", 2), "äö…");
        assert_eq!(excerpt("", 2), "");
    }
}
