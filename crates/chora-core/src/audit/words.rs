//! What names and images tell: which variables hold secrets, which services keep data, which images move.

/// Words that make a variable's name that of a secret.
const SECRET: [&str; 8] = ["PASSWORD", "PASSWD", "PWD", "SECRET", "TOKEN", "CREDENTIAL", "CREDENTIALS", "APIKEY"];
/// Words that do so before `KEY`.
const KEYS: [&str; 7] = ["API", "ACCESS", "PRIVATE", "SECRET", "SIGNING", "ENCRYPTION", "SSH"];
/// Last words of names that are about a secret and hold none.
const ABOUT: [&str; 16] = [
    "FILE", "PATH", "DIR", "NAME", "URL", "URI", "TTL", "LIMIT", "LENGTH", "POLICY", "EXPIRY", "EXPIRES", "MINUTES", "SECONDS", "TYPE",
    "ENABLED",
];

/// Whether a variable holds a secret, by its name.
pub(crate) fn is_secret(name: &str) -> bool {
    let upper = name.to_ascii_uppercase();
    let words: Vec<&str> = upper.split(['_', '-', '.']).filter(|word| !word.is_empty()).collect();
    let is_key = words.windows(2).any(|pair| matches!(pair, [before, "KEY"] if KEYS.contains(before)));
    let is_named = words.iter().any(|word| SECRET.contains(word) || word.ends_with("PASSWORD"));
    // `PWD` alone is where a shell is.
    (is_key || is_named) && upper != "PWD" && upper != "OLDPWD" && words.last().is_some_and(|last| !ABOUT.contains(last))
}

/// Whether a value is worth hiding: `yes` and `0` are switches.
pub(crate) fn is_worth_hiding(value: &str) -> bool {
    !value.is_empty() && !["true", "false", "yes", "no", "on", "off", "0", "1"].contains(&value.to_ascii_lowercase().as_str())
}

/// Whether a value is a URL with a password in it.
pub(crate) fn has_password(value: &str) -> bool {
    let Some((_, rest)) = value.split_once("://") else { return false };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    authority.rsplit_once('@').and_then(|(user, _)| user.split_once(':')).is_some_and(|(_, password)| !password.is_empty())
}

/// Whether a file holds a secret, by its name.
pub(super) fn is_secret_file(path: &str) -> bool {
    let path = path.trim_end_matches('/');
    let name = path.rsplit('/').next().unwrap_or(path).to_ascii_lowercase();
    let is_env = (name == ".env" || name.starts_with(".env."))
        && ![".env.example", ".env.defaults", ".env.sample", ".env.test"].contains(&name.as_str());
    let ends = [".pem", ".key", ".p12", ".pfx"].iter().any(|end| name.ends_with(end));
    is_env || ends || ["id_rsa", "id_ed25519", "secrets", "credentials.json", ".netrc", ".pgpass"].contains(&name.as_str())
}

/// Images that keep data.
const STORES: [&str; 26] = [
    "postgres",
    "postgresql",
    "pgvector",
    "postgis",
    "timescaledb",
    "mysql",
    "mariadb",
    "percona",
    "mongo",
    "mongodb",
    "redis",
    "valkey",
    "keydb",
    "memcached",
    "etcd",
    "elasticsearch",
    "opensearch",
    "clickhouse",
    "cassandra",
    "couchdb",
    "neo4j",
    "influxdb",
    "rabbitmq",
    "minio",
    "qdrant",
    "weaviate",
];

/// What images for stores have in their names that are none.
const ABOUT_STORES: [&str; 8] = ["exporter", "admin", "express", "commander", "backup", "operator", "client", "proxy"];

/// Whether an image keeps data for others.
pub(super) fn is_store(image: &str) -> bool {
    let (name, _) = split(image);
    let name = name.rsplit('/').next().unwrap_or(name).to_ascii_lowercase();
    let is_about_one = ABOUT_STORES.iter().any(|word| name.contains(word));
    !is_about_one && STORES.iter().any(|store| name == *store || name.strip_prefix(store).is_some_and(|rest| rest.starts_with(['-', '_'])))
}

