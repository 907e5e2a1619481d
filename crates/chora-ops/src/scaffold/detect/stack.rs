//! What a project's dependencies and its Compose file say of what stands beside it.

use serde_json::Value;

/// What stands beside a program.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Beside {
    /// What tells of PostgreSQL.
    pub(super) postgres: Option<String>,
    /// What tells of Redis.
    pub(super) redis: Option<String>,
    /// The port that a service which is built listens on.
    pub(super) port: Option<u16>,
}

/// Clients of PostgreSQL, as manifests name them.
const POSTGRES: [&str; 9] =
    ["psycopg", "asyncpg", "pg8000", "\"pg\"", "\"postgres\"", "jackc/pgx", "lib/pq", "tokio-postgres", "postgresql"];
/// The same of Redis.
const REDIS: [&str; 6] = ["redis", "\"ioredis\"", "go-redis", "redigo", "fred =", "valkey"];
/// Images of PostgreSQL, by the last part of their names.
const POSTGRES_IMAGES: [&str; 4] = ["postgres", "pgvector", "postgis", "timescaledb"];
const REDIS_IMAGES: [&str; 2] = ["redis", "valkey"];

/// What a manifest's dependencies say.
pub(super) fn of_dependencies(text: &str, file: &str) -> Beside {
    let is_said = |line: &str| {
        !["#", "description", "\"description", "keywords", "\"keywords"].iter().any(|other| line.trim_start().starts_with(other))
    };
    let lines: Vec<&str> = text.lines().filter(|line| is_said(line)).collect();
    let told =
        |libraries: &[&str]| libraries.iter().any(|library| lines.iter().any(|line| line.contains(library))).then(|| file.to_owned());
    Beside { postgres: told(&POSTGRES), redis: told(&REDIS), port: None }
}

/// What a Compose file says, where it can be read.
pub(super) fn of_compose(text: &str, file: &str) -> Beside {
    let document: Value = chora_syntax::yaml::read(text, file).unwrap_or_default();
    let mut beside = Beside::default();
    for service in document.get("services").and_then(Value::as_object).into_iter().flat_map(serde_json::Map::values) {
        let image = service.get("image").and_then(Value::as_str).unwrap_or_default();
        let name = image.rsplit('/').next().unwrap_or(image).split([':', '@']).next().unwrap_or_default();
        if service.get("build").is_some() {
            beside.port = beside.port.or_else(|| port(service));
        } else if POSTGRES_IMAGES.contains(&name) {
            beside.postgres = Some(file.to_owned());
        } else if REDIS_IMAGES.contains(&name) {
            beside.redis = Some(file.to_owned());
        }
    }
    beside
}

/// The first port of a service that an ordinary user can listen on.
fn port(service: &Value) -> Option<u16> {
    let lists = ["ports", "expose"].iter().filter_map(|key| service.get(*key)?.as_array());
    let number = |entry: &Value| match entry {
        Value::Object(long) => long.get("target").and_then(|target| target.to_string().trim_matches('"').parse().ok()),
        short => {
            let text = short.to_string();
            text.trim_matches('"').split('/').next()?.rsplit(':').next()?.parse::<u16>().ok()
        }
    };
    lists.flatten().find_map(number).filter(|port| *port >= 1024)
}
