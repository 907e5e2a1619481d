//! The engine stops, and comes back, in the middle of a deploy, of a rollback and of a way back.
//!
//! Without live-restore containers stop with their engine. One that comes back in time is waited for, and what stopped with
//! it is started again; one that does not leaves the deployment open, and the next command ends it.

use super::site::{ASKED, DIRECT, PAIR, Site};
use super::spare::Spare;
use crate::share::shared;
use crate::support::{Chora, Ran, Running};
use insta::assert_snapshot;
use serde_json::Value;

/// The steps that a plan's phases begin with, and where in them the engine goes away.
fn places(plan: &Value) -> Vec<(usize, &'static str)> {
    let steps = plan["plan"]["steps"].as_array().unwrap_or_else(|| panic!("no steps: {plan:#}"));
    let begins = (0..steps.len()).filter(|index| *index == 0 || steps[*index]["phase"] != steps[*index - 1]["phase"]);
    begins.map(|index| (index, if steps[index]["phase"] == "start" { "after" } else { "before" })).collect()
}

/// Both services come back with the engine.
fn restarting() -> String {
    PAIR.replace("stop_grace_period: 1s", "stop_grace_period: 1s\n    restart: always")
}

fn site(spare: &Spare, compose: &str) -> Site {
    Site::on(spare.daemon(), Chora::new(), compose, ASKED)
}

/// The same without a gateway.
fn direct_site(spare: &Spare, compose: &str) -> Site {
    Site::on(spare.daemon(), Chora::new(), compose, DIRECT)
}

/// Starts a command and takes the engine away at one of its steps.
fn without_engine(site: &Site, spare: &mut Spare, at: &str, arguments: &[&str]) -> Running {
    let running = site.chora.start_with(&[("CHORA_PAUSE_AT", at)], arguments);
    running.wait_for("waiting to be killed");
    spare.stop();
    running.signal("CONT");
    running
}

/// The engine is away during a command, but not for long.
fn with_restart(site: &Site, spare: &mut Spare, at: &str, arguments: &[&str]) -> Ran {
    let running = without_engine(site, spare, at, arguments);
    spare.begin();
    running.wait()
}

fn worker_version(site: &Site) -> String {
    let variables = site.running("worker")["Config"]["Env"].clone();
    let version = variables.as_array().unwrap().iter().find_map(|line| line.as_str()?.strip_prefix("VERSION=").map(str::to_owned));
    version.unwrap()
}

/// Everything that is told is true: the release serves, both services are of it, the log is sound.
fn assert_whole(site: &Site, version: &str) {
    site.assert_settled(version);
    assert_eq!(worker_version(site), version);
}

#[test]
fn a_deploy_waits_for_an_engine_that_restarts() {
    let mut spare = Spare::start();
    let site = site(&spare, &restarting());
    ["v1", "v2", "v3"].iter().for_each(|version| site.release(version));
    site.set(&[("RELEASE", "v4")]);
    let places = places(&site.json(&["plan"]));
    assert!(places.len() > 5, "{places:?}");
    // Every other one: a rollback meets the rest.
    for (round, (step, place)) in shared(places.into_iter().step_by(2).enumerate(), 3) {
        let version = format!("v{}", round + 4);
        site.set(&[("RELEASE", &version)]);
        let ran = with_restart(&site, &mut spare, &format!("{step}:{place}"), &["deploy", "--version", &version]);
        assert!(ran.code == 0 && ran.stdout.contains(&format!("{version} is live")), "{place} step {step}: {ran}");
        assert_whole(&site, &version);
    }
}

#[test]
fn what_no_restart_policy_brings_back_is_started_again() {
    let mut spare = Spare::start();
    let site = site(&spare, PAIR);
    site.release("v1");
    site.set(&[("RELEASE", "v2"), ("WORKER", "v1")]);
    let plan = site.json(&["plan"]);
    let place = |phase: &str, place: &'static str| {
        let steps = plan["plan"]["steps"].as_array().unwrap();
        (steps.iter().position(|step| step["phase"] == phase).unwrap(), place)
    };
    for (round, (step, place)) in [place("gate", "before"), place("record", "before"), place("record", "after")].into_iter().enumerate() {
        let version = format!("v{}", round + 2);
        site.set(&[("RELEASE", &version), ("WORKER", "v1")]);
        let ran = with_restart(&site, &mut spare, &format!("{step}:{place}"), &["deploy", "--version", &version]);
        assert_eq!(ran.code, 0, "{place} step {step}: {ran}");
        site.assert_settled(&version);
        assert_eq!(worker_version(&site), "v1", "a service that did not change does not run");
    }
}

#[test]
fn a_rollback_and_a_way_back_wait_for_an_engine_that_restarts() {
    let mut spare = Spare::start();
    let site = direct_site(&spare, &restarting());
    ["v1", "v2"].iter().for_each(|version| site.release(version));
    let mut live = "v2";
    let places = places(&site.json(&["rollback", "v1", "--dry-run"]));
    assert!(places.len() > 3, "{places:?}");
    for (step, place) in shared(places.into_iter().skip(1).step_by(2), 3) {
        let target = if live == "v2" { "v1" } else { "v2" };
        let ran = with_restart(&site, &mut spare, &format!("{step}:{place}"), &["rollback", target]);
        assert_eq!(ran.code, 0, "{place} step {step}: {ran}");
        live = target;
        assert_whole(&site, live);
    }
    site.set(&[("RELEASE", "v3"), ("WEB_STATUS", "500")]);
    let swap = site.json(&["plan"])["plan"]["steps"].as_array().unwrap().iter().position(|step| step["phase"] == "switch").unwrap();
    let ran = with_restart(&site, &mut spare, &format!("{swap}:undo-before"), &["deploy", "--version", "v3"]);
    assert!(ran.code == 11 && ran.stderr.contains(&format!("{live} serves again in production and is healthy")), "{ran}");
    assert_whole(&site, live);
}

