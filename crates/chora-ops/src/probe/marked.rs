//! Ends processes that carry a mark in their environment: what was started to be asked, with all that it started.

use std::path::Path;
use std::time::Duration;

use chora_core::model::health::ProbeAnswer;
use rustix::process::{Pid, Signal, kill_process};
use tokio::time::Instant;

use super::answer::{Passed, Trouble, answer};
use super::stdio::MARK;

/// How long they may take to end themselves.
const GRACE: Duration = Duration::from_secs(2);
/// The first pause between two looks; it doubles.
const FIRST_PAUSE: Duration = Duration::from_millis(5);

/// Asks them to end, then makes them.
pub(super) async fn end(mark: &str) -> ProbeAnswer {
    let started = Instant::now();
    let wanted = format!("{MARK}={mark}");
    let found = marked(Path::new("/proc"), &wanted).len();
    let left = match end_with(&wanted, Signal::TERM).await {
        0 => 0,
        _ => end_with(&wanted, Signal::KILL).await,
    };
    let outcome = match left {
        0 => Ok(Passed { answered: format!("{found} ended"), ..Passed::default() }),
        left => Err(Trouble::Wrong(format!("{left} of {found} still run"))),
    };
    answer("the end of marked processes".to_owned(), outcome, started.elapsed())
}

/// Gives how many are left; new ones that they start meanwhile get the signal too.
async fn end_with(wanted: &str, signal: Signal) -> usize {
    let deadline = Instant::now() + GRACE;
    let mut pause = FIRST_PAUSE;
    let mut told = Vec::new();
    loop {
        let alive = marked(Path::new("/proc"), wanted);
        if alive.is_empty() || Instant::now() >= deadline {
            return alive.len();
        }
        for process in alive {
            if !told.contains(&process) {
                // It may have ended since.
                let _ = kill_process(process, signal);
                told.push(process);
            }
        }
        tokio::time::sleep(pause).await;
        pause *= 2;
    }
}

fn marked(proc: &Path, wanted: &str) -> Vec<Pid> {
    let processes = std::fs::read_dir(proc).into_iter().flatten().flatten();
    let carries = |folder: &Path| {
        let environment = std::fs::read(folder.join("environ")).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|entry| entry == wanted.as_bytes())
    };
    let numbers = processes.filter(|entry| carries(&entry.path())).filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    numbers.filter_map(Pid::from_raw).collect()
}

#[cfg(test)]
mod tests {
    use chora_core::model::health::ProbeVerdict;

    use super::{MARK, end};

    #[tokio::test]
    async fn what_is_marked_ends_with_what_it_started_and_nothing_else_does() {
        let start = |script: &str, mark: &str| {
            std::process::Command::new("sh").args(["-c", script]).env(MARK, mark).stdout(std::process::Stdio::piped()).spawn().unwrap()
        };
        let mark = format!("test-{}", std::process::id());
        let mut other = start("echo; exec sleep 60", "another");
        // Deaf to the first signal, with a child of its own.
        let mut deaf = start("trap '' TERM; sleep 60 & echo; wait; wait", &mark);
        for child in [&mut other, &mut deaf] {
            std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut [0]).unwrap();
        }
        let reaped = std::thread::spawn(move || deaf.wait().unwrap());
        let answer = end(&mark).await;
        assert_eq!((answer.verdict, answer.answered.as_str()), (ProbeVerdict::Pass, "2 ended"));
        assert_eq!(std::os::unix::process::ExitStatusExt::signal(&reaped.join().unwrap()), Some(9));
        assert_eq!(other.try_wait().unwrap(), None);
        other.kill().unwrap();
        other.wait().unwrap();
    }
}
