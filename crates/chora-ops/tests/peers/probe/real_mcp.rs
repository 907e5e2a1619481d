//! The official Rust SDK's server, in both eras.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use chora_core::model::contract::Contract;
use chora_core::model::health::{McpCall, McpProbe, Probe, ProbeVerdict};
use chora_ops::probe::ask;
use rmcp::handler::server::wrapper::Parameters;
use rmcp::model::{Implementation, ServerCapabilities, ServerConfig};
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use rmcp::{ServerHandler, schemars, tool, tool_handler, tool_router};
use serde_json::json;

const LIMIT: Duration = Duration::from_secs(20);

#[derive(Debug, serde::Deserialize, schemars::JsonSchema)]
struct Sum {
    a: i32,
    b: i32,
}

#[derive(Debug, Clone)]
struct Calculator;

#[tool_router]
impl Calculator {
    #[tool(description = "adds")]
    fn sum(&self, Parameters(Sum { a, b }): Parameters<Sum>) -> String {
        (a + b).to_string()
    }
}

#[tool_handler]
impl ServerHandler for Calculator {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build()).with_server_info(Implementation::new("calculator", "1"))
    }
}

async fn start(sessions: &Arc<LocalSessionManager>, config: StreamableHttpServerConfig) -> SocketAddr {
    let service = StreamableHttpService::new(|| Ok(Calculator), Arc::clone(sessions), config);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, axum::Router::new().nest_service("/mcp", service)).await.unwrap() });
    address
}

#[tokio::test]
async fn the_official_sdk_passes_in_every_mode_and_keeps_no_session() {
    let configs = [
        StreamableHttpServerConfig::default(),
        StreamableHttpServerConfig::default().with_json_response(true),
        StreamableHttpServerConfig::default().with_json_response(true).with_legacy_session_mode(false),
    ];
    for config in configs {
        let sessions = Arc::new(LocalSessionManager::default());
        let address = start(&sessions, config).await;
        let call = McpCall { tool: "sum".to_owned(), arguments: json!({ "a": 2, "b": 40 }), expect: Some("42".to_owned()) };
        let probe = McpProbe { port: address.port(), call: Some(call), ..McpProbe::default() };
        let first = ask(address, &Probe::Mcp(probe.clone()), LIMIT).await;
        assert_eq!(first.verdict, ProbeVerdict::Pass, "{}", first.answered);
        assert_eq!(first.answered, "calculator 1 speaks 2025-11-25: 1 tool");
        let recorded = first.contract.unwrap();
        assert_eq!(recorded.tools[0].input_schema["required"], json!(["a", "b"]));

        // Recorded as a server of the newest revision, it is asked the stateless way first.
        let contract = Contract { protocol_version: "2026-07-28".to_owned(), ..recorded };
        let again = ask(address, &Probe::Mcp(McpProbe { contract: Some(contract), ..probe }), LIMIT).await;
        assert_eq!(again.verdict, ProbeVerdict::Pass, "{}", again.answered);
        assert_eq!(again.answered, "calculator 1 speaks 2026-07-28: 1 tool, contract kept");
        assert_eq!(sessions.sessions.read().await.len(), 0);
    }
}
