//! The shape of the workspace, as `docs/ARCHITECTURE.md` states it: who may depend on whom, on which licences, and what
//! sources may hold.

mod licence;
mod metadata;
mod sources;

use std::collections::BTreeSet;

use metadata::Metadata;

/// A crate, ours that it uses, what of others it may not use, and why.
struct Row {
    name: &'static str,
    uses: &'static [&'static str],
    forbidden: &'static [&'static [&'static str]],
    reason: &'static str,
}

const DOORS: &[&str] = &["clap", "clap_complete", "clap_mangen", "rmcp", "axum", "anyhow"];
const DOCKER: &[&str] = &["bollard", "bollard-stubs", "bollard-buildkit-proto", "tonic"];
const SQL: &[&str] = &["rusqlite", "tokio-postgres", "sqlx"];
const ASYNC: &[&str] = &["tokio", "tokio-util", "tokio-stream", "hyper", "hyper-util", "reqwest"];
const WORLD: &[&str] = &["uuid", "rand", "getrandom", "tempfile", "rustix", "ignore", "walkdir", "dirs", "chrono"];

/// The table of `docs/ARCHITECTURE.md`. Normal dependencies only: tests may use the testkit.
const EDGES: &[Row] = &[
    Row {
        name: "chora-syntax",
        uses: &[],
        forbidden: &[DOORS, DOCKER, SQL, ASYNC, WORLD, &["jiff"]],
        reason: "parsing is pure: text in, a spanned tree out, usable by anything",
    },
    Row {
        name: "chora-core",
        uses: &["chora-syntax"],
        forbidden: &[DOORS, DOCKER, SQL, ASYNC, WORLD],
        reason: "decisions are pure: the same input gives the same plan, with no clock, environment, file or network",
    },
    Row {
        name: "chora-template",
        uses: &["chora-syntax"],
        forbidden: &[DOORS, DOCKER, SQL, ASYNC, WORLD, &["jiff"]],
        reason: "a template cannot reach the world: the same answers give the same files",
    },
    Row {
        name: "chora-docker",
        uses: &["chora-core"],
        forbidden: &[DOORS, SQL],
        reason: "an adapter knows the port it fills and its own technology, no use case and no door",
    },
    Row {
        name: "chora-store",
        uses: &["chora-core"],
        forbidden: &[DOORS, DOCKER, &["hyper", "reqwest"]],
        reason: "an adapter knows the port it fills and its own technology, no use case and no door",
    },
    Row {
        name: "chora-gateway",
        uses: &[],
        forbidden: &[DOORS, DOCKER, SQL],
        reason: "the data plane faces clients: it never sees the engine, the store or the project",
    },
    Row {
        name: "chora-ops",
        uses: &["chora-core", "chora-syntax", "chora-template"],
        forbidden: &[DOORS, DOCKER, SQL],
        reason: "use cases speak to ports: they work with every engine, every store and every door",
    },
    Row {
        name: "chora",
        uses: &["chora-core", "chora-docker", "chora-gateway", "chora-ops", "chora-store", "chora-syntax"],
        forbidden: &[SQL, DOCKER],
        reason: "doors and wiring: it knows every crate and no technology behind a port",
    },
    Row {
        name: "chora-testkit",
        uses: &["chora-core"],
        forbidden: &[DOORS, DOCKER, SQL],
        reason: "fakes and contract suites serve every adapter, so they may know none; only tests depend on it",
    },
];

#[test]
fn crates_depend_on_each_other_as_the_table_says() {
    let metadata = Metadata::read();
    let ours: BTreeSet<&str> = metadata.members();
    let table: BTreeSet<&str> = EDGES.iter().map(|row| row.name).collect();
    assert_eq!(ours, table, "a crate exists only to forbid a dependency: a new one needs a decision record and a row here");
    for row in EDGES {
        let real: BTreeSet<&str> = metadata.dependencies(row.name).filter(|name| ours.contains(name)).collect();
        let stated: BTreeSet<&str> = row.uses.iter().copied().collect();
        assert_eq!(real, stated, "the edges of {} differ from the table: {}", row.name, row.reason);
    }
}

#[test]
fn crates_stay_away_from_what_is_forbidden_to_them() {
    let metadata = Metadata::read();
    for row in EDGES {
        let forbidden: BTreeSet<&str> = row.forbidden.iter().copied().flatten().copied().collect();
        let used: Vec<&str> = metadata.dependencies(row.name).filter(|name| forbidden.contains(name)).collect();
        assert!(used.is_empty(), "{} depends on {}: {}", row.name, used.join(", "), row.reason);
    }
}

#[test]
fn every_package_has_an_allowed_licence() {
    let allowed = licence::allowed();
    let metadata = Metadata::read();
    let refused: Vec<String> = metadata
        .licences()
        .filter(|(_, licence)| !licence::is_covered(licence, &allowed))
        .map(|(package, licence)| format!("{package}: {licence}"))
        .collect();
    assert!(refused.is_empty(), "not covered by the licences that deny.toml allows:\n{}", refused.join("\n"));
}

#[test]
fn nothing_binds_a_tls_library_of_the_system() {
    let metadata = Metadata::read();
    let bound: Vec<&str> = metadata.packages().filter(|name| ["openssl-sys", "aws-lc-sys", "native-tls"].contains(name)).collect();
    assert!(bound.is_empty(), "the static binary takes rustls with ring, not {}", bound.join(", "));
}
