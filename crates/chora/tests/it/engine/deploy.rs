//! Releases: made live, left alone, refused, rolled back.

use super::site::{ASKED, DIRECT, PAIR, Site};
use crate::support::Ran;
use insta::assert_snapshot;
use serde_json::{Value, json};

/// Durations and addresses on the containers' network differ from run to run.
fn steady(Ran { code, stdout, stderr }: Ran) -> Ran {
    let steady = |text: String| {
        let words =
            text.split(' ').map(|word| if word.starts_with("http://10.") || word.starts_with("http://172.") { "[address]" } else { word });
        let mut words: Vec<&str> = words.collect();
        for index in 1..words.len() {
            if words[index].starts_with("ms") || (words[index].starts_with("s\n") && words[index - 1].contains('.')) {
                words[index - 1] = if words[index - 1].starts_with('(') { "([some]" } else { "[some]" };
            }
        }
        words.join(" ").replace("[some] s", "[some] ms")
    };
    Ran { code, stdout: steady(stdout), stderr: steady(stderr) }
}

const EVERY_LEVEL: &str = "
services:
  web:
    health:
      container: { restarts_allowed: 0 }
      endpoint: { http: /health, port: 8080, body_json: { /status: ok } }
      configuration: { required_variables: [VERSION] }
      process: { name: chora-test-server, fatal: true }
      function: { http: { url: /, port: 8080, body_contains: v1 } }
";

