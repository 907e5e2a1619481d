//! The pattern `codebase-mcp` with nothing faked: PostgreSQL with pgvector, Ollama that pulls its model from a registry over TLS,
//! migrations before the server starts, the server on standard streams under the bridge.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use chora_testkit::free_port;
use serde_json::{Value, json};

use super::{Site, assert_fit, assert_five_levels, assert_store, make_images, project, recovers, wait};
use crate::mcp::sdk::drive_at;
use crate::share;

const SOURCES: [(&str, &str); 3] = [
    ("retry.py", "def retry(call, attempts):\n    \"\"\"Calls again after a failure, and waits twice as long each time.\"\"\"\n"),
    ("invoice.py", "def total(lines, tax):\n    \"\"\"Sums the lines of an invoice and adds the value added tax.\"\"\"\n"),
    ("weather.md", "# Weather\n\nRain falls in the north; the south is sunny and warm.\n"),
];

/// A container outside of the project, gone when the test ends.
struct Outside(String);

impl Outside {
    fn run(arguments: &[&str]) -> Self {
        Self(docker(&[&["run", "--detach"], arguments].concat()))
    }
}

impl Drop for Outside {
    fn drop(&mut self) {
        drop(Command::new("docker").args(["rm", "--force", "--volumes", &self.0]).output());
    }
}

/// This machine as containers see it.
fn this_machine() -> String {
    docker(&["network", "inspect", "bridge", "--format", "{{(index .IPAM.Config 0).Gateway}}"])
}

/// The registry that models are pulled from.
struct Registry {
    _container: Outside,
    address: String,
}

impl Registry {
    /// Started, with all images that a project needs, where these tests have their turn: on the newest engine.
    fn where_needed() -> Option<Self> {
        share::is_of_the_newest().then(|| {
            make_images(&["python", "postgres", "ollama", "models"]);
            Self::start(&this_machine())
        })
    }

    /// Its certificate names the machine.
    fn start(host: &str) -> Self {
        let (registry, files) = (free_port(), free_port());
        // The same machine by another name: Ollama fetches only from elsewhere.
        let place = format!("FILES=http://[::ffff:{host}]:{files}/");
        let ports = [format!("{registry}:5443"), format!("{files}:8080")];
        let container = Outside::run(&["--publish", &ports[0], "--publish", &ports[1], "--env", &place, "chora-test/models:1"]);
        Self { _container: container, address: format!("{host}:{registry}") }
    }
}

fn docker(arguments: &[&str]) -> String {
    let ran = Command::new("docker").args(arguments).output().expect("docker runs");
    assert!(ran.status.success(), "docker {arguments:?}: {}", String::from_utf8_lossy(&ran.stderr));
    String::from_utf8_lossy(&ran.stdout).trim().to_owned()
}

/// Calls a tool through the gateway and the bridge, as a client of either era.
fn call(site: &Site, mode: &str, tool: &str, arguments: &Value) -> Value {
    let steps = json!([{ "do": "call", "tool": tool, "arguments": arguments }]);
    let seen = drive_at(&format!("http://127.0.0.1:{}/mcp", site.port), &["--mode", mode], &steps);
    seen["results"][0].clone()
}

fn finds(site: &Site, mode: &str, query: &str) -> String {
    let found = call(site, mode, "search_code", &json!({ "query": query, "limit": 1 }));
    found["structured"]["result"][0]["file"].as_str().unwrap_or_else(|| panic!("{found:#}")).to_owned()
}

/// A project with its sources, whose images are there.
fn site(registry: &Registry, more: &[&str]) -> Site {
    let model = format!("model={}/library/all-minilm", registry.address);
    let answers = [
        "build_image=chora-test/python:1",
        "command=python -m codebase",
        "database=codebase",
        "postgres_image=chora-test/postgres-vector:1",
        "ollama_image=chora-test/ollama:1",
        "health_tool=health",
        model.as_str(),
    ];
    let site = project("codebase", "codebase-mcp", &[&answers[..], more].concat());
    site.chora.write(".env", format!("PORT={}\nWORKSPACE=./sources\n", site.port));
    SOURCES.iter().for_each(|(name, text)| site.chora.write(&format!("sources/{name}"), text));
    let built = site.chora.run(["build", "--env", "production"]);
    assert_eq!(built.code, 0, "{built}");
    site
}

