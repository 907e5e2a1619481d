//! Writes many files of a project, all or none: they are staged below `.chora`, then moved to their places.
//!
//! What an error stops is undone. What a death stops, writing or undoing, is gone on with by the next command, because staged files
//! wait there.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::UNTOUCHED;
use super::staged::{self, Staged};
use crate::failure::{Failure, FailureKind};

/// The folder of what is about to be written; it is there as a whole or not at all.
const PENDING: &str = ".chora/pending";
/// Where it is made.
const UNFINISHED: &str = ".chora/pending.unfinished";
/// The list in it.
const LIST: &str = "changes.json";
/// The same list while everything is being put back.
const UNDOING: &str = "undo.json";

/// A file that is to be written, or to go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Change {
    /// Relative to the project.
    pub(crate) path: String,
    /// What it is to hold; it goes where absent.
    pub(crate) bytes: Option<Vec<u8>>,
    /// Whether it may be run.
    pub(crate) executable: bool,
}

impl Change {
    pub(crate) fn text(path: &str, text: &str) -> Self {
        Self { path: path.to_owned(), bytes: Some(text.as_bytes().to_vec()), executable: false }
    }
}

/// The list of what is pending.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Pending {
    pub(super) changes: Vec<Staged>,
}

/// Writes all changes or none.
pub(crate) fn apply(root: &Path, changes: &[Change]) -> Result<(), Failure> {
    let fresh_folder = !root.join(".chora").exists();
    let staged = stage(root, changes).map_err(|error| {
        drop(fs::remove_dir_all(root.join(UNFINISHED)));
        if fresh_folder {
            drop(fs::remove_dir(root.join(".chora")));
        }
        failure("staged", &error).state(UNTOUCHED)
    })?;
    if let Err((path, error)) = staged::place_all(root, &root.join(PENDING), &staged.changes) {
        let state = match take_back(root, &staged) {
            Ok(()) => UNTOUCHED.to_owned(),
            Err(error) => format!("a part is written, and could not be taken back: {error}; the same command tries that again first"),
        };
        if fresh_folder {
            drop(fs::remove_dir(root.join(".chora")));
        }
        return Err(failure(&path, &error).state(state));
    }
    finish(root).map_err(|error| failure("finished", &error).state("all files are written"))
}

/// Goes on with what a killed command left; says whether there was something.
pub(crate) fn resume(root: &Path) -> Result<bool, Failure> {
    let pending = root.join(PENDING);
    if let Some(list) = read(root, UNDOING)? {
        take_back(root, &list).map_err(|error| failure(PENDING, &error))?;
        return Ok(true);
    }
    let Some(list) = read(root, LIST)? else {
        // A command that died before everything was staged has changed nothing, one that died after its list was gone had ended.
        for left in [UNFINISHED, PENDING] {
            drop(fs::remove_dir_all(root.join(left)));
        }
        return Ok(false);
    };
    staged::place_all(root, &pending, &list.changes).map_err(|(path, error)| failure(&path, &error))?;
    finish(root).map_err(|error| failure(PENDING, &error))?;
    Ok(true)
}

fn read(root: &Path, name: &str) -> Result<Option<Pending>, Failure> {
    let text = match fs::read(root.join(PENDING).join(name)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        text => text.map_err(|error| failure(PENDING, &error))?,
    };
    let list = serde_json::from_slice(&text).map_err(|error| {
        Failure::new(FailureKind::Conflict, format!("{PENDING}/{name} cannot be read: {error}"))
            .hint(format!("look into {PENDING}, then remove it"))
    })?;
    Ok(Some(list))
}

/// Puts everything back as it was.
fn take_back(root: &Path, list: &Pending) -> io::Result<()> {
    let pending = root.join(PENDING);
    // From here on nobody goes on with writing.
    match fs::rename(pending.join(LIST), pending.join(UNDOING)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => File::open(&pending)?.sync_all()?,
    }
    staged::take_back_all(root, &pending, &list.changes)?;
    fs::remove_file(pending.join(UNDOING))?;
    fs::remove_dir_all(pending)
}

fn stage(root: &Path, changes: &[Change]) -> io::Result<Pending> {
    let folder = root.join(UNFINISHED);
    match fs::remove_dir_all(&folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => fs::create_dir_all(&folder)?,
    }
    let changes = changes.iter().enumerate().map(|(index, change)| Staged::stage(root, &folder, index, change));
    let pending = Pending { changes: changes.collect::<io::Result<_>>()? };
    staged::put(&folder.join(LIST), serde_json::to_string(&pending)?.as_bytes(), false)?;
    File::open(&folder)?.sync_all()?;
    fs::rename(&folder, root.join(PENDING))?;
    File::open(root.join(".chora"))?.sync_all()?;
    Ok(pending)
}

fn finish(root: &Path) -> io::Result<()> {
    // The list goes first: without it nothing is pending.
    fs::remove_file(root.join(PENDING).join(LIST))?;
    fs::remove_dir_all(root.join(PENDING))
}

fn failure(path: &str, error: &io::Error) -> Failure {
    let (kind, hint) = match error.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            (FailureKind::Denied, "make the project's directory writable for this user, then run the command again")
        }
        io::ErrorKind::StorageFull => (FailureKind::Unavailable, "free space on the disk, then run the command again"),
        _ => (FailureKind::Unavailable, "mend it, then run the command again"),
    };
    Failure::new(kind, format!("the files cannot be written ({path}): {error}")).hint(hint)
}
