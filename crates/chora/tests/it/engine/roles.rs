//! What `status` calls a container: whose it is, and what it is doing.

use super::site::{ASKED, PAIR, Site};

/// Role, service and state of every container.
fn roles(site: &Site) -> Vec<(String, String, String)> {
    let word = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    let status = site.json(&["status"]);
    let lines = status["containers"].as_array().unwrap().iter();
    lines.map(|line| (word(&line["role"]), word(&line["service"]), word(&line["state"]))).collect()
}

fn expected(lines: &[(&str, &str, &str)]) -> Vec<(String, String, String)> {
    lines.iter().map(|(role, service, state)| ((*role).to_owned(), (*service).to_owned(), (*state).to_owned())).collect()
}

#[test]
fn candidates_are_no_retired_containers_and_neither_are_stopped_ones_of_the_live_release() {
    let site = Site::new(PAIR, ASKED);
    site.release("v1");
    site.set(&[("RELEASE", "v2")]);
    let running = site.chora.start_with(&[("CHORA_PAUSE_AT", "0:after")], ["deploy", "--version", "v2"]);
    running.wait_for("waiting to be killed");
    let under_way = roles(&site);
    let active = expected(&[("active", "chora-gateway", "running"), ("active", "web", "running"), ("active", "worker", "running")]);
    assert!(under_way.starts_with(&active), "{under_way:?}");
    assert!(under_way[3..].iter().all(|(role, _, state)| role == "candidate" && state == "created"), "{under_way:?}");
    running.signal("CONT");
    assert_eq!(running.wait().code, 0);
    let web = site.running("web")["Id"].as_str().unwrap().to_owned();
    assert_eq!(site.daemon.ask("POST", &format!("/containers/{web}/stop"), &[]).0, 204);
    let after = [
        ("active", "chora-gateway", "running"),
        ("active", "web", "exited"),
        ("active", "worker", "running"),
        ("retired", "web", "exited"),
        ("retired", "worker", "exited"),
    ];
    assert_eq!(roles(&site), expected(&after));
}
