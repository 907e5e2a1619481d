//! The MCP door against a real engine, through the official Python SDK: every tool does its work and answers as it declares; a
//! deployment that nobody waits for any more, or that meets a bug, leaves a healthy release and nothing open.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use super::site::{PAIR, Site};
use crate::mcp::sdk::{ERAS, Way, drive_with};
use crate::mcp::{Pipe, Server};
use crate::share::shared;

/// Chora's own server, in an image that is built for the test.
const OWN_SERVER: &str = r#"
services:
  mcp:
    build: .
    command: [serve, --listen=0.0.0.0:8000, --insecure-no-token, --allow-host=*, "--tools=${TOOLS}"]
    ports: ["127.0.0.1:${PORT}:8000"]
    stop_grace_period: 2s
"#;

const ASKED: &str = "
environments: { production: { gate_timeout: 10s, releases_kept: 2 } }
services: { mcp: { health: { function: { mcp: { port: 8000 } } } } }
";

/// Health checks that can be made to wait for ever.
const PATIENT: &str = "    healthcheck: { test: [CMD, /chora-test-server, fail, \"${CHECK:-0}\"], interval: 1s, start_period: 120s }\n";

/// The gate of a release whose check waits for ever is under way.
const AT_THE_GATE: &str = "gate ";

impl Site {
    /// `chora serve` for this project.
    fn serve(&self, arguments: &[&str]) -> Command {
        let mut command = self.chora.command(Path::new(env!("CARGO_BIN_EXE_chora")));
        command.arg("serve").args(arguments).arg("--project").arg(self.chora.path());
        command
    }

    /// Lets the SDK take these steps; gives their results.
    fn drive(&self, way: Way, mode: &str, steps: &Value) -> Value {
        drive_with(way, |arguments| self.serve(arguments), &["--mode", mode], steps)
    }

    /// The step that changes variables of the Compose file.
    fn change(&self, variables: &[(&str, &str)]) -> Value {
        json!({ "do": "write", "path": self.chora.path().join(".env"), "text": self.variables(variables) })
    }

    /// A site with a release that is live and the next one that never passes its gate.
    fn before_a_long_gate(service: &str) -> Self {
        let compose = match service {
            "web" => PAIR.replace("  worker:", &format!("{PATIENT}  worker:")),
            _ => format!("{PAIR}{PATIENT}"),
        };
        let site = Self::new(&compose, "environments: { production: { gate_timeout: 60s } }\n");
        site.release("v1");
        site.set(&[
            ("RELEASE", if service == "web" { "v2" } else { "v1" }),
            ("WORKER", if service == "web" { "v1" } else { "v2" }),
            ("CHECK", "1"),
        ]);
        site
    }
}

#[expect(clippy::needless_pass_by_value, reason = "what a test sends is written where it is sent")]
fn call(tool: &str, arguments: Value) -> Value {
    json!({ "do": "call", "tool": tool, "arguments": arguments })
}

fn deploy(version: &str) -> Value {
    call("deploy", json!({ "version": version, "confirm": true }))
}

/// What a result is about, in the words that matter.
fn outline(result: &Value) -> Value {
    let structured = &result["structured"];
    if result["is_error"] == true { json!([structured["kind"], structured["retry"]]) } else { structured["version"].clone() }
}

