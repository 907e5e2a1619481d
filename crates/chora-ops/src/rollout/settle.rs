//! Deployments whose process was killed: undone or completed before anything else happens.

use chora_core::model::deployment::{Deployment, JournalEntry, JournalMark, Outcome, OutcomeKind, Traffic};
use chora_core::model::event::ProgressState;
use chora_core::model::ids::EnvironmentName;
use chora_core::model::release::Release;
use chora_core::plan::{StepPhase, needs};
use chora_core::ports::EngineError;

use crate::context::Context;
use crate::failure::{Failure, FailureKind};
use crate::health::ServiceExpectations;
use crate::project::Project;
use crate::redactor;
use crate::rollout::execute::{Run, StepFailure};
use crate::rollout::finish;
use crate::rollout::patience::{Presence, started};
use crate::rollout::perform::StepError;
use crate::rollout::restore::restore;

/// What to do with an open deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Settlement {
    /// Complete it when its release is recorded, else undo it.
    Safe,
    /// Go on from where it stopped.
    Resume,
    /// Undo it.
    Abort,
}

/// What was done with an open deployment.
#[derive(Debug, Clone)]
pub(crate) struct Settled {
    pub(crate) deployment: Deployment,
    pub(crate) outcome: Outcome,
}

/// Ends every open deployment of an environment whose lease is held by this process.
pub(crate) async fn settle(
    cx: &Context,
    project: &Project,
    environment: &EnvironmentName,
    how: Settlement,
) -> Result<Vec<Settled>, Failure> {
    redactor::learn(cx, &project.stack).await;
    finish::catch_up(cx, environment).await?;
    let open = open_deployments(cx, environment).await?;
    if !open.is_empty() {
        // Nothing can be told or done about what is open without an engine.
        cx.engine.facts().await?;
    }
    let mut settled = Vec::new();
    for deployment in open {
        let journal = cx.store.journal(&deployment.id).await?;
        let words = format!("unfinished deployment of {}", deployment.version);
        cx.note(ProgressState::Note, &words, &broken(cx, &deployment, &journal), (0, 0));
        let outcome = settle_one(cx, project, &deployment, &journal, how).await;
        let outcome =
            outcome.map_err(|failure| failure.or_state("what was found unfinished is not settled; the next command goes on with it"))?;
        cx.note(ProgressState::Note, &words, describe(&outcome), (0, 0));
        settled.push(Settled { deployment, outcome });
    }
    Ok(settled)
}

/// Deployments without an end, oldest first.
pub(crate) async fn open_deployments(cx: &Context, environment: &EnvironmentName) -> Result<Vec<Deployment>, Failure> {
    let mut open: Vec<_> =
        cx.store.deployments(environment, 20).await?.into_iter().filter(|deployment| deployment.ended_at.is_none()).collect();
    open.reverse();
    Ok(open)
}

/// Why a deployment has no end.
pub(super) fn broken(cx: &Context, deployment: &Deployment, journal: &[JournalEntry]) -> String {
    if let Some(why) = failed(journal) {
        return format!("it was broken off ({why})");
    }
    if deployment.owner == cx.host.owner() {
        return format!("it broke off ({})", deployment.owner);
    }
    format!("its process was killed ({})", deployment.owner)
}

/// What a deployment broke off with by itself: its last step failed, and there was no way back either.
fn failed(journal: &[JournalEntry]) -> Option<&str> {
    let last = journal.last().filter(|entry| matches!(entry.mark, JournalMark::Failed | JournalMark::UndoFailed));
    last.map(|entry| entry.note.as_str())
}

const fn describe(outcome: &Outcome) -> &'static str {
    match outcome.kind {
        OutcomeKind::Deployed | OutcomeKind::Unchanged => "was completed",
        OutcomeKind::Kept | OutcomeKind::Restored => "was undone; the release before it serves",
        OutcomeKind::Degraded => "was undone; nothing healthy serves",
    }
}

