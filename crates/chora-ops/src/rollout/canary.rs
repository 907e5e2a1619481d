//! The wait for a canary: its figures are looked at until its time is over, or until it is clear that it is worse.

mod looks;

use std::time::Duration;

use chora_core::model::canary::{Judgement, judge};
use chora_core::model::deployment::CanaryResult;
use chora_core::model::event::ProgressState;
use chora_core::plan::{Action, Plan, StepPhase, Trial};
use chora_core::ports::EngineError;

use crate::context::Context;
use crate::gateway::{GatewayError, Side};
use crate::rollout::canary::looks::{Look, Looks};
use crate::rollout::perform::StepError;

/// The longest time between two looks.
const LOOK: Duration = Duration::from_secs(1);
/// How many looks in a row must find it worse before the time is over.
const FAILURES: u32 = 3;
/// How long an answer may take at most before it counts as failed.
const LATE: Duration = Duration::from_secs(10);
/// How long a gateway may be silent: it may be starting again.
const SILENCE: Duration = Duration::from_secs(10);
/// How long candidates that are replaced by others have to end what they are at.
const DRAIN: Duration = Duration::from_secs(30);
/// Between two words to whoever waits.
const WORDS: Duration = Duration::from_secs(30);

/// How canaries went.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) results: Vec<CanaryResult>,
    /// Whether the gateway knew how to.
    pub(crate) known: bool,
}

impl std::fmt::Display for Ended {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if !self.known {
            return f.write_str("a gateway of an earlier version knows no canaries; the gate alone decides");
        }
        let words = self.results.iter().map(|result| match result.judgement {
            Judgement::TooFew => format!("{result}; the gate alone decides"),
            _ => result.to_string(),
        });
        f.write_str(&words.collect::<Vec<_>>().join("; "))
    }
}

/// Whether candidates get some of the requests, by the steps that have begun and were not undone.
pub(crate) fn is_open(plan: &Plan, has_begun: impl Fn(usize) -> bool) -> bool {
    let begun = || plan.steps.iter().enumerate().filter(|(index, _)| has_begun(*index)).map(|(_, step)| step);
    begun().any(|step| matches!(step.action, Action::Canary { .. })) && begun().all(|step| step.phase < StepPhase::Switch)
}

/// Lets some requests go to candidates, waits, and compares. The longest time counts where there are several.
pub(crate) async fn canary(cx: &Context, gateway: &str, trials: &[Trial]) -> Result<Ended, StepError> {
    if !cx.gateways.begin_canary(gateway, trials, DRAIN).await? {
        return Ok(Ended { results: Vec::new(), known: false });
    }
    let lasts = Duration::from_secs(trials.iter().map(|trial| trial.rules.seconds).max().unwrap_or_default());
    let began = cx.clock.elapsed();
    let mut looks = Looks::new((lasts / 2).min(LATE));
    let (mut bad, mut heard, mut told) = (0, began, began);
    loop {
        cx.clock.sleep((lasts / 4).min(LOOK)).await;
        if cx.cancel.is_cancelled() {
            return Err(StepError::Interrupted(None));
        }
        let now = cx.clock.elapsed();
        let sides = match cx.gateways.canary(gateway).await {
            Err(error) if is_passing(&error) && now.saturating_sub(heard) < SILENCE => {
                tracing::warn!(%error, "a canary could not be looked at");
                continue;
            }
            sides => sides?,
        };
        heard = now;
        let look = looks.take(now, sides);
        if look.anew {
            cx.note(ProgressState::Note, "canary", "the gateway has begun anew; what it had counted before still counts", (0, 0));
        }
        let passed = now.saturating_sub(began);
        let is_over = passed >= lasts;
        let results = compared(gateway, trials, &look, percent(passed, lasts))?;
        bad = if results.iter().any(|result| result.judgement.is_bad()) { bad + 1 } else { 0 };
        if bad >= FAILURES || is_over {
            return match results.iter().find(|result| result.judgement.is_bad()) {
                Some(worse) => Err(StepError::Worse(Box::new(worse.clone()))),
                None => Ok(Ended { results, known: true }),
            };
        }
        if now.saturating_sub(told) >= WORDS {
            told = now;
            results.iter().for_each(|result| cx.note(ProgressState::Note, "canary", &result.to_string(), (0, 0)));
        }
    }
}

/// Whether a gateway may just be starting again.
fn is_passing(error: &GatewayError) -> bool {
    match error {
        GatewayError::Engine(EngineError::Unreachable { .. }) | GatewayError::Refused { .. } => false,
        GatewayError::Engine(_) | GatewayError::Silent { .. } => true,
    }
}

/// How much of a time is over.
fn percent(passed: Duration, lasts: Duration) -> u64 {
    let percent = (passed.as_millis() * 100).checked_div(lasts.as_millis()).unwrap_or(100);
    u64::try_from(percent).unwrap_or(100).min(100)
}

/// The comparison of each service, all its ports together, when so many percent of the time are over.
fn compared(gateway: &str, trials: &[Trial], look: &Look, over: u64) -> Result<Vec<CanaryResult>, GatewayError> {
    let of = |trial: &Trial| {
        let mut both = Side::default();
        for route in &trial.routes {
            let backend = route.backend();
            let Some(side) = look.now.get(&backend).cloned() else {
                let reason = format!("it has no canary of {backend} any more");
                return Err(GatewayError::Silent { container: gateway.to_owned(), reason });
            };
            let earlier = look.then.get(&backend).cloned().unwrap_or_default();
            both.new.add(&side.new.since(&earlier.new));
            both.old.add(&side.old.since(&earlier.old));
        }
        let judgement = judge(&trial.rules, &both.new, &both.old, over);
        Ok(CanaryResult { service: trial.service.clone(), judgement, new: (&both.new).into(), old: (&both.old).into() })
    };
    trials.iter().map(of).collect()
}
