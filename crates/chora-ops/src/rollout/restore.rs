//! The way back: steps undone in reverse, then the old release brought up wherever it is not, and checked.

use chora_core::model::deployment::{JournalMark, OutcomeKind};
use chora_core::model::event::ProgressState;
use chora_core::model::release::Release;
use chora_core::plan::{Action, DeployInput, GateTarget, Plan, Reuse, plan_deploy};
use chora_core::ports::EngineError;
use indexmap::IndexMap;

use crate::context::Context;
use crate::health::ServiceExpectations;
use crate::rollout::execute::Run;
use crate::rollout::gate::{Budgets, gate};
use crate::rollout::observe::observe;
use crate::rollout::patience::{Presence, patiently, present};
use crate::rollout::perform::{StepError, perform};

/// What came of the way back.
#[derive(Debug)]
pub(crate) struct Restored {
    pub(crate) kind: OutcomeKind,
    /// What did not work on the way; empty when all did.
    pub(crate) trouble: Vec<String>,
}

/// What came of undoing.
#[derive(Debug, Default)]
pub(crate) struct Undone {
    /// What did not work.
    trouble: Vec<String>,
    /// Steps that are undone when the old release runs.
    put_off: Vec<usize>,
}

impl Run<'_> {
    /// Undoes the steps that have begun, last first. What cannot be undone is named and does not stop the rest, but without an engine
    /// there is no way back.
    pub(crate) async fn undo(&self) -> Result<Undone, EngineError> {
        let mut undone = Undone::default();
        let begun = self.course().begun.clone();
        for index in begun.into_iter().rev() {
            // Requests wait on when what they wait for may be down; it is started yet.
            let lets_go = matches!(self.plan.steps.get(index).map(|step| &step.undo), Some(Some(Action::ReleaseHold { .. })));
            if lets_go && !undone.trouble.is_empty() {
                undone.put_off.push(index);
            } else {
                undone.trouble.extend(self.undo_step(index).await?);
            }
        }
        Ok(undone)
    }

    /// Gives what did not work.
    async fn undo_step(&self, index: usize) -> Result<Option<String>, EngineError> {
        let Some(step) = self.plan.steps.get(index) else { return Ok(None) };
        let Some(undo) = step.undo.clone() else { return Ok(None) };
        let what = format!("undo: {undo}");
        self.tell(ProgressState::Begun, index, &what, "");
        let begun = self.journal(index, JournalMark::UndoBegun, String::new()).await;
        self.pause(index, false, true).await;
        self.let_end(index, &step.action).await;
        let done = patiently(self.cx, &undo, self.release, true).await;
        self.saw(&done);
        self.pause(index, true, true).await;
        let (mark, state, note) = match &done {
            Ok(_) => (JournalMark::Undone, ProgressState::Done, String::new()),
            Err(error) => (JournalMark::UndoFailed, ProgressState::Failed, error.to_string()),
        };
        let ended = self.journal(index, mark, note.clone()).await;
        self.tell(state, index, &what, &note);
        // An undo that cannot be journaled is still done: repeating it does no harm.
        if let Err(error) = begun.and(ended) {
            tracing::warn!(%error, "an undo could not be journaled");
        }
        match done {
            Ok(performed) => {
                self.course().begun.remove(&index);
                if matches!(undo, Action::ReleaseHold { .. }) {
                    self.course().take(&undo, performed.evidence);
                }
                Ok(None)
            }
            Err(StepError::Engine(gone @ EngineError::Unreachable { .. })) => Err(gone),
            Err(error) => Ok(Some(format!("{undo}: {error}"))),
        }
    }

    /// A creation that a dead process asked for may still be under way, and be there only after its undo. Asking for the same
    /// again waits for it: a name is given once.
    async fn let_end(&self, index: usize, action: &Action) {
        if matches!(action, Action::CreateContainer { .. }) && !self.course().over.contains(&index) {
            // What cannot be created is not there to be undone.
            drop(perform(self.cx, action, self.release).await);
        }
    }
}

