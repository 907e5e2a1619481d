//! Asks a service whether it does its work: over TCP, HTTP and MCP, and from inside its container about files and processes.
//!
//! Owns the questions and the verdicts; it changes nothing and needs nothing from the image it asks. What it starts to be
//! able to ask, it ends.

mod address;
pub(crate) mod answer;
mod attend;
pub(crate) mod http;
pub(crate) mod local;
mod marked;
mod mcp;
mod network;
mod request;
mod route;
pub(crate) mod sidecar;
mod stdio;
mod tcp;

use std::net::SocketAddr;
use std::time::Duration;

use chora_core::model::health::{McpTransport, Probe, ProbeAnswer};
use tokio::time::Instant;

pub use self::address::TargetError;
pub(crate) use self::address::{Url, decode_percent, resolve, without_password};
use self::answer::{Deadline, Trouble, answer};
pub use self::attend::attend;
use self::http::Peer;
pub use self::local::{FileQuestion, ProcessQuestion, probe_file, probe_process};
pub use self::network::NetworkProber;
pub use self::request::{ProbeOutcome, ProbeRequest, Question, run, run_blocking};
pub use self::sidecar::SidecarProber;
pub(crate) use self::tcp::plain;

/// Asks one address once; every failure is an answer, and the answer comes within `limit`.
///
/// HTTP requests name the host `localhost:<port>`: that is what servers which check the Host header accept from a probe.
pub async fn ask(address: SocketAddr, probe: &Probe, limit: Duration) -> ProbeAnswer {
    ask_as(address, &format!("localhost:{}", address.port()), probe, limit).await
}

/// Asks like [`ask`], with this authority in the Host header.
pub(crate) async fn ask_as(address: SocketAddr, authority: &str, probe: &Probe, limit: Duration) -> ProbeAnswer {
    let started = Instant::now();
    let deadline = Deadline::after(limit);
    let asked = describe(address, probe);
    let outcome = match probe {
        Probe::Tcp { .. } => tcp::ask(address, deadline).await,
        Probe::Http(http) => match Peer::new(address, authority, &http.headers) {
            Ok(peer) => http::ask(&peer, http, deadline).await.map_err(|trouble| peer.censor(trouble)),
            Err(trouble) => Err(trouble),
        },
        Probe::Mcp(mcp) if mcp.transport == McpTransport::Stdio => {
            Err(Trouble::Wrong("standard streams have no address; a container's own are asked through its engine".to_owned()))
        }
        Probe::Mcp(mcp) => match Peer::new(address, authority, &mcp.headers) {
            Ok(peer) => Box::pin(mcp::ask(&peer, mcp, deadline)).await.map_err(|trouble| peer.censor(trouble)),
            Err(trouble) => Err(trouble),
        },
    };
    answer(asked, outcome, started.elapsed())
}

/// What is asked, for people; queries are left out, they may carry tokens.
fn describe(address: SocketAddr, probe: &Probe) -> String {
    match probe {
        Probe::Tcp { .. } => format!("tcp://{address}"),
        Probe::Http(http) => format!("GET http://{address}{}", without_query(&http.path)),
        Probe::Mcp(mcp) => match mcp.transport {
            McpTransport::StreamableHttp => format!("mcp http://{address}{}", without_query(mcp::path_of(mcp))),
            McpTransport::Sse => format!("mcp http://{address}{} (HTTP+SSE)", without_query(mcp::path_of(mcp))),
            McpTransport::Stdio => format!("mcp stdio {}", mcp.command.first().map_or("", String::as_str)),
        },
    }
}

fn without_query(path: &str) -> &str {
    path.split('?').next().unwrap_or_default()
}
