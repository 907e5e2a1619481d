//! How MCP is served over HTTP: what `chora bridge` and `chora gateway --servers` have in common.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use chora_gateway::{ChildSharing, FrontSettings, Guard, Token, is_loopback};
use chora_ops::{Failure, FailureKind};
use clap::{Args, ValueEnum};
use tokio::net::TcpListener;

use super::output::Output;
use crate::serve::{listen, say, token};

/// Connections at once.
const MOST_CONNECTIONS: usize = 10_000;

/// The options, for what they cannot be used with. A token file may stand in the environment, and is used elsewhere too.
pub(super) const OPTIONS: [&str; 9] =
    ["listen", "metrics", "insecure_no_token", "allow_host", "allow_origin", "child", "max_sessions", "idle", "max_body"];

/// Where and for whom it is served.
#[derive(Debug, Args)]
pub(super) struct FrontArgs {
    /// Address to serve on; beyond loopback a token is needed, or --insecure-no-token
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8000")]
    pub(super) listen: SocketAddr,
    /// Address for Prometheus metrics (/metrics); none unless named
    #[arg(long, value_name = "ADDRESS")]
    metrics: Option<SocketAddr>,
    /// Listen beyond loopback without a token
    #[arg(long, conflicts_with = "token_file")]
    insecure_no_token: bool,
    /// Further name that clients may call it by (Host header); `*` for any
    #[arg(long, value_name = "NAME")]
    allow_host: Vec<String>,
    /// Origin of a web page that may call, such as `https://app.example.com`
    #[arg(long, value_name = "ORIGIN")]
    allow_origin: Vec<String>,
    /// Whose a process of a server is
    #[arg(long, value_name = "WHOSE", value_enum, default_value_t = Sharing::Shared)]
    child: Sharing,
    /// Most sessions of a server at once
    #[arg(long, value_name = "COUNT", default_value_t = 1000)]
    pub(super) max_sessions: usize,
    /// How long a session may be unused before it is ended, such as `30m`
    #[arg(long, value_name = "TIME", default_value = "30m", value_parser = super::duration::duration)]
    pub(super) idle: Duration,
    /// Largest request body, in KiB
    #[arg(long, value_name = "KIB", default_value_t = 4096)]
    max_body: usize,
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

impl FrontArgs {
    /// The token that clients must send. Beyond loopback one is needed, unless it is said that none is.
    pub(super) fn token(&self, file: Option<&Path>) -> Result<Option<Token>, Failure> {
        let token = file.map(token::read).transpose()?;
        if token.is_some() || self.insecure_no_token || is_loopback(self.listen) {
            return Ok(token);
        }
        let failure =
            Failure::new(FailureKind::Denied, format!("{} can be reached from other machines and no token is asked for", self.listen));
        Err(failure
            .state("nothing is served")
            .hint("give --token-file, listen on 127.0.0.1, or on a closed network say --insecure-no-token"))
    }

    /// The listener for metrics, where they are wanted.
    pub(super) async fn metrics(&self) -> Result<Option<(TcpListener, SocketAddr)>, Failure> {
        match self.metrics {
            Some(address) => listen(address).await.map(Some),
            None => Ok(None),
        }
    }

    pub(super) fn sharing(&self) -> ChildSharing {
        match self.child {
            Sharing::Shared => ChildSharing::Shared,
            Sharing::Session => ChildSharing::Session,
            Sharing::Request => ChildSharing::Request,
        }
    }

    pub(super) fn settings(&self, token: Option<Token>) -> FrontSettings {
        let lower = |names: &[String]| names.iter().map(|name| name.to_ascii_lowercase()).collect();
        let guard = Guard { hosts: lower(&self.allow_host), origins: lower(&self.allow_origin), token };
        FrontSettings { guard, body_bytes: self.max_body.saturating_mul(1024), max_connections: MOST_CONNECTIONS }
    }
}

/// Tells a person what is served where.
pub(super) fn tell(output: Output, text: &str) {
    if output.verbosity >= 0 {
        say(text);
    }
}
