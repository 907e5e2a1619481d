//! Programs that run to their end: no shell, nothing to read from a person, a limit of time.

use std::fs::File;
use std::io::{self, ErrorKind, Read as _, Seek as _, Write as _};
use std::process::{Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

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

/// `git`, which asks nobody anything, in the repository that it is told or run in.
pub(crate) fn git() -> Command {
    let mut command = Command::new("git");
    for name in FOREIGN {
        command.env_remove(name);
    }
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
    let (mut stdin, mut stdout, mut stderr) = (tempfile::tempfile()?, tempfile::tempfile()?, tempfile::tempfile()?);
    stdin.write_all(input)?;
    stdin.rewind()?;
    command.stdin(Stdio::from(stdin)).stdout(Stdio::from(stdout.try_clone()?)).stderr(Stdio::from(stderr.try_clone()?));
    let mut child = command.spawn().map_err(|error| match error.kind() {
        ErrorKind::NotFound => ProgramError::Missing,
        _ => ProgramError::Io(error),
    })?;
    let (begin, mut wait) = (Instant::now(), Duration::from_micros(200));
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if begin.elapsed() > limit {
            child.kill()?;
            child.wait()?;
            return Err(ProgramError::TooLong(limit));
        }
        thread::sleep(wait);
        wait = LOOK.min(wait * 2);
    };
    Ok(Ended { status, stdout: written(&mut stdout)?, stderr: written(&mut stderr)? })
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
    fn what_does_not_end_is_ended() {
        let error = run(Command::new("sleep").arg("60"), b"", Duration::ZERO).unwrap_err();
        assert_eq!(error.to_string(), "it did not end within 0 s");
    }
}
