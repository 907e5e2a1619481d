//! What happens to containers, as it happens.

use chora_core::model::ids::ContainerId;
use chora_core::ports::EngineError;
use chora_core::ports::engine::EngineEvent;
use futures_core::stream::BoxStream;
use futures_util::{StreamExt, TryStreamExt, stream};
use http_body_util::BodyDataStream;
use indexmap::IndexMap;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::json;

use crate::client::{Call, Client, label_filter};
use crate::{failure, frames};

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct EventDocument {
    action: String,
    actor: Actor,
    #[serde(rename = "timeNano")]
    time_nano: i64,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Actor {
    #[serde(rename = "ID")]
    id: String,
    #[serde(rename = "Attributes")]
    attributes: IndexMap<String, String>,
}

impl From<EventDocument> for EngineEvent {
    fn from(document: EventDocument) -> Self {
        let (action, detail) = match document.action.split_once(':') {
            Some((action, detail)) => (action.to_owned(), Some(detail.trim().to_owned())),
            None => (document.action, None),
        };
        Self {
            action,
            detail,
            container: ContainerId::new(document.actor.id),
            attributes: document.actor.attributes,
            at: Timestamp::from_nanosecond(i128::from(document.time_nano)).ok(),
        }
    }
}

/// Streams events; an engine that goes away ends the stream with `Unreachable`.
pub(crate) async fn stream(
    client: &Client,
    labels: &IndexMap<String, String>,
    since: Option<Timestamp>,
) -> Result<BoxStream<'static, Result<EngineEvent, EngineError>>, EngineError> {
    let mut filters = label_filter(labels);
    if let Some(filters) = filters.as_object_mut() {
        filters.insert("type".to_owned(), json!(["container"]));
    }
    let mut call = Call::get("/events", "events").query("filters", filters.to_string());
    if let Some(since) = since {
        call = call.query("since", moment(since));
    }
    let response = client.open(call).await?;
    let endpoint = client.endpoint().to_owned();
    let gone = EngineError::Unreachable { endpoint: endpoint.clone(), reason: "the event stream ended".to_owned() };
    let bytes = BodyDataStream::new(response.into_body()).map_err(move |error| failure::connection(&error, &endpoint));
    Ok(frames::documents::<EventDocument>(bytes).map_ok(EngineEvent::from).chain(stream::iter([Err(gone)])).boxed())
}

/// Writes a moment as the engine's queries take it: seconds and nanoseconds.
pub(crate) fn moment(at: Timestamp) -> String {
    format!("{}.{:09}", at.as_second(), at.subsec_nanosecond().unsigned_abs())
}
