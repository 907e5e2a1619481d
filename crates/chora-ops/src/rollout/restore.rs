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

impl Run<'_> {
    /// Undoes the steps that have begun, last first. What cannot be undone is named and does not stop the rest, but without an engine
    /// there is no way back.
    pub(crate) async fn undo(&self) -> Result<Vec<String>, EngineError> {
        let mut trouble = Vec::new();
        let begun = self.course().begun.clone();
        for index in begun.into_iter().rev() {
            let Some(step) = self.plan.steps.get(index) else { continue };
            let Some(undo) = step.undo.clone() else { continue };
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
            match done {
                Ok(_) => {}
                Err(StepError::Engine(gone @ EngineError::Unreachable { .. })) => return Err(gone),
                Err(error) => trouble.push(format!("{undo}: {error}")),
            }
            // An undo that cannot be journaled is still done: repeating it does no harm.
            if let Err(error) = begun.and(ended) {
                tracing::warn!(%error, "an undo could not be journaled");
            }
        }
        Ok(trouble)
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
    let mut trouble = run.undo().await?;
    let Some(live) = live else {
        // Nothing served before; nothing serves now.
        return Ok(Restored { kind: OutcomeKind::Degraded, trouble });
    };
    let touched = match bring_back(run.cx, run, live, asked).await {
        Ok(touched) => touched,
        Err(StepError::Engine(gone @ EngineError::Unreachable { .. })) => return Err(gone),
        Err(error) => {
            trouble.push(format!("the old release could not be verified: {error}"));
            return Ok(Restored { kind: OutcomeKind::Degraded, trouble });
        }
    };
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
        labels: &IndexMap::new(),
        recreate: false,
    };
    let repair = plan_deploy(&input).unwrap_or_default();
    for step in &repair.steps {
        match &step.action {
            Action::Gate { .. } | Action::Record { .. } | Action::RunToCompletion { .. } => {}
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