#[test]
fn a_folder_is_indexed_and_searched_whatever_becomes_of_the_stores() {
    let Some(registry) = Registry::where_needed() else { return };
    let host = this_machine();
    let site = site(&registry, &[]);
    let begun = Instant::now();
    let deployed = site.deploy("v1");
    assert_eq!(deployed.code, 0, "{deployed}");
    println!("everything is healthy after {:?}", begun.elapsed());
    assert_five_levels(&site, &["app", "postgres"]);
    assert_store(&site, "ollama");
    assert_fit(&site, "app", &["--online"]);

    let indexed = call(&site, "legacy", "index_folder", &json!({ "folder": "." }));
    assert_eq!(indexed["structured"], json!({ "files": 3, "read": 3 }), "{indexed:#}");
    assert_eq!(finds(&site, "legacy", "exponential back-off"), "retry.py");
    assert_eq!(finds(&site, "auto", "how much does a customer pay"), "invoice.py");
    assert_eq!(call(&site, "auto", "index_folder", &json!({ "folder": "../etc" }))["is_error"], true);

    // What was indexed outlives a restart of the stores, and another release.
    let id = |service: &str| site.running(service)["Id"].as_str().unwrap().to_owned();
    let (postgres, ollama) = (id("postgres"), id("ollama"));
    docker(&["restart", &postgres, &ollama]);
    recovers(&site);
    site.chora.write("sources/new.txt", "The cat sleeps on the warm stones.\n");
    let deployed = site.deploy("v2");
    assert_eq!(deployed.code, 0, "{deployed}");
    assert_eq!(finds(&site, "legacy", "exponential back-off"), "retry.py");
    let indexed = call(&site, "legacy", "index_folder", &json!({ "folder": "." }));
    assert_eq!(indexed["structured"], json!({ "files": 4, "read": 1 }), "{indexed:#}");

    // Without the database it is down, without the model degraded; both come back by themselves.
    docker(&["stop", &postgres]);
    let health = site.chora.run(["health", "app", "--json"]);
    assert_eq!((health.code, health.json()["first_failing_level"].clone()), (5, 5.into()), "{health}");
    assert_eq!(site.chora.run(["health"]).code, 1, "the store itself does not run");
    docker(&["start", &postgres]);
    recovers(&site);
    docker(&["stop", &ollama]);
    let health = site.chora.run(["health"]);
    assert_eq!(health.code, 0, "{health}");
    assert!(health.to_string().contains("the others can do without it") && health.to_string().contains("degraded"), "{health}");
    assert_eq!(call(&site, "legacy", "search_code", &json!({ "query": "rain" }))["is_error"], true);
    docker(&["start", &ollama]);
    recovers(&site);
    assert_eq!(finds(&site, "auto", "rain"), "weather.md");

    ends_in_time(&id("app"));
    serves_from_stores_elsewhere(&site, &host);
}

/// Whoever does not end within its grace period (10 s for the server) is killed, which its exit code tells.
fn ends_in_time(container: &str) {
    let begun = Instant::now();
    docker(&["stop", container]);
    println!("the server has ended after {:?}", begun.elapsed());
    assert_ne!(docker(&["inspect", container, "--format", "{{.State.ExitCode}}"]), "137");
}

/// Stores of somebody else's, named by `.env` alone: the model is fetched there, the database is brought up to date there.
fn serves_from_stores_elsewhere(site: &Site, host: &str) {
    let (postgres, ollama) = (free_port(), free_port());
    let variables = ["POSTGRES_DB=codebase", "POSTGRES_USER=codebase", "POSTGRES_PASSWORD_FILE=/run/password"];
    let variables: Vec<&str> = variables.iter().flat_map(|variable| ["--env", variable]).collect();
    let password = format!("{}:/run/password:ro", site.chora.path().join("secrets/postgres_password.txt").display());
    let published = format!("{postgres}:5432");
    let given = ["--volume", &password, "--publish", &published, "chora-test/postgres-vector:1"];
    let _postgres = Outside::run(&[&variables[..], &given].concat());
    let _ollama = Outside::run(&["--publish", &format!("{ollama}:11434"), "chora-test/ollama:1"]);
    let places = format!("DATABASE_HOST={host}\nDATABASE_PORT={postgres}\nOLLAMA_BASE_URL=http://{host}:{ollama}\n");
    site.chora.write(".env", format!("PORT={}\nWORKSPACE=./sources\n{places}", site.port));
    let deployed = site.deploy("v3");
    assert_eq!(deployed.code, 0, "{deployed}");
    let indexed = call(site, "legacy", "index_folder", &json!({ "folder": "." }));
    assert_eq!(indexed["structured"], json!({ "files": 4, "read": 4 }), "nothing was there: {indexed:#}");
    assert_eq!(finds(site, "auto", "rain"), "weather.md");
}

