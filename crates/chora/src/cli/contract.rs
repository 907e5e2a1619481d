//! `chora contract record` and `chora contract diff`.

use std::time::Duration;

use chora_core::model::contract::ContractChange;
use chora_core::model::health::{FunctionCheck, McpProbe, Probe};
use chora_ops::contract::{ContractError, ContractRequest, diff_contract, record_contract};
use chora_ops::project::Project;
use chora_ops::{Context, Failure, FailureKind};
use clap::{Args, Subcommand};

use super::EnvironmentArgs;
use super::door::Door;
use super::duration::duration;
use super::output::Answer;
use super::services::running;
use super::style::{BAD, DIM, GOOD, count, paint};

/// Record what an MCP server offers, or compare it with its recording
#[derive(Debug, Args)]
pub(crate) struct ContractArgs {
    #[command(subcommand)]
    command: ContractCommand,
}

#[derive(Debug, Subcommand)]
enum ContractCommand {
    /// Write the tools, resources and prompts of a running server to .chora/contracts
    Record(ServerArgs),
    /// Compare a running server with its recording; exit code 1 when something breaks
    Diff(ServerArgs),
}

#[derive(Debug, Args)]
struct ServerArgs {
    /// The service
    service: String,
    #[command(flatten)]
    environment: EnvironmentArgs,
    /// Ask on this port [default: the service's MCP check, else its first port]
    #[arg(long)]
    port: Option<u16>,
    /// Ask on this path [default: the service's MCP check, else /mcp]
    #[arg(long)]
    path: Option<String>,
    /// End after this time
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "10s")]
    timeout: Duration,
}

pub(crate) async fn run(args: ContractArgs, door: &Door) -> Result<Answer, Failure> {
    match args.command {
        ContractCommand::Record(args) => record(args, door).await,
        ContractCommand::Diff(args) => diff(args, door).await,
    }
}

async fn record(args: ServerArgs, door: &Door) -> Result<Answer, Failure> {
    let cx = door.context(args.environment.environment.as_deref())?;
    let (container, request) = prepare(&cx, args).await?;
    let outcome = record_contract(cx.prober.as_ref(), &container, &request).await.map_err(|error| refused(&error))?;
    let tools = count(outcome.contract.tools.len(), "tool");
    let how = if outcome.written { "written" } else { "unchanged" };
    let text = format!(
        "{} {} is {how}: {} {}, {tools}\n{}",
        paint(GOOD, "✓"),
        outcome.path,
        outcome.contract.server,
        outcome.contract.server_version,
        list(&outcome.changes)
    );
    Answer::new(&outcome, text)
}

async fn diff(args: ServerArgs, door: &Door) -> Result<Answer, Failure> {
    let cx = door.context(args.environment.environment.as_deref())?;
    let (container, request) = prepare(&cx, args).await?;
    let outcome = diff_contract(cx.prober.as_ref(), &container, &request).await.map_err(|error| refused(&error))?;
    let head = match (outcome.changes.is_empty(), outcome.ok) {
        (true, _) => format!("{} {} offers what {} says", paint(GOOD, "✓"), request.service, outcome.path),
        (false, true) => format!("{} {} differs from {}, and nothing breaks", paint(GOOD, "✓"), request.service, outcome.path),
        (false, false) => format!("{} {} breaks {}", paint(BAD, "✗"), request.service, outcome.path),
    };
    let next = if outcome.changes.is_empty() {
        String::new()
    } else {
        format!("{} chora contract record {}\n", paint(DIM, "next:"), request.service)
    };
    let text = format!("{head}\n{}{next}", list(&outcome.changes));
    Ok(Answer::new(&outcome, text)?.exit(u8::from(!outcome.ok)))
}

fn list(changes: &[ContractChange]) -> String {
    let line = |change: &ContractChange| {
        let word = if change.breaking { paint(BAD, "breaking") } else { paint(DIM, "fine    ") };
        format!("  {word} {}: {}\n", change.name, change.detail)
    };
    changes.iter().map(line).collect()
}

/// The container and how to ask it: as the service's own MCP check does, else on its first port.
async fn prepare(cx: &Context, args: ServerArgs) -> Result<(chora_core::model::container::Container, ContractRequest), Failure> {
    let (project, instance) = running(cx, args.environment.environment.as_deref(), &args.service, None).await?;
    let gone = || Failure::new(FailureKind::NotFound, format!("the container of `{}` is gone", args.service)).hint("chora ps");
    let container = cx.engine.container(instance.container.id.as_str()).await?.ok_or_else(gone)?;
    let mut how = own_check(&project, &args.service).unwrap_or_default();
    if let Some(port) = args.port.or_else(|| Some(how.port).filter(|port| *port != 0)).or_else(|| first_port(&container)) {
        how.port = port;
    } else {
        return Err(Failure::new(FailureKind::Invalid, format!("`{}` has no port to ask on", args.service)).hint("name it with --port"));
    }
    if let Some(path) = args.path {
        how.path = path;
    }
    Ok((container, ContractRequest { service: args.service, project: cx.settings.project_dir.clone(), how, limit: args.timeout }))
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

fn first_port(container: &chora_core::model::container::Container) -> Option<u16> {
    let targets = container.published.iter().map(|port| &port.target).chain(&container.exposed);
    targets.filter_map(|target| target.strip_suffix("/tcp")).find_map(|port| port.parse().ok())
}

fn refused(error: &ContractError) -> Failure {
    let (kind, hint) = match error {
        ContractError::ServiceName { .. } => (FailureKind::Invalid, "chora config --services"),
        ContractError::Missing { .. } => (FailureKind::NotFound, "chora contract record"),
        ContractError::Unreadable { .. } => (FailureKind::Invalid, "mend the file, or record it again"),
        ContractError::Unwritable { .. } => (FailureKind::Denied, "make .chora/contracts writable"),
        ContractError::NotObserved { .. } => (FailureKind::Unavailable, "chora health, chora logs"),
    };
    Failure::new(kind, error.to_string()).hint(hint)
}