#[test]
#[expect(clippy::too_many_lines, reason = "one life of one server, in its order")]
fn every_tool_does_its_work_and_answers_as_it_declares() {
    for (way, (mode, revision)) in shared([(Way::Stdio, ERAS[0]), (Way::Http, ERAS[1])], 2) {
        let site = Site::new(OWN_SERVER, ASKED);
        site.chora.write("chora", std::fs::read(env!("CARGO_BIN_EXE_chora")).unwrap());
        site.chora.write("Dockerfile", "FROM scratch\nCOPY --chmod=755 chora /chora\nENTRYPOINT [\"/chora\"]\n");
        let server = json!({ "service": "mcp" });
        let steps = json!([
            site.change(&[("TOOLS", "status,history,health")]),
            call("build", json!({})),
            call("plan", json!({ "version": "v1" })),
            deploy("v1"),
            call("contract_record", server.clone()),
            site.change(&[("TOOLS", "status")]),
            deploy("v2"),
            call("contract_diff", server.clone()),
            site.change(&[("TOOLS", "status,history,health,ps")]),
            deploy("v3"),
            call("contract_diff", server),
            call("rollback", json!({ "confirm": true })),
            call("status", json!({})),
            call("health", json!({})),
            call("ps", json!({})),
            call("logs", json!({ "tail": 5 })),
            call("events", json!({})),
            call("history", json!({})),
            call("prune", json!({})),
            call("prune", json!({ "confirm": true })),
            call("resume", json!({ "confirm": true })),
            call("down", json!({ "environment": "production", "volumes": true })),
            call("down", json!({ "environment": "production", "volumes": true, "confirm": true })),
            call("ps", json!({})),
        ]);
        let seen = site.drive(way, mode, &steps);
        assert_eq!(seen["protocol"], revision);
        let results = &seen["results"];
        let deployed = json!([outline(&results[3]), outline(&results[6]), outline(&results[9]), outline(&results[11])]);
        assert_eq!(deployed, json!(["v1", ["kept", false], "v3", "v1"]), "{seen:#}");
        assert_eq!(results[2]["structured"]["services"][0]["change"], "create", "{results:#}");
        assert_eq!(results[3]["structured"]["outcome"], "deployed");
        assert_eq!(results[4]["structured"]["tools"], json!(["health", "history", "status"]));
        let refused = &results[6];
        assert!(refused["structured"]["message"].as_str().unwrap().contains("`mcp` failed level 5"), "{refused:#}");
        assert!(refused["text"].as_str().unwrap().contains("\nstate: v1 kept serving in production throughout"), "{refused:#}");
        assert_eq!((&results[7]["structured"]["ok"], &results[7]["structured"]["changes"]), (&json!(true), &json!([])));
        let added = &results[10]["structured"];
        assert_eq!(
            (&added["ok"], &added["changes"][0]["kind"], &added["changes"][0]["name"]),
            (&json!(true), &json!("added"), &json!("ps"))
        );
        assert_eq!((outline(&results[12]), &results[13]["structured"]["ok"]), (json!("v1"), &json!(true)));
        assert_eq!(results[14]["structured"]["containers"][0]["role"], "active");
        assert!(results[15]["text"].as_str().unwrap().contains("serving MCP on http://0.0.0.0:8000/mcp"), "{}", results[15]);
        let events = results[16]["structured"]["events"].as_array().unwrap();
        assert!(events.len() == 8 && events.iter().all(|event| event["deployed_by"] == "agent"), "{events:#?}");
        assert_eq!(results[17]["structured"]["deployments"].as_array().map(Vec::len), Some(4));
        for (asked, done) in [(18, 19), (21, 22)] {
            assert_eq!(outline(&results[asked]), json!(["denied", false]));
            assert_eq!(results[done]["is_error"], false, "{}", results[done]);
        }
        assert!(results[21]["structured"]["details"].to_string().contains("volumes of production"), "{}", results[21]);
        assert_eq!(outline(&results[20]), json!(["not_found", false]));
        assert_eq!(results[23]["structured"]["containers"], json!([]));
        let told: Vec<&str> = seen["progress"].as_array().unwrap().iter().filter_map(|told| told[2].as_str()).collect();
        assert!(told.iter().any(|told| told.starts_with(AT_THE_GATE)), "{told:#?}");
    }
}

#[test]
fn a_deploy_that_is_cancelled_leaves_the_release_before() {
    let [old, new] = ERAS;
    let ways = [("worker", Way::Stdio, old), ("web", Way::Stdio, new), ("web", Way::Http, old), ("worker", Way::Http, new)];
    for (service, way, (mode, _)) in shared(ways, 2) {
        let site = Site::before_a_long_gate(service);
        let arguments = json!({ "version": "v2", "confirm": true });
        let steps = json!([
            { "do": "abandon", "tool": "deploy", "arguments": arguments, "when": AT_THE_GATE },
            call("config", json!({})),
        ]);
        let seen = site.drive(way, mode, &steps);
        assert_eq!(seen["results"][1]["is_error"], false, "{seen:#}");
        let history = site.json(&["history"]);
        let last = &history["deployments"][0];
        assert_eq!((&last["version"], &last["outcome"]), (&json!("v2"), &json!("kept")), "{mode}: {history:#}");
        assert!(last["cause"].as_str().unwrap().contains("interrupted"), "{history:#}");
        site.assert_settled("v1");
    }
}

