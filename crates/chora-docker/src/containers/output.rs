//! A container's log.

use chora_core::model::container::{LogChunk, LogQuery};
use chora_core::ports::EngineError;
use futures_core::stream::BoxStream;
use futures_util::{StreamExt, TryStreamExt};
use http_body_util::BodyDataStream;

use super::{about, inspect, path};
use crate::client::{Call, Client};
use crate::{events, failure, frames};

pub(crate) async fn logs(
    client: &Client,
    container: &str,
    query: &LogQuery,
) -> Result<BoxStream<'static, Result<LogChunk, EngineError>>, EngineError> {
    let flag = |value: bool| if value { "1" } else { "0" };
    let is_terminal = inspect::document(client, container).await?.config.tty;
    let mut call = Call::get(path(container, "/logs"), about(container))
        .query("stdout", "1")
        .query("stderr", "1")
        .query("follow", flag(query.follow))
        .query("timestamps", flag(query.timestamps));
    if let Some(tail) = query.tail {
        call = call.query("tail", tail.to_string());
    }
    if let Some(since) = query.since {
        call = call.query("since", events::moment(since));
    }
    // A silent container that is followed may not answer before its first line.
    let call = if query.follow { call.limit(None) } else { call };
    let response = client.open(call).await?;
    let endpoint = client.endpoint().to_owned();
    let bytes = BodyDataStream::new(response.into_body()).map_err(move |error| failure::connection(&error, &endpoint));
    Ok(frames::chunks(bytes, is_terminal).boxed())
}
