//! Writes many files of a project, all or none: they are staged below `.chora`, then moved to their places.
//!
//! What an error stops is undone. What a death stops, writing or undoing, is gone on with by the next command, because staged files
//! wait there.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use chora_template::ProjectFile;
use serde::{Deserialize, Serialize};

use super::staged::{self, Staged};
use super::{UNTOUCHED, files};
use crate::context::{Pause, Settings};
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
    /// What is to stand there.
    pub(crate) content: Content,
    /// Whether it may be run.
    pub(crate) executable: bool,
}

/// What is to stand at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Content {
    /// A file with these bytes.
    Bytes(Vec<u8>),
    /// The file that stands at this path before anything is written.
    Former(String),
    /// Nothing.
    Gone,
}

impl Change {
    pub(crate) fn text(path: &str, text: &str) -> Self {
        Self { path: path.to_owned(), content: Content::Bytes(text.as_bytes().to_vec()), executable: false }
    }

    pub(crate) fn file(path: &str, file: &ProjectFile) -> Self {
        Self { path: path.to_owned(), content: Content::Bytes(file.bytes.clone()), executable: file.executable }
    }

    pub(crate) fn former(path: String, of: &str) -> Self {
        Self { path, content: Content::Former(of.to_owned()), executable: false }
    }

    pub(crate) const fn gone(path: String) -> Self {
        Self { path, content: Content::Gone, executable: false }
    }

    /// What it writes, where that is not there already.
    pub(crate) fn bytes(&self) -> Option<&[u8]> {
        match &self.content {
            Content::Bytes(bytes) => Some(bytes),
            Content::Former(_) | Content::Gone => None,
        }
    }
}

/// The list of what is pending.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Pending {
    pub(super) changes: Vec<Staged>,
}

/// Writes all changes of a project or none.
pub(crate) fn apply(settings: &Settings, changes: &[Change]) -> Result<(), Failure> {
    let root = settings.project_dir.as_path();
    let fresh_folder = !root.join(".chora").exists();
    let staged = stage(settings, changes).map_err(|error| {
        drop(fs::remove_dir_all(root.join(UNFINISHED)));
        if fresh_folder {
            drop(fs::remove_dir(root.join(".chora")));
        }
        failure("staged", &error).state(UNTOUCHED)
    })?;
    let placed = staged::place_all(root, &root.join(PENDING), &staged.changes, |index| die_at(settings, index, true));
    if let Err((path, error)) = placed {
        let state = match take_back(root, &staged) {
            Ok(()) => UNTOUCHED.to_owned(),
            Err(error) => format!("a part is written, and could not be taken back: {error}; the same command tries that again first"),
        };
        if fresh_folder {
            drop(fs::remove_dir(root.join(".chora")));
        }
        return Err(failure(&path, &error).state(state));
    }
    finish(root, || die_at(settings, changes.len(), true)).map_err(|error| failure("finished", &error).state("all files are written"))
}

/// Goes on with what a killed command left; what writes nothing itself refuses to go on with anything.
pub(crate) fn begin(root: &Path, dry_run: bool) -> Result<(), Failure> {
    if dry_run { refuse_pending(root) } else { resume(root).map(|_| ()) }
}

fn refuse_pending(root: &Path) -> Result<(), Failure> {
    if !root.join(PENDING).join(LIST).exists() && !root.join(PENDING).join(UNDOING).exists() {
        return Ok(());
    }
    let failure = Failure::new(FailureKind::Conflict, "a command died while it wrote the project's files").state(UNTOUCHED);
    Err(failure.hint("chora upgrade, which goes on with it first"))
}

/// Goes on with what a killed command left; says whether there was something.
pub(super) fn resume(root: &Path) -> Result<bool, Failure> {
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
    staged::place_all(root, &pending, &list.changes, |_| ()).map_err(|(path, error)| failure(&path, &error))?;
    finish(root, || ()).map_err(|error| failure(PENDING, &error))?;
    Ok(true)
}

fn read(root: &Path, name: &str) -> Result<Option<Pending>, Failure> {
    let text = match fs::read(root.join(PENDING).join(name)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        text => text.map_err(|error| failure(PENDING, &error))?,
    };
    let list: Pending = serde_json::from_slice(&text).map_err(|error| {
        Failure::new(FailureKind::Conflict, format!("{PENDING}/{name} cannot be read: {error}"))
            .hint(format!("look into {PENDING}, then remove it"))
    })?;
    // It need not be this program that wrote the list.
    list.changes.iter().try_for_each(|staged| files::check_way(root, staged.path()))?;
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

fn stage(settings: &Settings, changes: &[Change]) -> io::Result<Pending> {
    let root = settings.project_dir.as_path();
    let folder = root.join(UNFINISHED);
    match fs::remove_dir_all(&folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => fs::create_dir_all(&folder)?,
    }
    let staged = changes.iter().enumerate().map(|(index, change)| {
        die_at(settings, index, false);
        Staged::stage(root, &folder, index, change)
    });
    let pending = Pending { changes: staged.collect::<io::Result<_>>()? };
    staged::sync_all(&folder, &pending.changes)?;
    staged::put(&folder.join(LIST), serde_json::to_string(&pending)?.as_bytes(), false)?;
    die_at(settings, changes.len(), false);
    File::open(&folder)?.sync_all()?;
    fs::rename(&folder, root.join(PENDING))?;
    File::open(root.join(".chora"))?.sync_all()?;
    Ok(pending)
}

fn finish(root: &Path, between: impl FnOnce()) -> io::Result<()> {
    // The list goes first: without it nothing is pending.
    fs::remove_file(root.join(PENDING).join(LIST))?;
    between();
    fs::remove_dir_all(root.join(PENDING))
}

/// Kills this very process where a test wants it to die: before a file is staged, or after one was moved to its place.
fn die_at(settings: &Settings, index: usize, after: bool) {
    let step = u32::try_from(index).unwrap_or(u32::MAX);
    if settings.pause == Some(Pause { step, after, undo: false, panics: false }) {
        rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL).unwrap_or_default();
    }
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
