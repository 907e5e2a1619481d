//! Builds: `BuildKit` through a session where the engine has it, the classic builder otherwise.

mod log;
mod options;

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use chora_core::model::ids::ImageId;
use chora_core::model::image::ImageBuild;
use chora_core::ports::EngineError;
use chora_core::ports::engine::ProgressSink;
use futures_util::StreamExt;
use serde_json::Value;

use self::log::BuildLog;
use super::context::{self, Context};
use super::session::Session;
use super::{about, inspect, sayings};
use crate::client::{Call, Client};
use crate::failure;
use crate::login::Logins;

pub(crate) async fn build(
    client: &Client,
    logins: &Logins,
    build: &ImageBuild,
    progress: ProgressSink<'_>,
) -> Result<ImageId, EngineError> {
    let handshake = client.handshake().await?;
    let mut call = Call::post("/build", format!("build of `{}`", build.service)).limit(None);
    for (key, value) in options::query(build, handshake.buildkit)? {
        call = call.query(key, value);
    }
    let unreadable = |error: io::Error| EngineError::Invalid { reason: format!("build of `{}`: its context: {error}", build.service) };
    // Held until the build has ended; dropping it ends the session.
    let mut _session = None;
    if handshake.buildkit {
        let taken = build.clone();
        // A large one takes its time.
        let context = tokio::task::spawn_blocking(move || Context::of(&taken)).await.unwrap_or_else(|error| Err(io::Error::other(error)));
        let session = Session::open(client, session_id(), context.map_err(unreadable)?, &build.secrets, logins.clone()).await?;
        call = call.query("version", "2").query("session", &session.id).query("buildid", &session.id);
        call = call.query("remote", "client-session");
        _session = Some(session);
    } else {
        call = call.query("version", "1").query("rm", "1").query("forcerm", "1");
        call = call
            .bytes("application/x-tar", context::for_classic(build).map_err(unreadable)?)
            .header("X-Registry-Config", registry_config(logins).await?);
    }
    let id = follow(client, call, build, progress).await?;
    resolve(client, build, id).await
}

/// Unique on this machine, which is what the engine asks of a session's name.
fn session_id() -> String {
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_nanos());
    format!("chora-{}-{now}-{}", std::process::id(), COUNTER.fetch_add(1, Ordering::Relaxed))
}

async fn registry_config(logins: &Logins) -> Result<String, EngineError> {
    use base64::Engine as _;
    let table: serde_json::Map<String, Value> =
        logins.all().await?.into_iter().map(|(name, login)| (name, serde_json::json!(login))).collect();
    Ok(base64::engine::general_purpose::URL_SAFE.encode(Value::Object(table).to_string()))
}

async fn follow(client: &Client, call: Call, build: &ImageBuild, progress: ProgressSink<'_>) -> Result<Option<String>, EngineError> {
    let mut log = BuildLog::new(build, progress);
    let mut id = None;
    let opened = match sayings(client, call).await {
        Err(EngineError::Invalid { reason } | EngineError::Failed { reason }) => return Err(failed(build, reason, log.last_lines())),
        opened => opened?,
    };
    let mut sayings = std::pin::pin!(opened);
    while let Some(saying) = sayings.next().await {
        let saying = saying?;
        if !saying.error.is_empty() {
            let reason = log.redacted(&saying.error);
            return Err(failed(build, reason, log.last_lines()));
        }
        log.add_text(&saying.stream);
        match saying.aux {
            Some(Value::String(trace)) if saying.id == "moby.buildkit.trace" => log.add_trace(&trace),
            Some(Value::Object(aux)) => id = aux.get("ID").and_then(Value::as_str).map(str::to_owned).or(id),
            _ => {}
        }
    }
    Ok(id)
}

/// Tells a bad world (registry, disk) from a build that is wrong.
fn failed(build: &ImageBuild, reason: String, log: Vec<String>) -> EngineError {
    let lower = reason.to_lowercase();
    let is_step = ["did not complete successfully", "executor failed running", "returned a non-zero code"];
    if !is_step.iter().any(|words| lower.contains(words)) {
        if let error @ EngineError::DiskFull { .. } = failure::refusal(500, &reason, "") {
            return error;
        }
        if failure::is_registry_outage(&reason) {
            let image = options::front_end(build).unwrap_or_else(|| format!("base of {}", build.service));
            return EngineError::RegistryUnreachable { image, reason };
        }
    }
    let reason = match options::front_end(build) {
        Some(image) if lower.contains("frontend") || lower.contains("resolve image config") => {
            format!("{reason} (the line `# syntax={image}` makes the engine pull that image)")
        }
        _ => reason,
    };
    EngineError::BuildFailed { service: build.service.clone(), reason, log }
}

/// Asks the engine for the image's id, which depends on its image store.
async fn resolve(client: &Client, build: &ImageBuild, id: Option<String>) -> Result<ImageId, EngineError> {
    for reference in id.iter().chain(&build.tags) {
        if let Some(id) = inspect(client, reference).await?.and_then(|image| image.id) {
            return Ok(id);
        }
    }
    let name = id.or_else(|| build.tags.first().cloned()).unwrap_or_default();
    Err(EngineError::Failed { reason: format!("{} was built and is not there", about(&name)) })
}
