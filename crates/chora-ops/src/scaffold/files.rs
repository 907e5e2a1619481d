//! Files of a project as they stand.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Component, Path, PathBuf};

use chora_template::ProjectFile;

use super::UNTOUCHED;
use crate::failure::{Failure, FailureKind};

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
        Ok(metadata) => {
            let what = if metadata.is_dir() { "a folder" } else { "a link or a device" };
            return Err(refused(format!("`{path}` is {what}, a file should be there"), "move it away, then run the command again"));
        }
    };
    file.map(Some).map_err(|error| refused(format!("`{path}` cannot be read: {error}"), "make it readable, then run the command again"))
}

/// Every folder on the way to a file is one, or is not there yet. A link could lead out of the project, as could a path that is written
/// down in a project that somebody else made.
pub(super) fn check_way(root: &Path, path: &str) -> Result<(), Failure> {
    if !Path::new(path).components().all(|part| matches!(part, Component::Normal(_))) {
        return Err(refused(format!("`{}` leads out of the project", path.escape_debug()), "take .chora back from version control"));
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

fn refused(message: String, hint: &str) -> Failure {
    Failure::new(FailureKind::Conflict, message).state(UNTOUCHED).hint(hint)
}
