//! Writes many files of a project, all or none: they are staged below `.chora`, then moved to their places.
//!
//! What an error stops is undone. What a death stops, writing or undoing, is gone on with by the next command, because staged files
//! wait there.

use std::collections::BTreeSet;
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::Path;

use chora_template::ProjectFile;
use serde::{Deserialize, Serialize};

use super::staged::{self, Going, Staged};
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
    /// The file that it takes its permissions from, but for running; what stands at its own path where absent.
    pub(crate) like: Option<String>,
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
        Self { path: path.to_owned(), content: Content::Bytes(text.as_bytes().to_vec()), executable: false, like: None }
    }

    pub(crate) fn file(path: &str, file: &ProjectFile) -> Self {
        Self { path: path.to_owned(), content: Content::Bytes(file.bytes.clone()), executable: file.executable, like: None }
    }

    pub(crate) fn former(path: String, of: &str) -> Self {
        Self { path, content: Content::Former(of.to_owned()), executable: false, like: None }
    }

    /// The same with the permissions of another file, where one is named.
    pub(crate) fn like(self, other: Option<&str>) -> Self {
        Self { like: other.map(str::to_owned), ..self }
    }

    pub(crate) const fn gone(path: String) -> Self {
        Self { path, content: Content::Gone, executable: false, like: None }
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

impl Pending {
    /// The files, those of the project where it has any.
    fn shown(&self) -> String {
        let all = || self.changes.iter().map(Staged::path);
        let own: Vec<&str> = all().filter(|path| !path.starts_with(".chora/")).collect();
        if own.is_empty() { all().collect::<Vec<_>>().join(", ") } else { own.join(", ") }
    }
}

/// Writes all changes of a project or none.
pub(crate) fn apply(settings: &Settings, changes: &[Change]) -> Result<(), Failure> {
    let root = settings.project_dir.as_path();
    let changes = &ordered(changes);
    let gone = changes.iter().filter(|change| change.content == Content::Gone).map(|change| change.path.as_str()).collect();
    changes.iter().try_for_each(|change| check(root, change, &gone))?;
    let fresh_folder = !root.join(".chora").exists();
    let staged = stage(settings, changes).map_err(|error| {
        let state = give_up(root);
        if fresh_folder {
            drop(fs::remove_dir(root.join(".chora")));
        }
        failure("staged", &error).state(state)
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

/// What makes room for others goes before them: the file in whose place a folder comes, the files of a folder in whose place a file
/// comes.
pub(super) fn ordered(changes: &[Change]) -> Vec<Change> {
    let is_below = |path: &str, folder: &str| path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'));
    let makes_room = |change: &&Change| {
        let meets = |other: &Change| is_below(&other.path, &change.path) || is_below(&change.path, &other.path);
        change.content == Content::Gone && changes.iter().any(|other| other.content != Content::Gone && meets(other))
    };
    let (first, rest): (Vec<&Change>, Vec<&Change>) = changes.iter().partition(makes_room);
    first.into_iter().chain(rest).cloned().collect()
}

/// Removes what is staged; without its list nothing is pending any more.
fn give_up(root: &Path) -> String {
    drop(fs::remove_dir_all(root.join(UNFINISHED)));
    match fs::remove_file(root.join(PENDING).join(LIST)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return format!("no file is in its place, but all wait in {PENDING}, and the next command puts them there: {error}");
        }
        _ => drop(fs::remove_dir_all(root.join(PENDING))),
    }
    UNTOUCHED.to_owned()
}

/// No link leads what is written, or what is copied, out of the project.
fn check(root: &Path, change: &Change, gone: &BTreeSet<&str>) -> Result<(), Failure> {
    files::check_place(root, &change.path, gone)?;
    change.like.as_ref().map_or(Ok(()), |path| files::check_place(root, path, gone))?;
    match &change.content {
        Content::Former(path) => files::check_place(root, path, gone),
        Content::Bytes(_) | Content::Gone => Ok(()),
    }
}

/// A command that may write: for as long as it is there, no other one does.
#[derive(Debug)]
#[must_use = "others may write once it is gone"]
pub(crate) struct Begun {
    /// What a killed command had begun, and what became of it.
    pub(crate) settled: Option<String>,
    /// Absent for what writes nothing.
    _lock: Option<File>,
}

impl Begun {
    /// A failure whose state tells what was written all the same.
    pub(crate) fn told(&self, failure: Failure) -> Failure {
        match &self.settled {
            Some(settled) if failure.state == UNTOUCHED => failure.state(format!("{settled}; nothing else was written")),
            Some(settled) => {
                let state = format!("{settled}; {}", failure.state);
                failure.state(state)
            }
            None => failure,
        }
    }
}

/// Keeps others from writing, and goes on with what a killed command left; what writes nothing itself refuses to go on with anything.
pub(crate) fn begin(root: &Path, dry_run: bool) -> Result<Begun, Failure> {
    files::check_way(root, &format!("{PENDING}/{LIST}"))?;
    if dry_run {
        refuse_pending(root)?;
        return Ok(Begun { settled: None, _lock: None });
    }
    let lock = lock(root)?;
    Ok(Begun { settled: resume(root)?, _lock: Some(lock) })
}

/// A lock on the project's folder, which ends with the process that has it and leaves nothing behind.
fn lock(root: &Path) -> Result<File, Failure> {
    let folder = File::open(root).map_err(|error| failure("the project's folder", &error).state(UNTOUCHED))?;
    match folder.try_lock() {
        Ok(()) => Ok(folder),
        Err(TryLockError::WouldBlock) => {
            let failure = Failure::new(FailureKind::Conflict, "another chora is about to write the project's files").state(UNTOUCHED);
            Err(failure.hint("wait until it has ended, then run the command again"))
        }
        Err(TryLockError::Error(error)) => Err(failure("the lock on the project's folder", &error).state(UNTOUCHED)),
    }
}

/// Refuses a project whose files are half those of before: one that dies, or is at it, leaves a list behind.
pub(crate) fn refuse_pending(root: &Path) -> Result<(), Failure> {
    if !is_pending(root) {
        return Ok(());
    }
    let failure = Failure::new(FailureKind::Conflict, "a command writes the project's files, or died while it did").state(UNTOUCHED);
    Err(failure.hint("wait for it; if none runs, chora upgrade completes, or takes back, what it had begun"))
}

/// Whether files of the project are being written, or a killed command left some that are.
pub(crate) fn is_pending(root: &Path) -> bool {
    [LIST, UNDOING].into_iter().any(|list| root.join(PENDING).join(list).exists())
}

/// Goes on with what a killed command left; says what that was.
pub(super) fn resume(root: &Path) -> Result<Option<String>, Failure> {
    let pending = root.join(PENDING);
    if let Some(list) = read(root, UNDOING)? {
        refuse_edited(root, &list, Going::Back)?;
        take_back(root, &list).map_err(|error| failure(PENDING, &error))?;
        return Ok(Some(format!("what a killed command had begun was taken back: {}", list.shown())));
    }
    let Some(list) = read(root, LIST)? else {
        // A command that died before everything was staged has changed nothing, one that died after its list was gone had ended.
        for left in [UNFINISHED, PENDING] {
            drop(fs::remove_dir_all(root.join(left)));
        }
        return Ok(None);
    };
    refuse_edited(root, &list, Going::On)?;
    staged::place_all(root, &pending, &list.changes, |_| ()).map_err(|(path, error)| failure(&path, &error))?;
    finish(root, || ()).map_err(|error| failure(PENDING, &error))?;
    Ok(Some(format!("what a killed command had begun was completed: {}", list.shown())))
}

/// What somebody has edited since a command died is not written over, nor removed.
fn refuse_edited(root: &Path, list: &Pending, going: Going) -> Result<(), Failure> {
    let mut edited = Vec::new();
    for staged in &list.changes {
        if staged.is_in_the_way(root, &root.join(PENDING), going).map_err(|error| failure(staged.path(), &error))? {
            edited.push(staged.path().to_owned());
        }
    }
    let Some((first, others)) = edited.split_first() else { return Ok(()) };
    let message = format!("`{first}` was edited since a command died while it wrote the project's files");
    let failure = Failure::new(FailureKind::Conflict, message).details(others.iter().map(|path| format!("{path}, too")).collect());
    let state = format!("nothing was written; what it had begun waits in {PENDING}");
    Err(failure.state(state).hint("move the edited files away, run the command again, then bring the edits back in"))
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
    let own = list.changes.iter().map(Staged::path).collect();
    list.changes.iter().try_for_each(|staged| files::check_ways(root, staged.path(), &own))?;
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
