//! An engine of a test's own, of the very program that runs the given one: it can be stopped, and started again.
//!
//! It shares no socket, folder, bridge or address with another one, and leaves the firewall alone.

use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::daemon::Daemon;
use crate::support::given_engine;

/// How long an engine may take to start or to stop on a busy machine.
const LIMIT: Duration = Duration::from_secs(60);
/// How often is looked.
const LOOK: Duration = Duration::from_millis(20);

pub(super) struct Spare {
    folder: TempDir,
    data: PathBuf,
    program: Program,
    pool: Pool,
    process: Option<Child>,
}

/// Addresses that no other engine has as long as this is there: engines that start networks at once would take the same.
struct Pool {
    base: String,
    _held: File,
}

impl Pool {
    /// Takes the first of 10.217.0.0 to 10.248.0.0 that nobody has, in this process or another one.
    fn take() -> Self {
        let taken = (217..=248).find_map(|part| {
            let file = File::create(std::env::temp_dir().join(format!("chora-test-pool-{part}"))).ok()?;
            file.try_lock().ok().map(|()| Self { base: format!("base=10.{part}.0.0/16,size=24"), _held: file })
        });
        taken.expect("fewer than 32 engines at once")
    }
}

/// How the given engine was started.
struct Program {
    file: PathBuf,
    /// Where it finds containerd and runc.
    path: String,
    /// Options that this machine needs.
    options: Vec<String>,
}

impl Spare {
    /// Starts one that keeps its data in a temporary folder.
    pub(super) fn start() -> Self {
        let folder = tempfile::Builder::new().prefix("chora-engine-").tempdir().unwrap();
        let data = folder.path().join("data");
        Self::start_with(folder, data)
    }

    /// Starts one that keeps its data in a given place.
    pub(super) fn start_on(disk: &Path) -> Self {
        Self::start_with(tempfile::Builder::new().prefix("chora-engine-").tempdir().unwrap(), disk.join("data"))
    }

    fn start_with(folder: TempDir, data: PathBuf) -> Self {
        let mut spare = Self { folder, data, program: Program::of_given(), pool: Pool::take(), process: None };
        spare.begin();
        spare
    }

    pub(super) fn daemon(&self) -> Daemon {
        Daemon { host: format!("unix://{}", self.folder.path().join("socket").display()) }
    }

    /// Starts it, and waits until it answers.
    pub(super) fn begin(&mut self) {
        let folder = self.folder.path();
        let log = fs::OpenOptions::new().create(true).append(true).open(folder.join("log")).unwrap();
        let mut command = Command::new("setpriv");
        // It must not outlive its test, however that ends.
        command.args(["--pdeathsig", "TERM", "--"]).arg(&self.program.file).args(&self.program.options);
        command.arg("-H").arg(self.daemon().host).arg("--data-root").arg(&self.data);
        command.arg("--exec-root").arg(folder.join("exec")).arg("--pidfile").arg(folder.join("pid"));
        command.args(["--bridge", "none", "--iptables=false", "--ip6tables=false", "--ip-forward=false", "--ip-masq=false"]);
        command.args(["--default-address-pool", &self.pool.base]);
        command.env_clear().env("PATH", &self.program.path).env("HOME", folder).process_group(0);
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        self.process = Some(command.spawn().expect("setpriv is installed"));
        let deadline = Instant::now() + LIMIT;
        while !self.daemon().is_up() {
            let ended = self.process.as_mut().unwrap().try_wait().unwrap();
            assert!(ended.is_none() && Instant::now() < deadline, "the engine does not start ({ended:?}):\n{}", self.log());
            std::thread::sleep(LOOK);
        }
    }

    /// Stops it as the machine's service manager does, and waits until it is gone; its containers stop with it.
    pub(super) fn stop(&mut self) {
        let Some(mut process) = self.process.take() else { return };
        drop(Command::new("kill").arg("-TERM").arg(process.id().to_string()).status());
        let deadline = Instant::now() + LIMIT;
        while process.try_wait().unwrap().is_none() {
            if Instant::now() > deadline {
                process.kill().unwrap();
                panic!("the engine does not stop:\n{}", self.log());
            }
            std::thread::sleep(LOOK);
        }
    }

    fn log(&self) -> String {
        let log = fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }
}

impl Drop for Spare {
    fn drop(&mut self) {
        if std::thread::panicking() {
            // A second panic would end the other tests as well.
            if let Some(process) = &mut self.process {
                drop(Command::new("kill").arg("-TERM").arg(process.id().to_string()).status());
                drop(process.wait());
            }
            return;
        }
        self.stop();
    }
}

impl Program {
    /// Finds the process that serves the given engine.
    fn of_given() -> Self {
        let host = given_engine();
        let processes = fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path());
        let words = |process: &Path, file: &str| -> Vec<String> {
            let text = fs::read(process.join(file)).unwrap_or_default();
            String::from_utf8_lossy(&text).split_terminator('\0').map(str::to_owned).collect()
        };
        let serves = |process: &PathBuf| {
            let command = words(process, "cmdline");
            let engine = command.first().is_some_and(|program| program.ends_with("dockerd"));
            // Started by systemd, it is given its socket instead of an address.
            engine && (command.contains(&host) || (host.ends_with("/docker.sock") && command.iter().any(|word| word == "fd://")))
        };
        let process = processes.into_iter().find(serves);
        let process =
            process.unwrap_or_else(|| panic!("these tests start another engine like the one at {host}, and find no process of it"));
        let command = words(&process, "cmdline");
        let kept = ["--storage-driver", "--init-path"];
        let options = command.windows(2).filter(|pair| kept.contains(&pair[0].as_str())).flatten().cloned().collect();
        let path = words(&process, "environ").iter().find_map(|line| line.strip_prefix("PATH=").map(str::to_owned));
        let file = fs::read_link(process.join("exe")).expect("these tests run as the user that the engine runs as");
        Self { file, path: path.unwrap_or_else(|| "/usr/sbin:/usr/bin:/sbin:/bin".to_owned()), options }
    }
}
