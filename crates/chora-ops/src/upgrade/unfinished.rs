//! An upgrade that waits for a person: which files have conflicts, and every file as it was before.

use std::path::Path;

use chora_template::ProjectFile;
use chora_template::merge::{OURS, THEIRS};
use chora_template::record::Record;
use chora_template::upgrade::Fate;
use serde::{Deserialize, Serialize};

use super::{FileFate, UpgradeOutcome, Work};
use crate::context::Settings;
use crate::failure::{Failure, FailureKind};
use crate::scaffold::apply::{self, Change};
use crate::scaffold::{self, UNTOUCHED, files};

/// Where it is noted.
const NOTE: &str = ".chora/upgrade.json";
/// What ends it.
pub(super) const NEXT: &str = "resolve what is marked, then chora upgrade --continue; chora upgrade --abort puts all back";
/// The folder of files as they were before.
const BEFORE: &str = ".chora/upgrade";
/// Folders of what was edited after an upgrade that was taken back; a number follows.
const COPIES: &str = ".chora/aborted";

/// The note.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Unfinished {
    conflicts: Vec<String>,
    /// Files with what was not taken; they have to go.
    #[serde(default)]
    rejects: Vec<String>,
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
    /// The hash of what the upgrade wrote; nothing where it removed the file.
    #[serde(default)]
    after: Option<String>,
}

/// What is to be written so that the upgrade can be ended either way.
pub(super) fn note(root: &Path, changes: &[Change], work: &Work) -> Result<Vec<Change>, Failure> {
    let mut unfinished = Unfinished {
        conflicts: work.conflicts().map(str::to_owned).collect(),
        rejects: work.rejected().map(|(path, _)| path).collect(),
        before: Vec::new(),
    };
    let mut copies = Vec::new();
    for change in changes {
        let there = files::find(root, &change.path)?;
        let (was_there, executable) = (there.is_some(), there.as_ref().is_some_and(|file| file.executable));
        let after = change.bytes().map(scaffold::hash);
        unfinished.before.push(Before { path: change.path.clone(), was_there, executable, after });
        copies.extend(was_there.then(|| Change::former(kept(&change.path), &change.path)));
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
    failure.hint(NEXT)
}

/// Ends an upgrade whose conflicts are resolved.
pub(super) fn resolved(settings: &Settings, record: &Record) -> Result<UpgradeOutcome, Failure> {
    let root = settings.project_dir.as_path();
    let unfinished = waiting(root)?;
    let mut marked = Vec::new();
    for path in &unfinished.conflicts {
        let text = files::find(root, path)?.map(|file| String::from_utf8_lossy(&file.bytes).into_owned()).unwrap_or_default();
        if text.lines().any(|line| line.starts_with(OURS) || line.starts_with(THEIRS)) {
            marked.push(path.clone());
        }
    }
    for path in &unfinished.rejects {
        if files::find(root, path)?.is_some() {
            marked.push(format!("{path}, remove it once its changes are in place"));
        }
    }
    if !marked.is_empty() {
        return Err(still(marked));
    }
    apply::apply(settings, &forgotten(&unfinished))?;
    Ok(ended(record))
}

/// Puts every file back as it was before the upgrade; of what was edited since, a copy is kept.
pub(super) fn abort(settings: &Settings, record: &Record) -> Result<UpgradeOutcome, Failure> {
    let root = settings.project_dir.as_path();
    let unfinished = waiting(root)?;
    let (mut changes, mut copies) = (Vec::new(), Vec::new());
    let folder = (1..).map(|number| format!("{COPIES}-{number}")).find(|folder| !root.join(folder).exists()).unwrap_or_default();
    for before in &unfinished.before {
        let bytes = files::find(root, &kept(&before.path))?.map(|file| file.bytes);
        if before.was_there && bytes.is_none() {
            let failure = Failure::new(FailureKind::NotFound, format!("`{}` is not there", kept(&before.path))).state(UNTOUCHED);
            return Err(failure.hint("take the files back from version control"));
        }
        let there = files::find(root, &before.path)?;
        let is_edited = |file: &ProjectFile| Some(scaffold::hash(&file.bytes)) != before.after && Some(&file.bytes) != bytes.as_ref();
        if let Some(file) = there.filter(is_edited) {
            let path = format!("{folder}/{}", before.path);
            copies.push(path.clone());
            changes.push(Change::file(&path, &file).like(Some(&before.path)));
        }
        changes.push(match bytes {
            Some(bytes) => {
                let file = ProjectFile { bytes, executable: before.executable };
                Change::file(&before.path, &file).like(Some(&kept(&before.path)))
            }
            None => Change::gone(before.path.clone()),
        });
    }
    changes.extend(forgotten(&unfinished));
    apply::apply(settings, &changes)?;
    let files = unfinished.conflicts.into_iter().map(|path| FileFate { path, from: None, fate: Fate::Kept }).collect();
    Ok(UpgradeOutcome { files, copies, ..ended(record) })
}

fn forgotten(unfinished: &Unfinished) -> Vec<Change> {
    let copies = unfinished.before.iter().filter(|before| before.was_there).map(|before| kept(&before.path));
    [NOTE.to_owned()].into_iter().chain(copies).map(Change::gone).collect()
}

fn ended(record: &Record) -> UpgradeOutcome {
    let (pattern, version) = (record.pattern.clone(), record.version);
    UpgradeOutcome { pattern, from: version, to: version, next: "chora config".to_owned(), ..UpgradeOutcome::default() }
}
