//! MCP servers that only speak over their standard streams, deployed with their images unchanged: reached through the gateway over
//! streamable HTTP, checked, switched, drained and taken back as any other service is.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::site::{Site, parse_answer};

/// A static program on nothing, as nobody, below a root that cannot be written.
const COMPOSE: &str = r#"
services:
  tools:
    image: ${IMAGE}
    command: [mcp]
    user: "1000:1000"
    read_only: true
    cap_drop: [ALL]
    environment: { VERSION: "${RELEASE}", TOOL: "${TOOL:-add}" }
    stdin_open: true
    stop_grace_period: 3s
    ports: ["127.0.0.1:${PORT}:8000"]
"#;

const CHECKS: &str = "
environments:
  production: { gate_timeout: 20s, drain: 20s }
services:
  tools:
    contract: api/tools.json
    health:
      configuration: { required_variables: [VERSION] }
      process: { name: mcp, fatal: true }
      function: { mcp: { tool: { name: add, arguments: { a: 2, b: 40 }, expect: { contains: \"42\" } } } }
";

/// A client of a streamable HTTP server, in the revision 2025-11-25.
struct Client {
    port: u16,
    token: Option<&'static str>,
    session: Option<String>,
}

impl Client {
    /// Greets the server.
    fn greet(port: u16, token: Option<&'static str>) -> Result<Self, u16> {
        let mut client = Self { port, token, session: None };
        let hello = json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": { "name": "test", "version": "1" } });
        let (status, head, _) = client.ask("POST", &json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello }));
        if status != 200 {
            return Err(status);
        }
        let session = head.lines().find_map(|line| line.split_once(": ").filter(|(name, _)| name.eq_ignore_ascii_case("mcp-session-id")));
        client.session = session.map(|(_, value)| value.trim().to_owned());
        assert!(client.session.is_some(), "{head}");
        let (status, ..) = client.ask("POST", &json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }));
        assert_eq!(status, 202);
        Ok(client)
    }

    fn ask(&self, method: &str, message: &Value) -> (u16, String, String) {
        let Ok(mut stream) = TcpStream::connect(("127.0.0.1", self.port)) else { return (0, String::new(), String::new()) };
        let body = if method == "POST" { message.to_string() } else { String::new() };
        let mut head = format!("{method} /mcp HTTP/1.1\r\nHost: tools.example\r\nConnection: close\r\nContent-Length: {}\r\n", body.len());
        head += "Accept: application/json, text/event-stream\r\nContent-Type: application/json\r\n";
        if let Some(token) = self.token {
            head += &format!("Authorization: Bearer {token}\r\n");
        }
        if let Some(session) = &self.session {
            head += &format!("Mcp-Session-Id: {session}\r\nMcp-Protocol-Version: 2025-11-25\r\n");
        }
        let mut answer = Vec::new();
        if write!(stream, "{head}\r\n{body}").is_err() || stream.read_to_end(&mut answer).is_err() {
            return (0, String::new(), String::new());
        }
        let (status, body) = parse_answer(&answer);
        let head = String::from_utf8_lossy(&answer).split("\r\n\r\n").next().unwrap_or_default().to_owned();
        (status, head, body)
    }

    fn result(&self, method: &str, params: &Value) -> Value {
        let (status, _, body) = self.ask("POST", &json!({ "jsonrpc": "2.0", "id": 2, "method": method, "params": params }));
        assert_eq!(status, 200, "{method}: {body}");
        let line = body.lines().map(|line| line.trim_start_matches("data: ")).find(|line| line.starts_with('{'));
        let answer: Value = serde_json::from_str(line.unwrap_or_else(|| panic!("{body}"))).unwrap();
        answer["result"].clone()
    }

    fn call(&self, tool: &str) -> String {
        let result = self.result("tools/call", &json!({ "name": tool, "arguments": { "a": 1, "b": 2 } }));
        result["content"][0]["text"].as_str().unwrap_or_else(|| panic!("{result}")).to_owned()
    }

    fn leave(self) {
        self.ask("DELETE", &Value::Null);
    }
}

