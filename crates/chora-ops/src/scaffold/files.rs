//! Files of a project as they stand.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Component, Path, PathBuf};

use chora_template::ProjectFile;

use super::UNTOUCHED;
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

/// Every folder on the way to a file is one, or is not there yet. A link could lead out of the project, as could a path that is written
/// down in a project that somebody else made; what is in a `.git` could make Git run something.
pub(super) fn check_way(root: &Path, path: &str) -> Result<(), Failure> {
    if !Path::new(path).components().all(|part| matches!(part, Component::Normal(_))) {
        return Err(refused(format!("`{}` leads out of the project", path.escape_debug()), UNWANTED));
    }
    if Path::new(path).components().any(|part| part.as_os_str().eq_ignore_ascii_case(".git")) {
        return Err(refused(format!("`{}` belongs to Git", path.escape_debug()), UNWANTED));
    }
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

/// The same, and where it is to stand there is a file, or nothing yet.
pub(super) fn check_place(root: &Path, path: &str) -> Result<(), Failure> {
    check_way(root, path)?;
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
