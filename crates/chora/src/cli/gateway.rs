//! `chora gateway`: the process that owns published ports and sends what comes to the release that serves; or one that serves
//! many MCP servers on one address.

mod many;
mod servers;

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chora_gateway::{Gateway, GatewayError, GatewaySettings, StateFileError, attend};
use chora_ops::probe::{ProbeOutcome, ProbeRequest, Question, run as run_probe};
use chora_ops::{Failure, FailureKind};
use clap::{Args, Subcommand};
use tokio_util::sync::CancellationToken;

use super::front;
use super::output::{Answer, Output};
use crate::serve::{Stop, say};

/// Own published ports and send what comes to the release that serves
///
/// Ports, routes, services and their releases are a table in a state file, which a restarted gateway takes up again. Switching
/// a service to another release, holding its requests, draining a release and maintenance are asked for over a unix socket
/// that only its owner can use; docs/guide/gateway.md has the calls.
///
/// With `--servers FILE` it is something else: what `chora bridge` is to one MCP server, for many at once. Each is served under
/// its name, at `/NAME/mcp` and `/NAME/sse`; docs/guide/servers.md describes it.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct GatewayArgs {
    #[command(subcommand)]
    command: Option<GatewayCommand>,
    /// File with the table; changes are written back to it
    #[arg(long, value_name = "FILE", required_unless_present = "servers", conflicts_with_all = front::OPTIONS)]
    state: Option<PathBuf>,
    /// Unix socket to make for those who may change the table
    #[arg(long, value_name = "SOCKET", required_unless_present = "servers")]
    control: Option<PathBuf>,
    /// Begin with an empty table where the state file is missing
    #[arg(long)]
    new: bool,
    /// Folder to keep files in that are sent over the control socket, such as certificates and keys; without it they are refused
    #[arg(long, value_name = "FOLDER", requires = "state")]
    files: Option<PathBuf>,
    /// Serve the MCP servers of this file, `{"mcpServers": {NAME: {"command", "args", "env", "cwd"} | {"url", "headers"}}}`
    #[arg(long, value_name = "FILE", conflicts_with_all = ["state", "control", "new", "files"], help_heading = many::HEADING)]
    servers: Option<PathBuf>,
    #[command(flatten, next_help_heading = many::HEADING)]
    many: many::ManyArgs,
    #[command(flatten, next_help_heading = many::HEADING)]
    front: front::FrontArgs,
}

#[derive(Debug, Subcommand)]
enum GatewayCommand {
    /// Call a gateway over standard streams, for those who cannot open its socket
    ///
    /// Each line read is a call, `{"method":"POST","path":"/v1/switch","body":{…}}`, and is answered with one line,
    /// `{"status":200,"body":{…}}`. It ends with its input.
    Attend(AttendArgs),
}

#[derive(Debug, Args)]
struct AttendArgs {
    /// Unix socket of the gateway; it is waited for up to 5 seconds
    #[arg(long, value_name = "SOCKET")]
    control: PathBuf,
}

pub(crate) fn run(args: &GatewayArgs, output: Output) -> Result<Answer, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::new(FailureKind::Unavailable, format!("no runtime could be started: {error}")))?;
    if let Some(file) = &args.servers {
        let ended = runtime.block_on(many::serve(file, &args.many, &args.front, output));
        return ended.map(|()| Answer::written(0));
    }
    let ended = match (&args.command, &args.state, &args.control) {
        (Some(GatewayCommand::Attend(AttendArgs { control })), ..) => runtime.block_on(pass_on(control)),
        (None, Some(state), Some(control)) => {
            let settings = GatewaySettings {
                state_file: state.clone(),
                control_socket: control.clone(),
                begin_empty: args.new,
                files: args.files.clone(),
            };
            runtime.block_on(serve(&settings, output))
        }
        (None, ..) => Err(Failure::new(FailureKind::Invalid, "--state and --control are needed")),
    };
    ended.map(|()| Answer::written(0))
}

async fn serve(settings: &GatewaySettings, output: Output) -> Result<(), Failure> {
    let mut stop = Stop::new()?;
    let stopping = CancellationToken::new();
    let ready = || {
        if output.verbosity >= 0 {
            let GatewaySettings { state_file, control_socket, .. } = settings;
            say(&format!("gateway serves the table of {}, control on {}", state_file.display(), control_socket.display()));
        }
    };
    let gateway = Gateway::run(settings, Arc::new(|question, at| Box::pin(ask(question, at))), stopping.clone(), ready);
    tokio::pin!(gateway);
    tokio::select! {
        ended = &mut gateway => return ended.map_err(|error| failure(&error)),
        () = stop.requested() => stopping.cancel(),
    }
    gateway.await.map_err(|error| failure(&error))
}

/// Answers a question as `chora probe` does.
async fn ask(question: serde_json::Value, at: Option<SocketAddr>) -> Result<String, String> {
    let mut request: ProbeRequest = serde_json::from_value(question).map_err(|error| format!("the question cannot be read: {error}"))?;
    if let (Question::Named { probe, .. }, Some(address)) = (&request.question, at) {
        request.question = Question::Address { address, probe: probe.clone() };
    }
    let ProbeOutcome { ok, answer } = run_probe(&request).await.map_err(|error| error.to_string())?;
    let words = format!("{}: {}", answer.asked, answer.answered);
    if ok { Ok(words) } else { Err(words) }
}

async fn pass_on(control: &Path) -> Result<(), Failure> {
    match attend(control, tokio::io::stdin(), tokio::io::stdout()).await {
        // Nobody waits for answers any more.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        ended => ended.map_err(|error| Failure::new(FailureKind::Unavailable, format!("the calls cannot be passed on: {error}"))),
    }
}

fn failure(error: &GatewayError) -> Failure {
    let (kind, hint) = match error {
        GatewayError::StateFile(StateFileError::Missing { .. }) => {
            (FailureKind::Invalid, "write the table, or begin with an empty one: --new; docs/guide/gateway.md describes it")
        }
        GatewayError::StateFile(_) | GatewayError::Table(_) => {
            (FailureKind::Invalid, "write or mend the table; docs/guide/gateway.md describes it")
        }
        GatewayError::ControlSocket { .. } => (FailureKind::Conflict, "name another socket, or stop the gateway that has it"),
        GatewayError::Threads(_) => (FailureKind::Unavailable, "let it have more threads (ulimit -u, `pids_limit` of its container)"),
    };
    Failure::new(kind, error.to_string()).state("nothing is served").hint(hint)
}
