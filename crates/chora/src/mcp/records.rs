//! Tools of what was written down: the deployment log and containers' output.

use std::collections::BTreeSet;

use chora_core::model::container::{ContainerFilter, LogQuery};
use chora_core::model::event::{Event, EventStatus, EventType};
use chora_core::model::ids::EnvironmentName;
use chora_core::plan::labels;
use chora_ops::event_log::EventQuery;
use chora_ops::project::{Selection, load};
use chora_ops::{Context, Failure, FailureKind};
use futures_util::StreamExt as _;
use indexmap::IndexMap;
use jiff::Timestamp;

use super::operation::{Effect, Operation, Words};

/// Lines of each container, and events, unless a number is given.
const USUAL: u32 = 50;
/// The most lines of each container, and the most events, in one answer.
const MOST: u32 = 500;
/// The longest line that is passed on, in characters.
const LINE: usize = 2000;
/// The most bytes of one container's output that are read.
const BYTES: usize = 1024 * 1024;

pub(super) fn operations() -> Vec<Operation> {
    vec![logs_tool(), events_tool()]
}

fn logs_tool() -> Operation {
    let words = Words {
        name: "logs",
        title: "Show container output",
        description: "Shows the last lines that an environment's containers wrote, at most 500 of each. Use it after `health` or `deploy` named a failing service.",
    };
    Operation::new(words, Effect::Reads, |cx, request| Box::pin(logs(cx, request)), logs_words)
}

fn events_tool() -> Operation {
    let words = Words {
        name: "events",
        title: "Read the deployment log",
        description: "Reads the deployment log, newest last, at most 500 events: who deployed what where, when, and how it ended. `ok: false` when lines are damaged.",
    };
    Operation::new(words, Effect::Reads, |cx, request| Box::pin(std::future::ready(events(cx, request))), events_words)
}

/// Whose output.
#[derive(Debug, Default, serde::Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct LogsRequest {
    /// Environment; `production` unless named.
    environment: Option<String>,
    /// Services; all unless named.
    services: Vec<String>,
    /// Last lines of each container; 50 unless given, 500 at most.
    tail: Option<u32>,
    /// Stopped containers too.
    all: bool,
}

/// Output by container.
#[derive(Debug, serde::Serialize, schemars::JsonSchema)]
struct LogsOutcome {
    /// Environment.
    environment: EnvironmentName,
    /// Containers with their last lines.
    containers: Vec<ContainerOutput>,
}

/// The last lines of one container.
#[derive(Debug, serde::Serialize, schemars::JsonSchema)]
struct ContainerOutput {
    /// Service.
    service: String,
    /// Name on the engine.
    container: String,
    /// The engine's words about it.
    status: String,
    /// Lines of standard output and standard error, in the engine's order.
    lines: Vec<String>,
}

async fn logs(cx: &Context, request: &LogsRequest) -> Result<LogsOutcome, Failure> {
    let project = load(cx, &Selection { environment: request.environment.clone() })?;
    let known: BTreeSet<&String> = project.stack.services.keys().collect();
    if let Some(unknown) = request.services.iter().find(|service| !known.contains(service)) {
        let names: Vec<&str> = known.into_iter().map(String::as_str).collect();
        return Err(
            Failure::new(FailureKind::NotFound, format!("no service `{unknown}`")).hint(format!("the services are {}", names.join(", ")))
        );
    }
    let filter = ContainerFilter { labels: IndexMap::from([(labels::PROJECT.to_owned(), project.environment.project.clone())]), all: true };
    let mut containers = Vec::new();
    for container in cx.engine.containers(&filter).await? {
        let service = container.labels.get(labels::SERVICE).cloned().unwrap_or_default();
        let wanted = request.services.is_empty() || request.services.contains(&service);
        if wanted && (request.all || container.status.starts_with("Up") || container.status.starts_with("Restarting")) {
            let lines = last_lines(cx, &container.name, request.tail.unwrap_or(USUAL).min(MOST)).await?;
            containers.push(ContainerOutput { service, container: container.name, status: container.status, lines });
        }
    }
    containers.sort_by(|a, b| (&a.service, &a.container).cmp(&(&b.service, &b.container)));
    Ok(LogsOutcome { environment: project.environment.name, containers })
}

