//! No secret ever appears: `[redacted]` stands in its place.

use chora_core::model::event::Event;
use chora_core::model::secret::Secret;
use serde_json::{Map, Value};

const MARK: &str = "[redacted]";

/// A line of a longer secret (a private key) is a secret of its own from this many characters.
const SHORTEST_LINE: usize = 8;

/// Puts the mark in the place of every occurrence in every text of the event.
pub(super) fn redact(event: &Event, secrets: &[Secret<Vec<u8>>]) -> Event {
    let needles = needles(secrets);
    let clean = |text: &String| replace(text, &needles);
    Event {
        repository: clean(&event.repository),
        version: clean(&event.version),
        errors: event.errors.iter().map(clean).collect(),
        notes: event.notes.as_ref().map(clean),
        trace_id: event.trace_id.as_ref().map(clean),
        services: event.services.iter().map(clean).collect(),
        metadata: object(&event.metadata, &needles),
        ..event.clone()
    }
}

/// What to look for, longest first: each value, the value without surrounding white space, and its longer lines.
pub(crate) fn needles(secrets: &[Secret<Vec<u8>>]) -> Vec<String> {
    let mut needles = Vec::new();
    for secret in secrets {
        let text = String::from_utf8_lossy(secret.expose());
        let lines = text.lines().map(str::trim).filter(|line| line.len() >= SHORTEST_LINE);
        needles.extend([text.as_ref(), text.trim()].into_iter().chain(lines).map(str::to_owned));
    }
    needles.retain(|needle| !needle.is_empty());
    needles.sort_by_key(|needle| std::cmp::Reverse(needle.len()));
    needles.dedup();
    needles
}

pub(crate) fn replace(text: &str, needles: &[String]) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        if let Some(after) = needles.iter().find_map(|needle| rest.strip_prefix(needle.as_str())) {
            clean.push_str(MARK);
            rest = after;
        } else {
            clean.push(first);
            rest = rest.get(first.len_utf8()..).unwrap_or_default();
        }
    }
    clean
}

fn object(map: &Map<String, Value>, needles: &[String]) -> Map<String, Value> {
    map.iter().map(|(key, value)| (replace(key, needles), any(value, needles))).collect()
}

fn any(value: &Value, needles: &[String]) -> Value {
    match value {
        Value::String(text) => replace(text, needles).into(),
        Value::Array(values) => values.iter().map(|value| any(value, needles)).collect(),
        Value::Object(map) => object(map, needles).into(),
        Value::Number(number) if needles.contains(&number.to_string()) => MARK.into(),
        Value::Number(_) | Value::Bool(_) | Value::Null => value.clone(),
    }
}
