//! What `cargo metadata` says about the packages that a Linux binary is made of.

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::Value;

pub(super) struct Metadata(Value);

impl Metadata {
    pub(super) fn read() -> Self {
        // Packages of other platforms are not downloaded by a build, so they cannot be read offline.
        let target = format!("{}-unknown-linux-musl", std::env::consts::ARCH);
        let output = Command::new(env!("CARGO"))
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .args(["metadata", "--format-version", "1", "--offline", "--locked", "--filter-platform", &target])
            .output()
            .expect("cargo runs");
        assert!(output.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
        Self(serde_json::from_slice(&output.stdout).expect("cargo metadata is JSON"))
    }

    fn list<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
        value.get(key).and_then(Value::as_array).expect("cargo metadata has this list").iter()
    }

    fn name(value: &Value) -> &str {
        value.get("name").and_then(Value::as_str).expect("cargo metadata names it")
    }

    /// The packages of the workspace.
    pub(super) fn members(&self) -> BTreeSet<&str> {
        let ids: BTreeSet<&str> = Self::list(&self.0, "workspace_members").filter_map(Value::as_str).collect();
        let own =
            Self::list(&self.0, "packages").filter(|package| package.get("id").and_then(Value::as_str).is_some_and(|id| ids.contains(id)));
        own.map(Self::name).collect()
    }

    /// What a package depends on, not counting what only its tests or its build script need.
    pub(super) fn dependencies<'a>(&'a self, package: &str) -> impl Iterator<Item = &'a str> {
        let found = Self::list(&self.0, "packages").find(|found| Self::name(found) == package).expect("the package is there");
        Self::list(found, "dependencies").filter(|dependency| dependency.get("kind").is_none_or(Value::is_null)).map(Self::name)
    }

    /// Names of all packages.
    pub(super) fn packages(&self) -> impl Iterator<Item = &str> {
        Self::list(&self.0, "packages").map(Self::name)
    }

    /// Every package with its licence expression; one that states none has an empty expression.
    pub(super) fn licences(&self) -> impl Iterator<Item = (&str, &str)> {
        Self::list(&self.0, "packages")
            .map(|package| (Self::name(package), package.get("license").and_then(Value::as_str).unwrap_or_default()))
    }
}
