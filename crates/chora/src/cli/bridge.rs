//! `chora bridge`: an MCP server on another transport than its own.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use chora_gateway::{Bridge, BridgeSettings, ChildCommand, RemoteSettings, connect, serve, serve_metrics};
use chora_ops::{Failure, FailureKind};
use clap::Args;
use tokio_util::sync::CancellationToken;

use super::front::{self, FrontArgs, tell};
use super::header;
use super::output::{Answer, Output};
use crate::serve::{Stop, listen};

/// How long a server that cannot be reached is tried again before a call fails.
const PATIENCE: Duration = Duration::from_secs(10);

/// Make an MCP server reachable over another transport
///
/// With `--stdio -- COMMAND…` a server on standard streams is served over streamable HTTP (`/mcp`) and HTTP+SSE (`/sse`) to any
/// number of clients of every revision. With a URL a remote server is made available on standard streams, for clients that can
/// only start a program.
#[derive(Debug, Args)]
pub(crate) struct BridgeArgs {
    /// The remote server to make available on standard input and output, such as `https://example.com/mcp`
    #[arg(required_unless_present = "stdio", conflicts_with_all = ["stdio", "set", "directory", "patience"], conflicts_with_all = front::OPTIONS)]
    url: Option<String>,
    /// Serve the MCP server that the command after `--` starts
    #[arg(long, requires = "command")]
    stdio: bool,
    /// Program and arguments of the server; no shell reads them
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<OsString>,
    #[command(flatten, next_help_heading = "With --stdio")]
    front: FrontArgs,
    #[command(flatten, next_help_heading = "With --stdio")]
    process: ProcessArgs,
    #[command(flatten)]
    remote: RemoteArgs,
}

/// How the server's process is started.
#[derive(Debug, Args)]
struct ProcessArgs {
    /// Variable for the server's process, added to those of this one
    #[arg(short = 'e', long = "set", value_name = "NAME=VALUE")]
    set: Vec<String>,
    /// Working directory of the server's process
    #[arg(long, value_name = "DIR")]
    directory: Option<PathBuf>,
    /// How long the server may take to end before it is killed, such as `5s`
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = super::duration::duration)]
    patience: Duration,
}

/// How a remote server is called, and who may call a served one.
#[derive(Debug, Args)]
struct RemoteArgs {
    /// File with a bearer token: sent to a remote server, asked for by a served one
    #[arg(long, value_name = "FILE", env = "CHORA_TOKEN_FILE")]
    token_file: Option<PathBuf>,
    /// Header for every request to the remote server; `@FILE` as the value reads it from a file
    #[arg(long, value_name = "NAME: VALUE", conflicts_with = "stdio")]
    header: Vec<String>,
}

pub(crate) fn run(args: BridgeArgs, output: Output) -> Result<Answer, Failure> {
    // One thread: a message goes from socket to pipe and back without one thread waking another.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::new(FailureKind::Unavailable, format!("no runtime could be started: {error}")))?;
    let ended = match &args.url {
        Some(url) => runtime.block_on(remote(url, &args.remote)),
        None => runtime.block_on(served(args, output)),
    };
    // A read of standard input cannot be interrupted.
    runtime.shutdown_background();
    ended.map(|()| Answer::written(0))
}

async fn served(args: BridgeArgs, output: Output) -> Result<(), Failure> {
    let BridgeArgs { command, front, process, remote, .. } = args;
    let token = front.token(remote.token_file.as_deref())?;
    let mut stop = Stop::new()?;
    let (listener, address) = listen(front.listen).await?;
    let metrics = front.metrics().await?;
    let bridge = Bridge::new(BridgeSettings {
        server: ChildCommand { command, environment: variables(&process.set)?, directory: process.directory, patience: process.patience }
            .into(),
        sharing: front.sharing(),
        max_sessions: front.max_sessions,
        idle: front.idle,
    });
    let started = tokio::select! {
        started = bridge.warm() => started,
        () = stop.requested() => Ok(()),
    };
    if let Err(reason) = started {
        bridge.stop().await;
        return Err(Failure::new(FailureKind::Unavailable, reason)
            .state("nothing is served")
            .hint("run the command by itself: it must speak MCP on standard output"));
    }
    let stopping = CancellationToken::new();
    if let Some((listener, address)) = metrics {
        tokio::spawn(serve_metrics(listener, Arc::clone(&bridge), stopping.clone()));
        tell(output, &format!("metrics on http://{address}/metrics"));
    }
    tokio::spawn(Arc::clone(&bridge).tend());
    let serving = tokio::spawn(serve(listener, Arc::clone(&bridge), front.settings(token), stopping.clone()));
    tell(output, &format!("serving MCP on http://{address}/mcp, health on http://{address}/health"));
    stop.requested().await;
    stopping.cancel();
    bridge.stop().await;
    serving.await.map_err(|error| Failure::new(FailureKind::Internal, format!("the bridge ended: {error}")))
}

fn variables(set: &[String]) -> Result<Vec<(String, OsString)>, Failure> {
    let read = |text: &String| {
        let (name, value) = text.split_once('=').filter(|(name, _)| !name.is_empty())?;
        Some((name.to_owned(), OsString::from(value)))
    };
    set.iter()
        .map(|text| {
            read(text).ok_or_else(|| {
                Failure::new(FailureKind::Invalid, format!("`{text}` sets no variable"))
                    .state("nothing is served")
                    .hint("write it as NAME=VALUE")
            })
        })
        .collect()
}

async fn remote(url: &str, args: &RemoteArgs) -> Result<(), Failure> {
    let invalid = |message: String| Failure::new(FailureKind::Invalid, message).state("nothing is connected");
    let url = url.parse().map_err(|_| invalid(format!("`{url}` is no address")).hint("write it as https://example.com/mcp"))?;
    let mut headers = axum::http::HeaderMap::new();
    for header in &args.header {
        let (name, value) =
            header.split_once(':').ok_or_else(|| invalid("a --header holds no `:`".to_owned()).hint("write it as 'NAME: VALUE'"))?;
        let (name, value) = header::read(name, value).map_err(|why| invalid(why.to_string()))?;
        headers.append(name, value);
    }
    if let Some(path) = &args.token_file {
        headers.insert(axum::http::header::AUTHORIZATION, header::bearer(path).map_err(|why| invalid(why.to_string()))?);
    }
    let mut stop = Stop::new()?;
    let connecting = connect(RemoteSettings { url, headers, patience: PATIENCE }, tokio::io::stdin(), tokio::io::stdout());
    tokio::select! {
        ended = connecting => ended.map_err(|error| invalid(error.to_string()).hint("write it as https://example.com/mcp")),
        () = stop.requested() => Ok(()),
    }
}
