//! What `chora init` writes, built and deployed for real, until everything has passed five levels.

mod codebase;
mod n8n;
mod patterns;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::site::Site;
use super::third_party;

/// Longer than the first build and deployment of a project may take on a busy machine.
const BUILDS: Duration = Duration::from_secs(600);

/// Longer than anything takes to be well again on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// Where projects are that patterns are written into.
fn projects() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/projects")
}

/// Makes images that projects are built in or stand beside.
fn make_images(names: &[&str]) {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../scripts/pattern-images.sh");
    let made = Command::new(script).args(names).output().expect("the script runs");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}

/// A project of `tests/projects`, with the files of a pattern.
fn project(folder: &str, pattern: &str, answers: &[&str]) -> Site {
    project_of(&[folder], pattern, answers)
}

/// The same of the files of several folders.
fn project_of(folders: &[&str], pattern: &str, answers: &[&str]) -> Site {
    let mut site = Site::new("services: {}\n", "");
    site.chora.set_limit(BUILDS);
    for folder in folders {
        copy(&projects().join(folder), &site.chora.path());
    }
    site.chora.write(".env", format!("PORT={0}\nPRODUCTION_PORT={0}\n", site.port));
    site.chora.write("secrets/postgres_password.txt", "correct-horse-battery");
    let name = format!("name={}", site.name);
    let answers = ["service=app", name.as_str()].into_iter().chain(answers.iter().copied()).flat_map(|answer| ["--set", answer]);
    let written = site.chora.run(["init", "--replace", "--pattern", pattern].into_iter().chain(answers));
    assert_eq!(written.code, 0, "{written}");
    site
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let place = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &place);
        } else {
            std::fs::copy(entry.path(), place).unwrap();
        }
    }
}

/// The image is fit, as whoever releases it would want to know.
fn assert_fit(site: &Site, service: &str, more: &[&str]) {
    let image = format!("{}:dev", site.name);
    let verified = site.chora.run(["verify", "--service", service].iter().chain(more).chain([&image.as_str()]));
    assert_eq!(verified.code, 0, "{verified}");
}

fn wait(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < PATIENCE, "{what} is not there");
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// Waits until all is well again.
fn recovers(site: &Site) {
    wait("health", || {
        let health = site.chora.run(["health"]);
        health.code == 0 && !health.to_string().contains("warning")
    });
}

/// Levels of a service that have passed.
fn passed(health: &Value, service: &str) -> BTreeSet<String> {
    let checks = health["checks"].as_array().unwrap();
    let passed = checks.iter().filter(|check| check["service"] == service && check["verdict"] == "pass");
    passed.map(|check| check["level"].as_str().unwrap().to_owned()).collect()
}

fn assert_five_levels(site: &Site, services: &[&str]) {
    let health = site.json(&["health"]);
    for service in services {
        let all = ["container", "endpoint", "configuration", "process", "function"];
        assert_eq!(passed(&health, service), all.map(str::to_owned).into(), "{service}: {health:#}");
    }
}

/// The same of a store that is given nothing that level 3 could ask for.
fn assert_store(site: &Site, service: &str) {
    let health = site.json(&["health"]);
    let asked = ["container", "endpoint", "process", "function"];
    assert_eq!(passed(&health, service), asked.map(str::to_owned).into(), "{service}: {health:#}");
}

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
    assert_five_levels(&site, &["app"]);
    assert_fit(&site, "app", &[]);
    let container = site.running("app");
    assert_eq!((&container["Config"]["User"], &container["HostConfig"]["ReadonlyRootfs"]), (&"10001:10001".into(), &true.into()));
    assert_eq!(container["Config"]["Labels"]["org.opencontainers.image.title"], site.name.as_str());
    let again = site.chora.run(["upgrade", "--check"]);
    assert_eq!(again.code, 0, "{again}");
}
