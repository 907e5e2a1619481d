//! Images on their way out: verified on the engine, pushed to a real registry, released to it.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use chora_testkit::docker_registry::{CutWay, DockerRegistry, LOGIN};
use chora_testkit::test_image::server_program;
use insta::assert_snapshot;
use serde_json::{Value, json};

use super::site::Site;
use crate::mcp::Pipe;
use crate::support::{Chora, Ran};

pub(super) const GOOD: &str = "FROM scratch
COPY server /server
LABEL org.opencontainers.image.source=https://shop.example
EXPOSE 8080
HEALTHCHECK CMD [\"/server\", \"get\", \"127.0.0.1:8080\", \"/health\"]
USER 10001:10001
ENTRYPOINT [\"/server\"]
";

const BUILT: &str = "
services:
  web: { build: { context: web }, environment: { VERSION: from-the-stack } }
  api: { build: { context: api } }
";

/// A project that builds two images of the test server.
pub(super) fn site() -> Site {
    let site = Site::new(BUILT, "services: { web: { health: { endpoint: { http: /, port: 8080, body_contains: from-the-stack } } } }\n");
    for service in ["web", "api"] {
        dockerfile(&site, service, GOOD);
        std::fs::copy(server_program(), site.chora.path().join(service).join("server")).unwrap();
    }
    git(&site, &["init", "--quiet"]);
    git(&site, &["-c", "user.name=me", "-c", "user.email=me@shop.example", "commit", "--quiet", "--allow-empty", "--message", "first"]);
    site
}

fn git(site: &Site, arguments: &[&str]) {
    let done = Command::new("git").current_dir(site.chora.path()).args(arguments).status().unwrap();
    assert!(done.success());
}

/// Each has something of its own, so that their layers differ.
pub(super) fn dockerfile(site: &Site, service: &str, text: &str) {
    site.chora.write(&format!("{service}/Dockerfile"), text);
    site.chora.write(&format!("{service}/name"), format!("{} {service}", site.name));
}

/// What differs from run to run and from machine to machine is taken out, and the columns of tables with it.
fn told(site: &Site, ran: Ran) -> String {
    let mut text = site.tidy(ran).to_string();
    for (from, to) in [("sha256:", "[digest]"), ("chora-specimen-", "[specimen]")] {
        while let Some(at) = text.find(from) {
            let rest = text.get(at + from.len()..).unwrap_or_default();
            let length = rest.chars().take_while(char::is_ascii_hexdigit).count();
            text.replace_range(at..at + from.len() + length, to);
        }
    }
    let word = |word: &str| {
        if word.contains("127.0.0.1:") || word.contains("http://1") || word.parse::<f64>().is_ok_and(|_| word.contains('.')) {
            "[…]".to_owned()
        } else {
            word.to_owned()
        }
    };
    // Each engine has its own words for the same.
    let cut = |line: &str| {
        let mark = [" cannot be reached: ", " refuses: "].into_iter().find_map(|mark| Some((line.find(mark)?, mark)));
        mark.map_or_else(|| line.to_owned(), |(at, mark)| format!("{}{mark}[…]", line.get(..at).unwrap_or_default()))
    };
    let line = |line: &str| line.split_whitespace().map(word).collect::<Vec<_>>().join(" ");
    text.lines().map(cut).map(|text| line(&text)).collect::<Vec<_>>().join("\n")
}

/// How many containers and networks a process has on the engine for what it verifies.
fn left_by(site: &Site, pid: u32) -> usize {
    let filter = json!({ "label": ["dev.chora.specimen=verify"] }).to_string();
    let filter: String = filter.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let places = [format!("/containers/json?all=1&filters={filter}"), format!("/networks?filters={filter}")];
    let owned = format!("\\\"pid\\\":{pid},");
    places.iter().map(|place| site.daemon.ask("GET", place, &[]).1.matches(&owned).count()).sum()
}

/// Verifies; nothing is left of it.
fn verify(site: &Site, arguments: &[&str]) -> Ran {
    let running = site.chora.start([&["verify", "--quiet"], arguments].concat());
    let pid = running.pid();
    let ran = running.wait();
    assert_eq!(left_by(site, pid), 0, "{ran}");
    ran
}

#[test]
fn a_good_image_passes_and_a_bad_one_hears_all_of_it() {
    let site = site();
    let built = site.chora.run(["build", "--quiet", "--version", "v1"]);
    assert_eq!(built.code, 0, "{built}");
    let web = format!("{}-web", site.project());
    let good = verify(&site, &[&web, "--version", "v1"]);
    assert_snapshot!("verify_good", told(&site, good));

    // Root, no labels, no HEALTHCHECK, secrets in every place, too large, and it ends at once.
    site.chora.write("api/.env", "DB_PASSWORD=hunter2-hunter2\n");
    site.chora.write("api/id_rsa", format!("-----BEGIN RSA PRIVATE KEY-----\n{}\n", "aB3dE5fG7h".repeat(6)));
    let bad = "FROM scratch\nARG API_TOKEN=hunter2-hunter2\nCOPY . /app/\nENV JWT_SECRET=hunter2-hunter2\nENTRYPOINT [\"/app/server\", \"fail\", \"3\"]\n";
    dockerfile(&site, "api", bad);
    let built = site.chora.run(["build", "--quiet", "api"]);
    assert_eq!(built.code, 0, "{built}");
    let api = format!("{}-api", site.project());
    let verified = verify(&site, &[&api, "--version", "v2", "--max-size", "1MB"]);
    assert!(!verified.to_string().contains("hunter2"), "{verified}");
    assert_snapshot!("verify_bad", told(&site, verified));
    let document = verify(&site, &["--json", "--no-start", &api]);
    assert_eq!((document.code, document.json()["ok"].clone(), document.json()["checks"].clone()), (1, json!(false), json!([])));

    let absent = verify(&site, &["127.0.0.1:1/none:1"]);
    assert_snapshot!("verify_absent", told(&site, absent));
    let elsewhere = Chora::new().env("DOCKER_HOST", &site.daemon.host).run(["verify", "--json", &web]);
    assert_eq!(elsewhere.code, 0, "without a project it is started as it is: {elsewhere}");
}

const DEPENDENT: &str = r#"
services:
  front:
    image: ${IMAGE}
    healthcheck: { test: [CMD, /chora-test-server, get, "back:8080", /health] }
    depends_on: { back: { condition: service_healthy }, job: { condition: service_completed_successfully } }
  back:
    image: ${IMAGE}
    healthcheck: { test: [CMD, /chora-test-server, get, "127.0.0.1:8080", /health] }
    environment: { START_AFTER_MS: "300" }
    volumes: ["data:/data"]
  job: { image: "${IMAGE}", command: [echo, done] }
volumes: { data: {} }
"#;

#[test]
fn a_service_is_verified_with_what_it_depends_on_beside_it() {
    let site = Site::new(DEPENDENT, "");
    let verified = verify(&site, &["--json", "--service", "front", site.daemon.image()]).json();
    let checks = verified["checks"].as_array().unwrap();
    assert!(checks.iter().all(|check| check["service"] == "front" && check["verdict"] != "fail"), "{verified:#}");
    assert_eq!(checks[0]["asked"], "HEALTHCHECK /chora-test-server get back:8080 /health", "it finds the other by its name");
    assert_eq!(site.daemon.containers(&site.project(), None), Vec::<Value>::new(), "apart from the project");
    site.chora.write("compose.yaml", format!("name: {}\n{}", site.name, DEPENDENT.replace("[echo, done]", "[fail, \"3\"]")));
    let failed = verify(&site, &["--json", "--service", "front", site.daemon.image()]).json();
    assert_eq!((&failed["checks"][0]["service"], failed["checks"].as_array().map(Vec::len)), (&json!("job"), Some(1)), "{failed:#}");
}

#[test]
fn a_verification_that_is_broken_off_leaves_nothing() {
    let site = site();
    dockerfile(&site, "web", &GOOD.replace("\"get\"", "\"fail\""));
    let built = site.chora.run(["build", "--quiet", "web", "--version", "v1"]);
    assert_eq!(built.code, 0, "{built}");
    let web = format!("{}-web", site.project());
    let begun = || {
        let running = site.chora.start(["verify", &web, "--timeout", "60s"]);
        let pid = running.pid();
        while left_by(&site, pid) < 2 {
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        (running, pid)
    };
    let (running, pid) = begun();
    running.signal("INT");
    let ended = running.wait();
    assert_eq!((ended.code, left_by(&site, pid)), (69, 0), "{ended}");
    assert!(ended.stderr.contains("interrupted") && ended.stderr.contains("is removed again"), "{ended}");
    let (running, pid) = begun();
    running.kill();
    assert_eq!(left_by(&site, pid), 2);
    let pruned = site.json(&["prune"]);
    assert_eq!((left_by(&site, pid), pruned["networks"].as_array().unwrap().is_empty()), (0, false), "{pruned:#}");
}

#[test]
fn a_release_goes_on_where_it_was_cut_off_and_moves_latest_last() {
    let (site, registry) = (site(), DockerRegistry::start());
    let manifests = Arc::new(AtomicUsize::new(0));
    // The second image is cut when everything but its manifest is there.
    let counted = Arc::clone(&manifests);
    let way = CutWay::to(registry.address, move |first| {
        first.starts_with("PUT ") && first.contains("/manifests/") && counted.fetch_add(1, Ordering::SeqCst) > 0
    });
    let (at, names) = (way.address.to_string(), [format!("{}-web", site.name), format!("{}-api", site.name)]);
    let digest = |name: &str, tag: &str| registry.manifest(name, tag).1;
    let cut = site.chora.run(["release", "--quiet", "v1", &at]);
    assert_snapshot!("release_cut", told(&site, cut.replace(&at, "r.example")));
    let (first, second) = (digest(&names[0], "v1"), digest(&names[1], "v1"));
    assert!(first.is_some() && second.is_none() && digest(&names[0], "latest").is_none());

    way.mend();
    let resumed = site.json(&["release", "v1", &at]);
    assert_eq!((&resumed["ok"], &resumed["latest"], &resumed["resumed"]), (&json!(true), &json!(true), &json!(["web"])), "{resumed:#}");
    for name in &names {
        assert_eq!(digest(name, "v1"), digest(name, "latest"), "latest stands for the very digest");
    }
    assert_eq!(digest(&names[0], "v1"), first);
    assert_eq!(json!(first), resumed["images"]["web"]["digest"]);
    for service in ["web", "api"] {
        assert_eq!(resumed["verified"][service]["id"], resumed["images"][service]["id"], "what was verified was pushed");
    }

    // Another machine, which has none of the images, finds the same release done.
    site.daemon.forget_images(&site.project());
    let again = site.json(&["release", "v1", &at]);
    assert_eq!(
        (&again["resumed"], &again["images"]["api"]["digest"]),
        (&json!(["web", "api"]), &resumed["images"]["api"]["digest"]),
        "{again:#}"
    );

    dockerfile(&site, "api", &GOOD.replace("EXPOSE 8080", "EXPOSE 8080 8081"));
    let refused = site.chora.run(["release", "--quiet", "v1", &at]);
    assert_snapshot!("release_refused", told(&site, refused.replace(&at, "r.example")));
    let released = site.chora.run(["release", "--quiet", "v2", &at]);
    assert_snapshot!("release_done", told(&site, released.replace(&at, "r.example")));
    assert_eq!(digest(&names[1], "v2"), digest(&names[1], "latest"));

    an_agent_asks(&site, &registry);

    let report = site.json(&["events", "verify"])["report"].clone();
    assert_eq!((&report["without_end"], &report["damaged"]), (&json!([]), &json!([])));
    let events = site.json(&["events"])["events"].clone();
    let outcomes: Vec<String> = events
        .as_array()
        .unwrap()
        .iter()
        .map(|event| format!("{} {} {}", event["version"], event["status"], event["metadata"]["outcome"]))
        .collect();
    assert_snapshot!("release_log", outcomes.join("\n"));
    let gone = site.chora.run(["push", "--quiet", "127.0.0.1:1", "--version", "v2"]);
    assert_snapshot!("push_gone", told(&site, gone));
}

/// What is released as v2 already, over MCP.
fn an_agent_asks(site: &Site, registry: &DockerRegistry) {
    let at = registry.address.to_string();
    let mut server = site.chora.command(Path::new(env!("CARGO_BIN_EXE_chora")));
    let mut pipe = Pipe::open(server.args(["serve", "--stdio", "--project"]).arg(site.chora.path()));
    pipe.shake_hands("2025-11-25");
    let mut call = |tool: &str, arguments: Value| pipe.call(tool, arguments)["result"]["structuredContent"].clone();
    let asked = call("release", json!({ "version": "v2", "registry": at }));
    assert!(asked["kind"] == "denied" && asked["details"].to_string().contains("take "), "{asked:#}");
    let done = call("release", json!({ "version": "v2", "registry": at, "confirm": true }));
    assert!(done["ok"] == true && done["images"]["web"].as_str().is_some_and(|name| name.contains(":v2@sha256:")), "{done:#}");
    let verified = call("verify", json!({ "image": format!("{}-web", site.project()), "no_start": true }));
    assert_eq!((&verified["ok"], &verified["failing"]), (&json!(true), &json!([])), "{verified:#}");
    let would = call("push", json!({ "registry": at, "version": "v2" }));
    assert_eq!(would["kind"], "denied", "{would:#}");
    let several = |confirm: bool| json!({ "registry": at, "services": ["web"], "version": "v3", "builder": "engine", "confirm": confirm });
    let asked = call("build_multi", several(false));
    let would = json!(["build with engine", "build web for linux/amd64, linux/arm64, where it is not built yet"]);
    assert!(
        asked["kind"] == "denied" && asked["details"].as_array().is_some_and(|told| told[..2] == *would.as_array().unwrap()),
        "{asked:#}"
    );
    let name = format!("{}-web", site.name);
    assert_eq!(registry.manifest(&name, "v3").0, 404);
    let done = call("build_multi", several(true));
    let digest = done["images"]["web"].as_str().and_then(|image| Some(image.split_once('@')?.1.to_owned()));
    assert_eq!((registry.manifest(&name, "v3"), &done["builder"]), ((200, digest), &json!("engine")), "{done:#}");
}

#[test]
fn an_app_and_its_migrations_are_released_as_one_image() {
    let (site, registry) = (site(), DockerRegistry::start());
    let shop = format!("{}-shop", site.name);
    let own = format!("build: {{ context: web }}, image: '{shop}:1'");
    site.chora.write(
        "compose.yaml",
        format!(
            "name: {}\nservices:\n  app: {{ {own}, depends_on: {{ migrate: {{ condition: service_completed_successfully }} }} }}\n  \
             migrate: {{ {own}, command: [echo, migrated], healthcheck: {{ disable: true }} }}\n",
            site.name
        ),
    );
    site.chora.write("chora.yaml", "");
    let way = CutWay::to(registry.address, |first| first.starts_with("PUT ") && first.contains("/manifests/latest"));
    let at = way.address.to_string();
    let cut = site.chora.run(["release", "--quiet", "v1", &at]);
    assert_eq!((cut.code, registry.manifest(&shop, "latest").0), (69, 404), "{cut}");
    let first = registry.manifest(&shop, "v1").1;
    way.mend();
    let resumed = site.json(&["release", "v1", &at]);
    assert_eq!(
        (&resumed["ok"], &resumed["latest"], &resumed["resumed"]),
        (&json!(true), &json!(true), &json!(["app", "migrate"])),
        "{resumed:#}"
    );
    assert_eq!((&resumed["images"]["app"], &resumed["images"]["migrate"]["digest"]), (&resumed["images"]["migrate"], &json!(first)));
    let job = &resumed["verified"]["migrate"]["checks"];
    assert_eq!(
        (job.as_array().map(Vec::len), &job[0]["asked"], &job[0]["verdict"]),
        (Some(1), &json!("exit code"), &json!("pass")),
        "{job:#}"
    );
    assert_eq!(registry.manifest(&shop, "latest").1, first);
    let pushed = site.json(&["push", &at, "--version", "v2"]);
    assert_eq!((&pushed["images"]["app"], &pushed["images"]["app"]["id"]), (&pushed["images"]["migrate"], &resumed["images"]["app"]["id"]));

    site.chora.write("web/Dockerfile", GOOD.replace("ENTRYPOINT", "ENV VERSION=2\nENTRYPOINT"));
    let text = std::fs::read_to_string(site.chora.path().join("compose.yaml")).unwrap();
    site.chora.write("compose.yaml", text.replace("[echo, migrated]", "[fail, '3']"));
    let refused = site.chora.run(["release", "--quiet", "v3", &at]);
    assert!(refused.code == 1 && refused.stdout.contains("mend the image of app, migrate,"), "{refused}");
    assert_eq!(registry.manifest(&shop, "v3").0, 404, "nothing of it was pushed");
}

#[test]
fn latest_moves_forwards_only() {
    let (site, registry) = (site(), DockerRegistry::start());
    let cuts = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&cuts);
    let way = CutWay::to(registry.address, move |first| {
        first.starts_with("PUT ") && first.contains("/manifests/latest") && counted.load(Ordering::SeqCst) > 0
    });
    let (at, web) = (way.address.to_string(), format!("{}-web", site.name));
    let release = |version: &str, number: u32| {
        dockerfile(&site, "web", &GOOD.replace("ENTRYPOINT", &format!("ENV NUMBER={number}\nENTRYPOINT")));
        site.chora.run(["release", "--json", version, &at, "web"])
    };
    let stays = |version: &str, number: u32, newest: &str| {
        let again = release(version, number);
        assert_eq!(again.code, 0, "{again}");
        let told = again.json();
        assert!(told["latest"] == false && told["warnings"][0].as_str().is_some_and(|words| words.ends_with("it stays there")), "{told:#}");
        assert_eq!(registry.manifest(&web, "latest"), registry.manifest(&web, newest));
    };
    for (version, number) in [("v1", 1), ("v2", 2)] {
        let done = release(version, number);
        assert_eq!(done.code, 0, "{done}");
    }
    // A fresh checkout has no log.
    std::fs::remove_dir_all(site.chora.path().join(".chora")).unwrap();
    stays("v1", 1, "v2");
    cuts.store(1, Ordering::SeqCst);
    let cut = release("v3", 3);
    assert_eq!((cut.code, registry.manifest(&web, "v3").0), (69, 200), "{cut}");
    cuts.store(0, Ordering::SeqCst);
    let done = release("v4", 4);
    assert_eq!(done.code, 0, "{done}");
    stays("v3", 3, "v4");
}

#[test]
fn a_registry_that_wants_a_login_gets_the_one_of_dockers_client() {
    let (mut site, registry) = (site(), DockerRegistry::locked());
    let at = registry.address.to_string();
    let built = site.chora.run(["build", "--quiet", "--version", "v1"]);
    assert_eq!(built.code, 0, "{built}");
    for arguments in [vec!["push", "--quiet", &at, "--version", "v1"], vec!["release", "--quiet", "v1", &at]] {
        let refused = site.chora.run(&arguments);
        assert_snapshot!(format!("login_{}", arguments[0]), told(&site, refused.replace(&at, "r.example")));
    }
    let encoded = Command::new("base64").arg("--wrap=0").stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped()).spawn();
    let mut encoded = encoded.unwrap();
    std::io::Write::write_all(&mut encoded.stdin.take().unwrap(), format!("{}:{}", LOGIN.0, LOGIN.1).as_bytes()).unwrap();
    let auth = String::from_utf8(encoded.wait_with_output().unwrap().stdout).unwrap();
    site.chora.write("docker/config.json", json!({ "auths": { &at: { "auth": auth } } }).to_string());
    let folder = site.chora.path().join("docker").display().to_string();
    site.chora = std::mem::replace(&mut site.chora, Chora::new()).env("DOCKER_CONFIG", &folder);
    let pushed = site.json(&["push", &at, "api", "--version", "v1"]);
    assert!(pushed["images"]["api"]["digest"].as_str().is_some_and(|digest| digest.starts_with("sha256:")), "{pushed:#}");
    let released = site.json(&["release", "v1", &at]);
    assert_eq!((&released["ok"], &released["latest"], &released["resumed"]), (&json!(true), &json!(true), &json!(["api"])), "{released:#}");
}

#[test]
fn an_image_for_two_architectures_has_one_name() {
    let (site, registry) = (site(), DockerRegistry::start());
    let at = registry.address.to_string();
    let built = site.json(&["build", "web", "--multi", "--builder", "engine", "--push", &at, "--version", "v1"]);
    assert_eq!(built["builder"], json!({ "by": "engine" }));
    let (web, name) = (&built["images"]["web"], format!("{}-web", site.name));
    let platforms = web["platforms"].as_object().unwrap();
    assert_eq!(platforms.keys().collect::<Vec<_>>(), ["linux/amd64", "linux/arm64"]);
    assert_eq!(registry.manifest(&name, "v1"), (200, web["digest"].as_str().map(str::to_owned)));
    assert_eq!(registry.manifest(&name, "v1-arm64").1.as_deref(), platforms["linux/arm64"].as_str());
    let again = site.json(&["build", "web", "--multi", "--builder", "engine", "--push", &at, "--version", "v1"]);
    assert_eq!(again["images"], built["images"], "what is there is not made anew");
    // An engine takes its own out of it.
    let verified = site.json(&["verify", &format!("{at}/{name}:v1"), "--version", "v1"]);
    assert_eq!(verified["ok"], true, "{verified:#}");
    let other = site.chora.run(["verify", "--quiet", &format!("{at}/{name}:v1-arm64")]);
    assert!(other.code == 1 && other.stdout.contains("the image is for arm64, the engine's machine is amd64"), "{other}");

    let release = ["release", "v3", &at, "web", "--platform", "linux/amd64,linux/arm64"];
    let released = site.json(&release);
    let digest = released["images"]["web"]["digest"].as_str().map(str::to_owned);
    assert_eq!((&released["ok"], &released["latest"], registry.manifest(&name, "v3")), (&json!(true), &json!(true), (200, digest.clone())));
    assert_eq!(
        (registry.manifest(&name, "latest").1, registry.manifest(&name, "v3-arm64").0),
        (digest.clone(), 200),
        "the index itself is the latest"
    );
    let resumed = site.json(&release);
    assert_eq!((&resumed["resumed"], &resumed["images"]["web"]["digest"]), (&json!(["web"]), &json!(digest)), "{resumed:#}");
    // Another machine fetches the images of both, and looks into them.
    site.daemon.forget_images(&site.project());
    let elsewhere = site.json(&release);
    assert_eq!((&elsewhere["resumed"], &elsewhere["images"]["web"]["digest"]), (&json!(["web"]), &json!(digest)), "{elsewhere:#}");

    let fewer = site.chora.run(["release", "--quiet", "v3", &at, "web", "--platform", "linux/amd64"]);
    assert!(fewer.code == 75 && fewer.stderr.contains("for linux/amd64, linux/arm64, not for linux/amd64"), "{fewer}");
    let foreign = ["release", "v4", &at, "web", "--platform", "linux/arm64"];
    let only = site.json(&foreign);
    assert_eq!((&only["ok"], &only["verified"]["web"]["checks"]), (&json!(true), &json!([])), "{only:#}");
    assert!(only["warnings"][0].as_str().is_some_and(|words| words.contains("is for other machines than linux/amd64")), "{only:#}");
    site.daemon.forget_images(&site.project());
    assert_eq!(site.json(&foreign)["resumed"], json!(["web"]));

    dockerfile(&site, "web", &GOOD.replace("USER", "RUN [\"/server\", \"echo\", \"built\"]\nUSER"));
    let build = |more: &[&str]| {
        let words = ["build", "--quiet", "--multi", "--builder", "engine", "--push", &at, "--version", "v2", "--platform"];
        told(&site, site.chora.run(words.iter().chain(more)))
    };
    assert_snapshot!("multi_foreign", build(&["linux/sparc", "web"]));
    assert_snapshot!("multi_no_platform", build(&["windows/amd64"]));
}
