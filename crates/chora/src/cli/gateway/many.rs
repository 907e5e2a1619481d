//! `chora gateway --servers`: many MCP servers on one address, each under its name.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use chora_gateway::{Many, ManySettings, serve_many, serve_many_metrics};
use chora_ops::{Failure, FailureKind};
use clap::Args;
use tokio_util::sync::CancellationToken;

use super::servers;
use crate::cli::front::{FrontArgs, tell};
use crate::cli::output::Output;
use crate::serve::{Stop, listen};

/// Where the options stand in the help.
pub(super) const HEADING: &str = "With --servers";

/// What many servers have and one has not.
#[derive(Debug, Args)]
pub(super) struct ManyArgs {
    /// Offer all servers as one too, at /mcp and /sse, with tools and prompts named `NAME_tool`
    #[arg(long, requires = "servers")]
    aggregate: bool,
    /// File with the bearer token that clients must send
    #[arg(long, value_name = "FILE", env = "CHORA_TOKEN_FILE")]
    token_file: Option<PathBuf>,
}

pub(super) async fn serve(file: &Path, args: &ManyArgs, front: &FrontArgs, output: Output) -> Result<(), Failure> {
    let servers = servers::read(file)?;
    let token = front.token(args.token_file.as_deref())?;
    let settings =
        ManySettings { servers, sharing: front.sharing(), max_sessions: front.max_sessions, idle: front.idle, aggregate: args.aggregate };
    let many = Many::new(settings).map_err(|error| {
        let failure = Failure::new(FailureKind::Invalid, format!("{}: {error}", file.display()));
        failure.state("nothing is served").hint("give the server another name")
    })?;
    let mut stop = Stop::new()?;
    let (listener, address) = listen(front.listen).await?;
    let metrics = front.metrics().await?;
    let stopping = CancellationToken::new();
    if let Some((listener, address)) = metrics {
        tokio::spawn(serve_many_metrics(listener, Arc::clone(&many), stopping.clone()));
        tell(output, &format!("metrics on http://{address}/metrics"));
    }
    // A server that does not start is told in health and tried again: the others do not wait for it.
    many.start();
    let serving = tokio::spawn(serve_many(listener, Arc::clone(&many), front.settings(token), stopping.clone()));
    for name in many.names() {
        tell(output, &format!("serving {name} on http://{address}/{name}/mcp"));
    }
    if args.aggregate {
        tell(output, &format!("serving all of them as one on http://{address}/mcp"));
    }
    tell(output, &format!("health on http://{address}/health"));
    stop.requested().await;
    stopping.cancel();
    many.stop().await;
    serving.await.map_err(|error| Failure::new(FailureKind::Internal, format!("the gateway ended: {error}")))
}
