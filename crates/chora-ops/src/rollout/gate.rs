//! The gate: containers are asked on all levels until they pass, can never pass, or the budget is used up.

mod calm;
mod excuse;

use std::collections::BTreeMap;
use std::time::Duration;

use chora_core::model::event::ProgressState;
use chora_core::model::health::{Check, Verdict};
use chora_core::plan::{Action, GateTarget};
use chora_core::ports::EngineError;

use crate::context::Context;
use crate::health::{Examination, ServiceExpectations, Standing};
use crate::rollout::gate::calm::Calm;
use crate::rollout::gate::excuse::Excuse;

/// The first pause between two rounds; it doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(20);
/// The longest pause between two rounds.
const LONGEST_PAUSE: Duration = Duration::from_millis(500);
/// How long an answer may be wrong before it is final, where the health check names no `start_period`.
const SETTLING: Duration = Duration::from_secs(5);
/// How long a container may fail before that is told: most fail for a moment while they start.
const TELL_AFTER: Duration = Duration::from_secs(1);

/// Why a container was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) target: GateTarget,
    pub(crate) check: Check,
    pub(crate) log: Vec<String>,
    pub(crate) out_of_time: bool,
    /// How long the container was given in all.
    pub(crate) budget: Duration,
    pub(crate) interrupted: bool,
    /// The engine did not answer, so that nothing can be said about the container.
    pub(crate) engine: Option<EngineError>,
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "`{}` failed {}", self.target.service, words(&self.check))?;
        if self.out_of_time { write!(f, " (out of time: the gate had {:?} for it)", self.budget) } else { Ok(()) }
    }
}

/// What failed: level, question and answer.
fn words(check: &Check) -> String {
    let Check { level, asked, answered, .. } = check;
    format!("level {} ({}): {asked}: {answered}", level.number(), level.as_str())
}

/// How long containers are given.
#[derive(Debug, Clone, Default)]
pub(crate) struct Budgets {
    pub(crate) usual: Duration,
    /// Services that are down until their gate has passed.
    pub(crate) while_down: BTreeMap<String, Duration>,
}

impl Budgets {
    fn of(&self, service: &str) -> Duration {
        self.while_down.get(service).copied().unwrap_or(self.usual)
    }
}

/// Checks all targets at once; gives every passed check, or the first refusal.
pub(crate) async fn gate(
    cx: &Context,
    targets: &[GateTarget],
    expectations: &ServiceExpectations,
    budgets: &Budgets,
) -> Result<Vec<Check>, Box<Refusal>> {
    let step = Action::Gate { targets: targets.to_vec() }.to_string();
    let rounds = targets.iter().map(|target| {
        let budget = budgets.of(&target.service);
        gate_one(cx, Waiting { target, step: &step, budget, told: String::new() }, expectations)
    });
    Ok(futures_util::future::try_join_all(rounds).await?.into_iter().flatten().collect())
}

async fn gate_one(cx: &Context, mut waiting: Waiting<'_>, expectations: &ServiceExpectations) -> Result<Vec<Check>, Box<Refusal>> {
    let Waiting { target, budget, .. } = waiting;
    let began = cx.clock.elapsed();
    let mut pause = FIRST_PAUSE;
    let settling = expectations.start_period(&target.service).unwrap_or(SETTLING);
    let mut calm = Calm::of(expectations.of(&target.service).health, budget);
    let mut last: Option<Excuse> = None;
    loop {
        let spent = cx.clock.elapsed().saturating_sub(began);
        let examination = tokio::select! {
            biased;
            examination = crate::health::examine(cx, target, expectations, calm.levels(), budget.saturating_sub(spent)) => examination,
            // What failed before says more than a question that was cut short.
            () = cx.cancel.cancelled(), if last.is_some() => Examination::of(last.iter().map(|excuse| excuse.check.clone())),
        };
        let examination = calm.after(cx, examination).await;
        let Some(failed) = examination.failure().cloned() else { return Ok(examination.checks) };
        let failed = Excuse::after(last, Excuse { check: failed, cut_short: examination.cut_short });
        let spent = cx.clock.elapsed().saturating_sub(began);
        let out_of_time = spent + pause >= budget;
        if out_of_time || cx.cancel.is_cancelled() || is_final(&examination, spent, settling) {
            let log = crate::logs::last_lines(cx, &target.container).await;
            let (interrupted, engine) = (cx.cancel.is_cancelled(), away(&examination));
            let out_of_time = out_of_time && !interrupted;
            let check = failed.check;
            return Err(Box::new(Refusal { target: target.clone(), check, log, out_of_time, budget, interrupted, engine }));
        }
        if calm.left().is_none() {
            waiting.tell(cx, &failed.check, spent);
        }
        last = Some(failed);
        let wait = calm.left().map_or(pause, |left| left.min(pause));
        tokio::select! {
            () = cx.clock.sleep(wait) => {}
            () = cx.cancel.cancelled() => {}
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// A container that is waited for.
struct Waiting<'a> {
    target: &'a GateTarget,
    /// The gate, as its step is told.
    step: &'a str,
    budget: Duration,
    /// What was told last.
    told: String,
}

impl Waiting<'_> {
    /// Tells what is failing, once it has failed for a while, and again only when it fails in another way.
    fn tell(&mut self, cx: &Context, failed: &Check, spent: Duration) {
        // Numbers change all the time: milliseconds, ports of the asking side, how often it was tried.
        let way: String = words(failed).chars().filter(|c| !c.is_ascii_digit()).collect();
        if spent < TELL_AFTER || way == self.told {
            return;
        }
        self.told = way;
        let left = self.budget.saturating_sub(spent).as_secs();
        let note = format!("`{}` still fails {}; {left} s left", self.target.service, words(failed));
        cx.note(ProgressState::Note, self.step, &note, (0, 0));
    }
}

/// Whether asking again makes no sense.
fn is_final(examination: &Examination, spent: Duration, settling: Duration) -> bool {
    match &examination.standing {
        Standing::NotYet => false,
        Standing::Wrong => spent >= settling,
        Standing::Never | Standing::Unknown(_) => true,
    }
}

fn away(examination: &Examination) -> Option<EngineError> {
    match &examination.standing {
        Standing::Unknown(error) => Some(error.clone()),
        _ => None,
    }
}

/// Whether a list of checks holds a failure.
pub(crate) fn failed(checks: &[Check]) -> Option<&Check> {
    checks.iter().find(|check| check.verdict == Verdict::Fail)
}
