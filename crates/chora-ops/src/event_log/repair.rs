//! Putting a mended log in the place of a damaged one. The original stays beside it, to the byte.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use super::append::locked;
use super::balance::{Known, balance};
use super::mend::mend;
use super::verify::LogReport;

/// One of the two lines of a deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// The first.
    Beginning,
    /// The terminal one.
    End,
}

/// A line that was missing and was written again.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
pub struct Added {
    /// Deployment.
    pub deployment: String,
    /// Which of its lines.
    pub part: Part,
}

/// What a repair did.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
pub struct Repair {
    /// Lines of the mended log.
    pub kept: usize,
    /// First lines of objects that had been spread over several and are one line now.
    pub joined: Vec<usize>,
    /// Lines that held more than one thing and are several now.
    pub split: Vec<usize>,
    /// Lines, or parts of lines, that cannot be read and were moved to `deployment.damaged.jsonl`.
    pub set_aside: Vec<usize>,
    /// Lines that told the end of a deployment once more and were moved there, too.
    pub duplicates: Vec<usize>,
    /// Lines that were missing and were written again.
    pub added: Vec<Added>,
    /// Where the original is; absent when nothing had to be done.
    pub backup: Option<PathBuf>,
    /// The state of the log afterwards.
    pub after: LogReport,
}

pub(super) fn repair(path: &Path, known: &BTreeMap<String, Known>) -> io::Result<Repair> {
    if !path.exists() {
        return Ok(Repair::default());
    }
    let mut file = locked(path)?;
    let mut original = Vec::new();
    file.read_to_end(&mut original)?;
    let mended = mend(&original);
    let balanced = balance(mended.kept, known);
    let text = balanced.text();
    let mut report = Repair {
        kept: balanced.lines.len(),
        joined: mended.joined,
        split: mended.split,
        set_aside: mended.aside.iter().map(|(number, ..)| *number).collect(),
        duplicates: balanced.removed.iter().map(|(number, ..)| *number).collect(),
        added: balanced.added,
        ..Repair::default()
    };
    if text != original {
        let folder = path.parent().unwrap_or_else(|| Path::new("."));
        let backup = back_up(path, &original)?;
        let aside = mended.aside.iter().chain(&balanced.removed);
        set_aside(&path.with_file_name("deployment.damaged.jsonl"), &backup, aside)?;
        replace(path, folder, &text)?;
        report.backup = Some(backup);
    }
    Ok(report)
}

/// Writes the original under the first free name `deployment.backup-<n>.jsonl`.
fn back_up(path: &Path, original: &[u8]) -> io::Result<PathBuf> {
    let mut number = 1_u32;
    loop {
        let backup = path.with_file_name(format!("deployment.backup-{number}.jsonl"));
        match OpenOptions::new().write(true).create_new(true).open(&backup) {
            Ok(mut file) => {
                let written = file.write_all(original).and_then(|()| file.sync_all());
                return written.map(|()| backup.clone()).inspect_err(|_| drop(fs::remove_file(&backup)));
            }
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => number += 1,
            Err(e) => return Err(e),
        }
    }
}

fn set_aside<'a>(path: &Path, backup: &Path, aside: impl Iterator<Item = &'a (usize, Vec<u8>, String)>) -> io::Result<()> {
    let from = backup.file_name().unwrap_or_default().to_string_lossy();
    let mut lines = String::new();
    for (number, bytes, reason) in aside {
        let mut line = serde_json::json!({"line": number, "of": from, "reason": reason, "text": String::from_utf8_lossy(bytes)});
        if let (Err(_), Some(line)) = (std::str::from_utf8(bytes), line.as_object_mut()) {
            line.insert("bytes".to_owned(), bytes.as_slice().into());
        }
        lines.push_str(&line.to_string());
        lines.push('\n');
    }
    if lines.is_empty() {
        return Ok(());
    }
    let mut file = OpenOptions::new().append(true).create(true).open(path)?;
    file.write_all(lines.as_bytes())?;
    file.sync_all()
}

fn replace(path: &Path, folder: &Path, text: &[u8]) -> io::Result<()> {
    let mut fresh = tempfile::NamedTempFile::new_in(folder)?;
    fresh.write_all(text)?;
    fresh.as_file().set_permissions(fs::metadata(path)?.permissions())?;
    fresh.as_file().sync_all()?;
    fresh.persist(path)?;
    File::open(folder)?.sync_all()
}
