//! One command before the server: its output goes to standard error, signals reach it and everything it started.

use std::os::fd::AsFd;
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Stdio};

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::process::{Child, Command};

use super::EntrypointError;
use super::signals::Signals;

/// Runs a command to its end; a signal is passed on, a second one kills.
pub(super) async fn run(command: &str, words: &[String], signals: &mut Signals) -> Result<(), EntrypointError> {
    let Some((program, arguments)) = words.split_first() else { return Ok(()) };
    let mut child = start(program, arguments).map_err(|source| EntrypointError::NotStarted { program: program.clone(), source })?;
    let mut stopped = None;
    let status = loop {
        tokio::select! {
            status = child.wait() => break status,
            caught = signals.next() => {
                let again = stopped.replace(caught).is_some();
                pass_on(&child, if again { Signal::KILL } else { caught.signal });
            }
        }
    };
    let status = status.map_err(|source| EntrypointError::Runtime { source })?;
    match stopped {
        Some(caught) => Err(caught.into()),
        None if status.success() => Ok(()),
        None => Err(EntrypointError::CommandFailed { command: command.to_owned(), code: code_of(status) }),
    }
}

fn start(program: &str, arguments: &[String]) -> std::io::Result<Child> {
    let output = std::io::stderr().as_fd().try_clone_to_owned()?;
    Command::new(program).args(arguments).stdin(Stdio::null()).stdout(Stdio::from(output)).process_group(0).kill_on_drop(true).spawn()
}

fn pass_on(child: &Child, signal: Signal) {
    let pid = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
    // A child that has just ended has no group any more; its exit is what is waited for.
    if let Some(Err(error)) = pid.map(|pid| kill_process_group(pid, signal)) {
        tracing::debug!(%error, "the signal could not be passed on");
    }
}

fn code_of(status: ExitStatus) -> u8 {
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1)
}
