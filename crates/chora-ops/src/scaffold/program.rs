//! Programs that run to their end: no shell, nothing to read from a person, a limit of time.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read as _, Seek as _, Write as _};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Resource, Rlimit, Signal, kill_process, prlimit};

/// The longest wait between two looks at a program that runs.
const LOOK: Duration = Duration::from_millis(2);
/// Lines of what a program said that are told.
const TOLD: usize = 12;

/// Variables that would lead `git` into another repository, such as the one whose hook runs this program.
const FOREIGN: [&str; 7] = [
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_NAMESPACE",
];

/// A program for which no other repository counts than the one that it is run in.
pub(crate) fn apart(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    for name in FOREIGN {
        command.env_remove(name);
    }
    command
}

/// `git`, which asks nobody anything, in the repository that it is told or run in.
pub(crate) fn git() -> Command {
    let mut command = apart("git");
    command.envs([("GIT_TERMINAL_PROMPT", "0"), ("GIT_ASKPASS", "false"), ("SSH_ASKPASS_REQUIRE", "never"), ("LC_ALL", "C")]);
    command
}

/// How a program ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: Vec<u8>,
}

impl Ended {
    /// The last lines of what it said.
    pub(crate) fn last_lines(&self) -> Vec<String> {
        let said = [&self.stdout, &self.stderr].map(|stream| String::from_utf8_lossy(stream).into_owned()).concat();
        let lines: Vec<String> = said.lines().map(str::trim_end).filter(|line| !line.is_empty()).map(str::to_owned).collect();
        lines.iter().skip(lines.len().saturating_sub(TOLD)).cloned().collect()
    }
}

/// Why a program did not come to its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProgramError {
    #[error("there is no such program")]
    Missing,
    #[error("it did not end within {} s", .0.as_secs())]
    TooLong(Duration),
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Runs a program with this input. What it writes goes into files, so that it never waits for a reader.
pub(crate) fn run(command: &mut Command, input: &[u8], limit: Duration) -> Result<Ended, ProgramError> {
    run_within(command, input, (limit, None))
}

/// The same for one that may make no larger file than so many bytes, nor may what it starts.
pub(crate) fn run_within(command: &mut Command, input: &[u8], (limit, largest): (Duration, Option<u64>)) -> Result<Ended, ProgramError> {
    let (mut stdin, mut stdout, mut stderr) = (tempfile::tempfile()?, tempfile::tempfile()?, tempfile::tempfile()?);
    stdin.write_all(input)?;
    stdin.rewind()?;
    command.stdin(Stdio::from(stdin)).stdout(Stdio::from(stdout.try_clone()?)).stderr(Stdio::from(stderr.try_clone()?));
    let mut child = command.spawn().map_err(|error| match error.kind() {
        ErrorKind::NotFound => ProgramError::Missing,
        _ => ProgramError::Io(error),
    })?;
    if let (Some(largest), Some(id)) = (largest, i32::try_from(child.id()).ok().and_then(Pid::from_raw)) {
        // One that has ended already has made its files.
        let _ = prlimit(Some(id), Resource::Fsize, Rlimit { current: Some(largest), maximum: Some(largest) });
    }
    let (begin, mut wait) = (Instant::now(), Duration::from_micros(200));
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if begin.elapsed() > limit {
            end(&mut child)?;
            return Err(ProgramError::TooLong(limit));
        }
        thread::sleep(wait);
        wait = LOOK.min(wait * 2);
    };
    Ok(Ended { status, stdout: written(&mut stdout)?, stderr: written(&mut stderr)? })
}

/// Ends a program and all that it has started. A group of processes of its own would hear nothing of a person who stops this program at a
/// terminal, so they are looked for.
fn end(child: &mut Child) -> io::Result<()> {
    let mut all = vec![child.id()];
    let mut at = 0;
    while let Some(id) = all.get(at).copied() {
        // What stands still starts nothing any more.
        signal(id, Signal::STOP);
        all.extend(children(id));
        at += 1;
    }
    all.iter().rev().for_each(|id| signal(*id, Signal::KILL));
    child.kill()?;
    child.wait().map(|_| ())
}

/// What a process has started, as far as the system tells.
fn children(id: u32) -> Vec<u32> {
    let tasks = fs::read_dir(format!("/proc/{id}/task")).into_iter().flatten().flatten();
    let lists = tasks.filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
    lists.flat_map(|list| list.split_whitespace().filter_map(|id| id.parse().ok()).collect::<Vec<u32>>()).collect()
}

fn signal(id: u32, signal: Signal) {
    // One that has ended meanwhile needs none.
    if let Some(id) = i32::try_from(id).ok().and_then(Pid::from_raw) {
        kill_process(id, signal).unwrap_or_default();
    }
}

fn written(file: &mut File) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.rewind()?;
    file.read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::{ProgramError, run};
    use std::process::Command;
    use std::time::Duration;

    const LIMIT: Duration = Duration::from_secs(20);

    #[test]
    fn what_it_reads_and_says_is_ours() {
        let ended = run(&mut Command::new("cat"), b"a\nb\n\n", LIMIT).unwrap();
        assert_eq!((ended.status.code(), ended.stdout.as_slice(), ended.last_lines().len()), (Some(0), &b"a\nb\n\n"[..], 2));
        assert!(matches!(run(&mut Command::new("chora-has-no-such-program"), b"", LIMIT), Err(ProgramError::Missing)));
    }

    #[test]
    fn what_a_program_has_started_ends_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let script = "sh -c 'sleep 60 & echo $! > inner; wait' & echo $! > outer; wait";
        let limit = Duration::from_secs(3);
        let error = run(Command::new("sh").args(["-c", script]).current_dir(folder.path()), b"", limit).unwrap_err();
        assert!(matches!(error, ProgramError::TooLong(_)));
        for name in ["outer", "inner"] {
            let id = std::fs::read_to_string(folder.path().join(name)).unwrap();
            let stat = || std::fs::read_to_string(format!("/proc/{}/stat", id.trim())).unwrap_or_default();
            // Whoever inherits it may take a while to look after it.
            let begin = std::time::Instant::now();
            while !stat().is_empty() && !stat().contains(") Z ") {
                assert!(begin.elapsed() < LIMIT, "{name} still runs");
                std::thread::sleep(Duration::from_millis(10));
            }
        }
    }

    #[test]
    fn what_is_larger_than_allowed_is_not_written() {
        let folder = tempfile::tempdir().unwrap();
        let script = "sleep 0.3; sh -c 'head -c 200000 /dev/zero > file'";
        let mut command = Command::new("sh");
        let ended = super::run_within(command.args(["-c", script]).current_dir(folder.path()), b"", (LIMIT, Some(100_000))).unwrap();
        assert!(!ended.status.success());
        assert_eq!(std::fs::metadata(folder.path().join("file")).unwrap().len(), 100_000);
    }

    #[test]
    fn what_does_not_end_is_ended() {
        let error = run(Command::new("sleep").arg("60"), b"", Duration::ZERO).unwrap_err();
        assert_eq!(error.to_string(), "it did not end within 0 s");
    }
}
