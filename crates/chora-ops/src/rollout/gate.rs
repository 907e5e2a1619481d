//! The gate: containers are asked on all levels until they pass, can never pass, or the budget is used up.

use std::time::Duration;

use chora_core::model::health::{Check, Level, Verdict};
use chora_core::plan::GateTarget;

use crate::context::Context;
use crate::health::{Examination, ServiceExpectations, Standing};

/// The first pause between two rounds; it doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(20);
/// The longest pause between two rounds.
const LONGEST_PAUSE: Duration = Duration::from_millis(500);
/// How long an answer may be wrong before it is final, where the health check names no `start_period`.
const SETTLING: Duration = Duration::from_secs(5);
/// Restarts by the engine after which a container is called unstable.
const RESTARTS: u64 = 3;

/// Why a container was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) target: GateTarget,
    pub(crate) check: Check,
    pub(crate) log: Vec<String>,
    pub(crate) out_of_time: bool,
    pub(crate) interrupted: bool,
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Check { level, asked, answered, .. } = &self.check;
        write!(f, "`{}` failed level {} ({}): {asked}: {answered}", self.target.service, level.number(), level.as_str())?;
        if self.out_of_time { f.write_str(" (out of time)") } else { Ok(()) }
    }
}

/// Checks all targets at once; gives every passed check, or the first refusal.
pub(crate) async fn gate(
    cx: &Context,
    targets: &[GateTarget],
    expectations: &ServiceExpectations,
    budget: Duration,
) -> Result<Vec<Check>, Box<Refusal>> {
    let rounds = targets.iter().map(|target| gate_one(cx, target, expectations, budget));
    Ok(futures_util::future::try_join_all(rounds).await?.into_iter().flatten().collect())
}

async fn gate_one(
    cx: &Context,
    target: &GateTarget,
    expectations: &ServiceExpectations,
    budget: Duration,
) -> Result<Vec<Check>, Box<Refusal>> {
    let began = cx.clock.elapsed();
    let mut pause = FIRST_PAUSE;
    let settling = expectations.start_period(&target.service).unwrap_or(SETTLING);
    loop {
        let spent = cx.clock.elapsed().saturating_sub(began);
        let examination = crate::health::examine(cx, target, expectations, &Level::ALL, budget.saturating_sub(spent)).await;
        let Some(failed) = examination.failure().cloned() else { return Ok(examination.checks) };
        let spent = cx.clock.elapsed().saturating_sub(began);
        let out_of_time = spent + pause >= budget;
        if out_of_time || cx.cancel.is_cancelled() || is_final(&examination, spent, settling) {
            let log = crate::logs::last_lines(cx, &target.container).await;
            let interrupted = cx.cancel.is_cancelled();
            return Err(Box::new(Refusal { target: target.clone(), check: failed, log, out_of_time, interrupted }));
        }
        tokio::select! {
            () = cx.clock.sleep(pause) => {}
            () = cx.cancel.cancelled() => {}
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Whether asking again makes no sense.
fn is_final(examination: &Examination, spent: Duration, settling: Duration) -> bool {
    match examination.standing {
        Standing::NotYet => false,
        Standing::Wrong => spent >= settling,
        Standing::Never => true,
        Standing::Restarting(times) => times >= RESTARTS,
    }
}

/// Whether a list of checks holds a failure.
pub(crate) fn failed(checks: &[Check]) -> Option<&Check> {
    checks.iter().find(|check| check.verdict == Verdict::Fail)
}
