//! A directory of templates as it stands. No link is followed: it could lead anywhere.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use chora_template::source::Unusable;
use chora_template::{ProjectFile, SourceFiles};

use super::too_much;
use crate::failure::{Failure, FailureKind};
use crate::scaffold::UNTOUCHED;

/// Folders inside each other.
const DEPTH: usize = 32;

/// Whether a directory is a repository without files of its own.
pub(super) fn is_bare(path: &Path) -> bool {
    path.join("HEAD").is_file() && path.join("objects").is_dir() && !path.join("patterns").exists()
}

pub(super) fn read(root: &Path) -> Result<SourceFiles, Failure> {
    let mut files = SourceFiles::default();
    let mut open = vec![(String::new(), 0)];
    while let Some((folder, depth)) = open.pop() {
        let full = root.join(&folder);
        for entry in fs::read_dir(&full).map_err(|error| unreadable(&full, &error))? {
            let entry = entry.map_err(|error| unreadable(&full, &error))?;
            let Some(name) = entry.file_name().to_str().map(str::to_owned) else { continue };
            let path = if folder.is_empty() { name.clone() } else { format!("{folder}/{name}") };
            let metadata = entry.path().symlink_metadata().map_err(|error| unreadable(&entry.path(), &error))?;
            if metadata.is_dir() {
                if name != ".git" && depth < DEPTH {
                    open.push((path, depth + 1));
                }
            } else if metadata.is_symlink() {
                files.leave_out(&path, Unusable::Link).map_err(|error| too_much(&root.display().to_string(), &error))?;
            } else if metadata.is_file()
                && files.admit(&path, metadata.len()).map_err(|error| too_much(&root.display().to_string(), &error))?
            {
                let bytes = fs::read(entry.path()).map_err(|error| unreadable(&entry.path(), &error))?;
                files.put(path, ProjectFile { bytes, executable: metadata.permissions().mode() & 0o100 != 0 });
            }
        }
    }
    Ok(files)
}

fn unreadable(path: &Path, error: &io::Error) -> Failure {
    let failure = Failure::new(FailureKind::Invalid, format!("{} cannot be read: {error}", path.display())).state(UNTOUCHED);
    failure.hint("make the source readable, then run the command again")
}
