//! `chora contract record` and `chora contract diff`.

use std::time::Duration;

use chora_core::model::contract::ContractChange;
use chora_ops::Failure;
use chora_ops::contract::{self, ServerRequest};
use clap::{Args, Subcommand};

use super::EnvironmentArgs;
use super::door::Door;
use super::duration::duration;
use super::output::Answer;
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
    let outcome = contract::record(&cx, &args.into()).await?;
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
    let request = ServerRequest::from(args);
    let outcome = contract::diff(&cx, &request).await?;
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

impl From<ServerArgs> for ServerRequest {
    fn from(args: ServerArgs) -> Self {
        let limit_ms = Some(u64::try_from(args.timeout.as_millis()).unwrap_or(u64::MAX));
        Self { service: args.service, environment: args.environment.environment, port: args.port, path: args.path, limit_ms }
    }
}