#[test]
fn several_instances_share_the_stores() {
    let Some(registry) = Registry::where_needed() else { return };
    let site = site(&registry, &["replicas=3"]);
    let deployed = site.deploy("v1");
    assert_eq!(deployed.code, 0, "{deployed}");
    // The database was brought up to date once, before any of them.
    let migrated = site.daemon.containers(&site.project(), Some("migrate"));
    assert_eq!(migrated.iter().map(|one| &one["State"]["ExitCode"]).collect::<Vec<_>>(), [&json!(0)]);
    assert_eq!(site.daemon.containers(&site.project(), Some("app")).len(), 3);

    // All are at the same files at once, in both eras.
    let indexed: Vec<Value> = std::thread::scope(|scope| {
        let site = &site;
        let at_once = ["legacy", "auto", "legacy", "auto", "legacy", "auto"];
        let clients = at_once.map(|mode| scope.spawn(move || call(site, mode, "index_folder", &json!({ "folder": "." }))));
        clients.into_iter().map(|client| client.join().unwrap()).collect()
    });
    for one in &indexed {
        assert_eq!(one["structured"]["files"], 3, "{one:#}");
    }
    let found = call(&site, "auto", "search_code", &json!({ "query": "rain", "limit": 50 }));
    assert_eq!(found["structured"]["result"].as_array().map(Vec::len), Some(3), "each piece is there once: {found:#}");

    // Each gets its turn, and finds what any of them has indexed.
    let steps = Value::from_iter((0..6).map(|_| json!({ "do": "call", "tool": "health", "arguments": {} })));
    let told = drive_at(&format!("http://127.0.0.1:{}/mcp", site.port), &["--mode", "auto"], &steps);
    let instances: BTreeSet<String> =
        told["results"].as_array().unwrap().iter().map(|result| result["structured"]["instance"].to_string()).collect();
    assert_eq!(instances.len(), 3, "{told:#}");
    for _ in 0..3 {
        assert_eq!(finds(&site, "legacy", "exponential back-off"), "retry.py");
    }
}

/// Compose that follows changes of a project's files, ended with the test.
struct Follower(Child);

impl Follower {
    /// Begins once it says that it does.
    fn start(site: &Site) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/oracles.sh");
        let asked = |what: &str| Command::new(&script).arg(what).output().expect("the script runs");
        assert!(asked("build").status.success(), "there is no Compose");
        let mut command = Command::new(String::from_utf8(asked("path").stdout).expect("a path").trim());
        command.args(["-f", "compose.yaml", "-f", "compose.development.yaml", "watch", "--no-up"]).current_dir(site.chora.path());
        let mut child = command.stdout(Stdio::piped()).spawn().expect("Compose starts");
        let mut told = BufReader::new(child.stdout.take().expect("a pipe")).lines().map_while(Result::ok);
        assert!(told.any(|line| line.contains("Watch enabled")), "Compose follows nothing");
        std::thread::spawn(move || told.for_each(drop));
        Self(child)
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

#[test]
fn development_follows_changes_of_the_files() {
    let Some(registry) = Registry::where_needed() else { return };
    let site = site(&registry, &["reload=yes"]);
    let up = site.chora.run(["up"]);
    assert_eq!(up.code, 0, "{up}");
    assert_eq!(call(&site, "auto", "health", &json!({}))["structured"]["status"], "ok");
    let started = |site: &Site| site.daemon.containers(&site.name, Some("app"))[0]["State"]["StartedAt"].clone();
    let before = started(&site);
    let follower = Follower::start(&site);
    let program = std::fs::read_to_string(site.chora.path().join("codebase/__main__.py")).unwrap();
    site.chora.write("codebase/__main__.py", program.replace("\"checks\": checks,", "\"checks\": checks, \"changed\": True,"));
    wait("a restart", || started(&site) != before);
    wait("health", || site.chora.run(["health", "--env", "development"]).code == 0);
    assert_eq!(call(&site, "auto", "health", &json!({}))["structured"]["changed"], true);
    drop(follower);
    let down = site.chora.run(["down", "--volumes", "--yes"]);
    assert_eq!(down.code, 0, "{down}");
}