/// Undoes, then makes sure that the old release runs and is healthy. Fails only where there is no engine to do it with.
pub(crate) async fn restore(run: &Run<'_>, live: Option<&Release>, asked: &ServiceExpectations) -> Result<Restored, EngineError> {
    let Undone { mut trouble, put_off } = run.undo().await?;
    let Some(live) = live else {
        // Nothing served before; nothing serves now.
        return Ok(Restored { kind: OutcomeKind::Degraded, trouble });
    };
    let brought = bring_back(run.cx, run, live, asked).await;
    for index in put_off {
        trouble.extend(run.undo_step(index).await?);
    }
    let touched = match brought {
        Ok(touched) => touched,
        Err(StepError::Engine(gone @ EngineError::Unreachable { .. })) => return Err(gone),
        Err(error) => {
            trouble.push(format!("the old release could not be verified: {error}"));
            return Ok(Restored { kind: OutcomeKind::Degraded, trouble });
        }
    };
    if trouble.is_empty() && run.present_gateway().is_some() {
        run.forget_files(run.cx).await;
    }
    let stopped: Vec<String> = run.course().stopped_at.keys().cloned().collect();
    stopped.iter().for_each(|service| run.close_gap(service));
    let unbroken = run.presence() == Presence::Steady && !run.course().switched && !touched;
    let kind = if unbroken { OutcomeKind::Kept } else { OutcomeKind::Restored };
    Ok(Restored { kind, trouble })
}

/// Starts what of the old release is down, and gates what the deployment may have touched. Tells whether it had to start anything.
async fn bring_back(cx: &Context, run: &Run<'_>, live: &Release, asked: &ServiceExpectations) -> Result<bool, StepError> {
    let observed = observe(cx, &run.deployment.environment.project, &live.stack).await?;
    let rollouts = IndexMap::new();
    let input = DeployInput {
        deployment: &run.deployment.id,
        environment: &run.deployment.environment,
        release: live,
        live: Some(live),
        retained: vec![live],
        observed: &observed,
        reuse: Reuse::Retained,
        rollouts: &rollouts,
        canaries: &IndexMap::new(),
        labels: &IndexMap::new(),
        recreate: false,
    };
    let repair = plan_deploy(&input).unwrap_or_default();
    for step in &repair.steps {
        match &step.action {
            Action::Gate { .. }
            | Action::Rehearse { .. }
            | Action::Canary { .. }
            | Action::Verify { .. }
            | Action::Record { .. }
            | Action::RunToCompletion { .. } => {}
            action => drop(patiently(cx, action, live, true).await?),
        }
    }
    let mut targets = gated(&repair);
    if run.presence() != Presence::Steady {
        // What stopped with the engine may have come back, or not.
        targets.extend(present(run.deployment, live, &observe(cx, &run.deployment.environment.project, &live.stack).await?));
    }
    if run.course().switched {
        let swapped = run.plan.steps.iter().filter_map(|step| match &step.action {
            Action::StopContainer { service, container, .. } if live.stack.services.contains_key(service) => {
                Some(GateTarget { service: service.clone(), container: container.clone() })
            }
            _ => None,
        });
        targets.extend(swapped);
    }
    targets.sort_by(|a, b| a.container.cmp(&b.container));
    targets.dedup();
    let budgets = Budgets { usual: run.deployment.environment.gate_timeout, ..Budgets::default() };
    gate(cx, &targets, asked, &budgets).await.map_err(|refusal| match refusal.engine.clone() {
        Some(gone) => StepError::Engine(gone),
        None => StepError::Gate(*refusal),
    })?;
    Ok(!repair.steps.is_empty())
}

fn gated(plan: &Plan) -> Vec<GateTarget> {
    let targets = plan.steps.iter().filter_map(|step| match &step.action {
        Action::Gate { targets } => Some(targets.clone()),
        _ => None,
    });
    targets.flatten().collect()
}