/// How firmly an image is named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hold {
    /// By digest: it is the same for ever.
    Digest,
    /// By a version.
    Version,
    /// By a tag that moves, or by none.
    Moving,
}

/// Tags that say nothing about a version.
const MOVING: [&str; 15] = [
    "latest", "stable", "edge", "nightly", "main", "master", "dev", "develop", "lts", "current", "slim", "alpine", "release", "rolling",
    "mainline",
];

pub(super) fn hold(image: &str) -> Hold {
    if image.contains("@sha256:") {
        return Hold::Digest;
    }
    match split(image).1 {
        Some(tag) if !tag.is_empty() && !MOVING.contains(&tag.to_ascii_lowercase().as_str()) => Hold::Version,
        _ => Hold::Moving,
    }
}

/// Name and tag of an image.
fn split(image: &str) -> (&str, Option<&str>) {
    let image = image.split('@').next().unwrap_or(image);
    match image.rsplit_once(':') {
        // A port of a registry is no tag.
        Some((name, tag)) if !tag.contains('/') => (name, Some(tag)),
        _ => (image, None),
    }
}

/// Words in a list for people.
pub(crate) fn listed(words: &[&str]) -> String {
    match words {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [all @ .., last] => format!("{} and {last}", all.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::{Hold, has_password, hold, is_secret, is_secret_file, is_store, is_worth_hiding, listed};

    #[test]
    fn variables_with_secrets() {
        for name in
            ["POSTGRES_PASSWORD", "JWT_SECRET_KEY", "OPENAI_API_KEY", "token", "GITHUB_TOKEN", "PGPASSWORD", "SECRET_KEY_BASE", "DB_PWD"]
        {
            assert!(is_secret(name), "{name}");
        }
        for name in [
            "POSTGRES_PASSWORD_FILE",
            "MAX_TOKENS",
            "TOKEN_LIMIT",
            "PWD",
            "KEY",
            "PUBLIC_KEY",
            "TOKENIZER",
            "SECRET_NAME",
            "PASSWORD_POLICY",
        ] {
            assert!(!is_secret(name), "{name}");
        }
        assert!(is_worth_hiding("hunter2") && !is_worth_hiding("") && !is_worth_hiding("Yes"));
        for (value, expected) in [
            ("postgres://app:pw@db/x", true),
            ("postgres://app@db/x", false),
            ("redis://:pw@r:6379", true),
            ("http://a/b:c@d", false),
            ("https://a:8000", false),
            ("a:b@c", false),
        ] {
            assert_eq!(has_password(value), expected, "{value}");
        }
        for (path, expected) in
            [(".env", true), ("a/.env.local", true), (".env.example", false), ("tls/x.pem", true), ("secrets/", true), ("src", false)]
        {
            assert_eq!(is_secret_file(path), expected, "{path}");
        }
    }

    #[test]
    fn images_that_keep_data_and_images_that_move() {
        for (image, store) in [
            ("postgres:17", true),
            ("pgvector/pgvector:pg16", true),
            ("registry:5000/library/redis", true),
            ("redis-stack:7", true),
            ("bitnami/postgresql@sha256:00", true),
            ("postgrest/postgrest:v12", false),
            ("postgres-exporter:1", false),
            ("nginx:1", false),
        ] {
            assert_eq!(is_store(image), store, "{image}");
        }
        for (image, expected) in [
            ("a", Hold::Moving),
            ("a:latest", Hold::Moving),
            ("localhost:5000/a", Hold::Moving),
            ("localhost:5000/a:1.2", Hold::Version),
            ("debian:bookworm-slim", Hold::Version),
            ("node:lts", Hold::Moving),
            ("a:1@sha256:00", Hold::Digest),
        ] {
            assert_eq!(hold(image), expected, "{image}");
        }
        assert_eq!([listed(&[]), listed(&["a"]), listed(&["a", "b", "c"])], ["", "a", "a, b and c"]);
    }
}
