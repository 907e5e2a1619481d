//! An upgrade that waits for a person: which files have conflicts, and every file as it was before.

use std::path::Path;

use chora_template::merge::{OURS, THEIRS};
use chora_template::record::Record;
use serde::{Deserialize, Serialize};

use super::{FileFate, UpgradeOutcome};
use crate::failure::{Failure, FailureKind};
use crate::scaffold::apply::{self, Change};
use crate::scaffold::{UNTOUCHED, files};
use chora_template::upgrade::Fate;

/// Where it is noted.
const NOTE: &str = ".chora/upgrade.json";
/// The folder of files as they were before.
const BEFORE: &str = ".chora/upgrade";

/// The note.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Unfinished {
    conflicts: Vec<String>,
    /// Every file that was written, and what stood there.
    before: Vec<Before>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Before {
    path: String,
    /// Whether a copy of it is kept; it was not there otherwise.
    was_there: bool,
    executable: bool,
}

/// What is to be written so that the upgrade can be ended either way.
pub(super) fn note(root: &Path, changes: &[Change], conflicts: &[&str]) -> Result<Vec<Change>, Failure> {
    let mut unfinished = Unfinished { conflicts: conflicts.iter().map(|path| (*path).to_owned()).collect(), before: Vec::new() };
    let mut copies = Vec::new();
    for change in changes {
        let there = files::read(root, &change.path)?;
        let (was_there, executable) = (there.is_some(), there.as_ref().is_some_and(|file| file.executable));
        unfinished.before.push(Before { path: change.path.clone(), was_there, executable });
        copies.extend(there.map(|file| Change { path: kept(&change.path), bytes: Some(file.bytes), executable: false }));
    }
    let text = serde_json::to_string_pretty(&unfinished).map_err(|error| Failure::new(FailureKind::Internal, error.to_string()))?;
    copies.push(Change::text(NOTE, &text));
    Ok(copies)
}

fn kept(path: &str) -> String {
    format!("{BEFORE}/{path}")
}

fn read(root: &Path) -> Result<Option<Unfinished>, Failure> {
    let Some(file) = files::read(root, NOTE)? else { return Ok(None) };
    serde_json::from_slice(&file.bytes).map(Some).map_err(|error| {
        Failure::new(FailureKind::Conflict, format!("{NOTE} cannot be read: {error}"))
            .state(UNTOUCHED)
            .hint(format!("look into {BEFORE}, then remove both"))
    })
}

fn waiting(root: &Path) -> Result<Unfinished, Failure> {
    read(root)?
        .ok_or_else(|| Failure::new(FailureKind::NotFound, "no upgrade waits for its conflicts").state(UNTOUCHED).hint("chora upgrade"))
}

/// Refuses a second upgrade before the first has ended.
pub(super) fn refuse(root: &Path) -> Result<(), Failure> {
    match read(root)? {
        None => Ok(()),
        Some(unfinished) => Err(still(unfinished.conflicts)),
    }
}

fn still(conflicts: Vec<String>) -> Failure {
    let failure =
        Failure::new(FailureKind::Conflict, "an upgrade waits for its conflicts to be resolved").details(conflicts).state(UNTOUCHED);
    failure.hint("resolve what is marked, then chora upgrade --continue; chora upgrade --abort puts all back")
}

/// Ends an upgrade whose conflicts are resolved.
pub(super) fn resolved(root: &Path, record: &Record) -> Result<UpgradeOutcome, Failure> {
    let unfinished = waiting(root)?;
    let mut marked = Vec::new();
    for path in &unfinished.conflicts {
        let text = files::read(root, path)?.map(|file| String::from_utf8_lossy(&file.bytes).into_owned()).unwrap_or_default();
        if text.lines().any(|line| line.starts_with(OURS) || line.starts_with(THEIRS)) {
            marked.push(path.clone());
        }
    }
    if !marked.is_empty() {
        return Err(still(marked));
    }
    apply::apply(root, &forgotten(&unfinished))?;
    Ok(ended(record, Vec::new()))
}

/// Puts every file back as it was before the upgrade.
pub(super) fn abort(root: &Path, record: &Record) -> Result<UpgradeOutcome, Failure> {
    let unfinished = waiting(root)?;
    let mut changes = Vec::new();
    for before in &unfinished.before {
        let bytes = files::read(root, &kept(&before.path))?.map(|file| file.bytes);
        if before.was_there && bytes.is_none() {
            let failure = Failure::new(FailureKind::NotFound, format!("`{}` is not there", kept(&before.path))).state(UNTOUCHED);
            return Err(failure.hint("take the files back from version control"));
        }
        changes.push(Change { path: before.path.clone(), bytes, executable: before.executable });
    }
    changes.extend(forgotten(&unfinished));
    apply::apply(root, &changes)?;
    let back = unfinished.conflicts.into_iter().map(|path| FileFate { path, fate: Fate::Kept }).collect();
    Ok(ended(record, back))
}

fn forgotten(unfinished: &Unfinished) -> Vec<Change> {
    let copies = unfinished.before.iter().filter(|before| before.was_there).map(|before| kept(&before.path));
    [NOTE.to_owned()].into_iter().chain(copies).map(|path| Change { path, bytes: None, executable: false }).collect()
}

fn ended(record: &Record, files: Vec<FileFate>) -> UpgradeOutcome {
    let (pattern, version) = (record.pattern.clone(), record.version);
    UpgradeOutcome {
        pattern,
        from: version,
        to: version,
        is_behind: false,
        files,
        conflicts: 0,
        dry_run: false,
        next: "chora config".to_owned(),
    }
}
