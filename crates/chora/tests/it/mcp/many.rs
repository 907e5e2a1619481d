//! `chora gateway --servers` between the official Python SDK and real servers, which are `chora serve`: one on standard streams
//! and one somewhere else, each under its name and both as one, in both eras.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::sdk::{ERAS, TOOLS, drive_over};
use super::{LIMIT, Project, Server, chora};
use crate::share::shared;
use crate::support::Chora;

const TOKEN: &str = "a-token-of-a-test-that-nobody-guesses";

/// A gateway for a server on standard streams and a remote one that wants a token, and what must live as long.
fn published(project: &Project, sharing: &str) -> (Server, Server) {
    let token = project.path().join("token");
    std::fs::write(&token, TOKEN).expect("written");
    std::fs::write(project.path().join("header"), format!("Bearer {TOKEN}\n")).expect("written");
    let far = Server::start(&mut project.serve(&["--listen", "127.0.0.1:0", "--token-file", token.to_str().expect("text")]));
    let near = project.serve(&["--stdio"]);
    let text = |value: &std::ffi::OsStr| value.to_str().expect("text").to_owned();
    let variables: serde_json::Map<String, Value> =
        near.get_envs().filter_map(|(name, value)| Some((text(name), text(value?).into()))).collect();
    let near = json!({ "command": text(near.get_program()), "args": near.get_args().map(text).collect::<Vec<_>>(), "env": variables });
    let header = format!("@{}", project.path().join("header").display());
    let remote = json!({ "type": "http", "url": far.url("/mcp"), "headers": { "Authorization": header } });
    let file = project.path().join("servers.json");
    std::fs::write(&file, json!({ "mcpServers": { "near": near, "far": remote } }).to_string()).expect("written");
    let mut gateway = chora();
    gateway.args(["gateway", "--listen", "127.0.0.1:0", "--aggregate", "--child", sharing, "--servers"]).arg(file);
    let gateway = Server::start(&mut gateway);
    let begun = Instant::now();
    while gateway.health()["status"] != "ok" {
        assert!(begun.elapsed() < LIMIT, "{}", gateway.health());
        std::thread::sleep(Duration::from_millis(50));
    }
    (gateway, far)
}

/// Lists, calls, and is asked back by the server in the middle of a call.
fn steps(prefix: &str) -> Value {
    let down = json!({ "do": "call", "tool": format!("{prefix}down"), "arguments": { "volumes": true } });
    json!([{ "do": "list" }, { "do": "call", "tool": format!("{prefix}config") }, down])
}

fn assert_all_went_through(seen: &Value, tools: usize, what: &str) {
    assert_eq!(seen["results"][0].as_array().map(Vec::len), Some(tools), "{what}: {seen}");
    assert_eq!(seen["results"][1]["structured"]["stack"]["services"]["web"]["image"], "shop/web:1", "{what}: {seen}");
    assert_eq!(seen["asked"].as_array().map(Vec::len), Some(1), "{what}: {seen}");
    assert_eq!(seen["results"][2]["is_error"], false, "{what}: {seen}");
}

#[test]
fn servers_are_reached_under_their_names_and_as_one_in_both_eras() {
    let project = Project::new().with_empty_engine();
    for sharing in shared(["shared", "session"], 2) {
        let (gateway, _far) = published(&project, sharing);
        for (mode, revision) in ERAS {
            let options = ["--mode", mode, "--answer", "accept"];
            for name in ["near", "far"] {
                let seen = drive_over("--http", &gateway.url(&format!("/{name}/mcp")), &options, &steps(""));
                assert_eq!(seen["protocol"], revision, "{name} {sharing}: {seen}");
                assert_all_went_through(&seen, TOOLS, &format!("{name} {sharing} {mode}"));
                let seen = drive_over("--http", &gateway.url("/mcp"), &options, &steps(&format!("{name}_")));
                assert_eq!(seen["protocol"], revision, "{name} {sharing}: {seen}");
                assert_all_went_through(&seen, 2 * TOOLS, &format!("{name} {sharing} {mode}, as one"));
            }
        }
        // Servers whose process is shared have greeted a client that can be asked more than one of the oldest revision.
        let oldest = [("/near/sse", "", TOOLS), ("/sse", "near_", 2 * TOOLS), ("/sse", "far_", 2 * TOOLS)];
        for (path, prefix, tools) in oldest.into_iter().filter(|_| sharing == "session") {
            let seen = drive_over("--sse", &gateway.url(path), &["--mode", "legacy", "--answer", "accept"], &steps(prefix));
            assert_all_went_through(&seen, tools, &format!("{sharing} {path}"));
        }
        assert!(gateway.stop().success());
    }
}

#[test]
fn what_the_file_holds_is_never_shown() {
    let file = json!({ "mcpServers": {
        "near": { "command": "no-such-program", "args": ["--key=hidden-1"], "env": { "KEY": "hidden-2" } },
        "far": { "url": "http://127.0.0.1:9/mcp", "headers": { "X-Key": "hidden-3", "X-Other": "@key" } },
    } });
    let chora = Chora::new().file("servers.json", file.to_string()).file("key", "hidden-4");
    let gateway = chora.start(["-vv", "gateway", "--servers", "servers.json", "--listen", "127.0.0.1:0"]);
    gateway.wait_for("health on");
    std::thread::sleep(Duration::from_secs(2));
    gateway.signal("TERM");
    let ran = gateway.wait();
    assert_eq!(ran.code, 0, "{ran}");
    assert!(!ran.stderr.contains("hidden") && !ran.stdout.contains("hidden"), "{ran}");
}

#[test]
fn a_file_that_cannot_be_served_is_told() {
    let chora = Chora::new();
    let told = |text: &str| {
        chora.write("servers.json", text);
        let ran = chora.run(["gateway", "--servers", "servers.json"]);
        assert_eq!(ran.code, 64, "{ran}");
        ran.stderr
    };
    assert!(told(r#"{"mcpServers": {"a b": {"command": "x"}}}"#).contains("servers.json: `a b` cannot be a name"));
    assert!(told(r#"{"mcpServers": {"health": {"command": "x"}}}"#).contains("it is a path of the gateway itself"));
    assert!(told(r#"{"mcpServers": {"a": {"env": {"KEY": "hidden"}}}}"#).contains("servers.json: mcpServers.a: it has neither"));
    assert!(chora.run(["gateway", "--servers", "none.json"]).stderr.contains("none.json: it cannot be read"));
    for arguments in [["gateway", "--servers", "servers.json", "--state", "x"], ["gateway", "--state", "x", "--listen", "127.0.0.1:0"]] {
        assert!(chora.run(arguments).stderr.contains("cannot be used with"), "{arguments:?}");
    }
}
