//! What the gate of a real engine believes: what only runs has to stay up, what restarts is refused, and what is told is the cause.

use chora_testkit::test_image::server_program;

use super::site::Site;
use crate::support::Ran;

const SOON: &str = "environments: { production: { gate_timeout: 8s } }\n";

/// The first line of what is told.
fn told(ran: &Ran) -> &str {
    ran.stderr.lines().next().unwrap_or_default()
}

/// A site whose image names no port, so that nothing speaks for its service but that it runs.
fn silent(compose: &str, manifest: &str) -> Site {
    let site = Site::new(compose, manifest);
    site.chora.write("server", std::fs::read(server_program()).unwrap());
    site.chora.write("Dockerfile", "FROM scratch\nCOPY --chmod=755 server /server\nENTRYPOINT [\"/server\"]\n");
    site
}

/// A healthy release, then one that is described so.
fn replaced_by(service: &str, manifest: &str) -> (Site, Ran) {
    let compose = format!("services:\n  web: {{ stop_grace_period: 1s, {service} }}\n");
    let site = silent(&compose, manifest);
    let ran = site.deploy("v1");
    assert_eq!(ran.code, 0, "{ran}");
    let before = site.running("web")["Id"].clone();
    site.set(&[("RELEASE", "v2"), ("ENDS", "600"), ("PORT_ASKED", "1234")]);
    let ran = site.deploy("v2");
    assert_eq!(site.running("web")["Id"], before, "{ran}");
    (site, ran)
}

#[test]
fn a_release_that_soon_ends_is_refused() {
    let (_site, ran) = replaced_by("build: ., command: [sleep, \"${ENDS:-600000}\"]", SOON);
    assert_eq!(ran.code, 10, "{ran}");
    assert!(
        told(&ran).contains("`web` failed level 1 (container): engine state: exited with exit code 0; a server keeps running"),
        "{ran}"
    );
}

#[test]
fn a_release_that_the_engine_keeps_restarting_is_refused() {
    let loops = "build: ., restart: always, command: [sleep, \"${ENDS:-600000}\"]";
    let (_site, ran) = replaced_by(loops, SOON);
    assert_eq!(ran.code, 10, "{ran}");
    assert!(told(&ran).contains("`web` failed level 1 (container): engine state: "), "{ran}");
    assert!(told(&ran).contains("restart"), "{ran}");
}

#[test]
fn a_service_without_a_check_has_to_stay_up_and_the_evidence_says_so() {
    let site = silent("services: { web: { build: . } }\n", "");
    let ran = site.chora.run(["deploy", "--json", "--version", "v1"]);
    assert_eq!(ran.code, 0, "{ran}");
    let checks = ran.json()["checks"].clone();
    assert_eq!(checks[0]["answered"], "running, up for 3 s without a restart", "{checks:#}");
}

#[test]
fn out_of_time_names_what_failed_and_not_the_question_that_was_cut_short() {
    let check = "image: \"${IMAGE}\", healthcheck: { test: [CMD, /chora-test-server, sleep, \"400\"] }, expose: [\"${PORT_ASKED:-8080}\"]";
    let (_site, ran) = replaced_by(check, "environments: { production: { gate_timeout: 4s } }\n");
    assert_eq!(ran.code, 10, "{ran}");
    assert!(told(&ran).contains("`web` failed level 2 (endpoint): tcp://"), "{ran}");
    assert!(told(&ran).ends_with("(out of time: the gate had 4s for it)"), "{ran}");
}

#[test]
fn a_service_that_is_down_meanwhile_is_given_less_time() {
    let service = "ports: [\"127.0.0.1:${PORT}:${PORT_ASKED:-8080}\"], stop_grace_period: 1s";
    let manifest = "environments: { production: { gate_timeout: 60s, gap_timeout: 2s, gateway: false } }\n";
    let compose = format!("services:\n  web: {{ image: \"${{IMAGE}}\", {service} }}\n");
    let site = Site::new(&compose, manifest);
    let ran = site.deploy("v1");
    assert_eq!(ran.code, 0, "{ran}");
    site.set(&[("PORT_ASKED", "1234")]);
    let plan = site.json(&["plan"]);
    let why = plan["plan"]["services"][0]["why"].as_str().unwrap().to_owned();
    assert!(why.ends_with("if refused, it is down for about 3 s at most (1 to stop, 2 for its gate)"), "{why}");
    let ran = site.deploy("v2");
    assert_eq!(ran.code, 11, "{ran}");
    assert!(told(&ran).ends_with("(out of time: the gate had 2s for it)"), "{ran}");
    assert_eq!(site.get("/").0, 200);
}

#[test]
fn what_cannot_be_together_is_refused_before_anything_is_made() {
    let services = "
services:
  web: { image: \"${IMAGE}\", tmpfs: [/run/secrets], secrets: [key] }
  worker: { image: \"${IMAGE}\", read_only: true, secrets: [{ source: key, target: /etc/key }] }
secrets: { key: { file: key.txt } }
";
    let site = Site::new(services, "services: { web: { health: { container: { stable_for: 1h } } } }\n");
    site.chora.write("key.txt", "value");
    let ran = site.deploy("v1");
    assert_eq!(ran.code, 64, "{ran}");
    for part in
        ["a secret at `/run/secrets/key`: the tmpfs at `/run/secrets`", "a secret at `/etc/key`: the root is read-only", "stable_for"]
    {
        assert!(ran.stderr.contains(part), "{part}: {ran}");
    }
    assert_eq!(site.containers(), Vec::<String>::new());
}

#[test]
fn what_the_engine_warns_of_is_told() {
    // Every kernel is good for a warning: that it cannot do so, or that memory has no limit.
    let site = Site::new("services: { web: { image: \"${IMAGE}\", oom_kill_disable: true } }\n", SOON);
    let ran = site.chora.run(["deploy", "--version", "v1"]);
    assert_eq!(ran.code, 0, "{ran}");
    assert!(ran.stderr.contains("the engine warns: "), "{ran}");
}
