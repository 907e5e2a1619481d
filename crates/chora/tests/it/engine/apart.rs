//! Where containers' addresses cannot be reached from the machine that runs the program: here it runs in a network of its
//! own, with nothing but the engine's socket. Images hold one static program, no shell.

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use chora_testkit::test_image::TestImage;
use serde_json::Value;

use super::daemon::Daemon;
use super::site::{PAIR, Site};

const EVERY_LEVEL: &str = "
environments:
  production: { gate_timeout: 20s, releases_kept: 2 }
services:
  web:
    health:
      container: { restarts_allowed: 0 }
      endpoint: { http: /health, port: 8080, body_json: { /status: ok } }
      configuration: { required_variables: [VERSION] }
      process: { name: chora-test-server, fatal: true }
      function: { http: { url: /, port: 8080, body_contains: v } }
  worker:
    health:
      endpoint: { tcp: 8080 }
      process: { name: chora-test-server }
      function: { http: { url: /health, port: 8080 } }
";

/// The program without any network; a user namespace lets those do so who are not root.
fn command(site: &Site, arguments: &[&str]) -> Command {
    let is_free = Command::new("unshare").args(["--net", "true"]).status().expect("util-linux is installed").success();
    let flags: &[&str] = if is_free { &["--net"] } else { &["--net", "--map-root-user"] };
    let mut command = site.chora.command(Path::new("unshare"));
    command.args(flags).arg("--").arg(env!("CARGO_BIN_EXE_chora")).args(arguments);
    command
}

fn apart(site: &Site, arguments: &[&str]) -> Output {
    command(site, arguments).output().unwrap()
}

/// The program with processes of its own in sight only.
fn blind(site: &Site, arguments: &[&str]) -> Output {
    let is_free = Command::new("unshare").args(["--pid", "true"]).status().expect("util-linux is installed").success();
    let flags: &[&str] = &["--pid", "--fork", "--mount-proc", "--map-root-user"];
    let mut command = site.chora.command(Path::new("unshare"));
    command.args(flags.get(..flags.len() - usize::from(is_free)).unwrap()).arg("--").arg(env!("CARGO_BIN_EXE_chora")).args(arguments);
    command.output().unwrap()
}

/// How many programs were started in the site's gateway to speak to it, while something was done.
fn attended(site: &Site, work: impl FnOnce()) -> usize {
    let gateway = site.running("chora-gateway")["Id"].as_str().unwrap().to_owned();
    let events = site.daemon.events_during(&gateway, work);
    events.lines().filter(|line| line.contains("exec_create: ") && line.contains(" gateway attend ")).count()
}

