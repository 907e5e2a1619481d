//! The program as a person runs it: `Chora::new().file("compose.yaml", …).run(["config"])`.
//!
//! Each has a directory and an environment of its own; the engine of the machine is out of reach unless asked for.

mod ran;
mod running;
mod source;
mod tmpfs;

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

pub(crate) use ran::Ran;
pub(crate) use running::Running;
pub(crate) use source::{Source, git};
pub(crate) use tmpfs::Tmpfs;

/// How long a command may take before it counts as hung.
const LIMIT: Duration = Duration::from_secs(60);

/// A project directory and what the program finds around it.
pub(crate) struct Chora {
    folder: TempDir,
    variables: Vec<(String, String)>,
    input: Option<Vec<u8>>,
    limit: Duration,
}

impl Chora {
    /// An empty project directory with no other project above it; no engine answers.
    pub(crate) fn new() -> Self {
        Self::below(&std::env::temp_dir())
    }

    /// A project directory on a disk of its own.
    pub(crate) fn on_disk(disk: &Tmpfs) -> Self {
        Self::below(disk.path())
    }

    fn below(base: &Path) -> Self {
        let folder = tempfile::Builder::new().prefix("chora-").tempdir_in(base).unwrap();
        fs::create_dir(folder.path().join("project")).unwrap();
        fs::create_dir(folder.path().join("home")).unwrap();
        let engine = ("DOCKER_HOST".to_owned(), "unix:///nonexistent/docker.sock".to_owned());
        Self { folder, variables: vec![engine], input: None, limit: LIMIT }
    }

    /// Writes a file of the project.
    pub(crate) fn file(self, path: &str, text: impl AsRef<[u8]>) -> Self {
        self.write(path, text);
        self
    }

    /// Writes a file of the project between two commands.
    pub(crate) fn write(&self, path: &str, text: impl AsRef<[u8]>) {
        let path = self.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Reads a file of the project.
    pub(crate) fn read(&self, path: &str) -> String {
        fs::read_to_string(self.path().join(path)).unwrap()
    }

    /// Sets a variable.
    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.variables.retain(|(known, _)| known != name);
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Gives standard input.
    #[expect(dead_code, reason = "for commands that read")]
    pub(crate) fn stdin(self, input: impl Into<Vec<u8>>) -> Self {
        Self { input: Some(input.into()), ..self }
    }

    /// Allows more or less time.
    pub(crate) fn limit(self, limit: Duration) -> Self {
        Self { limit, ..self }
    }

    /// The same from here on.
    pub(crate) fn set_limit(&mut self, limit: Duration) {
        self.limit = limit;
    }

    /// The project's directory.
    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().canonicalize().unwrap().join("project")
    }

    /// Runs a command to its end.
    pub(crate) fn run<I: IntoIterator<Item: AsRef<OsStr>>>(&self, arguments: I) -> Ran {
        self.start(arguments).wait()
    }

    /// Starts a command and leaves it running.
    pub(crate) fn start<I: IntoIterator<Item: AsRef<OsStr>>>(&self, arguments: I) -> Running {
        self.start_with(&[], arguments)
    }

    /// Starts a command with variables that others do not get.
    pub(crate) fn start_with<I: IntoIterator<Item: AsRef<OsStr>>>(&self, variables: &[(&str, &str)], arguments: I) -> Running {
        let mut command = self.command(Path::new(env!("CARGO_BIN_EXE_chora")));
        command.args(arguments).envs(variables.iter().copied());
        Running::start(command, self.input.as_deref(), self.limit, vec![(self.path().display().to_string(), "[project]")])
    }

    /// Runs a command as a user who owns nothing: root would be let through everywhere.
    pub(crate) fn run_as_nobody<I: IntoIterator<Item: AsRef<OsStr>>>(&self, arguments: I) -> Ran {
        let open = |path: &Path| fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
        open(self.folder.path());
        // The place that the program was built in may be closed to others.
        let program = self.folder.path().join("chora");
        if !program.exists() {
            // By another process: a program that this one writes is busy for as long as a child that is being started elsewhere
            // still has it open.
            assert!(Command::new("cp").arg(env!("CARGO_BIN_EXE_chora")).arg(&program).status().unwrap().success());
        }
        open(&program);
        let mut command = self.command(&program);
        command.args(arguments);
        if is_root() {
            command.uid(65534).gid(65534);
        }
        Running::start(command, None, self.limit, vec![(self.path().display().to_string(), "[project]")]).wait()
    }

    /// Any program in this directory and environment.
    pub(crate) fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.current_dir(self.path()).env_clear();
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("HOME", self.folder.path().join("home"));
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }
}

/// Where the engine is that the tests were given.
pub(crate) fn given_engine() -> String {
    std::env::var("DOCKER_HOST").unwrap_or_else(|_| "unix:///var/run/docker.sock".to_owned())
}

fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}
