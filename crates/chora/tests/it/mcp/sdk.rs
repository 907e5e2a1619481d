//! The official Python SDK as a client: both eras, both transports. It checks results against the schemas by itself.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use serde_json::{Value, json};

use super::{Project, Server};

/// The era of the handshake, and the one without it.
pub(crate) const ERAS: [(&str, &str); 2] = [("legacy", "2025-11-25"), ("auto", "2026-07-28")];

/// The Python that has the SDK.
pub(crate) fn python() -> &'static str {
    static PYTHON: OnceLock<String> = OnceLock::new();
    PYTHON.get_or_init(|| {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/mcp-clients.sh");
        let output = Command::new(script).stderr(Stdio::inherit()).output().expect("scripts/mcp-clients.sh");
        assert!(output.status.success(), "scripts/mcp-clients.sh provides no client");
        String::from_utf8(output.stdout).expect("text").trim().to_owned()
    })
}

/// How many tools the server offers.
pub(crate) const TOOLS: usize = 26;

/// How the client reaches the server.
#[derive(Clone, Copy)]
pub(crate) enum Way {
    Stdio,
    Http,
}

fn drive(way: Way, project: &Project, options: &[&str], steps: &Value) -> Value {
    drive_with(way, |arguments| project.serve(arguments), options, steps)
}

/// Starts a server and lets the client take its steps; over HTTP, waits for what it left behind.
pub(crate) fn drive_with(way: Way, serve: impl Fn(&[&str]) -> Command, options: &[&str], steps: &Value) -> Value {
    match way {
        Way::Stdio => {
            let serve = serve(&["--stdio"]);
            let mut client = client(options);
            client.envs(serve.get_envs().filter_map(|(name, value)| Some((name, value?))));
            client.arg("--stdio").arg(serve.get_program()).args(serve.get_args());
            finish(client, steps)
        }
        Way::Http => {
            let server = Server::start(&mut serve(&["--listen", "127.0.0.1:0"]));
            let seen = drive_at(&server.url("/mcp"), options, steps);
            server.wait_until_idle();
            seen
        }
    }
}

/// Lets the client take its steps at a server that runs.
pub(crate) fn drive_at(url: &str, options: &[&str], steps: &Value) -> Value {
    drive_over("--http", url, options, steps)
}

/// The same over streamable HTTP (`--http`) or the older HTTP+SSE (`--sse`).
pub(super) fn drive_over(transport: &str, url: &str, options: &[&str], steps: &Value) -> Value {
    let mut client = client(options);
    client.args([transport, url]);
    finish(client, steps)
}

fn client(options: &[&str]) -> Command {
    let mut command = Command::new(python());
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients/mcp_client.py")).args(options);
    command
}

fn finish(mut client: Command, steps: &Value) -> Value {
    let mut child = client.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("the client starts");
    child.stdin.take().expect("standard input").write_all(steps.to_string().as_bytes()).expect("sent");
    let output = child.wait_with_output().expect("the client ends");
    assert!(output.status.success(), "the client failed");
    serde_json::from_slice(&output.stdout).expect("a document")
}

fn everywhere(project: &Project, options: &[&str], steps: &Value, check: impl Fn(&Value, &str)) {
    for way in [Way::Stdio, Way::Http] {
        for (mode, revision) in ERAS {
            let seen = drive(way, project, &[&["--mode", mode], options].concat(), steps);
            assert_eq!(seen["protocol"], revision, "{seen}");
            check(&seen, revision);
        }
    }
}

#[test]
fn it_lists_and_calls() {
    let project = Project::new().with_empty_engine();
    let steps = json!([
        { "do": "list" },
        { "do": "call", "tool": "config" },
        { "do": "call", "tool": "status" },
        { "do": "call", "tool": "ps" },
        { "do": "call", "tool": "history" },
        { "do": "call", "tool": "events" },
        { "do": "call", "tool": "logs" },
        { "do": "call", "tool": "health" },
        { "do": "call", "tool": "history", "arguments": { "limit": -1 } },
        { "do": "call", "tool": "nonsense" },
    ]);
    everywhere(&project, &[], &steps, |seen, _| {
        let results = &seen["results"];
        assert_eq!(results[0].as_array().map(Vec::len), Some(TOOLS), "{results}");
        for index in 1..=6 {
            assert_eq!(results[index]["is_error"], false, "{}", results[index]);
        }
        assert_eq!(results[2]["structured"]["environment"], "production");
        assert_eq!(results[7]["structured"]["kind"], "not_found", "{}", results[7]);
        assert_eq!(results[8]["structured"]["kind"], "invalid", "{}", results[8]);
        assert_eq!(results[9]["error"], -32602, "{}", results[9]);
    });
}

