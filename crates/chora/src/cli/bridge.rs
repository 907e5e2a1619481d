//! `chora bridge`: an MCP server on another transport than its own.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use chora_gateway::{
    Bridge, BridgeSettings, ChildCommand, ChildSharing, FrontSettings, Guard, RemoteSettings, connect, is_loopback, serve, serve_metrics,
};
use chora_ops::{Failure, FailureKind};
use clap::{Args, ValueEnum};
use tokio_util::sync::CancellationToken;

use super::output::{Answer, Output};
use crate::serve::{Stop, listen, say, token};

/// Make an MCP server reachable over another transport
///
/// With `--stdio -- COMMAND…` a server on standard streams is served over streamable HTTP (`/mcp`) and HTTP+SSE (`/sse`) to any
/// number of clients of every revision. With a URL a remote server is made available on standard streams, for clients that can
/// only start a program.
#[derive(Debug, Args)]
pub(crate) struct BridgeArgs {
    /// The remote server to make available on standard input and output, such as `https://example.com/mcp`
    #[arg(required_unless_present = "stdio", conflicts_with = "stdio")]
    url: Option<String>,
    /// Serve the MCP server that the command after `--` starts
    #[arg(long, requires = "command")]
    stdio: bool,
    /// Program and arguments of the server; no shell reads them
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<OsString>,
    #[command(flatten)]
    served: ServedArgs,
    #[command(flatten)]
    remote: RemoteArgs,
}

/// How a server on standard streams is served.
#[derive(Debug, Args)]
#[command(next_help_heading = "With --stdio")]
struct ServedArgs {
    /// Address to serve on; beyond loopback a token is needed, or --insecure-no-token
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8000", conflicts_with = "url")]
    listen: SocketAddr,
    /// Address for Prometheus metrics (/metrics); none unless named
    #[arg(long, value_name = "ADDRESS", conflicts_with = "url")]
    metrics: Option<SocketAddr>,
    /// Listen beyond loopback without a token
    #[arg(long, conflicts_with_all = ["token_file", "url"])]
    insecure_no_token: bool,
    /// Further name that clients may call this bridge by (Host header); `*` for any
    #[arg(long, value_name = "NAME", conflicts_with = "url")]
    allow_host: Vec<String>,
    /// Origin of a web page that may call, such as `https://app.example.com`
    #[arg(long, value_name = "ORIGIN", conflicts_with = "url")]
    allow_origin: Vec<String>,
    /// Whose a process of the server is
    #[arg(long, value_name = "WHOSE", value_enum, default_value_t = Sharing::Shared, conflicts_with = "url")]
    child: Sharing,
    /// Variable for the server's process, added to those of this one
    #[arg(short = 'e', long = "set", value_name = "NAME=VALUE", conflicts_with = "url")]
    set: Vec<String>,
    /// Working directory of the server's process
    #[arg(long, value_name = "DIR", conflicts_with = "url")]
    directory: Option<PathBuf>,
    /// Most sessions at once
    #[arg(long, value_name = "COUNT", default_value_t = 1000, conflicts_with = "url")]
    max_sessions: usize,
    /// How long a session may be unused before it is ended, such as `30m`
    #[arg(long, value_name = "TIME", default_value = "30m", value_parser = super::duration::duration, conflicts_with = "url")]
    idle: Duration,
    /// Largest request body, in KiB
    #[arg(long, value_name = "KIB", default_value_t = 4096, conflicts_with = "url")]
    max_body: usize,
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

/// Whose a process is.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Sharing {
    /// One process serves all clients
    Shared,
    /// Every session has its own
    Session,
    /// Every request without a session has its own, and every session too
    Request,
}

pub(crate) fn run(args: BridgeArgs, output: Output) -> Result<Answer, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
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
    let BridgeArgs { command, served, remote, .. } = args;
    let token = remote.token_file.as_deref().map(token::read).transpose()?;
    if token.is_none() && !served.insecure_no_token && !is_loopback(served.listen) {
        let failure =
            Failure::new(FailureKind::Denied, format!("{} can be reached from other machines and no token is asked for", served.listen));
        return Err(failure
            .state("nothing is served")
            .hint("give --token-file, listen on 127.0.0.1, or on a closed network say --insecure-no-token"));
    }
    let mut stop = Stop::new()?;
    let (listener, address) = listen(served.listen).await?;
    let metrics = match served.metrics {
        Some(address) => Some(listen(address).await?),
        None => None,
    };
    let bridge = Bridge::new(BridgeSettings {
        command: ChildCommand { command, environment: variables(&served.set)?, directory: served.directory },
        sharing: match served.child {
            Sharing::Shared => ChildSharing::Shared,
            Sharing::Session => ChildSharing::Session,
            Sharing::Request => ChildSharing::Request,
        },
        max_sessions: served.max_sessions,
        idle: served.idle,
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
    let lower = |names: Vec<String>| names.into_iter().map(|name| name.to_ascii_lowercase()).collect();
    let guard = Guard { hosts: lower(served.allow_host), origins: lower(served.allow_origin), token };
    let front = FrontSettings { guard, body_bytes: served.max_body.saturating_mul(1024), max_connections: 10_000 };
    let stopping = CancellationToken::new();
    if let Some((listener, address)) = metrics {
        tokio::spawn(serve_metrics(listener, Arc::clone(&bridge), stopping.clone()));
        tell(output, &format!("metrics on http://{address}/metrics"));
    }
    tokio::spawn(Arc::clone(&bridge).tend());
    let serving = tokio::spawn(serve(listener, Arc::clone(&bridge), front, stopping.clone()));
    tell(output, &format!("serving MCP on http://{address}/mcp, health on http://{address}/health"));
    stop.requested().await;
    stopping.cancel();
    bridge.stop().await;
    serving.await.map_err(|error| Failure::new(FailureKind::Internal, format!("the bridge ended: {error}")))
}

fn tell(output: Output, text: &str) {
    if output.verbosity >= 0 {
        say(text);
    }
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
            header.split_once(':').ok_or_else(|| invalid(format!("`{header}` is no header")).hint("write it as 'NAME: VALUE'"))?;
        let value = match value.trim().strip_prefix('@') {
            Some(path) => secret(Path::new(path))?,
            None => value.trim().to_owned(),
        };
        let name =
            axum::http::HeaderName::try_from(name.trim()).map_err(|_| invalid(format!("`{}` is no name of a header", name.trim())))?;
        headers.append(name.clone(), sensitive(&value).ok_or_else(|| invalid(format!("the value of `{name}` cannot be sent")))?);
    }
    if let Some(path) = &args.token_file {
        let value = sensitive(&format!("Bearer {}", secret(path)?)).ok_or_else(|| invalid(format!("{} holds no token", path.display())))?;
        headers.insert(axum::http::header::AUTHORIZATION, value);
    }
    let mut stop = Stop::new()?;
    let connecting = connect(RemoteSettings { url, headers }, tokio::io::stdin(), tokio::io::stdout());
    tokio::select! {
        ended = connecting => ended.map_err(|error| invalid(error.to_string()).hint("write it as https://example.com/mcp")),
        () = stop.requested() => Ok(()),
    }
}

fn secret(path: &Path) -> Result<String, Failure> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        Failure::new(FailureKind::Invalid, format!("{} cannot be read: {error}", path.display())).state("nothing is connected")
    })?;
    Ok(text.trim().to_owned())
}

fn sensitive(value: &str) -> Option<axum::http::HeaderValue> {
    let mut value = axum::http::HeaderValue::from_str(value).ok()?;
    value.set_sensitive(true);
    Some(value)
}
