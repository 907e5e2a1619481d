//! Which events are asked for.

use chora_core::model::event::{Event, EventStatus, EventType};
use jiff::Timestamp;

/// Conditions that all have to hold; the default asks for everything.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(default)]
pub struct EventQuery {
    /// Not older than.
    #[schemars(with = "Option<String>")]
    pub since: Option<Timestamp>,
    /// Of this kind.
    pub event_type: Option<EventType>,
    /// With this status.
    pub status: Option<EventStatus>,
    /// Concerning this service.
    pub service: Option<String>,
    /// In the environment of this name, or of this class.
    pub environment: Option<String>,
    /// With this trace id.
    pub trace_id: Option<String>,
}

impl EventQuery {
    /// Asks about events in the order of their lines.
    #[must_use]
    pub const fn recent(&self) -> Recent<'_> {
        Recent { query: self, reached: false }
    }

    fn is_since(&self, event: &Event) -> bool {
        self.since.is_none_or(|since| event.timestamp >= since)
    }

    fn is_of_kind(&self, event: &Event) -> bool {
        let name = event.metadata.get("environment_name").and_then(|name| name.as_str());
        let in_environment = |asked: &str| name == Some(asked) || event.environment.as_str() == asked;
        self.event_type.is_none_or(|asked| event.event_type == asked)
            && self.status.is_none_or(|asked| event.status == asked)
            && self.service.as_ref().is_none_or(|asked| event.services.contains(asked))
            && self.environment.as_deref().is_none_or(in_environment)
            && self.trace_id.as_ref().is_none_or(|asked| event.trace_id.as_ref() == Some(asked))
    }
}

/// A query on its way through a log. A clock that was set back must not hide what happened after it: once an event is recent
/// enough, so are all that follow.
#[derive(Debug)]
pub struct Recent<'a> {
    query: &'a EventQuery,
    reached: bool,
}

impl Recent<'_> {
    /// Tells whether the next event is asked for.
    pub fn asks_for(&mut self, event: &Event) -> bool {
        self.reached |= self.query.is_since(event);
        self.reached && self.query.is_of_kind(event)
    }
}
