//! The disk fills up during a deploy: the project's, with store, log and blobs on it, or the engine's.
//!
//! A full disk is no verdict on a release: the old one serves, exit code 69 says that trying again makes sense, and once there
//! is space again the next command ends what was begun. No line of the log is lost.

use super::daemon::Daemon;
use super::site::{ASKED, PAIR, Site};
use super::spare::Spare;
use crate::share::shared;
use crate::support::{Chora, Ran, Tmpfs};
use insta::assert_snapshot;
use serde_json::Value;

const LOG: &str = ".chora/memory/events/deployment.jsonl";

/// A project whose store, log and blobs are on a small disk.
fn on_small_disk() -> (Tmpfs, Site) {
    let disk = Tmpfs::mount("24m");
    let site = Site::on(Daemon::given(), Chora::on_disk(&disk), PAIR, ASKED);
    (disk, site)
}

/// The disk is full: what failed is told with 69, and `live` serves.
fn assert_told(site: &Site, ran: &Ran, live: &str) {
    assert_eq!(ran.code, 69, "{ran}");
    assert!(ran.stderr.to_lowercase().contains("no space left") || ran.stderr.contains("disk is full"), "{ran}");
    assert!(ran.stderr.contains("\nnext: "), "{ran}");
    assert_eq!(site.get("/"), (200, live.to_owned()), "{ran}");
}

/// Lines that were there are there, in their place.
fn assert_kept(site: &Site, before: &str) {
    let now = site.chora.read(LOG);
    assert!(now.starts_with(before), "lines were lost:\n{before}\n{now}");
}

#[test]
fn a_project_disk_that_fills_up_at_a_step_is_told_and_the_next_command_goes_on() {
    let (disk, site) = on_small_disk();
    ["v1", "v2", "v3"].iter().for_each(|version| site.release(version));
    let mut live = "v3".to_owned();
    site.set(&[("RELEASE", "v4")]);
    let plan = site.json(&["plan"]);
    let steps = plan["plan"]["steps"].as_array().unwrap().clone();
    let record = steps.iter().position(|step| step["phase"] == "record").unwrap();
    let begins = |index: &usize| *index == 0 || steps[*index]["phase"] != steps[*index - 1]["phase"];
    for (round, step) in shared((0..steps.len()).filter(begins).enumerate(), 3) {
        let version = format!("v{}", round + 4);
        site.set(&[("RELEASE", &version)]);
        let log = site.chora.read(LOG);
        let running = site.chora.start_with(&[("CHORA_PAUSE_AT", &format!("{step}:before"))], ["deploy", "--version", &version]);
        running.wait_for("waiting to be killed");
        disk.fill_up_to(0);
        running.signal("CONT");
        let ran = running.wait();
        println!("full before step {step} ({}): exit {}", steps[step]["phase"], ran.code);
        assert_kept(&site, &log);
        if step <= record {
            assert_told(&site, &ran, &live);
        } else {
            // Its release was recorded before: it serves, and what could not be written is named.
            assert!(ran.code == 0 && ran.stderr.contains("the end could not be recorded"), "{ran}");
            assert_eq!(site.get("/"), (200, version.clone()));
        }
        disk.empty();
        let next = site.chora.run(["deploy", "--version", &version]);
        let ended = if step <= record { "undone" } else { "completed" };
        assert!(next.code == 0 && next.to_string().contains(&format!("was found and {ended}")), "{next}");
        live = version;
        site.assert_settled(&live);
        assert_kept(&site, &log);
    }
}

#[test]
fn a_project_disk_with_too_little_space_is_told_wherever_it_ends() {
    let (disk, site) = on_small_disk();
    site.release("v1");
    let log = site.chora.read(LOG);
    site.set(&[("RELEASE", "v2")]);
    let mut refused = 0;
    let mut levels = shared((0..).map(|level| level * STEP), 3);
    let free = loop {
        let free = levels.next().unwrap();
        disk.fill_up_to(free);
        let ran = site.deploy("v2");
        disk.empty();
        assert_kept(&site, &log);
        if ran.code == 0 {
            break free;
        }
        refused += 1;
        assert_told(&site, &ran, "v1");
        // Nobody has to look after it before the next deploy, but whoever does finds the truth.
        let status = site.json(&["status"]);
        assert_eq!(status["version"], "v1", "{status:#}");
        assert!(free < 8 << 20, "never enough: {ran}");
    };
    println!("refused {refused} times before {} KiB were enough", free >> 10);
    assert!(refused > 3);
    let settled = site.deploy("v2");
    assert_eq!(settled.code, 0, "{settled}");
    site.assert_settled("v2");
}

/// What is freed from level to level; a store page is 4 KiB.
const STEP: u64 = 40 << 10;

#[test]
fn a_full_disk_before_the_deploy_is_told() {
    let (disk, site) = on_small_disk();
    site.release("v1");
    site.set(&[("RELEASE", "v2")]);
    disk.fill_up_to(0);
    let ran = site.deploy("v2");
    disk.empty();
    // Which file of the store meets the end first differs.
    let ran = ran.replace("disk I/O error", "[reason]").replace("database or disk is full", "[reason]");
    assert_snapshot!(ran, @r"
    exit 69
    --- stderr
    error: no space left for the store: [reason]
    state: nothing was changed
    next: free space on the disk that holds .chora, then run the command again
    ");
    site.assert_settled("v1");
}

#[test]
fn an_engine_whose_disk_fills_up_does_not_lose_what_serves() {
    let disk = Tmpfs::mount("256m");
    let spare = Spare::start_on(disk.path());
    let site = Site::on(spare.daemon(), Chora::new(), PAIR, ASKED);
    site.release("v1");
    site.set(&[("RELEASE", "v2")]);
    let plan = site.json(&["plan"]);
    let steps = plan["plan"]["steps"].as_array().unwrap();
    let position = |wanted: &str| steps.iter().position(|step: &Value| step["action"]["do"] == wanted).unwrap();
    for step in [0, position("create_container"), position("start_container")] {
        let running = site.chora.start_with(&[("CHORA_PAUSE_AT", &format!("{step}:before"))], ["deploy", "--version", "v2"]);
        running.wait_for("waiting to be killed");
        disk.fill_up_to(0);
        running.signal("CONT");
        let ran = running.wait();
        println!("full before step {step}: {ran}");
        assert_told(&site, &ran, "v1");
        disk.empty();
    }
    let ran = site.deploy("v2");
    assert_eq!(ran.code, 0, "{ran}");
    site.assert_settled("v2");
}
