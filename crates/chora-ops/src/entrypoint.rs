//! `chora entrypoint`: waits for what the server needs, runs its migrations, then becomes the server.
//!
//! Nothing of it reaches standard output, which may be the server's protocol channel, and nothing reads standard input.

mod migration;
mod signals;
mod words;

use std::convert::Infallible;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::Duration;

use chora_core::ports::Clock;

use self::signals::Signals;
pub use self::words::{WordsError, split_words};
use crate::probe::TargetError;
use crate::wait::{TargetOutcome, WaitRequest, wait_for};

/// What to do before the server starts, and the server.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EntrypointRequest {
    /// Targets of `chora wait`.
    pub wait: Vec<String>,
    /// How long to wait for all of them.
    pub limit: Duration,
    /// Commands to run one after the other, each in one string; no shell reads them.
    pub run: Vec<String>,
    /// The server's argument vector.
    pub server: Vec<String>,
}

/// Why the server does not run.
#[derive(Debug, thiserror::Error)]
pub enum EntrypointError {
    /// There is no server to become.
    #[error("no server command is given after `--`")]
    NoServer,
    /// A target is not written as one.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// A command is not written as one.
    #[error("`{command}` cannot be run: {source}")]
    Words {
        /// As it was given.
        command: String,
        /// What is wrong with it.
        source: WordsError,
    },
    /// What the server needs did not come.
    #[error("not ready within {limit:?}: {}", list(.missing))]
    NotReady {
        /// The limit.
        limit: Duration,
        /// What was missing.
        missing: Vec<TargetOutcome>,
    },
    /// A command did not end well.
    #[error("`{command}` failed with exit code {code}; the server was not started")]
    CommandFailed {
        /// The command.
        command: String,
        /// Its exit code, 128 + signal when one ended it.
        code: u8,
    },
    /// A program could not be started.
    #[error("`{program}` cannot be started: {source}")]
    NotStarted {
        /// The program.
        program: String,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// A signal asked to stop.
    #[error("stopped by {name} before the server was started")]
    Stopped {
        /// The signal's name.
        name: &'static str,
        /// 128 + its number.
        code: u8,
    },
    /// The runtime or its signals are not to be had.
    #[error("the entry point cannot work here: {source}")]
    Runtime {
        /// What the operating system said.
        source: std::io::Error,
    },
}

impl EntrypointError {
    /// The exit code: a command's own, 126 and 127 as shells have them, 128 + signal, else those of SPEC §3.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::NoServer | Self::Target(_) | Self::Words { .. } => 64,
            Self::NotReady { .. } => 69,
            Self::CommandFailed { code, .. } | Self::Stopped { code, .. } => *code,
            Self::NotStarted { source, .. } if source.kind() == std::io::ErrorKind::NotFound => 127,
            Self::NotStarted { .. } => 126,
            Self::Runtime { .. } => 70,
        }
    }
}

/// Waits, runs the commands and becomes the server: it returns only when something went wrong.
///
/// `progress` is told each step in one line, for standard error.
///
/// # Errors
/// See [`EntrypointError`].
pub fn enter(clock: &dyn Clock, request: &EntrypointRequest, progress: &dyn Fn(&str)) -> Result<Infallible, EntrypointError> {
    let Some((program, arguments)) = request.server.split_first() else { return Err(EntrypointError::NoServer) };
    let split = |command: &String| split_words(command).map_err(|source| EntrypointError::Words { command: command.clone(), source });
    // Everything that can be wrong in writing is found before anything is waited for.
    let commands = request.run.iter().map(split).collect::<Result<Vec<_>, _>>()?;
    if !(request.wait.is_empty() && commands.is_empty()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|source| EntrypointError::Runtime { source })?;
        let prepared = runtime.block_on(prepare(clock, request, &commands, progress));
        runtime.shutdown_background();
        prepared?;
    }
    progress(&format!("starting {program}"));
    // The process stays the same: signals, streams and process id are the server's from here on.
    let source = Command::new(program).args(arguments).exec();
    Err(EntrypointError::NotStarted { program: program.clone(), source })
}

async fn prepare(
    clock: &dyn Clock,
    request: &EntrypointRequest,
    commands: &[Vec<String>],
    progress: &dyn Fn(&str),
) -> Result<(), EntrypointError> {
    let mut signals = Signals::listen().map_err(|source| EntrypointError::Runtime { source })?;
    if !request.wait.is_empty() {
        tokio::select! {
            ready = wait(clock, request, progress) => ready?,
            signal = signals.next() => return Err(signal.into()),
        }
    }
    for (command, words) in request.run.iter().zip(commands) {
        progress(&format!("running {command}"));
        migration::run(command, words, &mut signals).await?;
    }
    match signals.pending().await {
        Some(signal) => Err(signal.into()),
        None => Ok(()),
    }
}

async fn wait(clock: &dyn Clock, request: &EntrypointRequest, progress: &dyn Fn(&str)) -> Result<(), EntrypointError> {
    let limit = request.limit;
    let outcome = wait_for(clock, &WaitRequest { targets: request.wait.clone(), limit }).await?;
    for target in outcome.targets.iter().filter(|target| target.ready) {
        progress(&format!("{} is ready after {} ms", target.target, target.took_ms));
    }
    let missing: Vec<_> = outcome.targets.into_iter().filter(|target| !target.ready).collect();
    if missing.is_empty() { Ok(()) } else { Err(EntrypointError::NotReady { limit, missing }) }
}

fn list(missing: &[TargetOutcome]) -> String {
    missing.iter().map(|target| format!("{} ({})", target.target, target.answered)).collect::<Vec<_>>().join(", ")
}
