//! Releases in the deployment log: a beginning line and one terminal line each. What a killed process began is closed by the
//! next release.

use std::time::Duration;

use chora_core::model::deployment::Owner;
use chora_core::model::event::{Event, EventStatus, EventType};
use chora_core::ports::Liveness;
use serde_json::{Map, Value, json};

use super::part::Part;
use super::{PublishOutcome, Work};
use crate::context::Context;
use crate::event_log::{EventQuery, LogError};
use crate::failure::Failure;

/// Version of the metadata.
const METADATA_VERSION: &str = "1.0.0";
/// What a release is in `metadata.action`.
const ACTION: &str = "release";

/// A release that is told.
pub(super) struct Account {
    beginning: Event,
    began: Duration,
}

impl Account {
    pub(super) fn new(cx: &Context, work: &Work<'_>) -> Self {
        let mut metadata = Map::new();
        for (key, value) in [
            ("schema_version", json!(METADATA_VERSION)),
            ("action", json!(ACTION)),
            ("publication_id", json!(cx.host.fresh_id())),
            ("environment_name", json!(work.project.environment.name)),
            ("registry", json!(work.registry)),
            ("owner", json!(cx.host.owner())),
        ] {
            metadata.insert(key.to_owned(), value);
        }
        let beginning = Event {
            timestamp: cx.clock.now(),
            event_type: EventType::ConfigurationChange,
            repository: work.project.repository.clone(),
            environment: work.project.environment.class,
            version: work.request.version.clone(),
            status: EventStatus::InProgress,
            duration_seconds: 0.0,
            errors: Vec::new(),
            notes: None,
            deployed_by: Some(cx.settings.deployed_by),
            trace_id: None,
            services: work.project.stack.services.keys().cloned().collect(),
            metadata,
        };
        Self { beginning, began: cx.clock.elapsed() }
    }

    /// Writes the beginning line; where it cannot be written nothing is begun.
    pub(super) fn begin(&self, cx: &Context) -> Result<(), Failure> {
        cx.record(&self.beginning).map_err(|error| Failure::from(error).state("nothing was changed"))
    }

    /// Writes the terminal line.
    pub(super) fn end(self, cx: &Context, work: &Work<'_>, done: &Result<PublishOutcome, Failure>) -> Result<(), LogError> {
        let mut event = Event {
            timestamp: cx.clock.now(),
            duration_seconds: cx.clock.elapsed().saturating_sub(self.began).as_secs_f64(),
            status: EventStatus::Failure,
            ..self.beginning
        };
        let outcome = match done {
            Ok(outcome) if outcome.ok => {
                event.status = EventStatus::Success;
                "released"
            }
            Ok(outcome) => {
                let unfit = outcome.verified.iter().filter(|(_, verified)| !verified.ok);
                event.errors = unfit.map(|(service, _)| format!("the image of `{service}` is not fit")).collect();
                "refused"
            }
            Err(failure) => {
                event.errors.push(failure.message.clone());
                event.notes = Some(failure.state.clone()).filter(|state| !state.is_empty());
                "failed"
            }
        };
        let named = |part: &Part| part.digest.as_ref().map(|digest| json!(format!("{}@{digest}", part.repository)));
        let told = work.parts.iter().filter_map(|part| Some((part, named(part)?)));
        let images: Map<String, Value> =
            told.flat_map(|(part, name)| part.services.iter().map(move |service| (service.clone(), name.clone()))).collect();
        event.metadata.insert("outcome".to_owned(), json!(outcome));
        event.metadata.insert("images".to_owned(), Value::Object(images));
        event.metadata.insert("latest".to_owned(), json!(work.is_latest()));
        cx.record(&event)
    }
}

/// The lines about releases, in the order of the log.
fn lines(cx: &Context) -> Result<Vec<Event>, LogError> {
    let query = EventQuery { event_type: Some(EventType::ConfigurationChange), ..EventQuery::default() };
    let events = cx.log.events(&query)?.into_iter().map(|entry| entry.event);
    Ok(events.filter(|event| event.metadata.get("action").is_some_and(|action| action == ACTION)).collect())
}

/// Ends what a killed process began.
pub(super) fn close_killed(cx: &Context) -> Result<(), Failure> {
    let all = lines(cx)?;
    let id = |event: &Event| event.metadata.get("publication_id").cloned();
    let open = all.iter().filter(|event| {
        event.status == EventStatus::InProgress
            && !all.iter().any(|other| other.status != EventStatus::InProgress && id(other) == id(event))
    });
    for event in open {
        let owner = event.metadata.get("owner").and_then(|owner| serde_json::from_value::<Owner>(owner.clone()).ok());
        if owner.is_some_and(|owner| cx.host.liveness(&owner) == Liveness::Alive) {
            continue;
        }
        let mut end = Event { timestamp: cx.clock.now(), status: EventStatus::Failure, ..event.clone() };
        end.errors.push("its process was killed; what it did is in the registry".to_owned());
        end.metadata.insert("outcome".to_owned(), json!("killed"));
        cx.record(&end).map_err(|error| Failure::from(error).state("nothing was changed"))?;
    }
    Ok(())
}

/// Whether a version was released to a registry before, and `latest` stood for it then.
pub(super) fn released_before(cx: &Context, version: &str, registry: &str) -> Result<bool, Failure> {
    let is_it = |event: &Event| {
        event.status == EventStatus::Success
            && event.version == version
            && event.metadata.get("registry").is_some_and(|known| known == registry)
            && event.metadata.get("latest").is_some_and(|latest| latest == true)
    };
    Ok(lines(cx)?.iter().any(is_it))
}
