//! Tools of what a deployed MCP server promised: record it, compare with it.

use std::time::Duration;

use chora_core::model::container::{Container, ContainerFilter};
use chora_core::model::contract::ContractChange;
use chora_core::model::health::{FunctionCheck, McpProbe, Probe};
use chora_core::plan::labels;
use chora_ops::contract::{ContractError, ContractRequest, DiffOutcome, RecordOutcome, diff_contract, record_contract};
use chora_ops::project::{Project, Selection, load};
use chora_ops::{Context, Failure, FailureKind};
use indexmap::IndexMap;

use super::operation::{Effect, Operation, Words};

/// How long a server may take to say what it offers.
const LIMIT: Duration = Duration::from_secs(10);

pub(super) fn operations() -> Vec<Operation> {
    vec![record_tool(), diff_tool()]
}

fn record_tool() -> Operation {
    let words = Words {
        name: "contract_record",
        title: "Record an MCP server's contract",
        description: "Writes down the tools, resources and prompts that a running MCP server offers, in .chora/contracts. Health checks and gates compare with it \
from then on.",
    };
    Operation::new(words, Effect::Adds, |cx, request| Box::pin(record(cx, request)), record_words).idempotent()
}

fn diff_tool() -> Operation {
    let words = Words {
        name: "contract_diff",
        title: "Compare an MCP server with its contract",
        description: "Compares what a running MCP server offers with its recorded contract. `ok: false` when something breaks: a tool or parameter is gone, \
or a parameter became required or narrower.",
    };
    Operation::new(words, Effect::Reads, |cx, request| Box::pin(diff(cx, request)), diff_words)
}

/// Whose contract.
#[derive(Debug, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
struct ServerRequest {
    /// Service.
    service: String,
    /// Environment; `production` unless named.
    #[serde(default)]
    environment: Option<String>,
    /// Port to ask on; the one of the service's MCP check unless given, else its first.
    #[serde(default)]
    port: Option<u16>,
    /// Path to ask on; the one of the service's MCP check unless given, else `/mcp`.
    #[serde(default)]
    path: Option<String>,
}

async fn record(cx: &Context, request: &ServerRequest) -> Result<RecordOutcome, Failure> {
    let (container, question) = question(cx, request).await?;
    record_contract(cx.prober.as_ref(), &container, &question).await.map_err(|error| refused(&error))
}

async fn diff(cx: &Context, request: &ServerRequest) -> Result<DiffOutcome, Failure> {
    let (container, question) = question(cx, request).await?;
    diff_contract(cx.prober.as_ref(), &container, &question).await.map_err(|error| refused(&error))
}

/// The service's running container, and how to ask it.
async fn question(cx: &Context, request: &ServerRequest) -> Result<(Container, ContractRequest), Failure> {
    let project = load(cx, &Selection { environment: request.environment.clone() })?;
    if !project.stack.services.contains_key(&request.service) {
        let names: Vec<&str> = project.stack.services.keys().map(String::as_str).collect();
        return Err(Failure::new(FailureKind::NotFound, format!("no service `{}`", request.service))
            .hint(format!("the services are {}", names.join(", "))));
    }
    let own = [(labels::PROJECT.to_owned(), project.environment.project.clone()), (labels::SERVICE.to_owned(), request.service.clone())];
    let filter = ContainerFilter { labels: IndexMap::from(own), all: false };
    let idle = || {
        Failure::new(FailureKind::Conflict, format!("no container of `{}` is running in {}", request.service, project.environment.name))
            .hint("status")
    };
    let first = cx.engine.containers(&filter).await?.into_iter().next().ok_or_else(idle)?;
    let container = cx.engine.container(first.id.as_str()).await?.ok_or_else(idle)?;
    let mut how = own_check(&project, &request.service).unwrap_or_default();
    let own_port = Some(how.port).filter(|port| *port != 0);
    let no_port =
        || Failure::new(FailureKind::Invalid, format!("`{}` has no port to ask on", request.service)).hint("name one with `port`");
    how.port = request.port.or(own_port).or_else(|| first_port(&container)).ok_or_else(no_port)?;
    if let Some(path) = &request.path {
        how.path.clone_from(path);
    }
    Ok((container, ContractRequest { service: request.service.clone(), project: cx.settings.project_dir.clone(), how, limit: LIMIT }))
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

fn refused(error: &ContractError) -> Failure {
    let (kind, hint) = match error {
        ContractError::ServiceName { .. } => (FailureKind::Invalid, "config"),
        ContractError::Missing { .. } => (FailureKind::NotFound, "contract_record"),
        ContractError::Unreadable { .. } => (FailureKind::Invalid, "mend the file, or record it again with contract_record"),
        ContractError::Unwritable { .. } => (FailureKind::Denied, "make .chora/contracts writable"),
        ContractError::NotObserved { .. } => (FailureKind::Unavailable, "health, logs"),
    };
    Failure::new(kind, error.to_string()).hint(hint)
}

fn record_words(outcome: &RecordOutcome) -> String {
    let how = if outcome.written { "written" } else { "unchanged" };
    let mut lines = vec![format!(
        "{} is {how}: {} {}, {} tools",
        outcome.path,
        outcome.contract.server,
        outcome.contract.server_version,
        outcome.contract.tools.len()
    )];
    lines.extend(listed(&outcome.changes));
    lines.push("next: commit the file".to_owned());
    lines.join("\n")
}

fn diff_words(outcome: &DiffOutcome) -> String {
    let verdict = match (outcome.changes.is_empty(), outcome.ok) {
        (true, _) => "the server offers what",
        (false, true) => "nothing breaks, and the server differs from",
        (false, false) => "the server breaks",
    };
    let mut lines = vec![format!("{verdict} {}", outcome.path)];
    lines.extend(listed(&outcome.changes));
    if !outcome.changes.is_empty() {
        lines.push("next: contract_record when the change is meant".to_owned());
    }
    lines.join("\n")
}

fn listed(changes: &[ContractChange]) -> impl Iterator<Item = String> {
    changes.iter().map(|change| format!("{}{}: {}", if change.breaking { "breaking: " } else { "" }, change.name, change.detail))
}
