//! Beginning and end of a deployment: the store, and one beginning and exactly one terminal line in the log.

use std::time::Duration;

use chora_core::model::deployment::{Deployment, DeploymentAction, Outcome, OutcomeKind, Traffic};
use chora_core::model::event::{Event, EventStatus};
use chora_core::model::health::Check;
use chora_core::model::ids::{EnvironmentName, ReleaseId};
use chora_core::model::release::Release;
use chora_core::ports::StoreError;

use crate::context::Context;
use crate::event_log::LogError;
use crate::event_log::account::{beginning, deployment_of, remembered_end, terminal};
use crate::failure::{Failure, FailureKind};

/// How many deployments back lines are looked for that could not be written.
const LOOKS_BACK: u32 = 20;

/// The next command after a signal or a client ended a deployment.
pub(crate) const INTERRUPTED: &str = "you or your client interrupted it; run it again when you like, `chora plan` shows what it would do";

/// Records the deployment, with its release when that is new and known, and writes its beginning line. When that fails it is
/// closed again: nothing of it was begun.
pub(crate) async fn begin(cx: &Context, deployment: &Deployment, release: Option<&Release>) -> Result<(), Failure> {
    let recorded = match release {
        Some(release) => cx.store.begin_deployment(deployment, release).await,
        None => cx.store.put_deployment(deployment).await,
    };
    let recorded = recorded.map_err(Failure::from);
    match recorded.and_then(|()| Ok(cx.record(&beginning(deployment))?)) {
        Ok(()) => Ok(()),
        Err(failure) => Err(never_begun(cx, deployment, failure).await),
    }
}

async fn never_begun(cx: &Context, deployment: &Deployment, failure: Failure) -> Failure {
    let outcome = Outcome {
        kind: OutcomeKind::Kept,
        cause: cx.redactor.clean(&failure.message),
        log: Vec::new(),
        gaps: Vec::new(),
        traffic: Traffic::default(),
    };
    let now = cx.clock.now();
    let took = now.duration_since(deployment.started_at).try_into().unwrap_or(Duration::ZERO);
    match cx.store.finish_deployment(&deployment.id, &outcome, now, took, None).await {
        Ok(()) | Err(StoreError::NotFound(_)) => failure.state("nothing was changed"),
        Err(error) => failure.state(format!("nothing was changed; it could not be closed either ({error}), the next command does")),
    }
}

/// Writes the terminal line, and the beginning one where it is missing, then ends the deployment in the store. When the
/// lines cannot be written the deployment stays open, so that the next command writes them.
pub(crate) async fn end(
    cx: &Context,
    deployment: &Deployment,
    outcome: &Outcome,
    checks: &[Check],
    live: Option<&ReleaseId>,
) -> Result<(), Failure> {
    let now = cx.clock.now();
    let took = now.duration_since(deployment.started_at).try_into().unwrap_or(Duration::ZERO);
    tell(cx, deployment, &terminal(deployment, outcome, checks, (now, took)))?;
    cx.store.finish_deployment(&deployment.id, outcome, now, took, live).await?;
    Ok(())
}

/// Writes what the log does not say yet; a killed process may have written a line without being able to say so.
fn tell(cx: &Context, deployment: &Deployment, end: &Event) -> Result<(), LogError> {
    let said = cx.log.naming(deployment.id.as_str())?;
    let said: Vec<&Event> =
        said.iter().map(|entry| &entry.event).filter(|event| deployment_of(event) == Some(deployment.id.as_str())).collect();
    if said.iter().all(|event| event.status != EventStatus::InProgress) {
        cx.record(&beginning(deployment))?;
    }
    if said.iter().all(|event| event.status == EventStatus::InProgress) {
        cx.record(end)?;
    }
    Ok(())
}

/// Writes the lines of deployments that were closed because the log could not be written: none of their steps was begun.
pub(crate) async fn catch_up(cx: &Context, environment: &EnvironmentName) -> Result<(), Failure> {
    let mut kept = cx.store.deployments(environment, LOOKS_BACK).await?;
    kept.retain(|deployment| deployment.outcome.as_ref().is_some_and(|outcome| outcome.kind == OutcomeKind::Kept));
    if kept.is_empty() {
        return Ok(());
    }
    // Whoever writes to a log that cannot be read is told so.
    let Ok(log) = cx.log.bytes() else { return Ok(()) };
    let log = String::from_utf8_lossy(&log);
    for deployment in kept.iter().rev().filter(|deployment| !log.contains(deployment.id.as_str())) {
        let Some(end) = remembered_end(deployment) else { continue };
        if cx.store.journal(&deployment.id).await?.is_empty()
            && let Err(error) = tell(cx, deployment, &end)
        {
            tracing::warn!(%error, deployment = %deployment.id, "the lines of a deployment that never began could not be written");
        }
    }
    Ok(())
}

