//! Beginning and end of a deployment: the store, and exactly one terminal line in the log.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use chora_core::model::deployment::{Deployment, DeploymentAction, Outcome, OutcomeKind};
use chora_core::model::event::{Event, EventStatus, EventType};
use chora_core::model::health::{Check, Verdict};
use chora_core::model::ids::ReleaseId;
use chora_core::plan::Change;
use serde_json::{Map, Value, json};

use crate::context::Context;
use crate::event_log::{EventQuery, LogError};
use crate::failure::{Failure, FailureKind};

/// Version of the metadata that Chora writes into events.
const METADATA_VERSION: &str = "1.0.0";

/// Records the deployment and writes its beginning line.
pub(crate) async fn begin(cx: &Context, deployment: &Deployment) -> Result<(), Failure> {
    cx.store.put_deployment(deployment).await?;
    let event = event(cx, deployment, EventStatus::InProgress, Duration::ZERO);
    cx.record(event).map_err(|error| Failure::from(error).state("nothing was changed"))
}

/// Writes the terminal line, then ends the deployment in the store. When the line cannot be written the deployment stays
/// open, so that the next command writes it.
pub(crate) async fn end(
    cx: &Context,
    deployment: &Deployment,
    outcome: &Outcome,
    checks: &[Check],
    live: Option<&ReleaseId>,
) -> Result<(), Failure> {
    let now = cx.clock.now();
    let took = now.duration_since(deployment.started_at).try_into().unwrap_or(Duration::ZERO);
    if !has_terminal_line(cx, deployment)? {
        cx.record(terminal(cx, deployment, outcome, checks, took))?;
    }
    cx.store.finish_deployment(&deployment.id, outcome, now, took, live).await?;
    Ok(())
}

/// A killed process may have written it without being able to say so.
fn has_terminal_line(cx: &Context, deployment: &Deployment) -> Result<bool, LogError> {
    let query = EventQuery { trace_id: Some(deployment.trace_id.clone()), ..EventQuery::default() };
    Ok(cx.log.events(&query)?.iter().any(|entry| entry.event.status != EventStatus::InProgress))
}

fn terminal(cx: &Context, deployment: &Deployment, outcome: &Outcome, checks: &[Check], took: Duration) -> Event {
    let good = matches!(outcome.kind, OutcomeKind::Deployed | OutcomeKind::Unchanged);
    let mut event = event(cx, deployment, if good { EventStatus::Success } else { EventStatus::Failure }, took);
    if !outcome.cause.is_empty() {
        event.errors.push(outcome.cause.clone());
    }
    event.metadata.insert("outcome".to_owned(), json!(outcome.kind));
    if !checks.is_empty() {
        event.metadata.insert("levels".to_owned(), levels(checks));
    }
    if !outcome.gaps.is_empty() {
        event.metadata.insert("gaps".to_owned(), json!(outcome.gaps));
    }
    event
}

/// The worst verdict of each level.
fn levels(checks: &[Check]) -> Value {
    let rank = |verdict: Verdict| match verdict {
        Verdict::Skipped => 0,
        Verdict::Pass => 1,
        Verdict::Warning => 2,
        Verdict::Fail => 3,
    };
    let mut worst: BTreeMap<String, Verdict> = BTreeMap::new();
    for check in checks {
        let entry = worst.entry(check.level.number().to_string()).or_insert(check.verdict);
        if rank(check.verdict) > rank(*entry) {
            *entry = check.verdict;
        }
    }
    json!(worst)
}

fn event(cx: &Context, deployment: &Deployment, status: EventStatus, took: Duration) -> Event {
    let event_type = match deployment.action {
        DeploymentAction::Deploy => EventType::Deployment,
        DeploymentAction::Rollback => EventType::Rollback,
    };
    let touched: BTreeSet<String> = deployment
        .plan
        .iter()
        .flat_map(|plan| &plan.services)
        .filter(|service| service.change != Change::Keep)
        .map(|service| service.service.clone())
        .collect();
    let mut metadata = Map::new();
    metadata.insert("schema_version".to_owned(), json!(METADATA_VERSION));
    metadata.insert("deployment_id".to_owned(), json!(deployment.id));
    metadata.insert("release_id".to_owned(), json!(deployment.release));
    metadata.insert("action".to_owned(), json!(deployment.action));
    metadata.insert("environment_name".to_owned(), json!(deployment.environment.name));
    if let Some(previous) = &deployment.previous_version {
        metadata.insert("previous_version".to_owned(), json!(previous));
    }
    Event {
        timestamp: cx.clock.now(),
        event_type,
        repository: deployment.repository.clone(),
        environment: deployment.environment.class,
        version: deployment.version.clone(),
        status,
        duration_seconds: took.as_secs_f64(),
        errors: Vec::new(),
        notes: None,
        deployed_by: Some(deployment.deployed_by),
        trace_id: Some(deployment.trace_id.clone()),
        services: touched.into_iter().collect(),
        metadata,
    }
}

/// The failure of a deployment that ended badly.
pub(crate) fn failure(deployment: &Deployment, outcome: &Outcome, previous: Option<&str>) -> Failure {
    let was = previous.unwrap_or("nothing");
    let environment = &deployment.environment.name;
    let (kind, state) = match outcome.kind {
        OutcomeKind::Kept => (FailureKind::Kept, format!("{was} kept serving in {environment} throughout")),
        OutcomeKind::Restored => {
            let gap =
                outcome.gaps.iter().map(|gap| format!("{} did not serve for {} ms", gap.service, gap.milliseconds)).collect::<Vec<_>>();
            let gap = if gap.is_empty() { String::new() } else { format!("; {}", gap.join(", ")) };
            (FailureKind::Restored, format!("{was} serves again in {environment} and is healthy{gap}"))
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

const fn verb(action: DeploymentAction) -> &'static str {
    match action {
        DeploymentAction::Deploy => "deploy of",
        DeploymentAction::Rollback => "rollback to",
    }
}
