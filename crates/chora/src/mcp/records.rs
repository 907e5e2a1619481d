//! Tools of what was written down: the deployment log and containers' output.

use chora_core::model::event::{Event, EventStatus, EventType};
use chora_ops::event_log::EventQuery;
use chora_ops::logs::{LogsOutcome, logs};
use chora_ops::{Context, Failure};
use jiff::Timestamp;

use super::operation::{Effect, Operation, Words};

/// Events unless a number is given.
const USUAL: u32 = 50;
/// The most events in one answer.
const MOST: u32 = 500;

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
        description: "Reads the deployment log, newest last, at most 500 events: who deployed what where, when, and how it ended. Lines that cannot be read are left out and counted in `damaged_lines`.",
    };
    Operation::new(words, Effect::Reads, |cx, request| Box::pin(std::future::ready(events(cx, request))), events_words)
}

fn logs_words(outcome: &LogsOutcome) -> String {
    if outcome.containers.is_empty() {
        return format!("there is no container in {}\nnext: {}", outcome.environment, outcome.next);
    }
    let mut lines = Vec::new();
    for container in &outcome.containers {
        lines.push(format!("{} ({}), {}:", container.container, container.service, container.status));
        lines.extend(container.lines.iter().cloned());
    }
    lines.push(format!("next: {}", outcome.next));
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
    /// The log was read; damaged lines do not change that.
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
    Ok(EventsOutcome { ok: true, events, matching, damaged_lines })
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
