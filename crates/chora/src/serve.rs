//! `chora serve`: the MCP door over standard input and output or over HTTP, until it is told to stop.

mod guard;
mod health;
mod http;
pub(crate) mod token;

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use chora_ops::{Failure, FailureKind};
use rmcp::ServiceExt as _;
use rmcp::transport::io::stdio_pipes;
use tokio::signal::unix::{Signal, SignalKind, signal};

pub(crate) use self::http::listen;
use crate::mcp::{ContextSource, Door, Offer, Restriction, Running};

/// How and what to serve.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct ServeOptions {
    /// Speak over standard input and output, for clients that start the server themselves
    #[arg(long, conflicts_with = "listen")]
    stdio: bool,
    /// Address for streamable HTTP (/mcp) and the server's own health (/health)
    ///
    /// Beyond loopback a token is needed, or --insecure-no-token.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8000")]
    listen: SocketAddr,
    /// File with the token that clients must send as `Authorization: Bearer …`
    #[arg(long, value_name = "FILE", env = "CHORA_TOKEN_FILE", conflicts_with = "stdio")]
    token_file: Option<PathBuf>,
    /// Listen beyond loopback without a token: everybody who reaches the address may call every tool
    ///
    /// Only for a network that is closed, such as a container's own. Combine it with --tools or --read-only.
    #[arg(long, conflicts_with_all = ["token_file", "stdio"])]
    insecure_no_token: bool,
    /// Further name that clients may call this server by (Host header), such as a service's name; `*` for any
    ///
    /// `localhost` and IP addresses are always accepted.
    #[arg(long, value_name = "NAME", conflicts_with = "stdio")]
    allow_host: Vec<String>,
    /// Origin of a web page that may call this server, such as `https://app.example.com`; none unless named
    #[arg(long, value_name = "ORIGIN", conflicts_with = "stdio")]
    allow_origin: Vec<String>,
    /// Offer only these tools
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    tools: Vec<String>,
    /// Offer only tools that change nothing
    #[arg(long)]
    read_only: bool,
    /// Most HTTP sessions at once
    #[arg(long, value_name = "COUNT", default_value_t = 64, conflicts_with = "stdio")]
    max_sessions: usize,
    /// Seconds that operations under way have to undo what they began when the server is told to stop
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    stop_timeout: u64,
}

/// Serves until the client ends the conversation (stdio) or a signal ends the server.
pub(crate) async fn serve(options: ServeOptions, contexts: ContextSource) -> Result<(), Failure> {
    let offer = Offer::new(&Restriction { tools: options.tools.clone(), read_only: options.read_only })?;
    let running = Running::new();
    let door = Door::new(offer, contexts, running.clone());
    let mut stop = Stop::new()?;
    let limit = Duration::from_secs(options.stop_timeout);
    if options.stdio {
        let warned = over_stdio(door, &mut stop).await? == Ended::BySignal;
        settle(&running, &mut stop, warned, limit).await;
        return Ok(());
    }
    let server = http::Server::bind(&options, door, running).await?;
    say(&format!("serving MCP on {}, health on {}", server.url("/mcp"), server.url("/health")));
    server.run(&mut stop, limit).await
}

/// What ended a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ended {
    ByClient,
    BySignal,
}

async fn over_stdio(door: Door, stop: &mut Stop) -> Result<Ended, Failure> {
    let service = tokio::select! {
        service = door.serve(stdio_pipes()) => service,
        () = stop.requested() => return Ok(Ended::BySignal),
    };
    let service = match service {
        Ok(service) => service,
        // A client that leaves before it said anything is no failure.
        Err(rmcp::service::ServerInitializeError::ConnectionClosed(_)) => return Ok(Ended::ByClient),
        Err(error) => return Err(Failure::new(FailureKind::Invalid, format!("the client does not speak MCP: {error}"))),
    };
    tokio::select! {
        _ = service.waiting() => Ok(Ended::ByClient),
        () = stop.requested() => Ok(Ended::BySignal),
    }
}

/// Cancels what is under way and waits until it has undone what it began, at most so long, or until a second signal. Clients send
/// one by themselves soon after they have closed the conversation: it counts as the first.
async fn settle(running: &Running, stop: &mut Stop, warned: bool, limit: Duration) {
    running.cancel();
    if running.count() > 0 {
        say("waiting for operations under way to undo what they began");
    }
    let insisted = async {
        if !warned {
            stop.requested().await;
        }
        stop.requested().await;
    };
    tokio::select! {
        () = running.idle() => {}
        () = tokio::time::sleep(limit) => say("time is up; the next command settles what is unfinished"),
        () = insisted => say("stopped at once; the next command settles what is unfinished"),
    }
}

/// The signals that end a server.
pub(crate) struct Stop {
    terminate: Signal,
    interrupt: Signal,
}

impl Stop {
    pub(crate) fn new() -> Result<Self, Failure> {
        let listen =
            |kind| signal(kind).map_err(|error| Failure::new(FailureKind::Internal, format!("no signals can be received: {error}")));
        Ok(Self { terminate: listen(SignalKind::terminate())?, interrupt: listen(SignalKind::interrupt())? })
    }

    pub(crate) async fn requested(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Tells the person who started the server; standard output belongs to the protocol.
pub(crate) fn say(text: &str) {
    // A closed standard error is no reason to stop serving.
    _ = writeln!(std::io::stderr(), "{text}");
}
