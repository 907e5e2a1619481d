//! A container that shows nothing but that it runs has to stay up for a while before it is believed; one that the engine had to
//! restart, for longer.

use std::time::Duration;

use chora_core::model::health::{Check, Level, ServiceHealth, Verdict};
use jiff::Timestamp;

use crate::context::Context;
use crate::health::{Examination, Seen};

/// Asked of a container that nothing speaks for. Others wait 5 s (Swarm, uncloud), 7 s (Kamal) or 10 s (Nomad) and look on
/// seldom; what cannot run at all mostly ends within its first second.
const QUIET: Duration = Duration::from_secs(3);
/// Asked after a restart: the engine, too, calls a start successful once it has lasted for ten seconds (Docker, "Start containers
/// automatically").
const AFTER_A_RESTART: Duration = Duration::from_secs(10);

/// What is asked of a container in time, and what was seen of it.
pub(super) struct Calm {
    asked: ServiceHealth,
    budget: Duration,
    run: Option<Run>,
    /// Everything else has passed.
    passed: Option<Passed>,
    /// Whether the engine tells the time by this machine's clock, once that is known.
    same_clock: Option<bool>,
}

struct Run {
    seen: Seen,
    since: Duration,
}

struct Passed {
    checks: Vec<Check>,
    proven: bool,
    left: Duration,
}

impl Calm {
    pub(super) const fn of(asked: ServiceHealth, budget: Duration) -> Self {
        Self { asked, budget, run: None, passed: None, same_clock: None }
    }

    /// What the next round asks.
    pub(super) fn levels(&self) -> &'static [Level] {
        match &self.passed {
            Some(passed) if !passed.proven => &[Level::Container],
            _ => &Level::ALL,
        }
    }

    /// How long it still has to stay up, where that is all that is missing.
    pub(super) fn left(&self) -> Option<Duration> {
        self.passed.as_ref().map(|passed| passed.left)
    }

    /// Takes a round's result; it fails as long as the container has not been up for long enough.
    pub(super) async fn after(&mut self, cx: &Context, examination: Examination) -> Examination {
        let before = self.passed.take();
        let Some(seen) = examination.seen else { return examination };
        if self.run.as_ref().is_none_or(|run| !run.seen.is_same_run(&seen)) {
            self.run = Some(Run { seen, since: cx.clock.elapsed() });
        }
        if examination.failure().is_some() {
            return examination;
        }
        let asked_before = before.filter(|before| !before.proven);
        let (checks, proven) = asked_before.map_or((examination.checks, seen.proven), |before| (before.checks, false));
        let wanted = self.wanted(&seen, proven);
        let up = if wanted.is_zero() { wanted } else { self.up(cx, seen.started_at).await };
        if up >= wanted {
            return Examination::of(told(checks, &seen, wanted));
        }
        let checks_so_far = lacking(&checks, &seen, (up, wanted));
        self.passed = Some(Passed { checks, proven, left: wanted.saturating_sub(up) });
        Examination::of(checks_so_far)
    }

    fn wanted(&self, seen: &Seen, proven: bool) -> Duration {
        let fits = |wanted: Duration| wanted.min(self.budget / 2);
        let usual = if proven { Duration::ZERO } else { fits(QUIET) };
        let wanted = self.asked.stable_for.unwrap_or(usual);
        if seen.restarts > u64::from(self.asked.restarts_allowed) { wanted.max(fits(AFTER_A_RESTART)) } else { wanted }
    }

    /// How long the present run has lasted: as long as it was watched, or as the engine says where both have one clock.
    async fn up(&mut self, cx: &Context, started_at: Option<Timestamp>) -> Duration {
        let watched = self.run.as_ref().map_or(Duration::ZERO, |run| cx.clock.elapsed().saturating_sub(run.since));
        let same_clock = match self.same_clock {
            Some(same) => same,
            None => cx.engine.facts().await.is_ok_and(|facts| facts.same_files),
        };
        self.same_clock = Some(same_clock);
        let told = started_at.filter(|_| same_clock).and_then(|since| cx.clock.now().duration_since(since).try_into().ok());
        told.map_or(watched, |told: Duration| told.max(watched))
    }
}

impl Seen {
    fn is_same_run(&self, other: &Self) -> bool {
        (self.started_at, self.restarts) == (other.started_at, other.restarts)
    }
}

/// The checks with what staying up has shown.
fn told(mut checks: Vec<Check>, seen: &Seen, wanted: Duration) -> Vec<Check> {
    let first = checks.iter_mut().find(|check| check.level == Level::Container && !wanted.is_zero());
    if let Some(check) = first {
        let wanted = wanted.as_secs_f64();
        check.answered = match seen.restarts {
            0 => format!("running, up for {wanted} s without a restart"),
            restarts => format!("running, {restarts} restarts, up for {wanted} s since its last restart"),
        };
    }
    checks
}

/// The failure of a container that may still end: nothing else fails.
fn lacking(checks: &[Check], seen: &Seen, (up, wanted): (Duration, Duration)) -> Vec<Check> {
    let (up, wanted) = (up.as_secs(), wanted.as_secs_f64());
    let answered = match seen.restarts {
        0 => format!("up for {up} s of the {wanted} s that are asked of a service without a check"),
        restarts => format!("up for {up} s since the last of {restarts} restarts; {wanted} s are asked after one"),
    };
    let first = checks.iter().find(|check| check.level == Level::Container);
    first.map(|check| Check { verdict: Verdict::Fail, answered, ..check.clone() }).into_iter().collect()
}
