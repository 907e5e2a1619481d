//! MCP servers that answer wrongly, late, in pieces or in another era.

use std::time::Duration;

use chora_core::model::contract::{Contract, Tool};
use chora_core::model::health::{McpCall, McpProbe, McpTransport, Probe, ProbeAnswer, ProbeVerdict};
use chora_ops::probe::ask;
use serde_json::{Value, json};

use crate::server::{Request, Server, Step, http, json as json_answer};

const LIMIT: Duration = Duration::from_secs(20);
const SHORT: Duration = Duration::from_millis(200);

async fn ask_mcp(server: &Server, probe: McpProbe, limit: Duration) -> ProbeAnswer {
    ask(server.address, &Probe::Mcp(McpProbe { port: server.address.port(), ..probe }), limit).await
}

fn hello(revision: &str) -> Value {
    json!({ "protocolVersion": revision, "capabilities": { "tools": {} }, "serverInfo": { "name": "shop", "version": "3" } })
}

fn tools(names: &[&str]) -> Value {
    let tools: Vec<_> = names.iter().map(|name| json!({ "name": name, "inputSchema": { "type": "object" } })).collect();
    json!({ "tools": tools })
}

/// A well-behaved server apart from what `special` answers.
async fn server(special: impl Fn(&Request) -> Option<Vec<Step>> + Send + Sync + 'static) -> Server {
    Server::start(move |request| {
        special(request).unwrap_or_else(|| match request.rpc().as_str() {
            "initialize" => json_answer(&request.result(&hello("2025-06-18"))),
            "tools/list" => json_answer(&request.result(&tools(&["search"]))),
            "tools/call" => json_answer(&request.result(&json!({ "content": [{ "type": "text", "text": "3 hits" }] }))),
            "notifications/initialized" => http("202 Accepted", "text/plain", ""),
            _ => http("405 Method Not Allowed", "text/plain", ""),
        })
    })
    .await
}

fn on(method: &'static str, answer: impl Fn(&Request) -> Vec<Step> + Send + Sync + 'static) -> impl Fn(&Request) -> Option<Vec<Step>> {
    move |request| (request.rpc() == method).then(|| answer(request))
}

