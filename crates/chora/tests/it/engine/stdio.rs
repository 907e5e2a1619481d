//! MCP servers that speak over standard streams: one is started beside the one that serves, asked and ended.

use std::path::Path;

use serde_json::Value;

use super::daemon::Daemon;
use super::site::Site;

const COMPOSE: &str = r#"
services:
  tools:
    image: chora-test/fastmcp:1
    command: [/srv/venv/bin/python, /srv/tools.py]
    environment: { TOOL: "${TOOL:-add}", STAYS: "${STAYS:-}" }
    stdin_open: true
    stop_grace_period: 1s
    configs: [{ source: tools, target: /srv/tools.py }]
configs:
  tools: { file: tools.py }
"#;

/// With `STAYS` it is deaf to the end of its input and to the first signal.
pub(super) const SERVER: &str = r#"
import os, signal, time
from fastmcp import FastMCP

mcp = FastMCP("tools", version="1")

def add(a: int, b: int) -> int:
    """Adds."""
    return a + b

mcp.tool(add, name=os.environ["TOOL"])
mcp.run(show_banner=False)
if os.environ["STAYS"]:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    time.sleep(600)
"#;

const CHECKS: &str = "
environments:
  production: { gate_timeout: 100s }
services:
  tools:
    bridge: false
    contract: api/tools.json
    health:
      process: { name: tools.py, fatal: true }
      function: { mcp: { tool: { name: \"${TOOL}\", arguments: { a: 2, b: 40 }, expect: { contains: \"42\" } } } }
";

fn site() -> Site {
    super::third_party::make_images();
    let site = Site::new(COMPOSE, &CHECKS.replace("${TOOL}", "add"));
    site.chora.write("tools.py", SERVER);
    site
}

fn processes(container: &Value) -> usize {
    let (status, answer) = Daemon::given().ask("GET", &format!("/containers/{}/top", container["Id"].as_str().unwrap()), &[]);
    assert_eq!(status, 200, "{answer}");
    serde_json::from_str::<Value>(&answer).unwrap()["Processes"].as_array().unwrap().len()
}

fn function(health: &Value, service: &str) -> Value {
    let checks = health["checks"].as_array().unwrap();
    checks.iter().find(|check| check["service"] == service && check["level"] == "function").unwrap_or_else(|| panic!("{health:#}")).clone()
}

#[test]
fn a_server_over_standard_streams_passes_five_levels_and_is_left_alone() {
    let site = site();
    site.release("v1");
    let before = site.running("tools");
    let health = site.json(&["health"]);
    let check = function(&health, "tools");
    assert_eq!((&check["verdict"], &check["answered"]), (&"pass".into(), &"tools 1 speaks 2025-11-25: 1 tool".into()), "{check:#}");
    let recorded = site.json(&["contract", "record", "tools", "--timeout", "60s"]);
    assert_eq!(recorded["path"], "api/tools.json");
    assert!(site.chora.read("api/tools.json").contains("\"add\""));
    assert!(!site.chora.path().join(".chora/contracts").exists());
    assert_eq!(site.json(&["contract", "diff", "tools", "--timeout", "60s"])["ok"], true);
    let after = site.running("tools");
    assert_eq!((&after["Id"], &after["State"]["StartedAt"]), (&before["Id"], &before["State"]["StartedAt"]));
    assert_eq!(processes(&after), 1, "a server that was started to be asked still runs");

    // What it offers is held against the recording.
    site.set(&[("RELEASE", "v2"), ("TOOL", "plus")]);
    site.chora.write("chora.yaml", CHECKS.replace("${TOOL}", "plus"));
    let refused = site.deploy("v2");
    assert_eq!(refused.code, 10, "{refused}");
    assert!(refused.stderr.contains("level 5 (function)") && refused.stderr.contains("tool `add` removed"), "{refused}");
    assert_eq!(site.running("tools")["Id"], before["Id"]);
}

#[test]
fn a_server_that_does_not_end_with_its_input_is_ended() {
    let site = site();
    site.set(&[("STAYS", "yes")]);
    let deployed = site.deploy("v1");
    assert_eq!(deployed.code, 0, "{deployed}");
    assert_eq!(function(&site.json(&["health"]), "tools")["verdict"], "pass");
    assert_eq!(processes(&site.running("tools")), 1, "a server that was started to be asked still runs");
}

#[test]
fn a_server_that_dies_is_told_with_its_last_words() {
    let site = site();
    site.set(&[]);
    site.chora
        .write("chora.yaml", CHECKS.replace("mcp: {", "mcp: { transport: stdio, command: [python3, -c, 'raise SystemExit(\"no luck\")'],"));
    let refused = site.deploy("v1");
    assert_eq!(refused.code, 12, "{refused}");
    assert!(refused.stderr.contains("with exit code 1; it said: no luck"), "{refused}");
}

const CHORA: &str = "
services:
  chora:
    build: .
    working_dir: /project
    command: [serve, --stdio]
    stdin_open: true
    stop_grace_period: 1s
";

/// Nothing but one static program in the image; it speaks with a handshake and without.
#[test]
fn a_server_in_an_empty_image_is_asked_in_both_eras() {
    let site = Site::new(CHORA, "services: { chora: { bridge: false, health: { function: { mcp: {} } } } }\n");
    std::fs::copy(Path::new(env!("CARGO_BIN_EXE_chora")), site.chora.path().join("chora")).unwrap();
    site.chora.write("image/compose.yaml", "services: { web: { image: web } }\n");
    site.chora.write("Dockerfile", "FROM scratch\nCOPY chora /chora\nCOPY image /project\nENTRYPOINT [\"/chora\"]\n");
    let deployed = site.deploy("v1");
    assert_eq!(deployed.code, 0, "{deployed}");
    assert_eq!(site.json(&["contract", "record", "chora"])["path"], ".chora/contracts/chora.json");
    let recorded = site.chora.read(".chora/contracts/chora.json");
    assert!(recorded.contains("\"protocol_version\": \"2025-11-25\""), "{recorded}");
    site.chora.write(".chora/contracts/chora.json", recorded.replace("\"2025-11-25\"", "\"2026-07-28\""));
    // A recorded server needs no check of its own.
    site.chora.write("chora.yaml", "services: { chora: { bridge: false } }\n");
    let check = function(&site.json(&["health"]), "chora");
    assert_eq!(check["verdict"], "pass", "{check:#}");
    let answered = check["answered"].as_str().unwrap();
    assert!(answered.contains("speaks 2026-07-28") && answered.ends_with("contract kept"), "{answered}");
    assert_eq!(processes(&site.running("chora")), 1);
}