async fn last_lines(cx: &Context, container: &str, tail: u32) -> Result<Vec<String>, Failure> {
    let query = LogQuery { tail: Some(u64::from(tail)), ..LogQuery::default() };
    let mut chunks = cx.engine.logs(container, &query).await?;
    let mut bytes = Vec::new();
    while let Some(chunk) = chunks.next().await {
        bytes.extend_from_slice(&chunk?.bytes);
        if bytes.len() > BYTES {
            break;
        }
    }
    Ok(String::from_utf8_lossy(&bytes).lines().map(|line| line.chars().take(LINE).collect()).collect())
}

fn logs_words(outcome: &LogsOutcome) -> String {
    if outcome.containers.is_empty() {
        return format!("no container runs in {}\nnext: status", outcome.environment);
    }
    let mut lines = Vec::new();
    for container in &outcome.containers {
        lines.push(format!("{} ({}), {}:", container.container, container.service, container.status));
        lines.extend(container.lines.iter().cloned());
    }
    lines.join("\n")
}

/// Which events.
#[derive(Debug, Default, serde::Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct EventsRequest {
    /// Not older than this time (RFC 3339).
    #[schemars(with = "Option<String>")]
    since: Option<Timestamp>,
    /// Of this type.
    event_type: Option<EventType>,
    /// With this status.
    status: Option<EventStatus>,
    /// Concerning this service.
    service: Option<String>,
    /// In the environment of this name or class; all unless named.
    environment: Option<String>,
    /// With this trace id.
    trace_id: Option<String>,
    /// The newest so many; 50 unless given, 500 at most.
    limit: Option<u32>,
}

/// Events of the deployment log.
#[derive(Debug, serde::Serialize, schemars::JsonSchema)]
struct EventsOutcome {
    /// Every line of the log can be read.
    ok: bool,
    /// Events, newest last.
    events: Vec<Event>,
    /// How many events match, those left out included.
    matching: usize,
    /// Lines that cannot be read; `chora events repair` mends them.
    damaged_lines: usize,
}

fn events(cx: &Context, request: &EventsRequest) -> Result<EventsOutcome, Failure> {
    let query = EventQuery {
        since: request.since,
        event_type: request.event_type,
        status: request.status,
        service: request.service.clone(),
        environment: request.environment.clone(),
        trace_id: request.trace_id.clone(),
    };
    let entries = cx.log.events(&query)?;
    let damaged_lines = cx.log.verify()?.damaged.len();
    let (matching, limit) = (entries.len(), request.limit.unwrap_or(USUAL).min(MOST) as usize);
    let events = entries.into_iter().skip(matching.saturating_sub(limit)).map(|entry| entry.event).collect();
    Ok(EventsOutcome { ok: damaged_lines == 0, events, matching, damaged_lines })
}

fn events_words(outcome: &EventsOutcome) -> String {
    let mut lines = vec![format!("{} of {} events", outcome.events.len(), outcome.matching)];
    lines.extend(outcome.events.iter().map(|event| {
        let word = |value: serde_json::Result<serde_json::Value>| {
            value.ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
        };
        let (kind, status) = (word(serde_json::to_value(event.event_type)), word(serde_json::to_value(event.status)));
        let error = event.errors.first().map_or_else(String::new, |error| format!(": {}", error.lines().next().unwrap_or_default()));
        format!("{} {kind} {} in {} {status}{error}", event.timestamp, event.version, event.environment.as_str())
    }));
    if outcome.damaged_lines > 0 {
        lines.push(format!("{} lines cannot be read\nnext: chora events repair", outcome.damaged_lines));
    }
    lines.join("\n")
}
