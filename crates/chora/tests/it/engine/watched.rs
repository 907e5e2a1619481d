//! A new release under the gateway's eye, the one before kept ready.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::load::Load;
use super::site::Site;

const PAIR: &str = r#"
services:
  web:
    image: ${IMAGE}
    environment: { VERSION: "${RELEASE}", BAD_AFTER_MS: "${WEB_TURNS:-}" }
    ports: ["127.0.0.1:${PORT}:8080"]
    stop_grace_period: 1s
  worker:
    image: ${IMAGE}
    environment: { VERSION: "${RELEASE}" }
    expose: ["8080"]
    stop_grace_period: 1s
"#;

fn asked(watch: &str) -> String {
    format!(
        "
environments:
  production: {{ gate_timeout: 5s, releases_kept: 2, watch: {watch} }}
services:
  web: {{ health: {{ endpoint: {{ http: /health, port: 8080 }} }} }}
  worker: {{ health: {{ endpoint: {{ http: /health, port: 8080 }} }} }}
"
    )
}

/// When a release turns bad, in milliseconds from its start: a busy machine has deployed it by then.
const TURNS: &str = "12000";

/// Longer than any test takes.
const LONG: &str = "10m";

/// Running containers of a service, each with whether it is in none but networks of its own.
fn running(site: &Site, service: &str) -> Vec<bool> {
    let found = site.daemon.containers(&site.project(), Some(service));
    let up = found.iter().filter(|container| container["State"]["Running"] == true);
    let warm = |container: &Value| {
        let networks = container["NetworkSettings"]["Networks"].as_object().unwrap();
        networks.keys().all(|name| name.ends_with("-warm"))
    };
    let mut all: Vec<bool> = up.map(warm).collect();
    all.sort_unstable();
    all
}

#[test]
fn a_release_that_turns_bad_is_switched_back_while_no_command_runs() {
    let site = Site::new(PAIR, &asked("{ for: 10m, every: 500ms, failures: 2 }"));
    site.release("v1");
    let load = Load::every(site.port);
    site.set(&[("RELEASE", "v2"), ("WEB_TURNS", TURNS)]);
    let deployed = site.deploy("v2");
    assert_eq!(deployed.code, 0, "{deployed}");
    assert_eq!((running(&site, "web"), running(&site, "worker")), (vec![false, true], vec![false, true]));
    let watch = site.json(&["status"])["watch"].clone();
    assert!(watch["version"] == "v2" && watch["back_to"] == "v1" && watch["until"].is_string(), "{watch:#}");
    let began = Instant::now();
    while site.get("/") != (200, "v1".to_owned()) {
        assert!(began.elapsed() < Duration::from_secs(60), "it is not switched back");
        std::thread::sleep(Duration::from_millis(20));
    }
    println!("v1 serves again {:?} after the deployment of a release that turns bad after {TURNS} ms", began.elapsed());
    assert_eq!(site.json(&["status"])["version"], "v2", "nobody has recorded it yet");
    let events = site.json(&["events", "--type", "rollback", "--status", "success"])["events"].clone();
    let notes = events[0]["notes"].as_str().unwrap_or_default().to_owned();
    assert!(notes.contains("the gateway switched back") && notes.contains("/health"), "{events:#}");
    let seen = load.end();
    assert_eq!(seen.failed, Vec::<String>::new(), "of {} answers", seen.answered);
    site.set(&[("RELEASE", "v1")]);
    site.assert_settled("v1");
    assert_eq!((running(&site, "web"), running(&site, "worker")), (vec![false], vec![false]));
}

#[test]
fn a_rollback_while_it_is_watched_is_a_switch() {
    let site = Site::new(PAIR, &asked(LONG));
    site.release("v1");
    let load = Load::every(site.port);
    for version in ["v2", "v3"] {
        site.release(version);
        std::thread::sleep(Duration::from_secs(1));
        let ids = site.containers();
        let back = site.json(&["rollback"]);
        println!("rolled back in {} ms", back["took_ms"]);
        assert_eq!((back["version"].as_str(), back["gaps"].as_array().map(Vec::len)), (Some("v1"), Some(0)), "{back:#}");
        assert_eq!(site.containers(), ids, "a container was made or removed");
        site.set(&[("RELEASE", "v1")]);
        site.assert_settled("v1");
    }
    let seen = load.end();
    assert_eq!(seen.failed, Vec::<String>::new(), "of {} answers", seen.answered);
}

#[test]
fn a_release_that_holds_leaves_nothing_running_but_itself() {
    let site = Site::new(PAIR, &asked("3s"));
    site.release("v1");
    site.set(&[("RELEASE", "v2")]);
    let waited = site.chora.run(["deploy", "--version", "v2", "--wait-watch"]);
    assert_eq!(waited.code, 0, "{waited}");
    assert_eq!((running(&site, "web"), running(&site, "worker")), (vec![false], vec![false]));
    site.set(&[("RELEASE", "v3"), ("WEB_TURNS", TURNS)]);
    site.chora.write("chora.yaml", asked(LONG));
    let refused = site.chora.run(["deploy", "--version", "v3", "--wait-watch"]);
    assert_eq!(refused.code, 11, "{refused}");
    assert!(refused.stderr.contains("v3 failed while it was watched") && refused.stderr.contains("v2 serves again"), "{refused}");
    site.set(&[("RELEASE", "v2")]);
    site.assert_settled("v2");
}