async fn settle_one(
    cx: &Context,
    project: &Project,
    deployment: &Deployment,
    journal: &[JournalEntry],
    how: Settlement,
) -> Result<Outcome, Failure> {
    let plan = deployment.plan.clone().unwrap_or_default();
    let release = cx.store.release(&deployment.release).await?;
    let live = match &deployment.previous {
        Some(id) => cx.store.release(id).await?,
        None => None,
    };
    let progress = progress(journal);
    let recorded = plan.point_of_no_return().is_some_and(|record| progress.done(record));
    let Some(release) = release else {
        // Killed before there was a release: nothing of it can have been started.
        let cause = broken(cx, deployment, journal);
        let outcome = Outcome { kind: OutcomeKind::Kept, cause, log: Vec::new(), gaps: Vec::new(), traffic: Traffic::default() };
        finish::end(cx, deployment, &outcome, &[], None).await?;
        return Ok(outcome);
    };
    let forward = recorded || how == Settlement::Resume && !plan.is_empty();
    if recorded && how == Settlement::Abort {
        let failure =
            Failure::new(FailureKind::Conflict, format!("{} is already recorded as live, it cannot be aborted", deployment.version));
        return Err(failure.state("the deployment is still open").hint("`chora resume` completes it; `chora rollback` goes back"));
    }
    let asked = project.expectations(&release);
    let run = Run::new(cx, deployment, &plan, &release, &asked);
    progress.tell(&run);
    // Containers may have ended with their engine or their machine; that is no verdict on them.
    if forward && !recorded || failed(journal).is_some() {
        run.course().engine = Presence::Away;
    }
    let ended = if forward {
        Box::pin(go_on(&run, live.as_ref(), project)).await
    } else {
        let cause = Cause { words: broken(cx, deployment, journal), log: Vec::new() };
        Box::pin(back(&run, live.as_ref(), project, cause)).await
    };
    let outcome = ended.map_err(|gone| finish::left_open(deployment, &gone.to_string(), run.is_trying()))?;
    let checks = std::mem::take(&mut run.course().checks);
    let now_live = (outcome.kind == OutcomeKind::Deployed).then_some(&release.id);
    finish::end(cx, deployment, &outcome, &checks, now_live).await?;
    Ok(outcome)
}

/// Does what is left; when that fails before the record, goes back.
async fn go_on(run: &Run<'_>, live: Option<&Release>, project: &Project) -> Result<Outcome, EngineError> {
    match run.execute().await {
        Ok(()) => {
            let (gaps, traffic) = run.course().take_out();
            Ok(Outcome { kind: OutcomeKind::Deployed, cause: String::new(), log: Vec::new(), gaps, traffic })
        }
        Err(StepFailure { error: StepError::Engine(gone @ EngineError::Unreachable { .. }), .. }) => Err(gone),
        Err(failure) => {
            let cause = format!("{}: {}", failure.what, failure.error);
            back(run, live, project, Cause { words: cause, log: failure.error.log() }).await
        }
    }
}

/// Why it goes back.
pub(crate) struct Cause {
    pub(crate) words: String,
    /// The last log lines of the container that failed.
    pub(crate) log: Vec<String>,
}

/// Restores and says how that went. Fails only where there is no engine to do it with.
pub(crate) async fn back(run: &Run<'_>, live: Option<&Release>, project: &Project, cause: Cause) -> Result<Outcome, EngineError> {
    let Cause { words: cause, log } = cause;
    let expectations = live.map(|live| project.expectations(live)).unwrap_or_default();
    let mut restored = restore(run, live, &expectations).await?;
    // The record may have been made although its answer was lost.
    if let Err(error) = run.cx.store.set_live_release(&run.deployment.environment.name, run.deployment.previous.as_ref()).await {
        restored.trouble.push(format!("the record of what is live: {error}"));
    }
    let cause = if restored.trouble.is_empty() { cause } else { format!("{cause}; on the way back: {}", restored.trouble.join("; ")) };
    let clean = &run.cx.redactor;
    let log = log.iter().map(|line| clean.clean(line)).collect();
    let (gaps, traffic) = run.course().take_out();
    Ok(Outcome { kind: restored.kind, cause: clean.clean(&cause), log, gaps, traffic })
}

/// What a journal says about each step; its last mark counts.
struct JournalProgress(std::collections::BTreeMap<usize, JournalMark>);

fn progress(journal: &[JournalEntry]) -> JournalProgress {
    JournalProgress(journal.iter().map(|entry| (entry.step as usize, entry.mark)).collect())
}

impl JournalProgress {
    fn done(&self, index: usize) -> bool {
        self.0.get(&index) == Some(&JournalMark::Done)
    }

    /// Begun and not taken back.
    fn begun(&self, index: usize) -> bool {
        self.0.get(&index).is_some_and(|mark| *mark != JournalMark::Undone)
    }

    /// Brings a run to where the journal ends.
    fn tell(&self, run: &Run<'_>) {
        let needs = needs(run.plan, &run.release.stack);
        let mut course = run.course();
        course.resume((0..needs.len()).filter(|index| self.begun(*index)), &needs, |index| self.done(index));
        let steps = || run.plan.steps.iter().enumerate();
        course.switched = steps().any(|(index, step)| step.phase == StepPhase::Switch && self.0.contains_key(&index));
        let over = steps().filter(|(index, _)| course.over.contains(index));
        course.started = over.filter_map(|(_, step)| started(&step.action)).collect();
    }
}

impl Project {
    /// What the services of a release are expected to be.
    #[must_use]
    pub fn expectations(&self, release: &Release) -> ServiceExpectations {
        ServiceExpectations::new(release, &self.health)
    }
}
