//! Both older vocabularies in today's words. What was read in another way is said; what has no place goes to the metadata.

use chora_core::model::environment::EnvironmentClass;
use chora_core::model::event::{DeployedBy, Event, EventStatus, EventType};
use chora_core::model::trace::is_trace_id;
use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use serde_json::{Map, Value};

type Object = Map<String, Value>;

/// What is said of a line that does not tell how long it took.
pub(super) const NO_DURATION: &str = "no usable duration_seconds, read as 0";

/// Reads an object as an event.
pub(super) fn normalise(mut object: Object) -> Result<(Event, Vec<String>), String> {
    let mut changes = Vec::new();
    let timestamp = timestamp(&mut object, &mut changes)?;
    let (event_type, implied) = event_type(&mut object, &mut changes)?;
    let event = Event {
        timestamp,
        event_type,
        repository: either(&mut object, "repository", "repo", &mut changes),
        environment: environment(&mut object, &mut changes)?,
        version: text_or_empty(&mut object, "version", &mut changes),
        status: status(&mut object, implied, &mut changes)?,
        duration_seconds: duration(&mut object, &mut changes),
        errors: texts(&mut object, "errors", &mut changes),
        notes: notes(&mut object, &mut changes),
        deployed_by: deployed_by(&mut object, &mut changes),
        trace_id: trace_id(&mut object, &mut changes),
        services: texts(&mut object, "services", &mut changes),
        metadata: metadata(object, &mut changes),
    };
    Ok((event, changes))
}

fn take(object: &mut Object, key: &str) -> Option<Value> {
    object.shift_remove(key).filter(|value| !value.is_null())
}

fn timestamp(object: &mut Object, changes: &mut Vec<String>) -> Result<Timestamp, String> {
    let value = take(object, "timestamp").ok_or("no timestamp")?;
    let text = value.as_str().ok_or_else(|| format!("timestamp {value} is not text"))?.trim();
    if let Ok(timestamp) = text.parse() {
        return Ok(timestamp);
    }
    let civil = text.parse::<DateTime>().or_else(|_| text.parse::<Date>().map(|date| date.at(0, 0, 0, 0)));
    let civil = civil.map_err(|_| format!("timestamp `{text}` is none"))?;
    changes.push("timestamp without a zone read as UTC".to_owned());
    TimeZone::UTC.to_timestamp(civil).map_err(|_| format!("timestamp `{text}` is out of range"))
}

/// The type, and the status that the older lifecycle verbs carry in it (`deployment_started`, `health_check_failed`, …).
fn event_type(object: &mut Object, changes: &mut Vec<String>) -> Result<(EventType, Option<EventStatus>), String> {
    let value = take(object, "event_type").or_else(|| {
        changes.push("`event` read as `event_type`".to_owned());
        take(object, "event")
    });
    let value = value.ok_or("no event_type")?;
    let written = value.as_str().ok_or_else(|| format!("event_type {value} is not text"))?;
    if let Ok(known) = serde_json::from_value(written.into()) {
        return Ok((known, None));
    }
    let word = word_of(written);
    let found = NOUNS.iter().find_map(|(noun, kind)| Some((*kind, word.strip_prefix(noun)?)));
    let (kind, verb) = found.ok_or_else(|| format!("event_type `{written}` is unknown"))?;
    let implied = status_word(verb.trim_start_matches('_'));
    if implied.is_none() && !verb.is_empty() {
        return Err(format!("event_type `{written}` is unknown"));
    }
    changes.push(format!("event_type `{written}` read as `{}`", word.strip_suffix(verb).unwrap_or(&word)));
    Ok((kind, implied))
}

const NOUNS: [(&str, EventType); 5] = [
    ("deployment", EventType::Deployment),
    ("rollback", EventType::Rollback),
    ("health_check", EventType::HealthCheck),
    ("backup", EventType::Backup),
    ("configuration_change", EventType::ConfigurationChange),
];

fn word_of(text: &str) -> String {
    text.trim().to_lowercase().replace(['-', '.', ' ', '/'], "_")
}

fn status_word(word: &str) -> Option<EventStatus> {
    match word {
        "success" | "succeeded" | "successful" | "completed" | "passed" | "ok" => Some(EventStatus::Success),
        "failure" | "failed" | "error" => Some(EventStatus::Failure),
        "in_progress" | "started" | "running" | "pending" => Some(EventStatus::InProgress),
        _ => None,
    }
}

fn status(object: &mut Object, implied: Option<EventStatus>, changes: &mut Vec<String>) -> Result<EventStatus, String> {
    let Some(value) = take(object, "status") else {
        changes.push("status read from the event_type".to_owned());
        return implied.ok_or_else(|| "no status".to_owned());
    };
    let written = value.as_str().ok_or_else(|| format!("status {value} is not text"))?;
    if let Ok(known) = serde_json::from_value(written.into()) {
        return Ok(known);
    }
    let read = status_word(&word_of(written)).ok_or_else(|| format!("status `{written}` is unknown"))?;
    changes.push(format!("status `{written}` read in today's words"));
    Ok(read)
}

