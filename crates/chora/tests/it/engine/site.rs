//! A project of its own on the engine, gone when the test ends, however it ends.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use chora_testkit::free_port;
use serde_json::Value;

use super::daemon::Daemon;
use crate::support::{Chora, Ran};

/// Longer than any deployment here may take on a busy machine.
const LIMIT: Duration = Duration::from_secs(120);

/// A published service and an internal one, both of which answer with the release that they are of.
pub(super) const PAIR: &str = r#"
services:
  web:
    image: ${IMAGE}
    environment: { VERSION: "${RELEASE}", STATUS: "${WEB_STATUS:-200}", EXIT_AFTER_MS: "${WEB_ENDS:-}" }
    ports: ["127.0.0.1:${PORT}:8080"]
    stop_grace_period: 1s
  worker:
    image: ${IMAGE}
    environment: { VERSION: "${WORKER:-${RELEASE}}", STATUS: "${WORKER_STATUS:-200}" }
    expose: ["8080"]
    stop_grace_period: 1s
"#;

/// Both are asked over HTTP, and refused soon.
pub(super) const ASKED: &str = "
environments:
  production: { gate_timeout: 5s, releases_kept: 2 }
services:
  web: { health: { endpoint: { http: /health, port: 8080 } } }
  worker: { health: { endpoint: { http: /health, port: 8080 } } }
";

/// The same without a gateway: containers publish their ports themselves, and a published service cannot run twice.
pub(super) const DIRECT: &str = "
environments:
  production: { gate_timeout: 5s, releases_kept: 2, gateway: false }
services:
  web: { health: { endpoint: { http: /health, port: 8080 } } }
  worker: { health: { endpoint: { http: /health, port: 8080 } } }
";

pub(super) struct Site {
    pub(super) chora: Chora,
    /// Name in the Compose file.
    pub(super) name: String,
    /// `${PORT}` of the Compose file.
    pub(super) port: u16,
    pub(super) daemon: Daemon,
}

impl Site {
    /// `IMAGE`, `PORT` and `RELEASE` (v1) can be used in the Compose file, which is given without its name.
    pub(super) fn new(compose: &str, manifest: &str) -> Self {
        Self::on(Daemon::given(), Chora::new(), compose, manifest)
    }

    /// The same on another engine, or in another place.
    pub(super) fn on(daemon: Daemon, chora: Chora, compose: &str, manifest: &str) -> Self {
        let (name, port) = unique();
        let compose = format!("name: {name}\n{compose}");
        let chora = chora.env("DOCKER_HOST", &daemon.host).limit(LIMIT).file("compose.yaml", compose).file("chora.yaml", manifest);
        let site = Self { chora, name, port, daemon };
        site.set(&[("RELEASE", "v1")]);
        site
    }

    /// Changes variables of the Compose file; those not named fall back to their defaults.
    pub(super) fn set(&self, variables: &[(&str, &str)]) {
        self.chora.write(".env", self.variables(variables));
    }

    /// The file that holds these variables.
    pub(super) fn variables(&self, variables: &[(&str, &str)]) -> String {
        let mut text = format!("IMAGE={}\nPORT={}\n", self.daemon.image(), self.port);
        for (name, value) in variables {
            text += &format!("{name}={value}\n");
        }
        text
    }

    /// Deploys as a version, with the variables as they are.
    pub(super) fn deploy(&self, version: &str) -> Ran {
        self.tidy(self.chora.run(["deploy", "--quiet", "--version", version]))
    }

    /// Deploys a version that says its own name.
    pub(super) fn release(&self, version: &str) {
        self.set(&[("RELEASE", version)]);
        let ran = self.deploy(version);
        assert_eq!(ran.code, 0, "{ran}");
    }

    /// Replaces the names that belong to this run.
    pub(super) fn tidy(&self, ran: Ran) -> Ran {
        ran.replace(&self.name, "shop").replace(&self.port.to_string(), "[port]")
    }

