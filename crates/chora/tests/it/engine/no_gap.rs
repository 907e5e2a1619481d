//! Releases that come and go while clients never pause: nobody notices.

use std::time::{Duration, Instant};

use chora_core::plan::gateway::GATEWAY;
use rustix::process::{Pid, Signal};

use super::load::Load;
use super::sdk_load::SdkLoad;
use super::site::{ASKED, DIRECT, PAIR, Site};

/// Deployments and rollbacks in a row; the newest engine is given more.
fn rounds() -> usize {
    std::env::var("CHORA_TEST_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(3)
}

/// Room for at least one release before and one after, for clients that take their time.
const BREATH: Duration = Duration::from_millis(1500);

/// How long a release that is replaced has, where a session waits for the end of that.
const SOON: u32 = 2;

/// The real clients end their sessions before the drain time is over. Then they stay in one until it ends, and are told with 404, not
/// before that time is over.
#[test]
fn releases_come_and_go_and_no_request_and_no_session_is_lost() {
    let site = Site::new(PAIR, ASKED);
    let mut sdk = SdkLoad::prepare(site.port);
    site.release("v1");
    let load = Load::every(site.port);
    sdk.begin();
    let mut version = 1;
    for round in 0..rounds() {
        std::thread::sleep(BREATH);
        version += 1;
        site.release(&format!("v{version}"));
        std::thread::sleep(BREATH);
        let back = site.chora.run(["rollback", "--quiet"]);
        assert_eq!(back.code, 0, "round {round}: {back}");
    }
    std::thread::sleep(BREATH);
    let seen = load.end();
    println!("{} answers, {} sessions, longest wait {:?}", seen.answered, seen.sessions, seen.longest);
    assert_eq!(seen.failed, Vec::<String>::new(), "of {} answers", seen.answered);
    assert!(seen.answered > 100 && seen.sessions > rounds(), "{seen:?}");
    assert!(seen.releases.len() > rounds(), "{:?}", seen.releases);

    site.chora.write("chora.yaml", ASKED.replace("gate_timeout: 5s", &format!("gate_timeout: 5s, drain: {SOON}s")));
    sdk.stay(SOON);
    assert_eq!(sdk.stays_with(), "v1");
    site.set(&[("RELEASE", "last")]);
    let last = site.json(&["deploy", "--version", "last"]);
    assert_eq!(last["traffic"]["cut_sessions"], 1, "{last:#}");
    assert_eq!(sdk.stays_with(), "last", "who was cut opens a new session");
    let seen = sdk.end();
    println!("{seen:?}");
    assert_eq!(seen.failed, Vec::<String>::new(), "of {} answers", seen.answered);
    assert!(seen.gone == 1 && seen.sessions > rounds() && seen.releases.len() > rounds() + 1, "{seen:?}");
    assert!(seen.progress > 3 * rounds() && seen.heard > 100 && seen.longest < 60.0, "{seen:?}");
}

#[test]
fn a_candidate_that_is_refused_is_never_met() {
    let site = Site::new(PAIR, ASKED);
    site.release("v1");
    let load = Load::every(site.port);
    site.set(&[("RELEASE", "v2"), ("WEB_STATUS", "500")]);
    let refused = site.deploy("v2");
    assert_eq!(refused.code, 10, "{refused}");
    assert!(refused.to_string().contains("v1 kept serving in production throughout"), "{refused}");
    let seen = load.end();
    assert_eq!(seen.failed, Vec::<String>::new());
    assert_eq!(seen.releases.into_iter().collect::<Vec<_>>(), ["v1"]);
}

/// A service that keeps its data in a volume: two of it at once would both write.
const WRITER: &str = r#"
services:
  web:
    image: ${IMAGE}
    environment: { VERSION: "${RELEASE}", STATUS: "${WEB_STATUS:-200}", START_AFTER_MS: "300" }
    ports: ["127.0.0.1:${PORT}:8080"]
    volumes: ["data:/data"]
    stop_grace_period: 1s
volumes: { data: {} }
"#;

const WRITER_ASKED: &str = "
environments:
  production: { gate_timeout: 5s, releases_kept: 2 }
services:
  web: { health: { endpoint: { http: /health, port: 8080 } } }
";

#[test]
fn a_service_that_cannot_run_twice_keeps_its_clients_waiting_and_loses_none() {
    let site = Site::new(WRITER, WRITER_ASKED);
    site.release("v1");
    let load = Load::plain(site.port);
    site.release("v2");
    site.set(&[("RELEASE", "v3"), ("WEB_STATUS", "500")]);
    let refused = site.deploy("v3");
    assert_eq!(refused.code, 11, "{refused}");
    assert!(refused.to_string().contains("v2 serves again in production and is healthy; requests to web waited, at most"), "{refused}");
    let back = site.json(&["rollback"]);
    assert_eq!(back["gaps"], serde_json::json!([]), "{back:#}");
    let held = &back["traffic"]["held"][0];
    assert!(held["service"] == "web" && held["requests"].as_u64() > Some(0) && held["refused"] == 0, "{back:#}");
    let seen = load.end();
    println!("{} answers, longest wait {:?}, held {held}", seen.answered, seen.longest);
    assert_eq!(seen.failed, Vec::<String>::new());
    assert_eq!(seen.releases.into_iter().collect::<Vec<_>>(), ["v1", "v2"]);
}

#[test]
fn a_gateway_that_is_killed_serves_the_same_routes_again() {
    let site = Site::new(PAIR, ASKED);
    site.release("v1");
    site.release("v2");
    let gateway = site.running(GATEWAY);
    let process = Pid::from_raw(gateway["State"]["Pid"].as_i64().unwrap().try_into().unwrap()).unwrap();
    rustix::process::kill_process(process, Signal::KILL).unwrap();
    let killed = Instant::now();
    while site.try_get("/").is_none_or(|answer| answer != (200, "v2".to_owned())) {
        assert!(killed.elapsed() < Duration::from_secs(30), "it does not serve again");
        std::thread::sleep(Duration::from_millis(5));
    }
    println!("it serves again after {:?}", killed.elapsed());
    assert_eq!(site.running(GATEWAY)["Id"], gateway["Id"]);
    let load = Load::plain(site.port);
    site.release("v3");
    let seen = load.end();
    assert_eq!(seen.failed, Vec::<String>::new());
    assert_eq!(seen.releases.into_iter().collect::<Vec<_>>(), ["v2", "v3"]);
    site.assert_settled("v3");
}

#[test]
fn a_swap_killed_at_any_step_keeps_its_clients_waiting_and_loses_none() {
    let site = Site::new(WRITER, WRITER_ASKED);
    ["v1", "v2"].iter().for_each(|version| site.release(version));
    let load = Load::plain(site.port);
    let (mut round, mut live) = (0, "v2".to_owned());
    loop {
        let version = format!("v{}", round + 3);
        site.set(&[("RELEASE", &version)]);
        let plan = site.json(&["plan", "--version", &version])["plan"]["steps"].clone();
        let switches = |step: &&usize| plan[**step]["phase"] == "switch";
        let steps: Vec<usize> = (0..plan.as_array().unwrap().len()).collect();
        let Some(step) = steps.iter().filter(switches).nth(round) else { break };
        let doomed = site.chora.start_with(&[("CHORA_PAUSE_AT", &format!("{step}:before"))], ["deploy", "--version", &version]);
        doomed.wait_for("waiting to be killed");
        assert_eq!(doomed.kill().code, 137);
        let next = if round % 2 == 0 { "abort" } else { "resume" };
        let ran = site.chora.run([next]);
        assert_eq!(ran.code, 0, "killed before step {step}, then {next}: {ran}");
        if next == "resume" {
            live = version;
        }
        site.set(&[("RELEASE", &live)]);
        site.assert_settled(&live);
        round += 1;
    }
    let seen = load.end();
    println!("a swap was killed {round} times; {} answers, longest wait {:?}", seen.answered, seen.longest);
    assert!(round > 5, "only {round} deaths");
    assert_eq!(seen.failed, Vec::<String>::new(), "of {} answers", seen.answered);
}

#[test]
fn maintenance_lasts_through_a_deployment_and_ends() {
    let site = Site::new(PAIR, ASKED);
    site.release("v1");
    let on = site.chora.run(["maintenance", "on", "--message", "back at ten", "--allow", "/health"]);
    assert_eq!(on.code, 0, "{on}");
    let closed = |site: &Site| {
        let (status, page) = site.get("/");
        assert!(status == 503 && page.contains("back at ten"), "{status} {page}");
        assert_eq!(site.get("/health").0, 200);
    };
    closed(&site);
    site.release("v2");
    closed(&site);
    let off = site.chora.run(["maintenance", "off"]);
    assert_eq!(off.code, 0, "{off}");
    assert_eq!(site.get("/"), (200, "v2".to_owned()));
    let events = site.json(&["events", "--type", "configuration_change"])["events"].clone();
    assert_eq!(events.as_array().map(Vec::len), Some(2), "{events:#}");
}

#[test]
fn without_a_gateway_there_is_no_maintenance() {
    let site = Site::new(PAIR, DIRECT);
    site.release("v1");
    let ran = site.chora.run(["maintenance", "on"]);
    assert!(ran.code == 75 && ran.stderr.contains("no gateway runs in production"), "{ran}");
}
