//! The way back: steps undone in reverse, then the old release brought up wherever it is not, and checked.

use chora_core::model::deployment::{JournalMark, OutcomeKind};
use chora_core::model::event::ProgressState;
use chora_core::model::release::Release;
use chora_core::plan::{Action, DeployInput, GateTarget, Plan, Reuse, plan_deploy};
use indexmap::IndexMap;

use crate::context::Context;
use crate::health::ServiceExpectations;
use crate::rollout::execute::{Run, patiently};
use crate::rollout::gate::gate;
use crate::rollout::observe::observe;
use crate::rollout::perform::StepError;

/// What came of the way back.
#[derive(Debug)]
pub(crate) struct Restored {
    pub(crate) kind: OutcomeKind,
    /// What did not work on the way; empty when all did.
    pub(crate) trouble: Vec<String>,
}

impl Run<'_> {
    /// Undoes the given steps, last first. What cannot be undone is named and does not stop the rest.
    pub(crate) async fn undo(&mut self, steps: &[usize]) -> Vec<String> {
        let mut trouble = Vec::new();
        for index in steps.iter().rev().copied() {
            let Some(undo) = self.plan.steps.get(index).and_then(|step| step.undo.clone()) else { continue };
            let what = format!("undo: {undo}");
            self.tell(ProgressState::Begun, index, &what, "");
            let begun = self.journal(index, JournalMark::UndoBegun, String::new()).await;
            self.pause(index, false, true).await;
            let done = patiently(self.cx, &undo, self.release).await;
            self.pause(index, true, true).await;
            let (mark, state, note) = match &done {
                Ok(()) => (JournalMark::Undone, ProgressState::Done, String::new()),
                Err(error) => (JournalMark::UndoFailed, ProgressState::Failed, error.to_string()),
            };
            let ended = self.journal(index, mark, note.clone()).await;
            self.tell(state, index, &what, &note);
            if let Err(error) = done {
                trouble.push(format!("{undo}: {error}"));
            }
            // An undo that cannot be journaled is still done: repeating it does no harm.
            if let Err(error) = begun.and(ended) {
                tracing::warn!(%error, "an undo could not be journaled");
            }
        }
        trouble
    }
}

/// Undoes, then makes sure that the old release runs and is healthy.
pub(crate) async fn restore(run: &mut Run<'_>, steps: &[usize], live: Option<&Release>, asked: &ServiceExpectations) -> Restored {
    let mut trouble = run.undo(steps).await;
    let Some(live) = live else {
        // Nothing served before; nothing serves now.
        return Restored { kind: OutcomeKind::Degraded, trouble };
    };
    let touched = match bring_back(run.cx, run, live, asked).await {
        Ok(touched) => touched,
        Err(error) => {
            trouble.push(format!("the old release could not be verified: {error}"));
            return Restored { kind: OutcomeKind::Degraded, trouble };
        }
    };
    for service in run.stopped_at.keys().cloned().collect::<Vec<_>>() {
        run.close_gap(&service);
    }
    let kind = if run.switched || touched { OutcomeKind::Restored } else { OutcomeKind::Kept };
    Restored { kind, trouble }
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
        recreate: false,
    };
    let repair = plan_deploy(&input).unwrap_or_default();
    for step in &repair.steps {
        match &step.action {
            Action::Gate { .. } | Action::Record { .. } | Action::RunToCompletion { .. } => {}
            action => patiently(cx, action, live).await?,
        }
    }
    let mut targets = gated(&repair);
    if run.switched {
        let swapped = run.plan.steps.iter().filter_map(|step| match &step.action {
            Action::StopContainer { service, container, .. } if live.stack.services.contains_key(service) => {
                Some(GateTarget { service: service.clone(), container: container.clone() })
            }
            _ => None,
        });
        targets.extend(swapped);
    }
    gate(cx, &targets, asked, run.deployment.environment.gate_timeout).await.map_err(|refusal| StepError::Gate(*refusal))?;
    Ok(!repair.steps.is_empty())
}

fn gated(plan: &Plan) -> Vec<GateTarget> {
    let targets = plan.steps.iter().filter_map(|step| match &step.action {
        Action::Gate { targets } => Some(targets.clone()),
        _ => None,
    });
    targets.flatten().collect()
}
