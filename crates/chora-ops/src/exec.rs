//! The `exec` operation: a command in the running container of a service, its output collected or its streams attached.

use std::time::Duration;

use chora_core::model::container::ExecSpec;

use crate::context::Context;
use crate::failure::{Failure, FailureKind};
use crate::instances::running;
use crate::redactor;

/// How long a collected command may take, unless told otherwise.
const LIMIT: Duration = Duration::from_secs(600);

/// What to run, and where.
#[derive(Debug, Clone, Default, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ExecRequest {
    /// Service.
    pub service: String,
    /// The command with its arguments.
    pub command: Vec<String>,
    /// Environment; `production` unless named.
    pub environment: Option<String>,
    /// Number of the container among the service's; the lowest that runs unless given.
    pub number: Option<u32>,
    /// Run as this user; the container's own unless named.
    pub user: Option<String>,
    /// Run in this directory; the container's own unless named.
    pub working_dir: Option<String>,
    /// Variables as KEY=VALUE.
    pub variables: Vec<String>,
    /// Time that a collected command may take, in milliseconds; 600,000 unless given.
    pub limit_ms: Option<u64>,
}

/// How a command whose output was collected ended.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
pub struct ExecOutcome {
    /// Its exit code is 0.
    pub ok: bool,
    /// Exit code.
    pub exit_code: i64,
    /// Name of the container on the engine.
    pub container: String,
    /// Standard output and error in order of arrival, at most 64 KiB.
    pub output: String,
}

/// Runs a command to its end and collects what it writes; secrets of the stack are not part of it.
///
/// # Errors
/// Not found when there is no such service, conflict when none of its containers runs, unavailable when time runs out.
pub async fn exec(cx: &Context, request: &ExecRequest) -> Result<ExecOutcome, Failure> {
    let spec = spec(request)?;
    let (project, container) = running(cx, request.environment.as_deref(), &request.service, request.number).await?;
    redactor::learn(cx, &project.stack).await;
    let limit = request.limit_ms.map_or(LIMIT, Duration::from_millis);
    let ended = cx.engine.exec(container.summary.id.as_str(), &spec, limit).await?;
    let output = cx.redactor.clean(&ended.output);
    Ok(ExecOutcome { ok: ended.exit_code == 0, exit_code: ended.exit_code, container: container.summary.name, output })
}

/// Runs a command with this process's standard streams, and its terminal when `tty`; gives its exit code.
///
/// # Errors
/// As [`exec`]; it has no time limit.
pub async fn exec_attached(cx: &Context, request: &ExecRequest, tty: bool) -> Result<i64, Failure> {
    let spec = spec(request)?;
    let (_, container) = running(cx, request.environment.as_deref(), &request.service, request.number).await?;
    Ok(cx.engine.exec_attached(container.summary.id.as_str(), &spec, tty).await?)
}

fn spec(request: &ExecRequest) -> Result<ExecSpec, Failure> {
    if request.command.is_empty() {
        return Err(Failure::new(FailureKind::Invalid, "there is no command to run").hint("name one after the service"));
    }
    if let Some(nameless) = request.variables.iter().find(|variable| variable.split_once('=').is_none_or(|(name, _)| name.is_empty())) {
        return Err(Failure::new(FailureKind::Invalid, format!("`{nameless}` sets no variable")).hint("write it as KEY=VALUE"));
    }
    Ok(ExecSpec {
        command: request.command.clone(),
        user: request.user.clone(),
        working_dir: request.working_dir.clone(),
        environment: request.variables.clone(),
        privileged: false,
    })
}
