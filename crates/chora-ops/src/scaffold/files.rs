//! Files of a project as they stand.

use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Component, Path, PathBuf};

use chora_template::ProjectFile;

use super::UNTOUCHED;
use super::staged::is_folder;
use crate::failure::{Failure, FailureKind};

/// What to do about a path that this program has not written down.
const UNWANTED: &str = "take .chora back from version control; where it came with the project like that, remove what names this path";

/// A file; `None` where nothing is there.
pub(crate) fn read(root: &Path, path: &str) -> Result<Option<ProjectFile>, Failure> {
    check_way(root, path)?;
    let full = root.join(path);
    let file = match fs::symlink_metadata(&full) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => Err(error),
        Ok(metadata) if metadata.is_file() => {
            fs::read(&full).map(|bytes| ProjectFile { bytes, executable: metadata.permissions().mode() & 0o100 != 0 })
        }
        Ok(metadata) => return Err(no_file(path, &metadata)),
    };
    file.map(Some).map_err(|error| refused(format!("`{path}` cannot be read: {error}"), "make it readable, then run the command again"))
}

/// The same for what may become a file, or a folder: nothing where a folder stands, or where a file stands on the way.
pub(crate) fn find(root: &Path, path: &str) -> Result<Option<ProjectFile>, Failure> {
    let is_below_a_file = file_on_the_way(root, path).is_some();
    if is_below_a_file || is_folder(&root.join(path)) { Ok(None) } else { read(root, path) }
}

/// The file, relative to the project, that a path leads through.
fn file_on_the_way(root: &Path, path: &str) -> Option<PathBuf> {
    let is_file = |folder: &&Path| fs::symlink_metadata(root.join(folder)).is_ok_and(|metadata| metadata.is_file());
    Path::new(path).ancestors().skip(1).find(is_file).map(Path::to_owned)
}

/// Whether what is in the way of a file goes: the file on its way, or all that is in the folder in its place.
fn goes_first(root: &Path, path: &str, gone: &BTreeSet<&str>) -> bool {
    let is_gone = |path: &Path| path.to_str().is_some_and(|path| gone.contains(path));
    if let Some(file) = file_on_the_way(root, path) {
        return is_gone(&file);
    }
    // An empty folder is somebody's, but where this program keeps what it needs.
    let mut goes = Path::new(path).starts_with(".chora");
    let mut folders = vec![PathBuf::from(path)];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(root.join(&folder)) else { return false };
        for entry in entries {
            let Ok(entry) = entry else { return false };
            let inner = folder.join(entry.file_name());
            if is_folder(&root.join(&inner)) {
                folders.push(inner);
            } else if is_gone(&inner) {
                goes = true;
            } else {
                return false;
            }
        }
    }
    goes
}

/// Every folder on the way to a file is one, or is not there yet. A link could lead out of the project, as could a path that is written
/// down in a project that somebody else made; what is in a `.git` could make Git run something.
pub(super) fn check_way(root: &Path, path: &str) -> Result<(), Failure> {
    check_words(path)?;
    check_folders(root, path)
}

fn check_words(path: &str) -> Result<(), Failure> {
    if !Path::new(path).components().all(|part| matches!(part, Component::Normal(_))) {
        return Err(refused(format!("`{}` leads out of the project", path.escape_debug()), UNWANTED));
    }
    if Path::new(path).components().any(|part| part.as_os_str().eq_ignore_ascii_case(".git")) {
        return Err(refused(format!("`{}` belongs to Git", path.escape_debug()), UNWANTED));
    }
    Ok(())
}

fn check_folders(root: &Path, path: &str) -> Result<(), Failure> {
    let mut at = PathBuf::new();
    for part in Path::new(path).parent().into_iter().flat_map(Path::components) {
        at.push(part);
        let what = match fs::symlink_metadata(root.join(&at)) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            Ok(metadata) if metadata.is_dir() => continue,
            Ok(metadata) if metadata.is_symlink() => "a link, which may lead elsewhere".to_owned(),
            Ok(_) => "a file".to_owned(),
            Err(error) => error.to_string(),
        };
        let message = format!("`{}` is {what}: `{path}` needs a folder there", at.display());
        return Err(refused(message, "move it away, then run the command again"));
    }
    Ok(())
}

/// The same where files of one's `own` are in nobody's way: they go, or come when what is below has gone.
pub(super) fn check_ways(root: &Path, path: &str, own: &BTreeSet<&str>) -> Result<(), Failure> {
    check_words(path)?;
    let is_own = file_on_the_way(root, path).is_some_and(|file| file.to_str().is_some_and(|file| own.contains(file)));
    if is_own { Ok(()) } else { check_folders(root, path) }
}

/// The same, and where it is to stand there is a file, or nothing yet; what is `gone` before is in nobody's way.
pub(super) fn check_place(root: &Path, path: &str, gone: &BTreeSet<&str>) -> Result<(), Failure> {
    check_words(path)?;
    let is_taken = file_on_the_way(root, path).is_some() || is_folder(&root.join(path));
    if is_taken && goes_first(root, path, gone) {
        return Ok(());
    }
    check_folders(root, path)?;
    match fs::symlink_metadata(root.join(path)) {
        Ok(metadata) if !metadata.is_file() => Err(no_file(path, &metadata)),
        // What cannot be looked at is told by whoever writes there.
        _ => Ok(()),
    }
}

fn no_file(path: &str, metadata: &fs::Metadata) -> Failure {
    let what = if metadata.is_dir() { "a folder" } else { "a link or a device" };
    refused(format!("`{path}` is {what}, a file should be there"), "move it away, then run the command again")
}

fn refused(message: String, hint: &str) -> Failure {
    Failure::new(FailureKind::Conflict, message).state(UNTOUCHED).hint(hint)
}
