//! Carries out a plan: a step begins as soon as what it needs is done, journaled before it starts. Steps that need nothing of
//! each other are under way at once.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chora_core::model::deployment::{Deployment, JournalEntry, JournalMark};
use chora_core::model::event::ProgressState;
use chora_core::model::health::{Check, Verdict};
use chora_core::model::ids::ReleaseId;
use chora_core::model::release::Release;
use chora_core::plan::gateway::{GATEWAY, contents_of};
use chora_core::plan::{Action, Plan, Step, StepPhase, needs};
use futures_util::future::FutureExt as _;
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use jiff::Timestamp;

use crate::context::{Context, Pause};
use crate::gateway::{Watch, rehearse, verify, watch_document};
use crate::health::ServiceExpectations;
use crate::rollout::canary;
use crate::rollout::course::Course;
use crate::rollout::patience::{Presence, patiently, told_to_go_on};
use crate::rollout::perform::StepError;

/// A deployment under way.
pub(crate) struct Run<'a> {
    pub(crate) cx: &'a Context,
    pub(crate) deployment: &'a Deployment,
    pub(crate) plan: &'a Plan,
    /// The release that steps make live.
    pub(crate) release: &'a Release,
    pub(crate) expectations: &'a ServiceExpectations,
    /// Shared by the steps under way; never locked while something is waited for.
    course: Mutex<Course>,
}

/// A step that failed.
#[derive(Debug)]
pub(crate) struct StepFailure {
    pub(crate) what: String,
    pub(crate) error: StepError,
}

/// How a step ended, with evidence when it went well.
struct Ended {
    index: usize,
    result: Result<String, StepError>,
}

impl<'a> Run<'a> {
    pub(crate) fn new(
        cx: &'a Context,
        deployment: &'a Deployment,
        plan: &'a Plan,
        release: &'a Release,
        expectations: &'a ServiceExpectations,
    ) -> Self {
        Self { cx, deployment, plan, release, expectations, course: Mutex::default() }
    }

    /// The same run in another context.
    pub(crate) fn within(self, cx: &'a Context) -> Self {
        Self { cx, ..self }
    }

    /// Whether candidates may get some of the requests.
    pub(crate) fn is_trying(&self) -> bool {
        let course = self.course();
        canary::is_open(self.plan, |index| course.begun.contains(&index))
    }

    /// What came of it so far.
    pub(crate) fn course(&self) -> MutexGuard<'_, Course> {
        self.course.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does the steps that are not over. The first failure lets nothing begin any more; what the engine is at is waited for.
    /// After the release is recorded nothing is taken back: what fails there is left over for the next deployment, and the rest
    /// is still done.
    pub(crate) async fn execute(&self) -> Result<(), StepFailure> {
        let needs = needs(self.plan, &self.release.stack);
        if let Some(gateway) = self.present_gateway() {
            self.cx.gateways.prepare(gateway);
        }
        let halt = self.cx.cancel.child_token();
        let cx = Context { cancel: halt.clone(), ..self.cx.clone() };
        let (mut under_way, mut ended, mut failure) = (FuturesUnordered::new(), Vec::new(), None);
        loop {
            let begins = match self.take_stock(&ended, &needs, failure.is_none()).await {
                Ok(begins) => begins,
                Err(failed) => {
                    halt.cancel();
                    failure.get_or_insert(failed);
                    Vec::new()
                }
            };
            under_way.extend(begins.into_iter().map(|index| self.step(&cx, index)));
            ended = next(&mut under_way).await;
            if ended.is_empty() {
                break;
            }
        }
        match failure {
            Some(failure) => Err(failure),
            None => {
                self.look_after(&cx).await;
                self.forget_files(&cx).await;
                Ok(())
            }
        }
    }

    /// The gateway that is to be told something and is not made by this very plan.
    pub(super) fn present_gateway(&self) -> Option<&str> {
        let actions = || self.plan.steps.iter().map(|step| &step.action);
        let gateway = actions().find_map(|action| match action {
            Action::Route { gateway, .. } | Action::Hold { gateway, .. } => Some(gateway.as_str()),
            _ => None,
        })?;
        let made = actions().any(|action| matches!(action, Action::CreateContainer { instance } if instance.name == gateway));
        (!made).then_some(gateway)
    }

    /// There is no other way any more, back or on: the gateway needs no certificates but those that it serves.
    pub(super) async fn forget_files(&self, cx: &Context) {
        let told = self.plan.steps.iter().rev().find_map(|step| match &step.action {
            Action::Route { gateway, routes, .. } if !contents_of(routes).is_empty() => Some(gateway),
            _ => None,
        });
        if let Some(gateway) = told {
            cx.gateways.forget_files(gateway).await;
        }
    }

