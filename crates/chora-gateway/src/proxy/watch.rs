//! A new release under watch: asked again and again, its errors compared with those of the release before, which serves again when it
//! fails. Nobody has to be there to decide it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{BoxFuture, join_all};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::plane::Plane;
use super::service::Service;
use super::table::ReleaseEntry;

/// How often a release is asked when nobody says.
const EVERY_MS: u64 = 2_000;
/// How many failures in a row end its time when nobody says.
const FAILURES: u32 = 3;
/// How long all answers of a round may take.
const ROUND: Duration = Duration::from_secs(5);
/// How many percent more of its requests than of the release before may fail when nobody says.
const ERRORS: u8 = 5;
/// How many requests say something about how many fail.
const TELLING: u64 = 20;

/// Answers a question, as whoever told the gateway to ask it wrote it; at the address, where there is one, instead of where the question
/// says. What was answered, or what is wrong with it.
pub type Inquiry = Arc<dyn Fn(Value, Option<SocketAddr>) -> BoxFuture<'static, Result<String, String>> + Send + Sync>;

/// What is watched, until when, and where everything goes when it fails.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WatchEntry {
    /// The deployment that is watched.
    pub(super) name: String,
    /// When it ends, in milliseconds since 1970.
    pub(super) until_ms: u64,
    #[serde(default = "every_ms")]
    pub(super) every_ms: u64,
    /// Rounds in a row that must fail.
    #[serde(default = "failures")]
    pub(super) failures: u32,
    /// How many percent more of the requests than on the release before may be answered with 5xx.
    #[serde(default = "errors")]
    pub(super) errors: u8,
    /// How long what is under way has to end when everything goes back.
    pub(super) drain_ms: u64,
    /// The release before, by service.
    pub(super) back: BTreeMap<String, ReleaseEntry>,
    /// What the new release is asked.
    #[serde(default)]
    pub(super) questions: Vec<Value>,
    /// What the release before is asked, before anything is sent back to it.
    #[serde(default)]
    pub(super) back_questions: Vec<Value>,
    /// How it ended, once it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) end: Option<WatchEnd>,
}

/// How a watch ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WatchEnd {
    pub(super) state: WatchState,
    /// When, in milliseconds since 1970.
    pub(super) at_ms: u64,
    pub(super) why: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum WatchState {
    /// The new release held until the end.
    Passed,
    /// The release before serves again.
    SwitchedBack,
}

fn every_ms() -> u64 {
    EVERY_MS
}

fn failures() -> u32 {
    FAILURES
}

fn errors() -> u8 {
    ERRORS
}

/// Milliseconds since 1970.
pub(super) fn now_ms() -> u64 {
    u64::try_from(jiff::Timestamp::now().as_millisecond()).unwrap_or(0)
}

/// Watches whatever is to be watched, for as long as it is polled.
pub(super) async fn watch(plane: &Plane) {
    let mut course = Course::default();
    loop {
        let Some(entry) = plane.watched().await else {
            course = Course::default();
            plane.watch_set.notified().await;
            continue;
        };
        if course.name != entry.name {
            course = Course::begin(plane, &entry);
        }
        let now = now_ms();
        if now >= entry.until_ms {
            plane.end_watch(&entry.name, WatchState::Passed, "nothing failed for good").await;
            continue;
        }
        course.round(plane, &entry).await;
        let pause = Duration::from_millis(entry.every_ms.min(entry.until_ms - now).max(1));
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = plane.watch_set.notified() => {}
        }
    }
}

/// How a watch goes.
#[derive(Default)]
struct Course {
    name: String,
    /// Rounds in a row in which a question was answered wrongly.
    refused: u32,
    /// Counts in a row of too many errors. Without requests there is nothing to count.
    errors: u32,
    /// Requests and errors of each service's release when they were last counted.
    counted: BTreeMap<String, (u64, u64)>,
}

impl Course {
    fn begin(plane: &Plane, entry: &WatchEntry) -> Self {
        let services = entry.back.keys().filter_map(|name| plane.service(name).ok());
        let counted = services.map(|service| (service.name.clone(), service.live().active.tally())).collect();
        Self { name: entry.name.clone(), refused: 0, errors: 0, counted }
    }

    async fn round(&mut self, plane: &Plane, entry: &WatchEntry) {
        let answered = asked(&entry.questions, &plane.ask).await;
        self.refused = if answered.is_err() { self.refused + 1 } else { 0 };
        let told: Vec<Result<(), String>> =
            entry.back.iter().filter_map(|(name, back)| self.more_errors(&*plane.service(name).ok()?, back, entry.errors)).collect();
        let counted: Result<(), String> = told.iter().cloned().collect();
        match (&counted, told.is_empty()) {
            (_, true) => {}
            (Ok(()), false) => self.errors = 0,
            (Err(_), false) => self.errors += 1,
        }
        let Err(fault) = answered.and(counted) else { return };
        tracing::warn!(watch = entry.name, refused = self.refused, errors = self.errors, "{fault}");
        if self.refused.max(self.errors) < entry.failures {
            return;
        }
        // What fails both is not the release's doing, and nothing would be better for going back.
        match asked(&entry.back_questions, &plane.ask).await {
            Ok(()) => plane.end_watch(&entry.name, WatchState::SwitchedBack, &fault).await,
            Err(why) => tracing::warn!(watch = entry.name, "the release before is no better ({why}); it is not switched back"),
        }
    }

    /// Whether a release is worse than the one before, by the requests since they were last counted; `None` where there were few.
    fn more_errors(&mut self, service: &Service, back: &ReleaseEntry, allowed: u8) -> Option<Result<(), String>> {
        let (requests, errors) = service.live().active.tally();
        let counted = self.counted.entry(service.name.clone()).or_insert((requests, errors));
        let (new, failed) = (requests.saturating_sub(counted.0), errors.saturating_sub(counted.1));
        if new < TELLING {
            return None;
        }
        *counted = (requests, errors);
        let before = service.live().draining.iter().rev().find(|drain| drain.release.entry == *back).map(|drain| drain.release.tally());
        let (before, before_failed) = before.unwrap_or((0, 0));
        // failed / new > before_failed / before + allowed / 100, in whole numbers.
        let (left, right) = (failed * 100 * before.max(1), (before_failed * 100 + u64::from(allowed) * before.max(1)) * new);
        let words = || format!("{failed} of {new} requests to {} were answered with 5xx; {before_failed} of {before} before", service.name);
        Some(if left > right { Err(words()) } else { Ok(()) })
    }
}

/// Asks everything at once; the first fault.
async fn asked(questions: &[Value], ask: &Inquiry) -> Result<(), String> {
    let answers = join_all(questions.iter().map(|question| ask(question.clone(), None)));
    match tokio::time::timeout(ROUND, answers).await {
        Ok(answers) => answers.into_iter().try_for_each(|answer| answer.map(drop)),
        Err(_) => Err(format!("not everything was answered within {ROUND:?}")),
    }
}
