//! A real buildkitd of a test's own, as builders of buildx have it in containers and on other machines.

use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// How long it may take to start.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running buildkitd; it goes with the value.
pub(super) struct Buildkitd {
    folder: TempDir,
    process: Child,
}

impl Buildkitd {
    /// Starts one with everything of its own.
    pub(super) fn start() -> Self {
        let programs = programs();
        let folder = tempfile::Builder::new().prefix("chora-buildkit-").tempdir().unwrap();
        let log = std::fs::File::create(folder.path().join("log")).unwrap();
        let mut command = Command::new(programs.join("buildkitd"));
        command.arg("--root").arg(folder.path().join("root")).args(["--addr", &address(folder.path())]);
        // Unless told, all of a machine would listen for traces at one place.
        command.arg("--otel-socket-path").arg(folder.path().join("traces"));
        // Nothing of the machine's: neither its configuration nor its containerd.
        command.args(["--config", "/nonexistent", "--oci-worker=true", "--containerd-worker=false", "--oci-worker-binary"]);
        command.arg(programs.join("runc")).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::from(log));
        let process = command.spawn().unwrap();
        let daemon = Self { folder, process };
        let began = Instant::now();
        while UnixStream::connect(daemon.folder.path().join("socket")).is_err() {
            let said = || std::fs::read_to_string(daemon.folder.path().join("log")).unwrap_or_default();
            assert!(began.elapsed() < PATIENCE, "buildkitd does not start: {}", said());
            std::thread::sleep(Duration::from_millis(20));
        }
        daemon
    }

    /// Where it listens.
    pub(super) fn address(&self) -> String {
        address(self.folder.path())
    }
}

impl Drop for Buildkitd {
    fn drop(&mut self) {
        // In order: its containers and mounts go with it.
        drop(Command::new("kill").arg(self.process.id().to_string()).status());
        drop(self.process.wait());
    }
}

fn address(folder: &Path) -> String {
    format!("unix://{}", folder.join("socket").display())
}

/// The folder with buildkitd and runc, built once.
fn programs() -> PathBuf {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../scripts/buildkitd.sh");
    let made = Command::new(script).output().expect("the script runs");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    PathBuf::from(String::from_utf8(made.stdout).unwrap().trim_end())
}
