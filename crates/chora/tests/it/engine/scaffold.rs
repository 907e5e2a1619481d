//! What `chora init` writes, built and deployed: an MCP server on standard streams, of Python, with a secret, run under the bridge.

use std::collections::BTreeSet;

use super::site::Site;
use super::third_party;

/// A server of one tool, without any library.
const SERVER: &str = r#"
import json, sys

TOOL = {"name": "greet", "description": "greets", "inputSchema": {"type": "object"}}

def result(method, params):
    if method == "initialize":
        version = params.get("protocolVersion", "2025-06-18")
        return {"protocolVersion": version, "capabilities": {"tools": {}}, "serverInfo": {"name": "greeter", "version": "1"}}
    if method == "tools/list":
        return {"tools": [TOOL]}
    if method == "tools/call":
        return {"content": [{"type": "text", "text": "hello"}]}
    return {} if method == "ping" else None

for line in sys.stdin:
    message = json.loads(line)
    if "id" not in message or "method" not in message:
        continue
    answer = {"jsonrpc": "2.0", "id": message["id"]}
    found = result(message["method"], message.get("params") or {})
    answer.update({"error": {"code": -32601, "message": "unknown"}} if found is None else {"result": found})
    print(json.dumps(answer), flush=True)
"#;

#[test]
fn a_server_on_standard_streams_goes_from_nothing_to_five_levels() {
    third_party::make_images();
    let site = Site::new("services: {}\n", "");
    site.chora.write("greeter/__main__.py", SERVER);
    site.chora.write("requirements.txt", "");
    site.chora.write("secrets/api_key.txt", "correct-horse-battery");
    let name = format!("name={}", site.name);
    let answers = ["transport=stdio", "secrets=api_key", "build_image=chora-test/fastmcp:1", "command=python -m greeter", name.as_str()];
    let answers = answers.iter().flat_map(|answer| ["--set", answer]);
    let written = site.chora.run(["init", "--replace", "--pattern", "mcp-server"].into_iter().chain(answers));
    assert_eq!(written.code, 0, "{written}");
    let deployed = site.deploy("v1");
    assert_eq!(deployed.code, 0, "{deployed}");
    let health = site.json(&["health"]);
    let passed = health["checks"].as_array().unwrap().iter().filter(|check| check["verdict"] == "pass");
    let levels: BTreeSet<_> = passed.map(|check| check["level"].as_str().unwrap()).collect();
    assert_eq!(levels, BTreeSet::from(["container", "endpoint", "configuration", "process", "function"]), "{health:#}");
    let container = site.running("app");
    assert_eq!((&container["Config"]["User"], &container["HostConfig"]["ReadonlyRootfs"]), (&"10001:10001".into(), &true.into()));
    assert_eq!(container["Config"]["Labels"]["org.opencontainers.image.title"], site.name.as_str());
    let again = site.chora.run(["upgrade", "--check"]);
    assert_eq!(again.code, 0, "{again}");
}
