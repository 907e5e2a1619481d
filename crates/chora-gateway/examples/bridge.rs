//! Serves an MCP server on standard streams over HTTP: `cargo run -p chora-gateway --example bridge -- 127.0.0.1:8100 shared command…`

use std::time::Duration;

use chora_gateway::{Bridge, BridgeSettings, ChildCommand, ChildSharing, FrontSettings, Guard, serve};
use tokio_util::sync::CancellationToken;

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let mut arguments = std::env::args_os().skip(1);
    let (Some(address), Some(sharing)) = (arguments.next(), arguments.next()) else {
        return Err(std::io::Error::other("an address, shared|session|request, and a command are needed"));
    };
    let sharing = match sharing.to_str() {
        Some("session") => ChildSharing::Session,
        Some("request") => ChildSharing::Request,
        _ => ChildSharing::Shared,
    };
    let command =
        ChildCommand { command: arguments.collect(), environment: Vec::new(), directory: None, patience: chora_gateway::PATIENCE };
    let bridge = Bridge::new(BridgeSettings { server: command.into(), sharing, max_sessions: 1024, idle: Duration::from_secs(1800) });
    bridge.warm().await.map_err(std::io::Error::other)?;
    let listener = tokio::net::TcpListener::bind(address.to_string_lossy().as_ref()).await?;
    let settings = FrontSettings { guard: Guard::default(), body_bytes: 4 * 1024 * 1024, max_connections: 4096 };
    let stop = CancellationToken::new();
    let serving = tokio::spawn(serve(listener, bridge.clone(), settings, stop.clone()));
    tokio::spawn(bridge.clone().tend());
    tokio::signal::ctrl_c().await?;
    stop.cancel();
    bridge.stop().await;
    serving.await.map_err(std::io::Error::other)
}