#[tokio::test]
async fn wrong_answers_are_named_with_their_evidence() {
    let recorded_error = |request: &Request| json_answer(&request.error(-32_603, "database\nis gone"));
    let cases: Vec<(Server, &str)> = vec![
        (server(on("tools/list", |request| json_answer(&request.result(&tools(&[]))))).await, "`shop` lists no tools"),
        (server(on("tools/list", |_| json_answer("<html>oops"))).await, "tools/list answered no JSON-RPC: <html>oops"),
        (server(on("tools/list", |_| json_answer(r#"{"tools":[]}"#))).await, r#"tools/list answered no JSON-RPC: {"tools":[]}"#),
        (server(on("tools/list", recorded_error)).await, "tools/list answered error -32603: database is gone"),
        (server(on("tools/list", |request| json_answer(&request.result(&json!({ "tools": [{}] }))))).await, "a tool without a name: {}"),
        (server(on("tools/list", |request| json_answer(&request.result(&json!(7))))).await, "tools/list answered no `tools`: 7"),
        (
            server(on("tools/list", |request| json_answer(&request.result(&json!({ "tools": [], "nextCursor": "a" }))))).await,
            "tools/list never ends",
        ),
        (
            server(on("tools/list", |_| http("200 OK", "text/event-stream", ": hi\n\n"))).await,
            "the event stream of tools/list ended without",
        ),
        (server(on("tools/list", |_| http("202 Accepted", "text/plain", ""))).await, "accepted (202) and never answered"),
        (
            server(on("initialize", |_| http("500 Oops", "text/plain", "stack"))).await,
            "initialize answered 500 Internal Server Error: stack",
        ),
        (server(on("initialize", |_| http("404 Not Found", "text/html", "<h1>"))).await, "initialize answered 404 Not Found: <h1>"),
        (
            server(on("initialize", |request| json_answer(&request.result(&hello("1999-01-01"))))).await,
            "chose protocol version `1999-01-01`",
        ),
        (server(on("initialize", |request| json_answer(&request.result(&json!({}))))).await, "initialize names no protocol version"),
        (server(on("notifications/initialized", |_| http("400 Bad", "text/plain", "no"))).await, "notifications/initialized answered 400"),
    ];
    for (server, words) in cases {
        let answer = ask_mcp(&server, McpProbe::default(), LIMIT).await;
        assert_eq!(answer.verdict, ProbeVerdict::WrongAnswer, "{words}: {}", answer.answered);
        assert!(answer.answered.contains(words), "{words}: {}", answer.answered);
    }
}

#[tokio::test]
async fn a_server_that_hangs_is_named_by_what_it_did_not_answer() {
    for method in ["initialize", "tools/list"] {
        let server = server(on(method, |_| vec![Step::Hang])).await;
        let answer = ask_mcp(&server, McpProbe::default(), SHORT).await;
        assert_eq!((answer.verdict, answer.answered), (ProbeVerdict::NoAnswer, format!("{method} did not answer within 200ms")));
    }
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\ndata: {\"jsonr";
    let server = server(on("initialize", move |_| vec![Step::Send(head.to_owned()), Step::Hang])).await;
    assert_eq!(ask_mcp(&server, McpProbe::default(), SHORT).await.answered, "initialize did not answer within 200ms");
}

#[tokio::test]
async fn pages_event_streams_and_sessions_are_followed() {
    let server = server(|request| match request.rpc().as_str() {
        "initialize" => {
            let body = request.result(&hello("2025-11-25"));
            let events = format!("id: 1\ndata:\n\n: noise\nevent: message\ndata: {{\"jsonrpc\":\"2.0\",\"method\":\"notifications/message\"}}\n\ndata: {body}\n\n");
            let chunks: String = events.as_bytes().chunks(7).map(|chunk| format!("{:x}\r\n{}\r\n", chunk.len(), String::from_utf8_lossy(chunk))).collect();
            let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\nmcp-session-id: s-1\r\ntransfer-encoding: chunked\r\n\r\n";
            Some(vec![Step::Send(format!("{head}{chunks}")), Step::Hang])
        }
        "tools/list" if request.body.contains("two") => Some(json_answer(&request.result(&tools(&["add"])))),
        "tools/list" => {
            let mut page = tools(&["search"]);
            page["nextCursor"] = json!("two");
            Some(json_answer(&request.result(&page)))
        }
        _ => None,
    })
    .await;
    let answer = ask_mcp(&server, McpProbe { path: "/".to_owned(), ..McpProbe::default() }, LIMIT).await;
    assert_eq!(answer.answered, "shop 3 speaks 2025-11-25: 2 tools");
    let names: Vec<_> = answer.contract.unwrap().tools.into_iter().map(|tool| tool.name).collect();
    assert_eq!(names, ["add", "search"]);
    let seen = server.seen();
    let lines: Vec<_> = seen.iter().map(|request| request.line.as_str()).collect();
    assert_eq!(lines, ["POST / HTTP/1.1", "POST / HTTP/1.1", "POST / HTTP/1.1", "POST / HTTP/1.1", "DELETE / HTTP/1.1"]);
    assert!(!seen[0].headers.contains_key("mcp-protocol-version"));
    for request in &seen[1..] {
        assert_eq!((request.headers["mcp-session-id"].as_str(), request.headers["mcp-protocol-version"].as_str()), ("s-1", "2025-11-25"));
    }
}

#[tokio::test]
async fn a_server_of_the_newest_era_alone_is_asked_its_way() {
    let refusals: [fn(&Request) -> Vec<Step>; 3] = [
        |request| http("404 Not Found", "application/json", &request.error(-32_601, "no such method")),
        |request| http("400 Bad Request", "application/json", &request.error(-32_022, "unsupported version")),
        |_| http("400 Bad Request", "text/plain", "what?"),
    ];
    for refusal in refusals {
        let server = server(move |request| match request.rpc().as_str() {
            "initialize" => Some(refusal(request)),
            "server/discover" => Some(json_answer(&request.result(&json!({
                "resultType": "complete", "supportedVersions": ["2026-07-28"], "capabilities": { "tools": {} },
                "_meta": { "io.modelcontextprotocol/serverInfo": { "name": "next", "version": "9" } },
            })))),
            _ => None,
        })
        .await;
        let call = McpCall { tool: "search".to_owned(), expect: Some("3 hits".to_owned()), ..McpCall::default() };
        let answer = ask_mcp(&server, McpProbe { call: Some(call), ..McpProbe::default() }, LIMIT).await;
        assert_eq!(answer.answered, "next 9 speaks 2026-07-28: 1 tool");
        let seen = server.seen();
        let methods: Vec<_> = seen.iter().map(Request::rpc).collect();
        assert_eq!(methods, ["initialize", "server/discover", "tools/list", "tools/call"]);
        for request in &seen[1..] {
            let body: Value = serde_json::from_str(&request.body).unwrap();
            assert_eq!(body["params"]["_meta"]["io.modelcontextprotocol/protocolVersion"], "2026-07-28");
            assert_eq!(request.headers["mcp-method"], request.rpc());
        }
        assert_eq!(seen[3].headers["mcp-name"], "search");
    }
}

#[tokio::test]
async fn contracts_and_calls_decide() {
    let recorded = |names: &[&str]| {
        let tool = |name: &&str| Tool { name: (*name).to_owned(), input_schema: json!({ "type": "object" }), ..Tool::default() };
        McpProbe { contract: Some(Contract { tools: names.iter().map(tool).collect(), ..Contract::default() }), ..McpProbe::default() }
    };
    let call = |tool: &str, expect: &str| {
        let call = McpCall { tool: tool.to_owned(), expect: Some(expect.to_owned()), ..McpCall::default() };
        McpProbe { call: Some(call), ..McpProbe::default() }
    };
    let cases = [
        (recorded(&["search"]), ProbeVerdict::Pass, "contract kept"),
        (recorded(&[]), ProbeVerdict::Pass, "contract kept; tool `search` added"),
        (recorded(&["search", "buy"]), ProbeVerdict::Refused, "contract broken: tool `buy` removed"),
        (call("search", "3 hits"), ProbeVerdict::Pass, "1 tool"),
        (call("search", "4 hits"), ProbeVerdict::WrongAnswer, "tools/call search does not contain `4 hits`: 3 hits"),
        (call("sell", ""), ProbeVerdict::WrongAnswer, "there is no tool `sell` to call"),
    ];
    let fine = server(|_| None).await;
    for (probe, verdict, words) in cases {
        let answer = ask_mcp(&fine, probe, LIMIT).await;
        assert_eq!(answer.verdict, verdict, "{words}: {}", answer.answered);
        assert!(answer.answered.contains(words), "{words}: {}", answer.answered);
    }
    let failing = server(on("tools/call", |request| {
        json_answer(&request.result(&json!({ "isError": true, "content": [{ "type": "text", "text": "no stock" }] })))
    }))
    .await;
    assert_eq!(ask_mcp(&failing, call("search", ""), LIMIT).await.answered, "tools/call search failed: no stock");
}

/// What a tool answers with may be a health document, as an HTTP body may; whoever expects something particular has said what is good.
#[tokio::test]
async fn a_tool_that_tells_of_health_is_believed() {
    let told = |status: &str| json!({ "status": status, "checks": { "model": "gone" } });
    let text = |document: &Value| json!({ "content": [{ "type": "text", "text": document.to_string() }] });
    let structured = |document: &Value| json!({ "content": [], "structuredContent": document });
    let two = |document: &Value| json!({ "content": [{ "type": "text", "text": document.to_string() }, { "type": "text", "text": "…" }] });
    let cases = [
        (text(&told("ok")), None, ProbeVerdict::Pass, "1 tool"),
        (text(&told("degraded")), None, ProbeVerdict::Degraded, "1 tool; status is `degraded`: "),
        (structured(&told("degraded")), None, ProbeVerdict::Degraded, "\"model\":\"gone\""),
        (structured(&told("down")), None, ProbeVerdict::WrongAnswer, "tools/call search: status is `down`: "),
        (structured(&told("down")), Some("gone"), ProbeVerdict::Pass, "1 tool"),
        (structured(&told("busy")), None, ProbeVerdict::Pass, "1 tool"),
        (two(&told("down")), None, ProbeVerdict::Pass, "1 tool"),
    ];
    for (result, expect, verdict, words) in cases {
        let shown = result.to_string();
        let server = server(on("tools/call", move |request| json_answer(&request.result(&result)))).await;
        let call = McpCall { tool: "search".to_owned(), expect: expect.map(str::to_owned), ..McpCall::default() };
        let answer = ask_mcp(&server, McpProbe { call: Some(call), ..McpProbe::default() }, LIMIT).await;
        assert_eq!(answer.verdict, verdict, "{shown}: {}", answer.answered);
        assert!(answer.answered.contains(words), "{shown}: {}", answer.answered);
    }
}

#[tokio::test]
async fn the_older_transport_is_held_to_its_first_event() {
    let cases = [
        ("data: {}\n\n", "begins with `message`, not `endpoint`"),
        (": nothing\n\n", "ended before it named its endpoint"),
        ("event: endpoint\ndata: /gone\n\n", "the event stream ended before initialize was answered"),
    ];
    for (events, words) in cases {
        let server = Server::start(move |request| match request.line.starts_with("GET") {
            true => http("200 OK", "text/event-stream", events),
            false => http("202 Accepted", "text/plain", ""),
        })
        .await;
        let answer = ask_mcp(&server, McpProbe { transport: McpTransport::Sse, ..McpProbe::default() }, LIMIT).await;
        assert_eq!(answer.verdict, ProbeVerdict::WrongAnswer, "{}", answer.answered);
        assert!(answer.answered.contains(words), "{words}: {}", answer.answered);
    }
    let page = Server::start(|_| http("200 OK", "text/html", "<p>")).await;
    let answer = ask_mcp(&page, McpProbe { transport: McpTransport::Sse, ..McpProbe::default() }, LIMIT).await;
    assert_eq!(answer.answered, "the event stream answered 200 OK text/html");
}