fn version(site: &Site) -> String {
    let client = Client::greet(site.port, None).expect("it serves");
    let version = client.call("version");
    client.leave();
    version
}

/// The levels that a service passes.
fn passed(health: &Value, service: &str) -> BTreeSet<String> {
    let checks = health["checks"].as_array().unwrap().iter().filter(|check| check["service"] == service && check["verdict"] == "pass");
    checks.map(|check| check["level"].as_str().unwrap().to_owned()).collect()
}

fn function(health: &Value) -> String {
    let checks = health["checks"].as_array().unwrap();
    let check = checks.iter().find(|check| check["service"] == "tools" && check["level"] == "function");
    check.unwrap_or_else(|| panic!("{health:#}"))["asked"].as_str().unwrap().to_owned()
}

fn five() -> BTreeSet<String> {
    ["container", "endpoint", "configuration", "process", "function"].map(str::to_owned).into()
}

fn why(plan: &Value) -> String {
    let services = plan["plan"]["services"].as_array().unwrap();
    services.iter().find(|service| service["service"] == "tools").unwrap()["why"].as_str().unwrap().to_owned()
}

#[test]
fn a_server_on_standard_streams_is_deployed_switched_drained_and_taken_back() {
    let site = Site::new(COMPOSE, CHECKS);
    let planned = why(&site.json(&["plan"]));
    assert!(planned.contains("runs under chora's bridge on port 8000, which asks for no token (`stdin_open: true`"), "{planned}");
    site.release("v1");
    let health = site.json(&["health"]);
    assert_eq!(passed(&health, "tools"), five(), "{health:#}");
    assert!(function(&health).contains(":8000/mcp"), "{health:#}");
    let recorded = site.json(&["contract", "record", "tools"]);
    assert_eq!(recorded["path"], "api/tools.json", "{recorded}");

    let client = Client::greet(site.port, None).expect("it serves");
    let tools = client.result("tools/list", &json!({}));
    assert_eq!(tools["tools"].as_array().map(Vec::len), Some(3), "{tools}");
    assert_eq!((client.call("version"), client.call("add")), ("v1".to_owned(), "3".to_owned()));

    // A client's session stays with its release until it ends; meanwhile others get the new one.
    site.set(&[("RELEASE", "v2")]);
    std::thread::scope(|scope| {
        let deploying = scope.spawn(|| site.deploy("v2"));
        let began = Instant::now();
        while version(&site) != "v2" {
            assert!(began.elapsed() < Duration::from_secs(60), "it is not switched");
            std::thread::sleep(Duration::from_millis(50));
        }
        assert_eq!((client.call("version"), client.call("add")), ("v1".to_owned(), "3".to_owned()));
        assert!(!deploying.is_finished(), "the drain did not wait for the session");
        client.leave();
        let deployed = deploying.join().unwrap();
        assert_eq!(deployed.code, 0, "{deployed}");
        assert!(began.elapsed() < Duration::from_secs(20), "the drain was not over when the session was");
    });
    let stopped = site.daemon.containers(&site.project(), Some("tools"));
    let stopped = stopped.iter().find(|container| container["State"]["Running"] == false).expect("v1 is kept");
    assert_eq!(stopped["State"]["ExitCode"], 0, "the server was not ended properly");

    // A bad candidate is refused, and nobody notices.
    site.set(&[("RELEASE", "v3"), ("TOOL", "plus")]);
    site.chora.write("chora.yaml", CHECKS.replace("name: add,", "name: plus,"));
    let refused = site.deploy("v3");
    assert_eq!(refused.code, 10, "{refused}");
    assert!(refused.stderr.contains("level 5 (function)") && refused.stderr.contains("tool `add` removed"), "{refused}");
    assert_eq!(version(&site), "v2");

    site.chora.write("chora.yaml", CHECKS);
    site.set(&[("RELEASE", "v1")]);
    let ids = site.containers();
    let back = site.json(&["rollback"]);
    assert_eq!((back["version"].as_str(), back["gaps"].as_array().map(Vec::len)), (Some("v1"), Some(0)), "{back:#}");
    assert_eq!((site.containers(), version(&site)), (ids, "v1".to_owned()));
    assert_eq!(passed(&site.json(&["health"]), "tools"), five());
}

