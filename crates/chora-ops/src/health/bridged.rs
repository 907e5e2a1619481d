//! What is asked of a service that is run under a bridge: the bridge, over HTTP, in place of the server's standard streams.

use chora_core::model::bridge::Bridge;
use chora_core::model::container::Container;
use chora_core::model::health::{FunctionCheck, HttpProbe, McpProbe, McpTransport, Probe, ServiceHealth};
use chora_core::model::secret::Secret;

use crate::context::Context;

/// The longest token that is read, in bytes.
const LONGEST_TOKEN: usize = 64 * 1024;

/// The checks asked for, where they are asked of the bridge; those that name another place stay.
pub(crate) fn under_bridge(health: ServiceHealth, bridge: &Bridge) -> ServiceHealth {
    let ready = || Probe::Http(HttpProbe { port: bridge.port, path: "/ready".to_owned(), status: vec![200], ..HttpProbe::default() });
    let function = match health.function {
        None => FunctionCheck::Probe(Box::new(Probe::Mcp(mcp_under_bridge(McpProbe::default(), bridge)))),
        Some(FunctionCheck::Probe(probe)) => FunctionCheck::Probe(Box::new(match *probe {
            Probe::Mcp(mcp) => Probe::Mcp(mcp_under_bridge(mcp, bridge)),
            other => other,
        })),
        Some(command) => command,
    };
    ServiceHealth { endpoint: Some(health.endpoint.unwrap_or_else(ready)), function: Some(function), ..health }
}

/// A question to the server, asked of its bridge; one with a command of its own starts its own server.
pub(crate) fn mcp_under_bridge(mcp: McpProbe, bridge: &Bridge) -> McpProbe {
    let transport = match mcp.transport {
        McpTransport::Stdio if mcp.command.is_empty() => McpTransport::StreamableHttp,
        McpTransport::Stdio => return mcp,
        over_http => over_http,
    };
    let usual = if transport == McpTransport::Sse { "/sse" } else { "/mcp" };
    let path = if mcp.path.is_empty() || mcp.transport == McpTransport::Stdio { usual.to_owned() } else { mcp.path.clone() };
    McpProbe { transport, port: if mcp.port == 0 { bridge.port } else { mcp.port }, path, ..mcp }
}

/// A question with the token that the container's bridge asks for, as the container holds it.
pub(crate) async fn with_token(cx: &Context, container: &Container, file: &str, mcp: McpProbe) -> McpProbe {
    let Ok(Some(held)) = cx.engine.read_file(container.id.as_str(), file, LONGEST_TOKEN).await else { return mcp };
    let token = String::from_utf8_lossy(&held).trim().to_owned();
    cx.redactor.learn(&Secret::new(held));
    cx.redactor.learn(&Secret::new(token.clone().into_bytes()));
    let mut headers = mcp.headers;
    headers.entry("Authorization".to_owned()).or_insert_with(|| format!("Bearer {token}"));
    McpProbe { headers, ..mcp }
}

#[cfg(test)]
mod tests {
    use chora_core::model::bridge::Bridge;
    use chora_core::model::health::{FunctionCheck, HttpProbe, McpProbe, McpTransport, Probe, ServiceHealth};

    use super::under_bridge;

    fn mcp(transport: McpTransport, port: u16, path: &str, command: &[&str]) -> McpProbe {
        let command = command.iter().map(|word| (*word).to_owned()).collect();
        McpProbe { transport, port, path: path.to_owned(), command, ..McpProbe::default() }
    }

    #[test]
    fn what_was_asked_over_streams_is_asked_of_the_bridge() {
        use McpTransport::{Sse, Stdio, StreamableHttp};
        let bridge = Bridge { port: 9000, ..Bridge::default() };
        let cases = [
            (None, mcp(StreamableHttp, 9000, "/mcp", &[])),
            (Some(mcp(Stdio, 0, "/mcp", &[])), mcp(StreamableHttp, 9000, "/mcp", &[])),
            (Some(mcp(Stdio, 0, "", &["check"])), mcp(Stdio, 0, "", &["check"])),
            (Some(mcp(StreamableHttp, 0, "/mcp", &[])), mcp(StreamableHttp, 9000, "/mcp", &[])),
            (Some(mcp(StreamableHttp, 7, "/other", &[])), mcp(StreamableHttp, 7, "/other", &[])),
            (Some(mcp(Sse, 0, "/sse", &[])), mcp(Sse, 9000, "/sse", &[])),
        ];
        for (asked, expected) in cases {
            let function = asked.clone().map(|probe| FunctionCheck::Probe(Box::new(Probe::Mcp(probe))));
            let health = under_bridge(ServiceHealth { function, ..ServiceHealth::default() }, &bridge);
            assert_eq!(health.function, Some(FunctionCheck::Probe(Box::new(Probe::Mcp(expected)))), "{asked:?}");
            let ready = HttpProbe { port: 9000, path: "/ready".into(), status: vec![200], ..HttpProbe::default() };
            assert_eq!(health.endpoint, Some(Probe::Http(ready)));
        }
    }

    #[test]
    fn other_checks_stay() {
        let function = Some(FunctionCheck::Command(vec!["check".into()]));
        let asked = ServiceHealth { endpoint: Some(Probe::Tcp { port: 7 }), function, ..ServiceHealth::default() };
        assert_eq!(under_bridge(asked.clone(), &Bridge { port: 9000, ..Bridge::default() }), asked);
    }
}