#[test]
fn a_release_passes_five_levels() {
    let site = Site::new(PAIR, EVERY_LEVEL);
    assert_snapshot!(steady(site.deploy("v1")), @r"
    exit 0
    --- stdout
    ✓ v1 is live in production
      10 checks passed, took [some] ms
    next: chora health
    ");
    let health = site.json(&["health", "web"]);
    let levels: Vec<_> = health["checks"].as_array().unwrap().iter().map(|check| (&check["level"], &check["verdict"])).collect();
    let names = ["container", "endpoint", "configuration", "process", "function"].map(Value::from);
    let pass = Value::from("pass");
    assert_eq!(levels, names.iter().map(|name| (name, &pass)).collect::<Vec<_>>(), "{health:#}");
    site.assert_settled("v1");
}

#[test]
fn only_what_changed_is_replaced_and_nothing_to_do_is_nothing() {
    let site = Site::new(PAIR, ASKED);
    site.release("v1");
    let worker = site.running("worker");
    site.set(&[("RELEASE", "v2"), ("WORKER", "v1")]);
    let web = site.running("web");
    assert_eq!(site.deploy("v2").code, 0);
    assert_eq!(site.get("/"), (200, "v2".to_owned()));
    assert_eq!(
        (&site.running("worker")["Id"], &site.running("worker")["State"]["StartedAt"]),
        (&worker["Id"], &worker["State"]["StartedAt"])
    );
    assert_ne!(site.running("web")["Id"], web["Id"]);
    let before = site.containers();
    assert_snapshot!(steady(site.deploy("v2")), @r"
    exit 0
    --- stdout
    ✓ v2 is live in production and nothing has to change ([some] ms)
    next: chora health
    ");
    assert_eq!(site.containers(), before);
    site.assert_settled("v2");
}

#[test]
fn a_refused_release_of_a_published_service_gives_way_to_the_one_before() {
    let site = Site::new(PAIR, DIRECT);
    site.release("v1");
    site.set(&[("RELEASE", "v2"), ("WEB_STATUS", "500")]);
    assert_snapshot!(steady(site.deploy("v2")), @r#"
    exit 11
    --- stderr
    error: deploy of v2 refused: `web` failed level 2 (endpoint): GET [address] 500 Internal Server Error: {"status":"ok"} (out of time: the gate had 5s for it)
    state: v1 serves again in production and is healthy; web did not serve for [some] ms
    next: mend the cause, then `chora deploy` again; `chora plan` shows what it would do
    "#);
    site.assert_settled("v1");
    let history = site.json(&["history"]);
    let lines: Vec<_> =
        history["deployments"].as_array().unwrap().iter().map(|line| (&line["version"], &line["outcome"], &line["live"])).collect();
    assert_eq!(json!(lines), json!([["v2", "restored", false], ["v1", "deployed", true]]));
    let events = site.json(&["events"])["events"].clone();
    let words: Vec<_> =
        events.as_array().unwrap().iter().map(|event| (&event["version"], &event["status"], &event["metadata"]["outcome"])).collect();
    let expected =
        json!([["v1", "in_progress", null], ["v1", "success", "deployed"], ["v2", "in_progress", null], ["v2", "failure", "restored"]]);
    assert_eq!(json!(words), expected);
    assert!(events[3]["errors"][0].as_str().unwrap().contains("failed level 2"), "{events:#}");
}

#[test]
fn a_refused_release_of_an_internal_service_never_stops_the_one_before() {
    let site = Site::new(PAIR, ASKED);
    site.release("v1");
    let (worker, web, all) = (site.running("worker"), site.running("web"), site.containers());
    site.set(&[("RELEASE", "v1"), ("WORKER", "v2"), ("WORKER_STATUS", "500")]);
    assert_snapshot!(steady(site.deploy("v2")), @r#"
    exit 10
    --- stderr
    error: deploy of v2 refused: `worker` failed level 2 (endpoint): GET [address] 500 Internal Server Error: {"status":"ok"} (out of time: the gate had 5s for it)
    state: v1 kept serving in production throughout
    next: mend the cause, then `chora deploy` again; `chora plan` shows what it would do
    "#);
    for (service, before) in [("worker", worker), ("web", web)] {
        let after = site.running(service);
        assert_eq!((&after["Id"], &after["State"]["StartedAt"]), (&before["Id"], &before["State"]["StartedAt"]), "{service}");
    }
    assert_eq!(site.containers(), all, "the candidate was left behind");
    site.assert_settled("v1");
}

#[test]
fn a_rollback_starts_the_very_containers_of_the_release_before() {
    let site = Site::new(PAIR, ASKED);
    site.release("v1");
    let web = site.running("web")["Id"].clone();
    site.release("v2");
    let all = site.containers();
    assert_snapshot!(steady(site.tidy(site.chora.run(["rollback", "--quiet"]))), @r"
    exit 0
    --- stdout
    ✓ v1 is live in production, before it v2
      8 checks passed, took [some] ms
    next: chora health
    ");
    assert_eq!((&site.running("web")["Id"], site.containers()), (&web, all));
    site.assert_settled("v1");
    assert_eq!(site.json(&["events", "--type", "rollback"])["events"][1]["status"], "success");
    assert_eq!(site.json(&["history"])["deployments"][0]["action"], "rollback");
}

#[test]
fn a_one_shot_service_that_fails_refuses_the_release() {
    let compose = format!(
        "{PAIR}    depends_on: {{ job: {{ condition: service_completed_successfully }} }}\n  job:\n    image: ${{IMAGE}}\n    \
         command: [fail, \"${{CODE:-0}}\"]\n"
    );
    let site = Site::new(&compose, ASKED);
    site.release("v1");
    let worker = site.running("worker")["Id"].clone();
    site.set(&[("RELEASE", "v2"), ("CODE", "1")]);
    let ran = site.deploy("v2");
    assert_eq!(ran.code, 10, "{ran}");
    assert!(ran.stderr.contains("`job` was to run to completion and ended with exit code 1"), "{ran}");
    assert_eq!(site.running("worker")["Id"], worker);
    site.assert_settled("v1");
}

#[test]
fn of_two_deploys_one_is_turned_away_with_the_name_of_the_other() {
    let site = Site::new(PAIR, ASKED);
    site.release("v1");
    site.set(&[("RELEASE", "v2")]);
    let first = site.chora.start_with(&[("CHORA_PAUSE_AT", "0:before")], ["deploy", "--version", "v2"]);
    first.wait_for("waiting to be killed");
    for command in [["deploy", "--version", "v3"].as_slice(), &["rollback"], &["resume"], &["abort"]] {
        let second = site.chora.run(command);
        assert_eq!(second.code, 75, "{second}");
        assert!(second.stderr.contains(&format!("process {}", first.pid())), "{second}");
        assert!(second.stderr.contains("deploy v2 is running; nothing was changed by this command"), "{second}");
    }
    assert_eq!(site.get("/"), (200, "v1".to_owned()), "the release before does not serve while another one is made");
    first.kill();
    assert_eq!(site.deploy("v2").code, 0);
    site.assert_settled("v2");
}