#[test]
fn a_client_that_goes_away_in_the_middle_leaves_the_release_before() {
    let site = Site::before_a_long_gate("web");
    let mut pipe = Pipe::open(&mut site.serve(&["--stdio"]));
    pipe.shake_hands("2025-11-25");
    pipe.send(&json!({ "jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": {
        "name": "deploy", "arguments": { "version": "v2", "confirm": true }, "_meta": { "progressToken": "p" },
    } }));
    loop {
        let message = pipe.receive();
        assert_eq!(message["method"], "notifications/progress", "{message}");
        if message["params"]["message"].as_str().is_some_and(|told| told.contains(AT_THE_GATE)) {
            break;
        }
    }
    assert!(pipe.close().success());
    assert_eq!(site.json(&["history"])["deployments"][0]["outcome"], "kept");
    site.assert_settled("v1");
}

#[test]
fn a_client_that_dies_in_the_middle_leaves_the_release_before() {
    for (mode, _) in ERAS {
        let site = Site::before_a_long_gate("worker");
        let arguments = json!({ "version": "v2", "confirm": true });
        let mut command = site.serve(&["--listen", "127.0.0.1:0"]);
        let server = Server::start(&mut command);
        crate::mcp::sdk::drive_at(
            &server.url("/mcp"),
            &["--mode", mode],
            &json!([{ "do": "vanish", "tool": "deploy", "arguments": arguments, "when": AT_THE_GATE }]),
        );
        // A session outlives its connections: before 2026-07-28 going away means nothing, so the server is told to stop.
        assert!(server.stop().success());
        assert_eq!(site.json(&["history"])["deployments"][0]["outcome"], "kept");
        site.assert_settled("v1");
    }
}

#[test]
fn a_bug_in_the_middle_of_a_deploy_is_settled_at_once_and_the_server_stays() {
    let site = Site::new(PAIR, "");
    site.release("v1");
    site.set(&[("RELEASE", "v2")]);
    let steps = json!([deploy("v2"), call("status", json!({})), call("health", json!({}))]);
    let serve = |arguments: &[&str]| {
        let mut command = site.serve(arguments);
        command.env("CHORA_PAUSE_AT", "3:panic");
        command
    };
    let seen = drive_with(Way::Http, serve, &["--mode", "auto"], &steps);
    let [broken, status, health] = [0, 1, 2].map(|index| &seen["results"][index]);
    assert_eq!(broken["error"], -32603, "{seen:#}");
    assert!(broken["message"].as_str().unwrap().starts_with("internal: a bug in chora: "), "{broken:#}");
    assert_eq!(broken["data"]["state"], "v2 was undone; v1 serves", "{broken:#}");
    assert_eq!((&status["structured"]["lease"], &status["structured"]["unfinished"]), (&Value::Null, &json!([])), "{status:#}");
    assert_eq!(health["structured"]["ok"], true, "{health:#}");
    site.assert_settled("v1");
}

#[test]
fn what_a_killed_command_left_is_resumed_or_aborted() {
    let site = Site::new(PAIR, "");
    site.release("v1");
    for (tool, expected) in [("abort", "v1"), ("resume", "v2")] {
        site.set(&[("RELEASE", "v2")]);
        let doomed = site.chora.start_with(&[("CHORA_PAUSE_AT", "2:after")], ["deploy", "--version", "v2"]);
        doomed.wait_for("waiting to be killed");
        doomed.kill();
        let seen = site.drive(Way::Stdio, "auto", &json!([call(tool, json!({})), call(tool, json!({ "confirm": true }))]));
        let [asked, done] = [0, 1].map(|index| &seen["results"][index]);
        assert_eq!(outline(asked), json!(["denied", false]), "{asked:#}");
        assert!(asked["structured"]["details"].to_string().contains("deploy of v2 by process"), "{asked:#}");
        assert_eq!((&done["is_error"], &done["structured"]["version"]), (&json!(false), &json!("v2")), "{done:#}");
        site.assert_settled(expected);
    }
}
