//! `chora gateway`: the process that owns published ports and sends what comes to the release that serves.

use std::path::PathBuf;

use chora_gateway::{Gateway, GatewayError};
use chora_ops::{Failure, FailureKind};
use clap::Args;
use tokio_util::sync::CancellationToken;

use super::output::{Answer, Output};
use crate::serve::{Stop, say};

/// Own published ports and send what comes to the release that serves
///
/// Ports, routes, services and their releases are a table in a state file, which a restarted gateway takes up again. Switching
/// a service to another release, holding its requests, draining a release and maintenance are asked for over a unix socket
/// that only its owner can use; docs/guide/gateway.md has the calls.
#[derive(Debug, Args)]
pub(crate) struct GatewayArgs {
    /// File with the table; changes are written back to it
    #[arg(long, value_name = "FILE")]
    state: PathBuf,
    /// Unix socket to make for those who may change the table
    #[arg(long, value_name = "SOCKET")]
    control: PathBuf,
}

pub(crate) fn run(args: &GatewayArgs, output: Output) -> Result<Answer, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::new(FailureKind::Unavailable, format!("no runtime could be started: {error}")))?;
    let ended = runtime.block_on(async {
        let mut stop = Stop::new()?;
        let stopping = CancellationToken::new();
        let ready = || {
            if output.verbosity >= 0 {
                say(&format!("gateway serves the table of {}, control on {}", args.state.display(), args.control.display()));
            }
        };
        let gateway = Gateway::run(&args.state, &args.control, stopping.clone(), ready);
        tokio::pin!(gateway);
        tokio::select! {
            ended = &mut gateway => return ended.map_err(|error| failure(&error)),
            () = stop.requested() => stopping.cancel(),
        }
        gateway.await.map_err(|error| failure(&error))
    });
    ended.map(|()| Answer::written(0))
}

fn failure(error: &GatewayError) -> Failure {
    let (kind, hint) = match error {
        GatewayError::StateFile(_) | GatewayError::Table(_) => {
            (FailureKind::Invalid, "write or mend the table; docs/guide/gateway.md describes it")
        }
        GatewayError::ControlSocket { .. } => (FailureKind::Conflict, "name another socket, or stop the gateway that has it"),
    };
    Failure::new(kind, error.to_string()).state("nothing is served").hint(hint)
}
