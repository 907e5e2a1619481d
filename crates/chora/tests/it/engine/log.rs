//! The log of deployments that cannot be told as they should: its disk is full, the process dies between two writes, a
//! person loses patience, a secret is said in the open.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::site::{ASKED, PAIR, Site};
use crate::support::Tmpfs;
use serde_json::{Value, json};

const EVENTS: &str = ".chora/memory/events";
/// Longer than any command here may take on a busy machine.
const LIMIT: Duration = Duration::from_secs(60);

fn log(site: &Site) -> PathBuf {
    site.chora.path().join(EVENTS).join("deployment.jsonl")
}

/// Versions and statuses, in the order of the log.
fn told(site: &Site) -> Vec<(String, String)> {
    let events = site.json(&["events"])["events"].clone();
    let word = |event: &Value, key: &str| event[key].as_str().unwrap().to_owned();
    events.as_array().unwrap().iter().map(|event| (word(event, "version"), word(event, "status"))).collect()
}

fn lines(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(version, status)| ((*version).to_owned(), (*status).to_owned())).collect()
}

#[test]
fn a_deployment_that_the_log_has_no_room_for_never_began_and_is_told_later() {
    let site = Site::new(PAIR, ASKED);
    site.release("v1");
    let disk = Tmpfs::mount("64k");
    let folder = log(&site).parent().unwrap().to_owned();
    // An empty log on a full disk: what is there already leaves no room in its last page.
    fs::rename(&folder, folder.with_extension("before")).unwrap();
    std::os::unix::fs::symlink(disk.path(), &folder).unwrap();
    disk.fill_up_to(0);
    site.set(&[("RELEASE", "v2")]);
    let ran = site.deploy("v2");
    assert_eq!(ran.code, 69, "{ran}");
    assert!(ran.stderr.contains("no space left for the deployment log") && ran.stderr.contains("nothing was changed"), "{ran}");
    assert_eq!(site.json(&["status"])["unfinished"], json!([]));
    assert_eq!(site.get("/"), (200, "v1".to_owned()));
    disk.empty();
    site.release("v3");
    site.assert_settled("v3");
    let expected = [("v2", "in_progress"), ("v2", "failure"), ("v3", "in_progress"), ("v3", "success")];
    assert_eq!(told(&site), lines(&expected));
}

/// Waits until a process waits for a lock, as the kernel tells.
fn wait_for_a_lock(pid: u32) {
    let deadline = Instant::now() + LIMIT;
    let waits = |line: &str| line.contains("-> FLOCK") && line.split_whitespace().any(|word| word == pid.to_string());
    while !fs::read_to_string("/proc/locks").unwrap().lines().any(waits) {
        assert!(Instant::now() < deadline, "process {pid} does not wait for the log");
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn locked(site: &Site) -> File {
    let file = OpenOptions::new().append(true).open(log(site)).unwrap();
    file.lock().unwrap();
    file
}

#[test]
fn a_process_killed_between_store_and_log_is_told_from_beginning_to_end() {
    let site = Site::new(PAIR, ASKED);
    site.release("v1");
    site.set(&[("RELEASE", "v2")]);
    let lock = locked(&site);
    let doomed = site.chora.start(["deploy", "--version", "v2"]);
    wait_for_a_lock(doomed.pid());
    assert_eq!(doomed.kill().code, 137);
    drop(lock);
    assert_eq!(told(&site), lines(&[("v1", "in_progress"), ("v1", "success")]));
    site.release("v3");
    site.assert_settled("v3");
    let expected =
        [("v1", "in_progress"), ("v1", "success"), ("v2", "in_progress"), ("v2", "failure"), ("v3", "in_progress"), ("v3", "success")];
    assert_eq!(told(&site), lines(&expected));
}

#[test]
fn an_end_that_was_torn_comes_back_from_the_store() {
    let site = Site::new(PAIR, ASKED);
    site.release("v1");
    let whole = fs::read(log(&site)).unwrap();
    fs::write(log(&site), &whole[..whole.len() - 40]).unwrap();
    let report = site.chora.run(["events", "verify", "--json"]).json()["report"].clone();
    assert_eq!((report["damaged"].as_array().map(Vec::len), &report["next"]), (Some(1), &json!(["chora events repair"])));
    let mended = site.json(&["events", "repair"]);
    assert_eq!(mended["added"][0]["part"], "end", "{mended:#}");
    site.assert_settled("v1");
    assert_eq!(told(&site), lines(&[("v1", "in_progress"), ("v1", "success")]));
}

/// Nothing listens on the port that the service exposes.
const DEAF: &str = r#"
services:
  web:
    image: ${IMAGE}
    environment: { VERSION: "${RELEASE}" }
    expose: ["5432"]
    stop_grace_period: 1s
"#;

#[test]
fn a_gate_that_waits_says_for_what_and_so_does_its_end() {
    let site = Site::new(DEAF, "environments: { production: { gate_timeout: 90s } }\n");
    let waiting = site.chora.start(["deploy", "--version", "v1"]);
    waiting.wait_for("`web` still fails level 2 (endpoint)");
    waiting.signal("TERM");
    let ran = waiting.wait();
    assert!(ran.stderr.contains(" s left"), "{ran}");
    assert_eq!(ran.stderr.matches("still fails").count(), 1, "{ran}");
    assert!(ran.stderr.contains("was broken off") && ran.stderr.contains("interrupted while `web` failed level 2 (endpoint)"), "{ran}");
    assert!(ran.stderr.contains("you or your client interrupted it") && !ran.stderr.contains("registry"), "{ran}");
    let cause = site.json(&["history"])["deployments"][0]["cause"].to_string();
    let events = site.json(&["events"])["events"].clone();
    for told in [cause, events[1]["errors"][0].to_string()] {
        assert!(told.contains("5432") && told.contains("level 2"), "{told}");
    }
}

#[test]
fn a_secret_in_an_environment_variable_is_warned_of_and_hidden() {
    let service = "    secrets: [password]\n    environment: { PGPASSWORD: hunter2-in-the-open, VERSION: v1 }\n    expose: [\"8080\"]\n";
    let compose = format!("services:\n  web:\n    image: ${{IMAGE}}\n{service}secrets: {{ password: {{ file: ./password }} }}\n");
    let site = Site::new(&compose, "");
    site.chora.write("password", "hunter2-in-the-open\n");
    let ran = site.chora.run(["deploy", "--version", "v1"]);
    assert_eq!(ran.code, 0, "{ran}");
    let warning = "the value of secret `password` is also in environment variable `PGPASSWORD` of service `web`";
    assert!(ran.stderr.contains(warning), "{ran}");
    let config = site.chora.run(["config"]);
    assert!(config.stdout.contains("PGPASSWORD: \"[redacted]\"") || config.stdout.contains("PGPASSWORD: '[redacted]'"), "{config}");
    for ran in [ran, config, site.chora.run(["health"]), site.chora.run(["history", "--json"]), site.chora.run(["plan", "--json"])] {
        assert!(!ran.to_string().contains("hunter2-in-the-open"), "{ran}");
    }
    let mode = fs::metadata(site.chora.path().join(".chora/storage.db")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "the store holds the release with its variables: {mode:o}");
}