    /// Takes in what has ended and gives the steps that begin now; both are journaled together.
    async fn take_stock(&self, ended: &[Ended], needs: &[BTreeSet<usize>], goes_on: bool) -> Result<Vec<usize>, StepFailure> {
        let failed = self.take_in(ended).or_else(|| self.interruption());
        let begins = if goes_on && failed.is_none() { self.course().ready(needs) } else { Vec::new() };
        let journaled = self.journal_all(ended, &begins).await;
        // The failure itself matters more than its line in the journal.
        match failed {
            Some(failure) => Err(failure),
            None => journaled.map(|()| begins),
        }
    }

    /// Gives the first failure that ends the run.
    fn take_in(&self, ended: &[Ended]) -> Option<StepFailure> {
        let mut first = None;
        for Ended { index, result } in ended {
            let failure = match result {
                Ok(_) => None,
                Err(error) => Some(self.failure(*index, error.clone())),
            };
            if let Some(StepFailure { what, error }) = &failure {
                self.tell(ProgressState::Failed, *index, what, &error.to_string());
            }
            self.course().ended(*index, failure.as_ref().is_none_or(|_| self.is_recorded(*index)));
            match failure {
                Some(StepFailure { what, error }) if self.is_recorded(*index) => self.course().left_over.push(format!("{what}: {error}")),
                Some(failure) => drop(first.get_or_insert(failure)),
                None => {}
            }
        }
        first
    }

    /// Before the record a run can be interrupted.
    fn interruption(&self) -> Option<StepFailure> {
        let open = (0..self.plan.steps.len()).find(|index| !self.course().over.contains(index))?;
        (self.cx.cancel.is_cancelled() && !self.is_recorded(open)).then(|| self.failure(open, StepError::Interrupted(None)))
    }

    fn failure(&self, index: usize, error: StepError) -> StepFailure {
        StepFailure { what: self.words(index), error }
    }

    fn words(&self, index: usize) -> String {
        self.plan.steps.get(index).map_or_else(String::new, |step| step.action.to_string())
    }

    /// Whether a step comes after the point of no return.
    fn is_recorded(&self, index: usize) -> bool {
        self.plan.point_of_no_return().is_some_and(|record| index > record)
    }

    async fn step(&self, cx: &Context, index: usize) -> Ended {
        let Some(Step { phase, action, .. }) = self.plan.steps.get(index) else {
            return Ended { index, result: Ok(String::new()) };
        };
        self.pause(index, false, false).await;
        self.course().switched |= *phase == StepPhase::Switch;
        let result = self.act(cx, action, *phase).await;
        self.pause(index, true, false).await;
        Ended { index, result }
    }

    async fn act(&self, cx: &Context, action: &Action, phase: StepPhase) -> Result<String, StepError> {
        match action {
            Action::Gate { targets } => {
                let checks = self.pass_gate(cx, targets).await?;
                let passed = checks.iter().filter(|check| matches!(check.verdict, Verdict::Pass | Verdict::Warning)).count();
                self.course().checks.extend(checks);
                targets.iter().for_each(|target| self.close_gap(&target.service));
                Ok(format!("{passed} checks passed"))
            }
            Action::Verify { gateway, targets } => {
                let checks = verify(cx, gateway, targets, self.expectations).await?;
                Ok(self.passed(checks))
            }
            Action::Rehearse { gateway, routes, targets } => {
                let checks = rehearse(cx, gateway, (routes, targets), self.expectations).await?;
                Ok(self.passed(checks))
            }
            Action::Canary { gateway, trials } => {
                let ended = canary::canary(cx, gateway, trials).await;
                let worse = |error: &StepError| if let StepError::Worse(result) = error { vec![(**result).clone()] } else { Vec::new() };
                self.course().traffic.canaries = ended.as_ref().map_or_else(worse, |ended| ended.results.clone());
                Ok(ended?.to_string())
            }
            Action::Watch { gateway, deployment, seconds, drain_seconds, rules, routes, back } => {
                let until = cx.clock.now().saturating_add(Duration::from_secs(*seconds)).unwrap_or(Timestamp::MAX);
                let drain = Duration::from_secs(*drain_seconds);
                let watch = Watch { deployment, until, drain, rules: *rules, routes, back };
                cx.gateways.watch(gateway, watch_document(&watch, self.expectations)).await?;
                Ok(format!("until {until:.0}"))
            }
            Action::Record { .. } => {
                if self.presence() == Presence::Away {
                    let checks = self.pass_gate(cx, &[]).await?;
                    self.course().checks.extend(checks);
                }
                // It is made together with its line in the journal.
                Ok(String::new())
            }
            other => {
                if let (Action::StopContainer { service, .. }, StepPhase::Switch) = (other, phase)
                    && !self.is_held(service)
                {
                    let now = cx.clock.elapsed();
                    self.course().stopped_at.entry(service.clone()).or_insert(now);
                }
                // Past the record nothing is lost by not waiting for an engine that is known to be away.
                let waits = phase < StepPhase::Retire || self.presence() != Presence::Away;
                let done = patiently(cx, other, self.release, waits).await;
                self.saw(&done);
                let evidence = done?.evidence;
                if let Action::Route { routes, .. } = other {
                    routes.iter().map(|route| route.service.as_str()).chain([GATEWAY]).for_each(|service| self.close_gap(service));
                }
                self.course().take(other, evidence);
                Ok(evidence.to_string())
            }
        }
    }

