//! The pattern `multi-mcp` with the real n8n: servers out of one repository, which a workflow of n8n puts to work over MCP.

use std::process::Command;

use chora_testkit::free_port;
use serde_json::{Value, json};

use super::{BUILDS, SERVER, Site, assert_fit, assert_five_levels, copy, make_images, passed, projects, recovers, wait};
use crate::share;

/// A project of two servers, live, and the port of n8n.
fn live(transport: &str, write: impl FnOnce(&Site)) -> (Site, u16) {
    make_images(&["python", "postgres", "n8n"]);
    let mut site = Site::new("services: {}\n", "");
    site.chora.set_limit(BUILDS);
    write(&site);
    let n8n = free_port();
    site.chora.write(".env", format!("TASKS_PORT={}\nNOTES_PORT={}\nN8N_PORT={n8n}\n", site.port, free_port()));
    site.chora.write("secrets/postgres_password.txt", "correct-horse-battery");
    site.chora.write("secrets/n8n_encryption_key.txt", "staple-of-the-battery");
    let (name, transport) = (format!("name={}", site.name), format!("transport={transport}"));
    let images = ["build_image=chora-test/python:1", "postgres_image=chora-test/postgres-vector:1", "n8n_image=chora-test/n8n:1"];
    let answers = [&name, transport.as_str()].into_iter().chain(images).flat_map(|answer| ["--set", answer]);
    let written = site.chora.run(["init", "--replace", "--pattern", "multi-mcp"].into_iter().chain(answers));
    assert_eq!(written.code, 0, "{written}");
    release(&site, "v1");
    (site, n8n)
}

fn release(site: &Site, version: &str) {
    let deployed = site.deploy(version);
    assert_eq!(deployed.code, 0, "{deployed}");
}

/// A workflow that passes on what it is sent to tools of both servers, one after the other.
fn workflow(tools: [(&str, &str); 2]) -> Value {
    let client = |(server, tool): (&str, &str)| {
        json!({
            "id": server, "name": server, "type": "@n8n/n8n-nodes-langchain.mcpClient", "typeVersion": 1, "position": [200, 0],
            "parameters": {
                "serverTransport": "httpStreamable",
                "endpointUrl": format!("http://{server}:8000/mcp"),
                "authentication": "none",
                "tool": { "__rl": true, "mode": "id", "value": tool },
                "inputMode": "json",
                "jsonInput": "={{ JSON.stringify({ text: $('Webhook').item.json.body.text }) }}",
                "options": {},
            },
        })
    };
    let webhook = json!({
        "id": "webhook", "name": "Webhook", "type": "n8n-nodes-base.webhook", "typeVersion": 2, "position": [0, 0], "webhookId": "work",
        "parameters": { "path": "work", "httpMethod": "POST", "responseMode": "lastNode", "options": {} },
    });
    let to = |node: &str| json!({ "main": [[{ "node": node, "type": "main", "index": 0 }]] });
    json!([{
        "id": "work", "name": "work", "active": true, "settings": { "executionOrder": "v1" },
        "nodes": [webhook, client(tools[0]), client(tools[1])],
        "connections": { "Webhook": to(tools[0].0), tools[0].0: to(tools[1].0) },
    }])
}

/// Gives n8n a workflow, as its guide says: imported, published, seen once it has started anew.
fn publish(site: &Site, workflow: &Value) {
    let text = workflow.to_string();
    let write = ["node", "-e", "fs.writeFileSync('/home/node/work.json', process.argv[1])", &text];
    let steps: [&[&str]; 3] =
        [&write, &["n8n", "import:workflow", "--input=/home/node/work.json"], &["n8n", "publish:workflow", "--id=work"]];
    for step in steps {
        let ran = site.chora.run(["exec", "n8n", "--"].iter().chain(step));
        assert_eq!(ran.code, 0, "{ran}");
    }
    let container = site.running("n8n")["Id"].as_str().unwrap().to_owned();
    let restarted = Command::new("docker").args(["restart", &container]).output().unwrap();
    assert!(restarted.status.success(), "{}", String::from_utf8_lossy(&restarted.stderr));
    recovers(site);
}

/// What n8n answers through the gateway. It is ready a little before it knows its workflows.
fn work(port: u16, text: &str) -> Value {
    let body = json!({ "text": text }).to_string();
    let url = format!("http://127.0.0.1:{port}/webhook/work");
    let arguments = ["--silent", "--show-error", "--max-time", "30", "--header", "content-type: application/json"];
    let mut answer = Value::Null;
    wait("the workflow", || {
        let ran = Command::new("curl").args(arguments).args(["--data", &body, &url]).output().unwrap();
        assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
        answer = serde_json::from_slice(&ran.stdout).unwrap();
        answer["code"] != 404
    });
    answer
}

#[test]
fn a_workflow_puts_two_servers_to_work() {
    if !share::is_of_the_newest() {
        return;
    }
    let (site, port) = live("http", |site| copy(&projects().join("mcp-many"), &site.chora.path()));
    assert_five_levels(&site, &["tasks", "notes", "n8n", "postgres"]);
    assert_fit(&site, "tasks", &[]);
    publish(&site, &workflow([("notes", "shout"), ("tasks", "add")]));
    assert_eq!(work(port, "sweep")["structuredContent"], json!({ "result": 1 }));
    // What n8n keeps outlives a release that makes it anew.
    let before = site.running("n8n")["Id"].clone();
    let compose = site.chora.read("compose.yaml");
    site.chora.write(
        "compose.yaml",
        compose.replace("N8N_DIAGNOSTICS_ENABLED", "N8N_PERSONALIZATION_ENABLED: \"false\"\n      N8N_DIAGNOSTICS_ENABLED"),
    );
    release(&site, "v2");
    assert_ne!(site.running("n8n")["Id"], before);
    assert_eq!(work(port, "mend")["structuredContent"], json!({ "result": 2 }), "the server that has not changed went on");
}

#[test]
fn servers_on_standard_streams_are_put_to_work_over_the_bridge() {
    if !share::is_of_the_newest() {
        return;
    }
    let (site, port) = live("stdio", |site| {
        for server in ["tasks", "notes"] {
            site.chora.write(&format!("{server}/__main__.py"), SERVER);
        }
        site.chora.write("requirements.txt", "");
    });
    assert_five_levels(&site, &["tasks", "notes"]);
    assert_eq!(passed(&site.json(&["health"]), "n8n").len(), 5);
    publish(&site, &workflow([("tasks", "greet"), ("notes", "greet")]));
    assert_eq!(work(port, "anybody")["content"][0]["text"], "hello");
}
