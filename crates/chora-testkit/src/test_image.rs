//! A tiny image for tests: `FROM scratch` with the static `chora-test-server`, in the form that `docker save` writes.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use bytes::Bytes;
use indexmap::IndexMap;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// Where the program lies in the image.
pub const SERVER: &str = "/chora-test-server";

/// Gives the path of the static test server: the one that was built together with this test, or else cargo builds it now.
///
/// # Panics
/// When it cannot be built.
#[must_use]
pub fn server_program() -> PathBuf {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| built_beside().unwrap_or_else(build_server)).clone()
}

/// The program in the folder of the running test, where both are static and it is not older than its sources: `cargo test`
/// of the workspace builds it, of one package it does not.
fn built_beside() -> Option<PathBuf> {
    if !cfg!(target_env = "musl") {
        return None;
    }
    let test = std::env::current_exe().ok()?;
    let program = test.parent()?.parent()?.join(SERVER.trim_start_matches('/'));
    let built = program.metadata().ok()?.modified().ok()?;
    let is_older = |source: &Path| source.metadata().and_then(|facts| facts.modified()).map_or(true, |changed| changed > built);
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/bin");
    let mut sources = std::fs::read_dir(sources).ok()?.flatten();
    (!sources.any(|source| is_older(&source.path()))).then_some(program)
}

fn build_server() -> PathBuf {
    let target = format!("{}-unknown-linux-musl", std::env::consts::ARCH);
    let output = Command::new(std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned()))
        .args(["build", "--quiet", "--package", "chora-testkit", "--bin", "chora-test-server", "--target", &target])
        .args(["--message-format", "json", "--manifest-path", concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")])
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "chora-test-server does not build:\n{}", String::from_utf8_lossy(&output.stderr));
    let messages = String::from_utf8_lossy(&output.stdout);
    let executable = messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .find_map(|message| message.get("executable").and_then(Value::as_str).map(PathBuf::from));
    executable.expect("cargo names the program it built")
}

/// An image to be made.
#[derive(Debug, Clone, Default)]
pub struct TestImage {
    /// `name:tag` to give.
    pub tag: String,
    /// Labels.
    pub labels: IndexMap<String, String>,
    /// Environment as `KEY=value`.
    pub environment: Vec<String>,
    /// `HEALTHCHECK` test, empty for none.
    pub healthcheck: Vec<String>,
}

impl TestImage {
    /// Gives configuration and layer, the two blobs of the image.
    #[must_use]
    pub fn blobs(&self) -> (Bytes, Bytes) {
        let layer = self.layer();
        let architecture = if std::env::consts::ARCH == "aarch64" { "arm64" } else { "amd64" };
        let environment = [&["FROM_IMAGE=yes".to_owned()], self.environment.as_slice()].concat();
        let mut config = json!({
            "Entrypoint": [SERVER],
            "Env": environment,
            "ExposedPorts": { "8080/tcp": {} },
            "Labels": self.labels,
        });
        if let (false, Some(fields)) = (self.healthcheck.is_empty(), config.as_object_mut()) {
            fields.insert("Healthcheck".to_owned(), json!({ "Test": self.healthcheck, "Interval": 200_000_000 }));
        }
        let document = json!({
            "architecture": architecture,
            "os": "linux",
            "created": "2026-01-01T00:00:00Z",
            "config": config,
            "rootfs": { "type": "layers", "diff_ids": [digest(&layer)] },
            "history": [{ "created": "2026-01-01T00:00:00Z", "created_by": "test" }],
        });
        (Bytes::from(document.to_string()), layer)
    }

    /// Engines share equal layers between images, and removing one image can hurt the creation of a container from
    /// another that shares them; so each image has a layer of its own.
    fn layer(&self) -> Bytes {
        static PROGRAM: OnceLock<Vec<u8>> = OnceLock::new();
        let program = PROGRAM.get_or_init(|| std::fs::read(server_program()).expect("the program can be read"));
        let mut builder = tar::Builder::new(Vec::new());
        for (directory, mode) in [("tmp/", 0o1777), ("etc/", 0o755)] {
            append(&mut builder, (directory, &[], mode), tar::EntryType::Directory);
        }
        append(&mut builder, ("etc/passwd", b"root:x:0:0::/:/\nnobody:x:65534:65534::/:/\n", 0o644), tar::EntryType::Regular);
        append(&mut builder, ("etc/image", self.tag.as_bytes(), 0o644), tar::EntryType::Regular);
        append(&mut builder, (SERVER.trim_start_matches('/'), program, 0o755), tar::EntryType::Regular);
        let mut link = tar::Header::new_gnu();
        link.set_entry_type(tar::EntryType::Symlink);
        link.set_size(0);
        link.set_mode(0o777);
        builder.append_link(&mut link, "etc/users", "passwd").expect("the link fits");
        Bytes::from(builder.into_inner().expect("the archive ends"))
    }

    /// Writes the archive that an engine loads.
    #[must_use]
    pub fn archive(&self) -> Bytes {
        let (config, layer) = self.blobs();
        let config_name = format!("{}.json", hex(&config));
        let layer_name = format!("{}/layer.tar", hex(&layer));
        let manifest = json!([{ "Config": config_name, "RepoTags": [self.tag], "Layers": [layer_name] }]).to_string();
        let entries = [(config_name.as_str(), &config[..]), (layer_name.as_str(), &layer[..]), ("manifest.json", manifest.as_bytes())];
        tar_of(&entries.map(|(name, content)| (name, content, 0o644)))
    }
}

/// Gives the digest of a blob as registries write it.
#[must_use]
pub fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", hex(bytes))
}

fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Packs files (path, content, mode), such as a build context.
///
/// # Panics
/// When a path cannot be written in an archive.
#[must_use]
pub fn tar_of(files: &[(&str, &[u8], u32)]) -> Bytes {
    let mut builder = tar::Builder::new(Vec::new());
    for file in files {
        append(&mut builder, *file, tar::EntryType::Regular);
    }
    Bytes::from(builder.into_inner().expect("the archive ends"))
}

fn append(builder: &mut tar::Builder<Vec<u8>>, (path, content, mode): (&str, &[u8], u32), kind: tar::EntryType) {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(kind);
    header.set_size(content.len() as u64);
    header.set_mode(mode);
    header.set_mtime(1_767_225_600);
    builder.append_data(&mut header, path, content).expect("the entry fits");
}