fn text(output: &Output) -> String {
    format!("{:?}\n{}{}", output.status, String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn document(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", text(output)))
}

/// Sidecars that stand beside the site's containers, or stood there a moment ago; without those that were never started.
fn sidecars(site: &Site) -> usize {
    all_sidecars(site).iter().filter(|line| line["State"] != "created").count()
}

fn all_sidecars(site: &Site) -> Vec<Value> {
    let own: Vec<String> = site.containers().iter().map(|id| format!("container:{id}")).collect();
    let (status, answer) = Daemon::given().ask("GET", "/containers/json?all=1&filters=%7B%22label%22%3A%5B%22chora.probe%22%5D%7D", &[]);
    assert_eq!(status, 200, "{answer}");
    let mut found: Vec<Value> = serde_json::from_str(&answer).unwrap();
    found.retain(|line| own.iter().any(|id| line["HostConfig"]["NetworkMode"] == id.as_str()));
    found
}

fn until_no_sidecars(site: &Site) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while sidecars(site) > 0 {
        assert!(Instant::now() < deadline, "sidecars outlive the program that asked through them");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_release_is_gated_refused_and_rolled_back_from_inside() {
    let site = Site::new(PAIR, EVERY_LEVEL);
    let deployed = apart(&site, &["deploy", "--version", "v1"]);
    assert_eq!(deployed.status.code(), Some(0), "{}", text(&deployed));
    let health = document(&apart(&site, &["health", "--json"]));
    let passed = |service: &str| {
        let checks = health["checks"].as_array().unwrap().iter().filter(|check| check["service"] == service && check["verdict"] == "pass");
        checks.map(|check| check["level"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(passed("web"), ["container", "endpoint", "configuration", "process", "function"], "{health:#}");
    assert_eq!(passed("worker"), ["container", "endpoint", "process", "function"], "{health:#}");

    site.set(&[("RELEASE", "v1"), ("WORKER", "v2"), ("WORKER_STATUS", "500")]);
    let refused = apart(&site, &["deploy", "--version", "v2"]);
    assert_eq!(refused.status.code(), Some(10), "{}", text(&refused));
    assert!(text(&refused).contains("`worker` failed level 5 (function)"), "{}", text(&refused));

    site.set(&[("RELEASE", "v3")]);
    let third = apart(&site, &["deploy", "--version", "v3"]);
    assert_eq!(third.status.code(), Some(0), "{}", text(&third));
    let back = apart(&site, &["rollback"]);
    assert_eq!(back.status.code(), Some(0), "{}", text(&back));
    assert_eq!(site.get("/"), (200, "v1".to_owned()));
    until_no_sidecars(&site);
    site.assert_settled("v1");
}

#[test]
fn a_gateway_is_told_on_its_socket_where_that_is_in_sight_else_by_a_program_in_its_container() {
    let site = Site::new(PAIR, "environments:\n  production: { watch: 10m }\n");
    site.release("v1");
    site.set(&[("RELEASE", "v2")]);
    site.release("v2");
    let process = site.running("chora-gateway")["State"]["Pid"].clone();
    let in_sight = Path::new(&format!("/proc/{process}/root/state/control.sock")).exists();
    let seeing = attended(&site, || assert_eq!(site.json(&["rollback"])["version"], "v1"));
    assert_eq!(seeing == 0, in_sight);
    let blind = attended(&site, || {
        let back = blind(&site, &["rollback", "v2"]);
        assert_eq!(back.status.code(), Some(0), "{}", text(&back));
    });
    assert_eq!((blind, site.get("/")), (1, (200, "v2".to_owned())));
    site.assert_settled("v2");
}

#[test]
fn sidecars_go_with_a_program_that_is_killed_and_their_image_with_prune() {
    let site = Site::new(PAIR, EVERY_LEVEL);
    site.release("v1");
    let mut watching = command(&site, &["health", "--watch", "--interval", "50ms"]).stdout(Stdio::null()).spawn().unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    while sidecars(&site) < 3 {
        assert!(Instant::now() < deadline, "no sidecar came");
        std::thread::sleep(Duration::from_millis(20));
    }
    // Round after round, one for each container.
    for _ in 0..20 {
        assert!(sidecars(&site) <= 3);
    }
    watching.kill().unwrap();
    watching.wait().unwrap();
    until_no_sidecars(&site);
    // What no container uses goes; the gateways of this and other projects use the present one.
    let left = format!("chora/chora:left-{}", site.name);
    let labels = [("dev.chora.image".to_owned(), "program".to_owned())].into_iter().collect();
    let archive = TestImage { tag: left.clone(), labels, ..TestImage::default() }.archive();
    assert_eq!(site.daemon.ask("POST", "/images/load", &archive).0, 200);
    let pruned = site.json(&["prune"]);
    assert!(pruned["images"].as_array().unwrap().contains(&left.as_str().into()), "{pruned:#}");
    assert_eq!(site.running("chora-gateway")["State"]["Running"], true);
    assert_eq!(all_sidecars(&site), Vec::<Value>::new());
    let health = apart(&site, &["health"]);
    assert_eq!(health.status.code(), Some(0), "{}", text(&health));
}