#[test]
fn a_gate_does_not_hold_its_engine_against_a_release() {
    let mut spare = Spare::start();
    let site = site(&spare, &PAIR.replace("VERSION: \"${RELEASE}\"", "VERSION: \"${RELEASE}\", START_AFTER_MS: \"${SLOW:-}\""));
    site.release("v1");
    site.set(&[("RELEASE", "v2"), ("SLOW", "2000")]);
    let before = site.running("web")["Id"].clone();
    let running = site.chora.start(["deploy", "--version", "v2"]);
    // The candidate runs, and does not answer yet.
    let candidate = |container: &Value| container["State"]["Running"] == true && container["Id"] != before;
    while !site.daemon.containers(&site.project(), Some("web")).iter().any(candidate) {
        std::thread::yield_now();
    }
    spare.stop();
    spare.begin();
    let ran = running.wait();
    assert_eq!(ran.code, 0, "{ran}");
    assert_whole(&site, "v2");
}

/// What the operating system says of a socket without an engine differs with the moment, and folders with the run.
fn steady(site: &Site, ran: Ran) -> Ran {
    let Ran { code, stdout, stderr } = site.tidy(ran).replace(&site.daemon.host, "[engine]");
    let steady = |line: &str| line.split_once("[engine]: ").map_or(line.to_owned(), |(known, _)| format!("{known}[engine]: [reason]"));
    let stderr = stderr.lines().filter(|line| !line.starts_with(['│', '•', '✓', '✗'])).map(steady).collect::<Vec<_>>().join("\n");
    Ran { code, stdout, stderr }
}

/// The name of a container holds the id of its deployment.
fn nameless(ran: Ran, container: &str) -> Ran {
    ran.replace(container, "[container]")
}

#[test]
fn a_deploy_whose_engine_stays_away_is_ended_by_the_next_command() {
    let mut spare = Spare::start();
    let site = direct_site(&spare, &restarting());
    site.release("v1");
    site.set(&[("RELEASE", "v2")]);
    let plan = site.json(&["plan"]);
    let step = plan["plan"]["steps"].as_array().unwrap().iter().position(|step| step["phase"] == "start").unwrap();
    let running = without_engine(&site, &mut spare, &format!("{step}:before"), &["deploy", "--version", "v2"]);
    let ran = running.wait();
    spare.begin();
    let worker = site.daemon.containers(&site.project(), Some("worker"));
    let candidate = worker.iter().find(|container| container["State"]["Status"] == "created").expect("a candidate");
    let name = candidate["Name"].as_str().unwrap().trim_start_matches('/').replace(&site.name, "shop");
    assert_snapshot!(nameless(steady(&site, ran), &name), @r"
    exit 69
    --- stderr
    error: deploy of v2 was broken off: start [container]: no container engine answers at [engine]: [reason]
    state: what serves in production cannot be told before the engine answers; the next command undoes what was begun
    next: start the engine, then run the command again; `chora resume` goes on instead
    ");
    let aborted = site.chora.run(["abort"]);
    assert!(aborted.code == 0 && aborted.stdout.contains("v2 was undone; v1 serves"), "{aborted}");
    assert_whole(&site, "v1");
    let events = site.json(&["events"])["events"].clone();
    assert_eq!(events[3]["metadata"]["outcome"], "restored", "{events:#}");
}

#[test]
fn a_rollback_whose_engine_stays_away_is_ended_by_the_next_command() {
    let mut spare = Spare::start();
    let site = direct_site(&spare, &restarting());
    ["v1", "v2"].iter().for_each(|version| site.release(version));
    let plan = site.json(&["rollback", "v1", "--dry-run"]);
    let steps = plan["plan"]["steps"].as_array().unwrap();
    let step = steps.iter().position(|step| step["action"]["do"] == "stop_container").unwrap();
    let ran = without_engine(&site, &mut spare, &format!("{step}:after"), &["rollback", "v1"]).wait();
    assert_eq!(ran.code, 69, "{ran}");
    assert!(ran.stderr.contains("rollback to v1 was broken off: "), "{ran}");
    // Without an engine the next command cannot do anything either, and says so at once.
    let ran = site.chora.run(["resume"]);
    assert!(ran.code == 69 && ran.stderr.contains("no container engine answers"), "{ran}");
    spare.begin();
    let status = site.json(&["status"]);
    assert!(status["unfinished"][0].as_str().unwrap().starts_with("rollback of v1 by process "), "{status:#}");
    let ran = site.chora.run(["resume"]);
    assert!(ran.code == 0 && ran.stdout.contains("v1 is live"), "{ran}");
    assert_whole(&site, "v1");
}
