//! What is asked wrongly of images is refused before an engine or a registry is asked.

use insta::assert_snapshot;

use crate::support::Chora;

const BUILT: &str = "name: shop\nservices:\n  web: { build: . }\n  db: { image: 'db:1' }\n";

#[test]
fn registries_and_versions_that_are_none_are_refused() {
    let chora = Chora::new().file("compose.yaml", BUILT).file("Dockerfile", "FROM scratch\n");
    assert_snapshot!(chora.run(["push", "https://ghcr.io"]));
    assert_snapshot!(chora.run(["release", "latest", "ghcr.io/acme"]));
    assert_snapshot!(chora.run(["release", "v1+2", "ghcr.io/acme"]));
    assert_snapshot!(chora.run(["push", "ghcr.io/acme", "db", "--version", "v1"]));
    assert_snapshot!(chora.run(["push", "ghcr.io/acme"]));
    assert_snapshot!(chora.run(["verify", "web", "--max-size", "large"]));
    assert_snapshot!(chora.run(["verify", ""]));
    assert_snapshot!(chora.run(["verify", "web", "--set", "x"]));
}

#[test]
fn a_project_that_builds_nothing_has_nothing_to_release() {
    let chora = Chora::new().file("compose.yaml", "name: shop\nservices: { db: { image: 'db:1' } }\n");
    assert_snapshot!(chora.run(["release", "v1", "ghcr.io/acme"]));
}
