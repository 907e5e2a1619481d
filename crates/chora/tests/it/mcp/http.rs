//! Raw HTTP: who is let in, how much, and how the server ends.

use serde_json::{Value, json};

use super::{Project, Server};

const JSON: (&str, &str) = ("Content-Type", "application/json");
const ACCEPT: (&str, &str) = ("Accept", "application/json, text/event-stream");

fn hello() -> Vec<u8> {
    let params = json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": { "name": "test", "version": "1" } });
    json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params }).to_string().into_bytes()
}

#[test]
fn its_own_health_follows_the_document() {
    let project = Project::new();
    let server = Server::start(&mut project.serve(&["--listen", "127.0.0.1:0"]));
    let health = server.health();
    assert_eq!((&health["status"], &health["checks"]["mcp"]), (&json!("ok"), &json!("ok")), "{health}");
    assert!(
        health["timestamp"].as_str().is_some_and(|time| time.ends_with('Z'))
            && health["uptime_seconds"].is_u64()
            && health["version"].is_string(),
        "{health}"
    );
}

#[test]
fn our_own_probe_finds_it_well() {
    let project = Project::new();
    let server = Server::start(&mut project.serve(&["--listen", "127.0.0.1:0"]));
    let output = super::chora().args(["probe", "mcp", &server.url("/mcp")]).output().expect("it ends");
    assert!(output.status.success(), "{output:?}");
    let output = super::chora().args(["probe", "http", &server.url("/health")]).output().expect("it ends");
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn foreign_names_and_pages_are_refused() {
    let project = Project::new();
    let server = Server::start(&mut project.serve(&[
        "--listen",
        "127.0.0.1:0",
        "--allow-host",
        "chora.internal",
        "--allow-origin",
        "https://app.example.com",
    ]));
    for (headers, status) in [
        ([("Host", "evil.example")].as_slice(), 403),
        (&[("Host", "chora.internal:8000")], 200),
        (&[("Origin", "https://evil.example")], 403),
        (&[("Origin", "null")], 403),
        (&[("Origin", "https://app.example.com")], 200),
    ] {
        let headers = [&[JSON, ACCEPT], headers].concat();
        assert_eq!(server.request("POST", "/mcp", &headers, &hello()).status, status, "{headers:?}");
        assert_eq!(server.request("GET", "/health", &headers, b"").status, status, "{headers:?}");
    }
    let own = format!("http://{}", server.address);
    assert_eq!(server.request("POST", "/mcp", &[JSON, ACCEPT, ("Origin", &own)], &hello()).status, 200, "a page of its own");
    let neighbour = "http://127.0.0.1:1";
    assert_eq!(server.request("POST", "/mcp", &[JSON, ACCEPT, ("Origin", neighbour)], &hello()).status, 403, "a page of another server");
    let preflight =
        server.request("OPTIONS", "/mcp", &[("Origin", "https://app.example.com"), ("Access-Control-Request-Method", "POST")], b"");
    assert_eq!(preflight.status, 204);
    assert!(preflight.head.contains("access-control-allow-origin: https://app.example.com"), "{}", preflight.head);
}

#[test]
fn beyond_loopback_a_token_is_needed() {
    let project = Project::new();
    let output = project.serve(&["--listen", "0.0.0.0:0"]).output().expect("it ends");
    assert_eq!(output.status.code(), Some(77), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("--token-file"), "{output:?}");

    let token = project.path().join("token");
    std::fs::write(&token, "a-token-of-some-length\n").expect("written");
    let server = Server::start(&mut project.serve(&["--listen", "0.0.0.0:0", "--token-file", token.to_str().expect("text")]));
    for (given, status) in [
        (None, 401),
        (Some("Bearer a-token-of-some-lengtH"), 401),
        (Some("Basic a-token-of-some-length"), 401),
        (Some("bearer a-token-of-some-length"), 200),
    ] {
        let mut headers = vec![JSON, ACCEPT];
        headers.extend(given.map(|given| ("Authorization", given)));
        let answer = server.request("POST", "/mcp", &headers, &hello());
        assert_eq!(answer.status, status, "{given:?}");
        assert_eq!(answer.head.contains("www-authenticate: bearer"), status == 401);
    }
    assert_eq!(server.request("GET", "/health", &[], b"").status, 200, "probes have no token");
}

#[test]
fn a_closed_network_can_do_without_a_token_when_it_says_so() {
    let project = Project::new();
    let server = Server::start(&mut project.serve(&["--listen", "0.0.0.0:0", "--insecure-no-token"]));
    let answer = server.request("POST", "/mcp", &[JSON, ACCEPT, ("Host", "172.18.0.2:8000")], &hello());
    assert_eq!(answer.status, 200, "an address is no rebound name");
    assert_eq!(server.request("POST", "/mcp", &[JSON, ACCEPT, ("Host", "evil.example")], &hello()).status, 403);
}

#[test]
fn bodies_and_sessions_are_bounded() {
    let project = Project::new();
    let server = Server::start(&mut project.serve(&["--listen", "127.0.0.1:0", "--max-sessions", "2"]));
    let large = vec![b' '; 4 * 1024 * 1024 + 1];
    assert_eq!(server.request("POST", "/mcp", &[JSON, ACCEPT], &large).status, 413);
    let first = server.request("POST", "/mcp", &[JSON, ACCEPT], &hello());
    let session = first.head.lines().find_map(|line| line.strip_prefix("mcp-session-id: ")).expect("a session").to_owned();
    assert_eq!(server.request("POST", "/mcp", &[JSON, ACCEPT], &hello()).status, 200);
    assert_eq!(server.request("POST", "/mcp", &[JSON, ACCEPT], &hello()).status, 503);
    assert_eq!(server.health()["status"], "degraded");
    let ended = server.request("DELETE", "/mcp", &[("Mcp-Session-Id", &session)], b"");
    assert!((200..300).contains(&ended.status), "{}", ended.status);
    assert_eq!(server.request("POST", "/mcp", &[JSON, ACCEPT], &hello()).status, 200, "there is room again");
}

#[test]
fn a_request_without_a_session_is_answered_in_json() {
    let project = Project::new();
    let server = Server::start(&mut project.serve(&["--listen", "127.0.0.1:0"]));
    let client = json!({ "io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientInfo": { "name": "test", "version": "1" }, "io.modelcontextprotocol/clientCapabilities": {} });
    let body =
        json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": { "name": "config", "arguments": {}, "_meta": client } });
    let headers = [JSON, ACCEPT, ("MCP-Protocol-Version", "2026-07-28"), ("Mcp-Method", "tools/call"), ("Mcp-Name", "config")];
    let answer = server.request("POST", "/mcp", &headers, body.to_string().as_bytes());
    assert!(answer.head.contains("content-type: application/json"), "{} {}", answer.head, answer.body);
    let message: Value = serde_json::from_str(&answer.body).expect("json");
    assert_eq!(message["result"]["structuredContent"]["stack"]["name"], "shop-production", "{message}");
}

#[test]
fn it_stops_when_it_is_told_to_and_waits_for_nobody() {
    let project = Project::new().with_silent_engine();
    let server = Server::start(&mut project.serve(&["--listen", "127.0.0.1:0"]));
    let address = server.address.clone();
    let call = std::thread::spawn(move || {
        let client = json!({ "io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientInfo": { "name": "test", "version": "1" }, "io.modelcontextprotocol/clientCapabilities": {} });
        let body =
            json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": { "name": "ps", "arguments": {}, "_meta": client } })
                .to_string();
        let mut stream = std::net::TcpStream::connect(&address).expect("connected");
        let head = format!(
            "POST /mcp HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\nAccept: application/json, text/event-stream\r\nMCP-Protocol-Version: 2026-07-28\r\nMcp-Method: tools/call\r\nMcp-Name: ps\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        std::io::Write::write_all(&mut stream, head.as_bytes()).expect("sent");
        let mut answer = String::new();
        std::io::Read::read_to_string(&mut stream, &mut answer).expect("an answer");
        answer
    });
    let begun = std::time::Instant::now();
    while !project.asked().exists() {
        assert!(begun.elapsed() < super::LIMIT, "the engine was never asked");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    assert!(server.stop().success());
    let answer = call.join().expect("joined");
    assert!(answer.contains("was cancelled"), "the client is told: {answer}");
}