    fn passed(&self, checks: Vec<Check>) -> String {
        let words = format!("{} checks passed", checks.len());
        self.course().checks.extend(checks);
        words
    }

    /// Whether requests to a service wait while it is swapped: then it is late, not gone.
    fn is_held(&self, service: &str) -> bool {
        self.plan.steps.iter().any(|step| matches!(&step.action, Action::Hold { service: held, .. } if held == service))
    }

    /// A stop-first service serves again.
    pub(crate) fn close_gap(&self, service: &str) {
        let now = self.cx.clock.elapsed();
        self.course().close_gap(service, now);
    }

    /// Journals steps that have ended and steps that begin, all or none; with the record the release becomes live. Past it the
    /// work matters more than its lines.
    async fn journal_all(&self, ended: &[Ended], begins: &[usize]) -> Result<(), StepFailure> {
        begins.iter().for_each(|index| self.tell(ProgressState::Begun, *index, &self.words(*index), ""));
        let mut entries: Vec<JournalEntry> = Vec::with_capacity(ended.len() + begins.len());
        for Ended { index, result } in ended {
            entries.push(match result {
                Ok(note) => self.entry(*index, JournalMark::Done, note),
                Err(error) => self.entry(*index, JournalMark::Failed, &error.to_string()),
            });
        }
        entries.extend(begins.iter().map(|index| self.entry(*index, JournalMark::Begun, "")));
        let Some(first) = ended.iter().map(|ended| ended.index).chain(begins.iter().copied()).min() else { return Ok(()) };
        let record = ended.iter().find_map(|ended| self.recorded_by(ended));
        match self.cx.store.append_journal(&self.deployment.id, &entries, record).await {
            Ok(()) => {}
            Err(error) if self.is_recorded(first) => tracing::warn!(%error, "steps after the record could not be journaled"),
            Err(error) => {
                if record.is_some() {
                    // It may have been made although its answer was lost.
                    drop(self.journal(first, JournalMark::Failed, error.to_string()).await);
                }
                return Err(self.failure(first, error.into()));
            }
        }
        for Ended { index, result } in ended {
            if let Ok(note) = result {
                self.tell(ProgressState::Done, *index, &self.words(*index), note);
            }
        }
        Ok(())
    }

    /// The release that a step has made live.
    fn recorded_by(&self, ended: &Ended) -> Option<&'a ReleaseId> {
        match &self.plan.steps.get(ended.index)?.action {
            Action::Record { release } if ended.result.is_ok() => Some(release),
            _ => None,
        }
    }

    fn entry(&self, index: usize, mark: JournalMark, note: &str) -> JournalEntry {
        JournalEntry { step: number(index), mark, at: self.cx.clock.now(), note: self.cx.redactor.clean(note) }
    }

    pub(crate) async fn journal(&self, index: usize, mark: JournalMark, note: String) -> Result<(), StepError> {
        let entry = self.entry(index, mark, &note);
        Ok(self.cx.store.append_journal(&self.deployment.id, &[entry], None).await?)
    }

    pub(crate) fn tell(&self, state: ProgressState, index: usize, what: &str, note: &str) {
        self.cx.note(state, what, note, (number(index) + 1, number(self.plan.steps.len())));
    }

    /// Stands still where a test wants to kill the process, or to change the world before it tells it to go on.
    pub(crate) async fn pause(&self, index: usize, after: bool, undo: bool) {
        let panics = self.cx.settings.pause.is_some_and(|pause| pause.panics);
        if self.cx.settings.pause == Some(Pause { step: number(index), after, undo, panics }) {
            if panics {
                meet_a_bug();
            }
            let go_on = told_to_go_on();
            self.cx.note(ProgressState::Note, "paused", "waiting to be killed", (0, 0));
            go_on.await;
        }
    }
}

/// Waits until something has ended, and gives everything that has.
async fn next(under_way: &mut FuturesUnordered<impl Future<Output = Ended>>) -> Vec<Ended> {
    let mut ended: Vec<Ended> = under_way.next().await.into_iter().collect();
    while let Some(Some(more)) = under_way.next().now_or_never() {
        ended.push(more);
    }
    ended
}

#[expect(clippy::panic, reason = "a test asks for it")]
fn meet_a_bug() {
    panic!("asked for by a test");
}

fn number(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}
