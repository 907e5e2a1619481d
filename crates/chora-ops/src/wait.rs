//! `chora wait`: waits until services answer, with exponential back-off and one time limit for all of them.

mod postgres;
mod target;

use std::time::Duration;

use chora_core::ports::Clock;

use self::target::Target;
use crate::probe::TargetError;

/// The first pause; each further one is twice as long, up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// One attempt never takes longer, so that a lost packet does not cost the whole limit.
const LONGEST_ATTEMPT: Duration = Duration::from_secs(5);
/// An attempt that could not last so long says nothing about the target: what was answered before is told.
const SHORTEST_ATTEMPT: Duration = Duration::from_millis(100);

/// What to wait for.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WaitRequest {
    /// `tcp://host:port`, `http://host:port/path` or `postgres://user@host:port/database`.
    pub targets: Vec<String>,
    /// For all of them together.
    pub limit: Duration,
}

/// How the waiting ended.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
pub struct WaitOutcome {
    /// Every target is ready.
    pub ok: bool,
    /// Each target, in the order asked for.
    pub targets: Vec<TargetOutcome>,
}

/// How one target did.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
pub struct TargetOutcome {
    /// The target without its password.
    pub target: String,
    /// It answers as it should.
    pub ready: bool,
    /// How often it was asked.
    pub attempts: u32,
    /// How long it took.
    pub took_ms: u64,
    /// Its last answer.
    pub answered: String,
}

/// Waits until all targets are ready or the limit is over; targets are asked side by side.
///
/// # Errors
/// When a target is not written as one, before anything is asked.
pub async fn wait_for(clock: &dyn Clock, request: &WaitRequest) -> Result<WaitOutcome, TargetError> {
    let targets = request.targets.iter().map(|target| Target::parse(target)).collect::<Result<Vec<_>, _>>()?;
    let targets = futures_util::future::join_all(targets.iter().map(|target| wait_for_one(clock, target, request.limit))).await;
    Ok(WaitOutcome { ok: targets.iter().all(|target| target.ready), targets })
}

async fn wait_for_one(clock: &dyn Clock, target: &Target, limit: Duration) -> TargetOutcome {
    let started = clock.elapsed();
    let mut pause = FIRST_PAUSE;
    let mut attempts = 0;
    let mut before = None;
    loop {
        let left = limit.saturating_sub(clock.elapsed().saturating_sub(started));
        let answer = target.ask(left.min(LONGEST_ATTEMPT)).await;
        attempts += 1;
        let took = clock.elapsed().saturating_sub(started);
        let ready = answer.is_ok();
        let cut_short = !ready && left < SHORTEST_ATTEMPT;
        let answered = answer.unwrap_or_else(|words| words);
        let answered = if cut_short { before.unwrap_or(answered) } else { answered };
        let left = limit.saturating_sub(took);
        if ready || left.is_zero() {
            let took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
            return TargetOutcome { target: target.to_string(), ready, attempts, took_ms, answered };
        }
        before = Some(answered);
        clock.sleep(pause.min(left)).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}