    /// The project's name on the engine.
    pub(super) fn project(&self) -> String {
        format!("{}-production", self.name)
    }

    /// The one running container of a service, as the engine shows it.
    pub(super) fn running(&self, service: &str) -> Value {
        let mut found = self.daemon.containers(&self.project(), Some(service));
        found.retain(|container| container["State"]["Running"] == true);
        assert_eq!(found.len(), 1, "running containers of {service}: {found:#?}");
        found.remove(0)
    }

    /// Ids of all containers, sorted.
    pub(super) fn containers(&self) -> Vec<String> {
        let found = self.daemon.containers(&self.project(), None);
        let mut ids: Vec<String> = found.iter().map(|container| container["Id"].as_str().unwrap().to_owned()).collect();
        ids.sort();
        ids
    }

    /// Asks the published service.
    pub(super) fn get(&self, path: &str) -> (u16, String) {
        self.try_get(path).expect("somebody serves")
    }

    /// The same where perhaps nobody serves.
    pub(super) fn try_get(&self, path: &str) -> Option<(u16, String)> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).ok()?;
        write!(stream, "GET {path} HTTP/1.0\r\n\r\n").ok()?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).ok()?;
        Some(parse_answer(&answer))
    }

    pub(super) fn json(&self, arguments: &[&str]) -> Value {
        let ran = self.chora.run(arguments.iter().chain(&["--json"]));
        assert_eq!(ran.code, 0, "{ran}");
        ran.json()
    }

    /// Holds what must be true whenever nothing is under way: `version` serves healthily, the log is sound with one
    /// beginning and one end for every deployment, and nobody holds the lease.
    pub(super) fn assert_settled(&self, version: &str) {
        assert_eq!(self.get("/"), (200, version.to_owned()));
        let health = self.chora.run(["health"]);
        assert_eq!(health.code, 0, "{health}");
        let status = self.json(&["status"]);
        assert_eq!((&status["version"], &status["lease"], &status["unfinished"]), (&version.into(), &Value::Null, &Value::Array(vec![])));
        let report = self.json(&["events", "verify"])["report"].clone();
        for fault in ["damaged", "without_end", "ended_twice", "without_beginning"] {
            assert_eq!(report[fault], Value::Array(vec![]), "{fault}");
        }
        let events = self.json(&["events"])["events"].clone();
        let count = |what: &str| events.as_array().unwrap().iter().filter(|event| event["status"] == what).count();
        assert_eq!(count("in_progress"), count("success") + count("failure"));
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let mut logs = self.chora.command(Path::new(env!("CARGO_BIN_EXE_chora")));
            let told = logs.args(["logs", "--env", "production", "--timestamps", "--all"]).stdin(Stdio::null()).output();
            eprintln!("{}", told.map_or_else(|error| error.to_string(), |told| String::from_utf8_lossy(&told.stdout).into()));
        }
        let mut command = self.chora.command(Path::new(env!("CARGO_BIN_EXE_chora")));
        let down = command.args(["down", "--quiet", "--env", "production", "--volumes", "--yes"]).stdin(Stdio::null()).output();
        // A test that fails already must not end the others as well.
        if std::thread::panicking() {
            return;
        }
        self.daemon.forget_images(&self.project());
        let down = down.unwrap();
        assert!(down.status.success(), "{}", String::from_utf8_lossy(&down.stderr));
        assert_eq!(self.containers(), Vec::<String>::new(), "`down` left containers");
    }
}

/// A name and a port that no other test has.
fn unique() -> (String, u16) {
    let port = free_port();
    (format!("chora-e2e-{}-{port}", std::process::id()), port)
}

/// Status and body of an HTTP answer.
pub(super) fn parse_answer(answer: &[u8]) -> (u16, String) {
    let text = String::from_utf8_lossy(answer);
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    (head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0), body.to_owned())
}
