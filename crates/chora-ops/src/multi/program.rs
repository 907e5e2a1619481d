//! A program of somebody else's that may work for long: no shell, in a process group of its own, told line by line, and ended with
//! everything that it has started when nobody wants it any more.

use std::collections::VecDeque;
use std::io::ErrorKind;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader};
use tokio::process::Command;
use tokio_util::sync::CancellationToken;

/// How long a program may take to end in order.
const GRACE: Duration = Duration::from_secs(5);
/// Lines kept for a failure.
const KEPT: usize = 20;

/// What is told of each line of standard error.
pub(super) type Tell<'a> = &'a (dyn Fn(&str) + Send + Sync);

/// How a program ended.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) status: ExitStatus,
    /// What it wrote to standard output.
    pub(super) stdout: String,
    /// The last lines that it wrote to standard error.
    pub(super) last: Vec<String>,
}

/// Why a program did not come to its end.
#[derive(Debug, thiserror::Error)]
pub(super) enum ProgramError {
    #[error("there is no such program")]
    Missing,
    #[error("interrupted")]
    Interrupted,
    #[error("it did not end within {} s", .0.as_secs())]
    TooLong(Duration),
    #[error(transparent)]
    Io(std::io::Error),
}

/// What makes a program end before it is done.
#[derive(Clone, Copy)]
pub(super) struct Ends<'a> {
    pub(super) cancel: &'a CancellationToken,
    /// The longest that it may take.
    pub(super) limit: Option<Duration>,
}

/// Runs a program to its end. When it has to end before, it is asked to, then killed, with its whole group.
pub(super) async fn run(mut command: Command, ends: Ends<'_>, tell: Tell<'_>) -> Result<Ended, ProgramError> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0).kill_on_drop(true);
    let mut child = command.spawn().map_err(|error| match error.kind() {
        ErrorKind::NotFound | ErrorKind::PermissionDenied => ProgramError::Missing,
        _ => ProgramError::Io(error),
    })?;
    let mut group = Group(child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw));
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let work = async {
        let (stdout, last) = tokio::join!(read(stdout), follow(stderr, tell));
        Ok::<Ended, ProgramError>(Ended { status: child.wait().await.map_err(ProgramError::Io)?, stdout, last })
    };
    let mut work = Box::pin(work);
    let early = tokio::select! {
        ended = &mut work => {
            group.is_gone();
            return ended;
        }
        early = ends.come() => early,
    };
    group.send(Signal::TERM);
    // It may have something to say, and to undo, before it goes. Whoever of its group stays longer is killed when `group` is dropped.
    drop(tokio::time::timeout(GRACE, work).await);
    Err(early)
}

impl Ends<'_> {
    async fn come(&self) -> ProgramError {
        let limit = async {
            match self.limit {
                Some(limit) => tokio::time::sleep(limit).await,
                None => std::future::pending().await,
            }
            self.limit.unwrap_or_default()
        };
        tokio::select! {
            () = self.cancel.cancelled() => ProgramError::Interrupted,
            limit = limit => ProgramError::TooLong(limit),
        }
    }
}

/// A process group, killed when nobody has seen its leader end.
struct Group(Option<Pid>);

impl Group {
    fn send(&self, signal: Signal) {
        // One that has just ended has no group any more, which is what is wanted.
        if let Some(Err(error)) = self.0.map(|pid| kill_process_group(pid, signal)) {
            tracing::debug!(%error, "the signal could not be sent");
        }
    }

    const fn is_gone(&mut self) {
        self.0 = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.send(Signal::KILL);
    }
}

async fn read(stdout: Option<impl AsyncRead + Unpin>) -> String {
    let mut bytes = Vec::new();
    if let Some(mut stdout) = stdout
        && let Err(error) = stdout.read_to_end(&mut bytes).await
    {
        tracing::debug!(%error, "a program's output broke off");
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

async fn follow(stderr: Option<impl AsyncRead + Unpin>, tell: Tell<'_>) -> Vec<String> {
    let mut last = VecDeque::new();
    let Some(stderr) = stderr else { return Vec::new() };
    let (mut reader, mut bytes) = (BufReader::new(stderr), Vec::new());
    while let Ok(1..) = reader.read_until(b'\n', &mut bytes).await {
        let line = String::from_utf8_lossy(&bytes).trim_end().to_owned();
        bytes.clear();
        if line.is_empty() {
            continue;
        }
        tell(&line);
        if last.len() == KEPT {
            last.pop_front();
        }
        last.push_back(line);
    }
    last.into()
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::time::Duration;

    use tokio::process::Command;
    use tokio_util::sync::CancellationToken;

    use super::{Ends, ProgramError, run};

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[tokio::test]
    async fn what_it_says_is_ours() {
        let (cancel, told) = (CancellationToken::new(), Mutex::new(Vec::new()));
        let ends = Ends { cancel: &cancel, limit: None };
        let tell = |line: &str| told.lock().unwrap().push(line.to_owned());
        let ended = run(shell("cat; echo out; seq 30 >&2; exit 3"), ends, &tell).await.unwrap();
        assert_eq!((ended.status.code(), ended.stdout.as_str(), ended.last.len()), (Some(3), "out\n", 20));
        assert_eq!((told.lock().unwrap().len(), ended.last.last().map(String::as_str)), (30, Some("30")));
        let missing = run(Command::new("chora-has-no-such-program"), ends, &|_| {}).await.unwrap_err();
        assert!(matches!(missing, ProgramError::Missing));
    }

    #[tokio::test]
    async fn it_ends_with_all_that_it_has_started() {
        let cancel = CancellationToken::new();
        let ends = Ends { cancel: &cancel, limit: Some(Duration::from_secs(20)) };
        // A child that hears no request to end, and says which process it is.
        let script = "sh -c 'trap \"\" TERM; echo $$ >&2; while :; do sleep 0.1; done' & wait";
        let pid = Mutex::new(String::new());
        let tell = |line: &str| {
            *pid.lock().unwrap() = line.to_owned();
            cancel.cancel();
        };
        let error = run(shell(script), ends, &tell).await.unwrap_err();
        assert!(matches!(error, ProgramError::Interrupted), "{error}");
        let pid = pid.into_inner().unwrap();
        // A killed process that nobody has collected yet has no command line any more.
        let command = || std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        for _ in 0..500 {
            if command().is_empty() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("process {pid} is still there");
    }
}