#[test]
fn a_person_is_asked_and_may_agree() {
    let project = Project::new().with_empty_engine();
    let steps = json!([{ "do": "call", "tool": "down", "arguments": { "volumes": true } }]);
    everywhere(&project, &["--answer", "accept"], &steps, |seen, _| {
        assert_eq!(seen["asked"].as_array().map(Vec::len), Some(1), "{seen}");
        assert!(seen["asked"][0].as_str().is_some_and(|asked| asked.contains("all data in them")), "{seen}");
        assert_eq!(seen["results"][0]["is_error"], false, "{seen}");
    });
}

#[test]
fn a_person_may_decline_and_the_argument_does_not_help() {
    let project = Project::new().with_empty_engine();
    let steps = json!([{ "do": "call", "tool": "down", "arguments": { "confirm": true } }]);
    everywhere(&project, &["--answer", "decline"], &steps, |seen, _| {
        assert_eq!(seen["asked"].as_array().map(Vec::len), Some(1), "{seen}");
        let failure = &seen["results"][0]["structured"];
        assert_eq!((&failure["kind"], &failure["message"]), (&json!("denied"), &json!("`down` was declined")), "{seen}");
    });
}

#[test]
fn a_client_that_cannot_ask_confirms_by_argument() {
    let project = Project::new().with_empty_engine();
    let steps = json!([{ "do": "call", "tool": "down" }, { "do": "call", "tool": "down", "arguments": { "confirm": true } }]);
    everywhere(&project, &[], &steps, |seen, _| {
        assert_eq!(seen["results"][0]["structured"]["kind"], "denied", "{seen}");
        assert_eq!(seen["results"][1]["is_error"], false, "{seen}");
    });
}

#[test]
fn a_call_that_is_given_up_ends_on_the_server_too() {
    for (mode, _) in ERAS {
        let project = Project::new().with_silent_engine();
        let steps = json!([{ "do": "abandon", "tool": "ps", "until": project.asked() }, { "do": "call", "tool": "config" }]);
        let seen = drive(Way::Http, &project, &["--mode", mode], &steps);
        assert_eq!(seen["results"][1]["is_error"], false, "{seen}");
    }
}

#[test]
fn a_token_opens_the_door() {
    let project = Project::new();
    let token = project.path().join("token");
    std::fs::write(&token, "a-token-of-some-length\n").expect("written");
    let server = Server::start(&mut project.serve(&["--listen", "127.0.0.1:0", "--token-file", token.to_str().expect("text")]));
    let client = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients/mcp_client.py");
    for (given, opens) in [("a-token-of-some-length", true), ("another-token-of-length", false)] {
        let mut command = Command::new(python());
        command
            .arg(&client)
            .args(["--mode", "auto", "--token", given, "--http", &server.url("/mcp")])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut child = command.spawn().expect("the client starts");
        child.stdin.take().expect("standard input").write_all(br#"[{"do": "list"}]"#).expect("sent");
        assert_eq!(child.wait_with_output().expect("it ends").status.success(), opens);
    }
}

#[test]
fn long_work_tells_how_it_goes() {
    let project = Project::new();
    let name = format!("chora-mcp-{}", std::process::id());
    std::fs::write(project.path().join("compose.yaml"), format!("name: {name}\nservices:\n  web:\n    build: .\n")).expect("written");
    std::fs::write(project.path().join("Dockerfile"), "FROM scratch\nCOPY compose.yaml /\n").expect("written");
    let steps = json!([{ "do": "call", "tool": "build", "arguments": { "again": true } }, { "do": "call", "tool": "prune", "arguments": { "confirm": true } }]);
    for way in [Way::Stdio, Way::Http] {
        for (mode, _) in ERAS {
            let seen = drive_with(way, |arguments| project.serve_on_engine(arguments), &["--mode", mode], &steps);
            assert_eq!(seen["results"][0]["is_error"], false, "{seen}");
            assert_eq!(seen["results"][1]["is_error"], false, "{seen}");
            let progress: Vec<f64> = seen["progress"].as_array().expect("progress").iter().filter_map(|told| told[0].as_f64()).collect();
            assert!(!progress.is_empty() && progress.is_sorted_by(|a, b| a < b), "{seen}");
        }
    }
}
