//! Programs that are not ours: a `FastMCP` server that keeps its notes in PostgreSQL, both from images of `scripts/`.

use std::collections::BTreeSet;
use std::process::Command;

use super::site::Site;

const COMPOSE: &str = r#"
services:
  database:
    image: chora-test/postgres:1
    environment: { PGDATA: /var/lib/postgresql/data, PASSWORD_FILE: /run/secrets/password }
    secrets: [password]
    volumes: ["data:/var/lib/postgresql"]
    healthcheck: { test: [CMD, pg_isready, -h, 127.0.0.1], interval: 500ms, retries: 60 }
    stop_signal: SIGINT
  notes:
    image: chora-test/fastmcp:1
    environment: { DATABASE_HOST: database, DATABASE_PASSWORD_FILE: /run/secrets/password, RELEASE: "${RELEASE}" }
    secrets: [password]
    depends_on: { database: { condition: service_healthy } }
    ports: ["127.0.0.1:${PORT}:8000"]
volumes: { data: {} }
secrets:
  password: { file: password.txt }
"#;

const CHECKS: &str = "
services:
  database:
    health:
      endpoint: { tcp: 5432 }
      process: { name: postgres, fatal: true }
      function: { command: [psql, --host, /tmp, --command, select 1] }
  notes:
    health:
      endpoint: { http: /health, port: 8000, body_json: { /status: ok } }
      configuration: { required_variables: [DATABASE_HOST] }
      process: { name: python, fatal: true }
      function: { mcp: { port: 8000, tool: { name: remember, arguments: { text: hello } } } }
";

pub(super) fn make_images() {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../scripts/fastmcp-image.sh");
    let made = Command::new(script).output().expect("the script runs");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}

#[test]
fn a_fastmcp_server_with_postgresql_passes_five_levels() {
    make_images();
    let site = Site::new(COMPOSE, CHECKS);
    site.chora.write("password.txt", "correct-horse-battery");
    site.release("v1");
    let health = site.json(&["health"]);
    let checks = health["checks"].as_array().unwrap();
    for service in ["database", "notes"] {
        let of_service = checks.iter().filter(|check| check["service"] == service);
        let levels: BTreeSet<_> =
            of_service.filter(|check| check["verdict"] == "pass").map(|check| check["level"].as_str().unwrap()).collect();
        let all = BTreeSet::from(["container", "endpoint", "configuration", "process", "function"]);
        assert_eq!(levels, all, "{service}: {health:#}");
    }
    let recorded = site.chora.run(["contract", "record", "notes"]);
    assert_eq!(recorded.code, 0, "{recorded}");
    let contract = site.chora.read(".chora/contracts/notes.json");
    assert!(contract.contains("remember") && contract.contains("recall"), "{contract}");
    let database = site.running("database")["Id"].clone();
    site.release("v2");
    assert_eq!(site.running("database")["Id"], database, "a database that did not change was replaced");
    let diff = site.chora.run(["contract", "diff", "notes"]);
    assert_eq!(diff.code, 0, "{diff}");
}
