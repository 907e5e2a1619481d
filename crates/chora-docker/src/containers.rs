//! Containers from creation to removal.

mod create;
mod endpoints;
mod exec;
mod files;
mod host;
mod inspect;
mod limits;
mod mounts;
mod output;
mod piped;
mod request;
mod restart;
mod security;
mod terminal;

use std::time::Duration;

use chora_core::ports::EngineError;
use http_body_util::BodyExt;
use hyper::Response;
use hyper::body::Incoming;
use serde::Deserialize;

use crate::client::{Call, Client, LONG, segment};

pub(crate) use create::create;
pub(crate) use endpoints::endpoint_settings;
pub(crate) use exec::{exec, exec_attached};
pub(crate) use files::read_file;
pub(crate) use inspect::{inspect, list};
pub(crate) use output::logs;
pub(crate) use piped::{exec_piped, run_piped};

fn about(container: &str) -> String {
    format!("container `{container}`")
}

fn path(container: &str, action: &str) -> String {
    format!("/containers/{}{action}", segment(container))
}

pub(crate) async fn start(client: &Client, container: &str) -> Result<(), EngineError> {
    restart::put_back(client, container).await?;
    client.unit(Call::post(path(container, "/start"), about(container)).limit(Some(LONG))).await
}

pub(crate) async fn stop(client: &Client, container: &str, grace: Option<Duration>) -> Result<(), EngineError> {
    let mut call = Call::post(path(container, "/stop"), about(container));
    // Without a grace of ours the container's own holds, which may be any length.
    call = match grace {
        Some(grace) => call.query("t", whole_seconds(grace).to_string()).limit(Some(grace.saturating_add(LONG))),
        None => call.limit(None),
    };
    client.unit(call).await?;
    restart::put_aside(client, container).await
}

/// Rounds up to the engine's unit of time.
pub(crate) fn whole_seconds(duration: Duration) -> u64 {
    duration.as_secs().saturating_add(u64::from(duration.subsec_nanos() > 0))
}

pub(crate) async fn kill(client: &Client, container: &str, signal: &str) -> Result<(), EngineError> {
    client.unit(Call::post(path(container, "/kill"), about(container)).query("signal", signal)).await
}

pub(crate) async fn rename(client: &Client, container: &str, name: &str) -> Result<(), EngineError> {
    client.unit(Call::post(path(container, "/rename"), about(container)).query("name", name)).await
}

pub(crate) async fn remove(client: &Client, container: &str, anonymous_volumes: bool) -> Result<(), EngineError> {
    let call = Call::delete(path(container, ""), about(container))
        .query("force", "1")
        .query("v", if anonymous_volumes { "1" } else { "0" })
        .limit(Some(LONG));
    match client.unit(call).await {
        Err(EngineError::NotFound { .. }) => Ok(()),
        Err(EngineError::Conflict { reason }) if reason.contains("is already in progress") => removed(client, container).await,
        result => result,
    }
}

/// Waits for a removal that somebody else began.
async fn removed(client: &Client, container: &str) -> Result<(), EngineError> {
    let call = Call::post(path(container, "/wait"), about(container)).query("condition", "removed").limit(Some(LONG));
    match client.unit(call).await {
        Err(EngineError::NotFound { .. }) => Ok(()),
        result => result,
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Ending {
    status_code: i64,
    #[serde(default)]
    error: Option<EndingError>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct EndingError {
    message: String,
}

/// A container that is waited for; the engine has begun to watch it.
struct Waiting(Response<Incoming>);

impl Waiting {
    async fn begin(client: &Client, container: &str, condition: &str) -> Result<Self, EngineError> {
        let call = Call::post(path(container, "/wait"), about(container)).query("condition", condition);
        client.open(call).await.map(Self)
    }

    async fn exit_code(self, client: &Client) -> Result<i64, EngineError> {
        let body = self.0.into_body().collect().await.map_err(|error| client.lost(&error))?.to_bytes();
        let unreadable = |error| EngineError::Failed { reason: format!("how it ended cannot be read: {error}") };
        ended(serde_json::from_slice(&body).map_err(unreadable)?)
    }
}

pub(crate) async fn wait(client: &Client, container: &str) -> Result<i64, EngineError> {
    let call = Call::post(path(container, "/wait"), about(container)).query("condition", "not-running").limit(None);
    ended(client.document(call).await?)
}

fn ended(ending: Ending) -> Result<i64, EngineError> {
    match ending.error {
        Some(error) if !error.message.is_empty() => Err(EngineError::Failed { reason: error.message }),
        _ => Ok(ending.status_code),
    }
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct ProcessTable {
    titles: Vec<String>,
    processes: Option<Vec<Vec<String>>>,
}

pub(crate) async fn processes(client: &Client, container: &str) -> Result<Vec<String>, EngineError> {
    let table: ProcessTable = match client.document(Call::get(path(container, "/top"), about(container))).await {
        // The older engine calls it a failure of its own.
        Err(EngineError::Failed { reason }) if reason.contains("is not running") => return Err(EngineError::Conflict { reason }),
        result => result?,
    };
    let column = table.titles.iter().position(|title| title == "CMD" || title == "COMMAND");
    let command = |row: Vec<String>| column.and_then(|column| row.into_iter().nth(column));
    Ok(table.processes.unwrap_or_default().into_iter().filter_map(command).collect())
}
