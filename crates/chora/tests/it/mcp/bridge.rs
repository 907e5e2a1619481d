//! `chora bridge` between the official Python SDK and a real server, which is `chora serve`: every direction, both eras.

use std::process::Command;

use serde_json::{Value, json};

use super::sdk::{ERAS, TOOLS, Way, drive_over, drive_with};
use super::{Project, Server, chora};

/// Lists, calls, and is asked back by the server in the middle of a call.
fn steps() -> Value {
    json!([{ "do": "list" }, { "do": "call", "tool": "config" }, { "do": "call", "tool": "down", "arguments": { "volumes": true } }])
}

fn assert_all_went_through(seen: &Value, what: &str) {
    assert_eq!(seen["results"][0].as_array().map(Vec::len), Some(TOOLS), "{what}: {seen}");
    assert_eq!(seen["results"][1]["structured"]["stack"]["services"]["web"]["image"], "shop/web:1", "{what}: {seen}");
    assert_eq!(seen["asked"].as_array().map(Vec::len), Some(1), "{what}: {seen}");
    assert_eq!(seen["results"][2]["is_error"], false, "{what}: {seen}");
}

/// A bridge in front of `chora serve --stdio`.
fn published(project: &Project, sharing: &str) -> Server {
    let server = project.serve(&["--stdio"]);
    let mut bridge = chora();
    bridge.args(["bridge", "--stdio", "--listen", "127.0.0.1:0", "--child", sharing, "--"]);
    bridge.arg(server.get_program()).args(server.get_args());
    bridge.envs(server.get_envs().filter_map(|(name, value)| Some((name, value?))));
    Server::start(&mut bridge)
}

#[test]
fn a_server_on_standard_streams_is_reached_over_http_in_both_eras() {
    let project = Project::new().with_empty_engine();
    for sharing in ["shared", "session"] {
        let bridge = published(&project, sharing);
        for (mode, revision) in ERAS {
            let seen = drive_over("--http", &bridge.url("/mcp"), &["--mode", mode, "--answer", "accept"], &steps());
            assert_eq!(seen["protocol"], revision, "{sharing}: {seen}");
            assert_all_went_through(&seen, &format!("{sharing} {mode}"));
        }
    }
}

#[test]
fn a_server_on_standard_streams_is_reached_over_the_oldest_transport() {
    let project = Project::new().with_empty_engine();
    let bridge = published(&project, "session");
    let seen = drive_over("--sse", &bridge.url("/sse"), &["--mode", "legacy", "--answer", "accept"], &steps());
    assert_all_went_through(&seen, "sse");
}

#[test]
fn a_remote_server_is_reached_over_standard_streams_in_both_eras() {
    let project = Project::new().with_empty_engine();
    let server = Server::start(&mut project.serve(&["--listen", "127.0.0.1:0"]));
    for (mode, revision) in ERAS {
        let serve = |_: &[&str]| {
            let mut bridge = chora();
            bridge.args(["bridge", &server.url("/mcp")]);
            bridge
        };
        let seen = drive_with(Way::Stdio, serve, &["--mode", mode, "--answer", "accept"], &steps());
        assert_eq!(seen["protocol"], revision, "{seen}");
        assert_all_went_through(&seen, mode);
    }
}

#[test]
fn two_bridges_in_a_row_change_nothing() {
    let project = Project::new().with_empty_engine();
    let far = Server::start(&mut project.serve(&["--listen", "127.0.0.1:0"]));
    let mut near: Command = chora();
    near.args(["bridge", "--stdio", "--listen", "127.0.0.1:0", "--", env!("CARGO_BIN_EXE_chora"), "bridge", &far.url("/mcp")]);
    let near = Server::start(&mut near);
    for (mode, revision) in ERAS {
        let seen = drive_over("--http", &near.url("/mcp"), &["--mode", mode, "--answer", "accept"], &steps());
        assert_eq!(seen["protocol"], revision, "{seen}");
        assert_all_went_through(&seen, mode);
    }
}
