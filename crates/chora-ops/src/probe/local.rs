//! Questions about the files and processes of this very container, for `chora probe` as a HEALTHCHECK. Synchronous.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use chora_core::model::health::ProbeAnswer;
use sha2::{Digest, Sha256};

use super::answer::{Passed, Trouble, answer};

/// A file and what must be true of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct FileQuestion {
    /// Path of the file or directory.
    pub path: PathBuf,
    /// It must not be empty.
    pub non_empty: bool,
    /// It must have been written within this time.
    pub younger_than: Option<Duration>,
    /// SHA-256 of its content, in hexadecimal.
    pub sha256: Option<String>,
}

/// A process that must run.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ProcessQuestion {
    /// Its program's name, or a part of its command line.
    pub name: String,
}

/// Asks about a file.
#[must_use]
pub fn probe_file(question: &FileQuestion) -> ProbeAnswer {
    let started = Instant::now();
    answer(format!("file {}", question.path.display()), file(question, SystemTime::now()), started.elapsed())
}

/// Asks whether a process runs; this process and its callers do not count.
#[must_use]
pub fn probe_process(question: &ProcessQuestion) -> ProbeAnswer {
    let started = Instant::now();
    answer(format!("process {}", question.name), process(Path::new("/proc"), std::process::id(), &question.name), started.elapsed())
}

fn file(question: &FileQuestion, now: SystemTime) -> Result<Passed, Trouble> {
    let unreadable = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::NotFound => Trouble::Silent("no such file".to_owned()),
        _ => Trouble::Wrong(format!("cannot be read: {error}")),
    };
    let facts = std::fs::metadata(&question.path).map_err(unreadable)?;
    if question.non_empty && facts.is_file() && facts.len() == 0 {
        return Err(Trouble::Wrong("the file is empty".to_owned()));
    }
    if let Some(limit) = question.younger_than {
        let written = facts.modified().map_err(unreadable)?;
        // A file from the future is as young as can be.
        let age = now.duration_since(written).unwrap_or_default();
        if age > limit {
            return Err(Trouble::Wrong(format!("written {}s ago, more than {}s", age.as_secs(), limit.as_secs())));
        }
    }
    if let Some(wanted) = &question.sha256 {
        let found = digest(&question.path).map_err(unreadable)?;
        if !found.eq_ignore_ascii_case(wanted.trim_start_matches("sha256:")) {
            return Err(Trouble::Wrong(format!("its SHA-256 is {found}")));
        }
    }
    Ok(Passed { answered: format!("{} bytes", facts.len()), ..Passed::default() })
}

/// SHA-256 of a file in hexadecimal, read piece by piece.
pub(super) fn digest(path: &Path) -> std::io::Result<String> {
    let mut file = File::open(path)?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        let count = file.read(&mut buffer)?;
        if count == 0 {
            return Ok(hex(&hash.finalize()));
        }
        hash.update(buffer.get(..count).unwrap_or_default());
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn process(proc: &Path, own: u32, name: &str) -> Result<Passed, Trouble> {
    if name.is_empty() {
        return Err(Trouble::Refused("no process is named".to_owned(), None));
    }
    let entries = std::fs::read_dir(proc).map_err(|error| Trouble::Refused(format!("{} cannot be read: {error}", proc.display()), None))?;
    let callers = callers(proc, own);
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
    let mut found: Vec<u32> = pids.filter(|pid| !callers.contains(pid) && runs_as(proc, *pid, name)).collect();
    found.sort_unstable();
    match found.first() {
        Some(pid) => Ok(Passed { answered: format!("runs as process {pid}"), ..Passed::default() }),
        None => Err(Trouble::Silent("no such process".to_owned())),
    }
}

/// This process and those that called it, whose command lines carry the very name that is looked for; never the first process.
fn callers(proc: &Path, own: u32) -> Vec<u32> {
    let mut callers = vec![own];
    let mut current = own;
    while let Some((_, parent)) = state_and_parent(proc, current) {
        if parent <= 1 || callers.contains(&parent) {
            break;
        }
        callers.push(parent);
        current = parent;
    }
    callers
}

/// State letter and parent from `/proc/<pid>/stat` (proc(5)); the name in parentheses may contain anything.
fn state_and_parent(proc: &Path, pid: u32) -> Option<(char, u32)> {
    let stat = std::fs::read_to_string(proc.join(pid.to_string()).join("stat")).ok()?;
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    Some((fields.next()?.chars().next()?, fields.next()?.parse().ok()?))
}

fn runs_as(proc: &Path, pid: u32, name: &str) -> bool {
    if matches!(state_and_parent(proc, pid), None | Some(('Z' | 'X', _))) {
        return false;
    }
    let folder = proc.join(pid.to_string());
    let comm = std::fs::read_to_string(folder.join("comm")).unwrap_or_default();
    let command = std::fs::read(folder.join("cmdline")).unwrap_or_default();
    let command = String::from_utf8_lossy(&command).replace('\0', " ");
    comm.trim_end() == name || command.contains(name)
}