fn environment(object: &mut Object, changes: &mut Vec<String>) -> Result<EnvironmentClass, String> {
    let value = take(object, "environment").ok_or("no environment")?;
    let written = value.as_str().ok_or_else(|| format!("environment {value} is not text"))?;
    if let Ok(known) = serde_json::from_value(written.into()) {
        return Ok(known);
    }
    let read = match word_of(written).as_str() {
        "dev" | "development" | "local" => EnvironmentClass::Development,
        "stage" | "staging" => EnvironmentClass::Staging,
        "prod" | "production" => EnvironmentClass::Production,
        _ => return Err(format!("environment `{written}` is none of development, staging, production")),
    };
    changes.push(format!("environment `{written}` read as `{}`", read.as_str()));
    Ok(read)
}

fn either(object: &mut Object, key: &str, older: &str, changes: &mut Vec<String>) -> String {
    if !object.contains_key(key)
        && let Some(value) = take(object, older)
    {
        changes.push(format!("`{older}` read as `{key}`"));
        return plain(&value);
    }
    text_or_empty(object, key, changes)
}

fn text_or_empty(object: &mut Object, key: &str, changes: &mut Vec<String>) -> String {
    match take(object, key) {
        Some(Value::String(text)) => text,
        Some(other) => {
            changes.push(format!("{key} is not text"));
            plain(&other)
        }
        None => {
            changes.push(format!("no {key}"));
            String::new()
        }
    }
}

fn duration(object: &mut Object, changes: &mut Vec<String>) -> f64 {
    let value = take(object, "duration_seconds");
    let written = value.as_ref().and_then(|value| value.as_f64().or_else(|| value.as_str()?.trim().parse().ok()));
    match written.filter(|seconds| seconds.is_finite() && *seconds >= 0.0) {
        Some(seconds) => {
            if value.is_some_and(|value| value.is_string()) {
                changes.push("duration_seconds is text".to_owned());
            }
            seconds
        }
        None => {
            changes.push(NO_DURATION.to_owned());
            value.into_iter().for_each(|value| keep(object, "duration_seconds", value));
            0.0
        }
    }
}

fn texts(object: &mut Object, key: &str, changes: &mut Vec<String>) -> Vec<String> {
    let values = match take(object, key) {
        None => return Vec::new(),
        Some(Value::Array(values)) => values,
        Some(one) => {
            changes.push(format!("{key} is not a list"));
            vec![one]
        }
    };
    if values.iter().any(|value| !value.is_string()) {
        changes.push(format!("{key} holds more than texts"));
    }
    values.iter().map(plain).collect()
}

fn notes(object: &mut Object, changes: &mut Vec<String>) -> Option<String> {
    let value = take(object, "notes")?;
    if !value.is_string() {
        changes.push("notes is not text".to_owned());
    }
    Some(plain(&value))
}

fn deployed_by(object: &mut Object, changes: &mut Vec<String>) -> Option<DeployedBy> {
    let value = take(object, "deployed_by")?;
    if let Ok(known) = serde_json::from_value(value.clone()) {
        return Some(known);
    }
    changes.push(format!("deployed_by {value} read in today's words"));
    match word_of(value.as_str().unwrap_or_default()).as_str() {
        "ai_agent" | "agent" | "ai" => Some(DeployedBy::Agent),
        "human" | "user" => Some(DeployedBy::Human),
        "ci_cd" | "cicd" | "ci" => Some(DeployedBy::CiCd),
        _ => {
            keep(object, "deployed_by", value);
            None
        }
    }
}

fn trace_id(object: &mut Object, changes: &mut Vec<String>) -> Option<String> {
    let value = take(object, "trace_id").or_else(|| {
        let older = take(object, "CHORA_TRACE_ID")?;
        changes.push("`CHORA_TRACE_ID` read as `trace_id`".to_owned());
        Some(older)
    })?;
    if value.as_str().is_some_and(is_trace_id) {
        return Some(plain(&value));
    }
    changes.push(format!("trace_id {value} is none"));
    keep(object, "trace_id", value);
    None
}

/// What is left goes to the metadata; a key that is taken there gets an underscore more.
fn metadata(mut object: Object, changes: &mut Vec<String>) -> Object {
    let mut metadata = match take(&mut object, "metadata") {
        None => Object::new(),
        Some(Value::Object(metadata)) => metadata,
        Some(other) => {
            changes.push("metadata is not an object".to_owned());
            Object::from_iter([("metadata".to_owned(), other)])
        }
    };
    for (key, value) in object {
        if !value.is_null() {
            changes.push(format!("`{key}` moved to the metadata"));
            keep(&mut metadata, &key, value);
        }
    }
    metadata
}

fn keep(object: &mut Object, key: &str, value: Value) {
    let mut free = key.to_owned();
    while object.contains_key(&free) {
        free.push('_');
    }
    object.insert(free, value);
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