#[test]
fn a_program_that_speaks_no_mcp_is_refused_with_its_last_words() {
    let site = Site::new(&COMPOSE.replace("[mcp]", "[complain, no luck]"), CHECKS);
    let refused = site.deploy("v1");
    assert_eq!(refused.code, 12, "{refused}");
    assert!(refused.stderr.contains("no luck"), "{refused}");
}

#[test]
fn a_bridge_comes_and_goes_and_comes_back() {
    let alone = COMPOSE.replace("    ports: [\"127.0.0.1:${PORT}:8000\"]\n", "");
    let off = CHECKS.replace("    contract:", "    bridge: false\n    contract:");
    let site = Site::new(&alone, &off);
    site.release("v1");
    let streams = function(&site.json(&["health"]));
    assert!(streams.contains("mcp stdio"), "{streams}");
    site.chora.write("chora.yaml", CHECKS);
    let planned = why(&site.json(&["plan"]));
    assert!(planned.contains("bridge changed") && planned.contains("chora.yaml asks it as an MCP server"), "{planned}");
    let deployed = site.deploy("v2");
    assert_eq!(deployed.code, 0, "{deployed}");
    let health = site.json(&["health"]);
    assert!(function(&health).contains(":8000/mcp"), "{health:#}");
    assert_eq!(passed(&health, "tools"), five(), "{health:#}");
    // The release says how its services run, whatever the files say now.
    site.json(&["rollback"]);
    assert!(function(&site.json(&["health"])).contains("mcp stdio"));
    site.json(&["rollback", "v2"]);
    assert!(function(&site.json(&["health"])).contains(":8000/mcp"));
}

#[test]
fn a_token_is_asked_for_of_clients_and_known_to_the_checks() {
    let secret = "secrets: { key: { file: key.txt } }\n";
    let manifest = CHECKS.replace("    contract:", "    bridge: { token: key, child: session, max_sessions: 5 }\n    contract:");
    let compose = COMPOSE.replace("    stdin_open: true\n", "    stdin_open: true\n    secrets: [key]\n");
    let site = Site::new(&format!("{compose}{secret}"), &manifest);
    site.chora.write("key.txt", "correct-horse-battery\n");
    site.release("v1");
    assert_eq!(passed(&site.json(&["health"]), "tools"), five());
    site.json(&["contract", "record", "tools"]);
    assert_eq!(Client::greet(site.port, None).err(), Some(401));
    let (one, other) = (Client::greet(site.port, Some("correct-horse-battery")), Client::greet(site.port, Some("correct-horse-battery")));
    let (one, other) = (one.expect("it serves"), other.expect("it serves"));
    assert_eq!([one.call("count"), one.call("count"), other.call("count")], ["1", "2", "1"], "each session has its own process");
    let told = site.daemon.containers(&site.project(), None);
    assert!(!serde_json::to_string(&told).unwrap().contains("correct-horse-battery"));
    site.release("v2");
    assert_eq!(passed(&site.json(&["health"]), "tools"), five());
}

/// A server that is not ours, with its image as it is.
#[test]
fn a_fastmcp_server_is_served_as_its_image_is() {
    super::third_party::make_images();
    let compose = "
services:
  tools:
    image: chora-test/fastmcp:1
    command: [/srv/venv/bin/python, /srv/tools.py]
    environment: { TOOL: add, STAYS: \"\" }
    stdin_open: true
    stop_grace_period: 3s
    ports: [\"127.0.0.1:${PORT}:8000\"]
    configs: [{ source: tools, target: /srv/tools.py }]
configs:
  tools: { file: tools.py }
";
    let site = Site::new(compose, "environments: { production: { gate_timeout: 100s } }\n");
    site.chora.write("tools.py", super::stdio::SERVER);
    site.release("v1");
    let client = Client::greet(site.port, None).expect("it serves");
    assert_eq!(client.result("tools/list", &json!({}))["tools"].as_array().map(Vec::len), Some(1));
    assert_eq!(client.call("add"), "3");
    assert!(passed(&site.json(&["health"]), "tools").contains("function"));
}
