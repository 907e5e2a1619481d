//! Carries out a plan step by step: journaled as begun before it starts and as done before the next one.

use std::collections::BTreeMap;
use std::time::Duration;

use chora_core::model::deployment::{Deployment, Gap, JournalEntry, JournalMark};
use chora_core::model::event::ProgressState;
use chora_core::model::health::{Check, Verdict};
use chora_core::model::release::Release;
use chora_core::plan::{Action, Plan, Step, StepPhase};
use chora_core::ports::EngineError;

use crate::context::{Context, Pause};
use crate::health::ServiceExpectations;
use crate::rollout::gate::gate;
use crate::rollout::perform::{StepError, perform};

/// How long an engine that does not answer is waited for before a step fails.
const ENGINE_PATIENCE: Duration = Duration::from_secs(30);

/// A deployment under way.
pub(crate) struct Run<'a> {
    pub(crate) cx: &'a Context,
    pub(crate) deployment: &'a Deployment,
    pub(crate) plan: &'a Plan,
    /// The release that steps make live.
    pub(crate) release: &'a Release,
    pub(crate) expectations: &'a ServiceExpectations,
    /// When old containers of stop-first services stopped, by service.
    pub(crate) stopped_at: BTreeMap<String, Duration>,
    pub(crate) gaps: Vec<Gap>,
    pub(crate) checks: Vec<Check>,
    /// A step of the switch phase has begun: clients may have noticed.
    pub(crate) switched: bool,
    /// What failed after the release was recorded, in words; the rest was still done.
    pub(crate) left_over: Vec<String>,
}

/// A step that failed.
#[derive(Debug)]
pub(crate) struct StepFailure {
    pub(crate) index: usize,
    pub(crate) what: String,
    pub(crate) error: StepError,
}

impl<'a> Run<'a> {
    pub(crate) const fn new(
        cx: &'a Context,
        deployment: &'a Deployment,
        plan: &'a Plan,
        release: &'a Release,
        expectations: &'a ServiceExpectations,
    ) -> Self {
        Self {
            cx,
            deployment,
            plan,
            release,
            expectations,
            stopped_at: BTreeMap::new(),
            gaps: Vec::new(),
            checks: Vec::new(),
            switched: false,
            left_over: Vec::new(),
        }
    }

    /// Does the steps from `from` on. After the release is recorded nothing is taken back: what fails there is left over for
    /// the next deployment, and the rest is still done.
    pub(crate) async fn execute(&mut self, from: usize) -> Result<(), StepFailure> {
        for (index, step) in self.plan.steps.iter().enumerate().skip(from) {
            let recorded = self.plan.point_of_no_return().is_some_and(|record| index > record);
            if self.cx.cancel.is_cancelled() && !recorded {
                return Err(StepFailure { index, what: step.action.to_string(), error: StepError::Interrupted });
            }
            match self.step(index, step).await {
                Err(error) if recorded => self.left_over.push(format!("{}: {error}", step.action)),
                Err(error) => return Err(StepFailure { index, what: step.action.to_string(), error }),
                Ok(()) => {}
            }
        }
        Ok(())
    }

    async fn step(&mut self, index: usize, step: &Step) -> Result<(), StepError> {
        let what = step.action.to_string();
        self.tell(ProgressState::Begun, index, &what, "");
        let begun = self.journal(index, JournalMark::Begun, String::new()).await;
        if step.phase < StepPhase::Retire {
            begun?;
        }
        self.pause(index, false, false).await;
        self.switched |= step.phase == StepPhase::Switch;
        let result = self.act(&step.action, step.phase).await;
        self.pause(index, true, false).await;
        match result {
            Ok(note) => {
                self.journal(index, JournalMark::Done, note.clone()).await?;
                self.tell(ProgressState::Done, index, &what, &note);
                Ok(())
            }
            Err(error) => {
                self.tell(ProgressState::Failed, index, &what, &error.to_string());
                // The failure itself matters more than its line in the journal.
                let kept = self.journal(index, JournalMark::Failed, error.to_string()).await;
                if let Err(error) = kept {
                    tracing::warn!(%error, "a failed step could not be journaled");
                }
                Err(error)
            }
        }
    }

    async fn act(&mut self, action: &Action, phase: StepPhase) -> Result<String, StepError> {
        match action {
            Action::Gate { targets } => {
                let checks = gate(self.cx, targets, self.expectations, self.deployment.environment.gate_timeout).await;
                let checks =
                    checks.map_err(|refusal| if refusal.interrupted { StepError::Interrupted } else { StepError::Gate(*refusal) })?;
                let passed = checks.iter().filter(|check| matches!(check.verdict, Verdict::Pass | Verdict::Warning)).count();
                let note = format!("{passed} checks passed");
                self.checks.extend(checks);
                for target in targets {
                    self.close_gap(&target.service);
                }
                Ok(note)
            }
            Action::Record { release } => {
                self.cx.store.set_live_release(&self.deployment.environment.name, Some(release)).await?;
                Ok(String::new())
            }
            other => {
                if let (Action::StopContainer { service, .. }, StepPhase::Switch) = (other, phase) {
                    self.stopped_at.entry(service.clone()).or_insert_with(|| self.cx.clock.elapsed());
                }
                patiently(self.cx, other, self.release).await?;
                Ok(String::new())
            }
        }
    }

    /// A stop-first service serves again.
    pub(crate) fn close_gap(&mut self, service: &str) {
        if let Some(since) = self.stopped_at.remove(service) {
            let milliseconds = u64::try_from(self.cx.clock.elapsed().saturating_sub(since).as_millis()).unwrap_or(u64::MAX);
            self.gaps.push(Gap { service: service.to_owned(), milliseconds });
        }
    }

    pub(crate) async fn journal(&self, index: usize, mark: JournalMark, note: String) -> Result<(), StepError> {
        let note = self.cx.redactor.clean(&note);
        let entry = JournalEntry { step: number(index), mark, at: self.cx.clock.now(), note };
        Ok(self.cx.store.append_journal(&self.deployment.id, &entry).await?)
    }

    pub(crate) fn tell(&self, state: ProgressState, index: usize, what: &str, note: &str) {
        self.cx.note(state, what, note, (number(index) + 1, number(self.plan.steps.len())));
    }

    /// Stands still where a test wants to kill the process.
    pub(crate) async fn pause(&self, index: usize, after: bool, undo: bool) {
        if self.cx.settings.pause == Some(Pause { step: number(index), after, undo }) {
            self.cx.note(ProgressState::Note, "paused", "waiting to be killed", (0, 0));
            std::future::pending::<()>().await;
        }
    }
}

fn number(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}

/// Does an action; an engine that does not answer is waited for, because every action may be repeated.
pub(crate) async fn patiently(cx: &Context, action: &Action, release: &Release) -> Result<(), StepError> {
    let began = cx.clock.elapsed();
    let mut pause = Duration::from_millis(100);
    loop {
        match perform(cx, action, release).await {
            Err(StepError::Engine(error @ EngineError::Unreachable { .. })) => {
                let spent = cx.clock.elapsed().saturating_sub(began);
                if spent + pause >= ENGINE_PATIENCE || cx.cancel.is_cancelled() {
                    return Err(error.into());
                }
                cx.note(ProgressState::Note, &action.to_string(), "the engine does not answer, waiting for it", (0, 0));
                cx.clock.sleep(pause).await;
                pause = (pause * 2).min(Duration::from_secs(2));
            }
            other => return other,
        }
    }
}