/// The failure of a deployment that ended badly.
pub(crate) fn failure(deployment: &Deployment, outcome: &Outcome, previous: Option<&str>) -> Failure {
    let was = previous.unwrap_or("nothing");
    let environment = &deployment.environment.name;
    let (kind, state) = match outcome.kind {
        OutcomeKind::Kept => (FailureKind::Kept, format!("{was} kept serving in {environment} throughout")),
        OutcomeKind::Restored => {
            let gap =
                outcome.gaps.iter().map(|gap| format!("{} did not serve for {}", gap.service, span(gap.milliseconds))).collect::<Vec<_>>();
            let gap = if gap.is_empty() { String::new() } else { format!("; {}", gap.join(", ")) };
            (FailureKind::Restored, format!("{was} serves again in {environment} and is healthy{gap}{}", waits(&outcome.traffic)))
        }
        OutcomeKind::Degraded if previous.is_none() => {
            (FailureKind::Degraded, format!("nothing serves in {environment}: there was no release before"))
        }
        OutcomeKind::Degraded => (FailureKind::Degraded, format!("{was} could not be restored to health in {environment}")),
        OutcomeKind::Deployed | OutcomeKind::Unchanged => (FailureKind::Internal, "the deployment ended well".to_owned()),
    };
    let hint = match outcome.kind {
        OutcomeKind::Degraded if previous.is_some() => "see `chora health` and `chora logs`, then `chora rollback`",
        _ => "mend the cause, then `chora deploy` again; `chora plan` shows what it would do",
    };
    let message = format!("{} {} refused: {}", verb(deployment.action), deployment.version, outcome.cause);
    Failure::new(kind, message).state(state).hint(hint).details(outcome.log.clone())
}

/// Requests that waited, in words.
fn waits(traffic: &Traffic) -> String {
    let held = traffic.held.iter().filter(|held| held.requests > 0);
    held.map(|held| format!("; requests to {} waited, at most {}", held.service, span(held.longest_wait_ms))).collect()
}

/// The failure of a deployment that the world broke off: the release is not to blame, and trying again makes sense.
pub(crate) fn broken_off(deployment: &Deployment, outcome: &Outcome, previous: Option<&str>) -> Failure {
    let failure = failure(deployment, outcome, previous);
    let message = format!("{} {} was broken off: {}", verb(deployment.action), deployment.version, outcome.cause);
    // That the old release is not healthy weighs more than why.
    let lost = outcome.kind == OutcomeKind::Degraded && previous.is_some();
    let kind = if lost { failure.kind } else { FailureKind::Unavailable };
    let hint = if lost {
        failure.hint
    } else {
        "the release itself may be fine: mend the engine, registry, disk or network, then `chora deploy` again".to_owned()
    };
    Failure { kind, message, hint, ..failure }
}

/// The failure of a deployment that whoever asked for it broke off: nothing has to be mended.
pub(crate) fn interrupted(deployment: &Deployment, outcome: &Outcome, previous: Option<&str>) -> Failure {
    let failure = failure(deployment, outcome, previous);
    let message = format!("{} {} was broken off: {}", verb(deployment.action), deployment.version, outcome.cause);
    let lost = outcome.kind == OutcomeKind::Degraded && previous.is_some();
    let hint = if lost { failure.hint } else { INTERRUPTED.to_owned() };
    Failure { message, hint, ..failure }
}

/// The failure of a deployment that cannot even be undone before the engine answers again; `tried` when it had a canary under way.
pub(crate) fn left_open(deployment: &Deployment, cause: &str, tried: bool) -> Failure {
    let (version, environment) = (&deployment.version, &deployment.environment.name);
    let message = format!("{} {version} was broken off: {cause}", verb(deployment.action));
    let share =
        if tried { format!("; a gateway that still runs goes on sending {version} its share of the requests") } else { String::new() };
    let state =
        format!("what serves in {environment} cannot be told before the engine answers{share}; the next command undoes what was begun");
    Failure::new(FailureKind::Unavailable, message)
        .state(state)
        .hint("start the engine, then run the command again; `chora resume` goes on instead")
}

/// Milliseconds as people say them.
fn span(milliseconds: u64) -> String {
    match milliseconds {
        0..=999 => format!("{milliseconds} ms"),
        1_000..=59_999 => format!("{}.{} s", milliseconds / 1_000, milliseconds % 1_000 / 100),
        _ => format!("{} min {} s", milliseconds / 60_000, milliseconds % 60_000 / 1_000),
    }
}

const fn verb(action: DeploymentAction) -> &'static str {
    match action {
        DeploymentAction::Deploy => "deploy of",
        DeploymentAction::Rollback => "rollback to",
    }
}
