//! The `contract` operations: a deployed server asked what it offers, written down or held against what was written.

use std::time::Duration;

use chora_core::model::bridge::Bridge;
use chora_core::model::container::{Container, ContainerFilter};
use chora_core::model::health::{FunctionCheck, McpProbe, McpTransport, Probe};
use chora_core::plan::labels;
use indexmap::IndexMap;

use super::{ContractError, ContractRequest, DiffOutcome, RecordOutcome, diff_contract, record_contract};
use crate::context::Context;
use crate::failure::{Failure, FailureKind};
use crate::health::{mcp_under_bridge, with_token};
use crate::project::{Project, Selection, load};
use crate::release;

/// How long a server may take to say what it offers, unless told otherwise.
const LIMIT: Duration = Duration::from_secs(10);

/// Whose contract.
#[derive(Debug, Clone, Default, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ServerRequest {
    /// Service.
    pub service: String,
    /// Environment; `production` unless named.
    #[serde(default)]
    pub environment: Option<String>,
    /// Port to ask on; the one of the service's MCP check unless given, else its first.
    #[serde(default)]
    pub port: Option<u16>,
    /// Path to ask on; the one of the service's MCP check unless given, else `/mcp`.
    #[serde(default)]
    pub path: Option<String>,
    /// Time that the server may take, in milliseconds; 10,000 unless given.
    #[serde(default)]
    pub limit_ms: Option<u64>,
}

/// Writes down what a running server offers.
///
/// # Errors
/// Not found or conflict when there is no such running service; unavailable when it does not say what it offers.
pub async fn record(cx: &Context, request: &ServerRequest) -> Result<RecordOutcome, Failure> {
    let (container, question) = question(cx, request).await?;
    Ok(record_contract(cx.prober.as_ref(), &container, &question).await?)
}

/// Compares what a running server offers with what was written down.
///
/// # Errors
/// As [`record`]; not found when nothing was recorded.
pub async fn diff(cx: &Context, request: &ServerRequest) -> Result<DiffOutcome, Failure> {
    let (container, question) = question(cx, request).await?;
    Ok(diff_contract(cx.prober.as_ref(), &container, &question).await?)
}

/// The service's running container, and how to ask it: as the service's own MCP check does, else on its first port.
async fn question(cx: &Context, request: &ServerRequest) -> Result<(Container, ContractRequest), Failure> {
    let service = request.service.clone();
    let project = load(cx, &Selection { environment: request.environment.clone() })?;
    if !project.stack.services.contains_key(&service) {
        let names: Vec<&str> = project.stack.services.keys().map(String::as_str).collect();
        let failure = Failure::new(FailureKind::NotFound, format!("no service `{service}`"));
        return Err(failure.hint(format!("the services are {}", names.join(", "))));
    }
    let own = [(labels::PROJECT.to_owned(), project.environment.project.clone()), (labels::SERVICE.to_owned(), service.clone())];
    let filter = ContainerFilter { labels: IndexMap::from(own), all: false };
    let idle = || {
        let message = format!("no container of `{service}` is running in {}", project.environment.name);
        Failure::new(FailureKind::Conflict, message).hint("`chora status` shows what runs")
    };
    let first = cx.engine.containers(&filter).await?.into_iter().next().ok_or_else(idle)?;
    let container = cx.engine.container(first.id.as_str()).await?.ok_or_else(idle)?;
    let bridge = bridge_of(cx, &project, &container).await?;
    let mut how = how(&project, request, (&container, bridge.as_ref()))?;
    if let Some(file) = bridge.and_then(|bridge| bridge.token_file) {
        how = with_token(cx, &container, &file, how).await;
    }
    let limit = request.limit_ms.map_or(LIMIT, Duration::from_millis);
    let file = project.contracts.get(&service).cloned();
    Ok((container, ContractRequest { service, project: cx.settings.project_dir.clone(), file, how, limit }))
}

/// As the service's own check asks; over standard streams where it keeps its input open and no port is known.
fn how(project: &Project, request: &ServerRequest, (container, bridge): (&Container, Option<&Bridge>)) -> Result<McpProbe, Failure> {
    let service = &request.service;
    let mut how = own_check(project, service).unwrap_or_default();
    if let Some(bridge) = bridge {
        how = mcp_under_bridge(how, bridge);
    }
    if let Some(path) = &request.path {
        how.path.clone_from(path);
    }
    let own_port = Some(how.port).filter(|port| *port != 0);
    let port = request.port.or(own_port).or_else(|| first_port(container));
    let keeps_input = project.stack.services.get(service).is_some_and(|service| service.stdin_open && service.ports.is_empty());
    let keeps_input = keeps_input && bridge.is_none();
    let names_a_place = request.port.is_some() || request.path.is_some() || own_port.is_some();
    if !names_a_place && (how.transport == McpTransport::Stdio || keeps_input) {
        how.transport = McpTransport::Stdio;
        return Ok(how);
    }
    if how.transport == McpTransport::Stdio {
        how.transport = McpTransport::StreamableHttp;
    }
    let no_port = || Failure::new(FailureKind::Invalid, format!("`{service}` has no port to ask on")).hint("name one");
    how.port = port.ok_or_else(no_port)?;
    Ok(how)
}

/// The bridge that a container's service is run under, as its release says.
async fn bridge_of(cx: &Context, project: &Project, container: &Container) -> Result<Option<Bridge>, Failure> {
    let Some(live) = release::live(cx, &project.environment.name).await? else { return Ok(None) };
    Ok(container.labels.get(labels::SERVICE).and_then(|service| live.bridges.get(service)).cloned())
}

fn own_check(project: &Project, service: &str) -> Option<McpProbe> {
    match &project.health.get(service)?.function {
        Some(FunctionCheck::Probe(probe)) => match probe.as_ref() {
            Probe::Mcp(mcp) => Some(mcp.clone()),
            Probe::Tcp { .. } | Probe::Http(_) => None,
        },
        Some(FunctionCheck::Command(_)) | None => None,
    }
}

fn first_port(container: &Container) -> Option<u16> {
    let targets = container.published.iter().map(|port| &port.target).chain(&container.exposed);
    targets.filter_map(|target| target.strip_suffix("/tcp")).find_map(|port| port.parse().ok())
}

impl From<ContractError> for Failure {
    fn from(error: ContractError) -> Self {
        let (kind, hint) = match &error {
            ContractError::ServiceName { .. } => (FailureKind::Invalid, "`chora config` lists the services"),
            ContractError::Missing { .. } => (FailureKind::NotFound, "`chora contract record` writes one"),
            ContractError::Unreadable { .. } => (FailureKind::Invalid, "mend the file, or record it again with `chora contract record`"),
            ContractError::Unwritable { .. } => (FailureKind::Denied, "make .chora/contracts writable"),
            ContractError::NotObserved { .. } => (FailureKind::Unavailable, "see `chora health` and `chora logs`"),
        };
        Self::new(kind, error.to_string()).hint(hint)
    }
}
