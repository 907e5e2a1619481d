//! The two lines of a deployment, made of what is known about it. Pure: the same deployment gives the same lines.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use chora_core::model::deployment::{Deployment, DeploymentAction, Outcome, OutcomeKind};
use chora_core::model::event::{Event, EventStatus, EventType};
use chora_core::model::health::{Check, Verdict};
use chora_core::plan::Change;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

/// Version of the metadata that Chora writes into events.
const METADATA_VERSION: &str = "1.0.0";

/// Its beginning line, whenever it is written.
pub(crate) fn beginning(deployment: &Deployment) -> Event {
    event(deployment, EventStatus::InProgress, deployment.started_at, Duration::ZERO)
}

/// Its terminal line.
pub(crate) fn terminal(deployment: &Deployment, outcome: &Outcome, checks: &[Check], (at, took): (Timestamp, Duration)) -> Event {
    let good = matches!(outcome.kind, OutcomeKind::Deployed | OutcomeKind::Unchanged);
    let mut event = event(deployment, if good { EventStatus::Success } else { EventStatus::Failure }, at, took);
    match (outcome.cause.is_empty(), good) {
        (true, _) => {}
        (false, true) => event.notes = Some(outcome.cause.clone()),
        (false, false) => event.errors.push(outcome.cause.clone()),
    }
    event.metadata.insert("outcome".to_owned(), json!(outcome.kind));
    if !checks.is_empty() {
        event.metadata.insert("levels".to_owned(), levels(checks));
    }
    if !outcome.gaps.is_empty() {
        event.metadata.insert("gaps".to_owned(), json!(outcome.gaps));
    }
    if !outcome.traffic.is_quiet() {
        event.metadata.insert("traffic".to_owned(), json!(outcome.traffic));
    }
    event
}

/// Its terminal line as the store remembers it, once it has ended. What its checks said is not kept there.
pub(crate) fn remembered_end(deployment: &Deployment) -> Option<Event> {
    let (outcome, at) = (deployment.outcome.as_ref()?, deployment.ended_at?);
    Some(terminal(deployment, outcome, &[], (at, deployment.took.unwrap_or_default())))
}

/// The beginning that a terminal line speaks of.
pub(super) fn beginning_of(end: &Event) -> Event {
    let took = Duration::try_from_secs_f64(end.duration_seconds).unwrap_or_default();
    let mut metadata = end.metadata.clone();
    for key in ["outcome", "levels", "gaps", "traffic", "fingerprint", "resolution"] {
        metadata.shift_remove(key);
    }
    Event {
        timestamp: end.timestamp.checked_sub(took).unwrap_or(end.timestamp),
        status: EventStatus::InProgress,
        duration_seconds: 0.0,
        errors: Vec::new(),
        notes: None,
        metadata,
        ..end.clone()
    }
}

/// The deployment that a line begins or ends; health checks and backups name one without doing so.
pub(crate) fn deployment_of(event: &Event) -> Option<&str> {
    let counts = matches!(event.event_type, EventType::Deployment | EventType::Rollback);
    event.metadata.get("deployment_id").filter(|_| counts)?.as_str()
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

fn event(deployment: &Deployment, status: EventStatus, timestamp: Timestamp, took: Duration) -> Event {
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
        timestamp,
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
