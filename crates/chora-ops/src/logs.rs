//! The `logs` operation: what an environment's containers wrote, line by line, as a stream or collected within bounds.

mod last;
mod lines;

use std::collections::BTreeSet;

use chora_core::model::container::{LogQuery, LogStream};
use chora_core::model::ids::EnvironmentName;
use futures_util::StreamExt as _;
use futures_util::stream::{BoxStream, SelectAll};
use jiff::Timestamp;

pub(crate) use self::last::last_lines;
use self::lines::lines;
use crate::context::Context;
use crate::failure::Failure;
use crate::instances::{ServiceContainer, instances};
use crate::redactor;

/// Collected lines of each container, unless a number is given.
const USUAL: u32 = 50;
/// The most collected lines of each container.
const MOST: u32 = 500;
/// The longest collected line, in characters.
const LONGEST: usize = 2000;

/// Whose output.
#[derive(Debug, Clone, Default, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LogsRequest {
    /// Environment; `production` unless named.
    pub environment: Option<String>,
    /// Services; all unless named.
    pub services: Vec<String>,
    /// Last lines of each container; collected, 50 unless given and 500 at most.
    pub tail: Option<u32>,
    /// Lines since then (RFC 3339).
    #[schemars(with = "Option<String>")]
    pub since: Option<Timestamp>,
    /// Begin each line with the engine's time stamp.
    pub timestamps: bool,
    /// Stopped containers that are kept for rollback, too.
    pub all: bool,
}

/// A container whose output is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogSource {
    /// Service.
    pub service: String,
    /// Number from 1 among the service's replicas.
    pub number: u32,
    /// Name on the engine.
    pub container: String,
    /// The engine's words about it.
    pub status: String,
}

/// One line that a container wrote; secrets of the stack are not part of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// Its container's position among the sources.
    pub source: usize,
    /// Where it was written.
    pub stream: LogStream,
    /// The line without its end.
    pub text: String,
}

/// Lines as they come, from several containers.
pub struct LogLines {
    /// Environment.
    pub environment: EnvironmentName,
    /// The containers.
    pub sources: Vec<LogSource>,
    /// Their lines, in order for each container.
    pub lines: BoxStream<'static, Result<LogLine, Failure>>,
}

/// Collected output by container.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
pub struct LogsOutcome {
    /// Environment.
    pub environment: EnvironmentName,
    /// Containers with their last lines.
    pub containers: Vec<ContainerOutput>,
    /// The next command.
    pub next: String,
}

/// The last lines of one container.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
pub struct ContainerOutput {
    /// Service.
    pub service: String,
    /// Name on the engine.
    pub container: String,
    /// The engine's words about it.
    pub status: String,
    /// Lines of standard output and standard error, in the engine's order.
    pub lines: Vec<String>,
}

/// Collects the last lines of each container.
///
/// # Errors
/// Not found when a service is not known; unavailable when the engine does not answer.
pub async fn logs(cx: &Context, request: &LogsRequest) -> Result<LogsOutcome, Failure> {
    let bounded = LogsRequest { tail: Some(request.tail.unwrap_or(USUAL).min(MOST)), ..request.clone() };
    let LogLines { environment, sources, mut lines } = stream_logs(cx, &bounded, false).await?;
    let empty = |source: LogSource| ContainerOutput {
        service: source.service,
        container: source.container,
        status: source.status,
        lines: Vec::new(),
    };
    let mut containers: Vec<ContainerOutput> = sources.into_iter().map(empty).collect();
    while let Some(line) = lines.next().await {
        let LogLine { source, text, .. } = line?;
        // The engine counts what was written at once as a line: there can be more of ours.
        if let Some(container) = containers.get_mut(source).filter(|container| container.lines.len() < MOST as usize) {
            container.lines.push(text.chars().take(LONGEST).collect());
        }
    }
    containers.sort_by(|a, b| (&a.service, &a.container).cmp(&(&b.service, &b.container)));
    let next = if containers.is_empty() { "chora status" } else { "chora health" };
    Ok(LogsOutcome { environment, containers, next: next.to_owned() })
}

/// Gives lines as the containers write them; with `follow` until they end or nobody listens any more.
///
/// # Errors
/// As [`logs`].
pub async fn stream_logs(cx: &Context, request: &LogsRequest, follow: bool) -> Result<LogLines, Failure> {
    let (project, found) = instances(cx, request.environment.as_deref(), &request.services).await?;
    redactor::learn(cx, &project.stack).await;
    let query = LogQuery { follow, tail: request.tail.map(u64::from), since: request.since, timestamps: request.timestamps };
    let mut sources = Vec::new();
    let mut all = SelectAll::new();
    for container in chosen(found, request.all) {
        redactor::learn_held(cx, &project.stack, &container.service, container.summary.id.as_str()).await;
        let chunks = cx.engine.logs(container.summary.id.as_str(), &query).await?;
        all.push(lines(sources.len(), chunks, cx.redactor.clone()));
        let ServiceContainer { service, number, summary } = container;
        sources.push(LogSource { service, number, container: summary.name, status: summary.status });
    }
    Ok(LogLines { environment: project.environment.name, sources, lines: all.boxed() })
}

/// Containers that take part; a service without one shows its newest stopped one, which may be the one that failed.
fn chosen(found: Vec<ServiceContainer>, all: bool) -> Vec<ServiceContainer> {
    if all {
        return found;
    }
    let key = |container: &ServiceContainer| (container.service.clone(), container.number);
    let up: BTreeSet<(String, u32)> = found.iter().filter(|container| container.is_up()).map(key).collect();
    let mut seen = BTreeSet::new();
    let shown = |container: &ServiceContainer| container.is_up() || (!up.contains(&key(container)) && seen.insert(key(container)));
    let mut kept: Vec<ServiceContainer> = found.into_iter().rev().filter(shown).collect();
    kept.reverse();
    kept
}
