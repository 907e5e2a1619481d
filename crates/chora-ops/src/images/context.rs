//! The build context as one archive: files in a fixed order, with fixed times, so that equal inputs have equal hashes.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use chora_core::compose::Build;
use chora_core::model::image::OWN_DOCKERFILE;
use chora_syntax::dockerignore::Dockerignore;

use crate::failure::{Failure, FailureKind};

/// Reads a context directory as an archive, leaving out what its ignore file names, with the Dockerfile as [`OWN_DOCKERFILE`].
pub(super) fn read(root: &Path, build: &Build) -> Result<Vec<u8>, Failure> {
    if build.context.contains("://") || build.context.starts_with("git@") {
        let failure = Failure::new(FailureKind::Invalid, format!("build context `{}` is not a directory", build.context));
        return Err(failure.hint("check the repository out and name its directory"));
    }
    if !root.is_dir() {
        return Err(Failure::new(FailureKind::NotFound, format!("build context {} is not a directory", root.display()))
            .hint("mend build.context in the Compose file"));
    }
    let named = build.dockerfile.as_deref().unwrap_or("Dockerfile");
    let dockerfile_path = root.join(named);
    let ignore = ignore_file(root, &dockerfile_path)?;
    let mut files = Vec::new();
    collect(root, Path::new(""), &ignore, &mut files).map_err(|error| unreadable(root, &error))?;
    files.sort();
    let mut archive = tar::Builder::new(Vec::new());
    for relative in &files {
        append(&mut archive, root, relative).map_err(|error| unreadable(&root.join(relative), &error))?;
    }
    // It may be ignored, or lie outside the context; the engine needs it all the same.
    let text = build.dockerfile_inline.clone().map_or_else(|| fs::read_to_string(&dockerfile_path), Ok);
    let text = text.map_err(|error| {
        let kind = if error.kind() == std::io::ErrorKind::NotFound { FailureKind::NotFound } else { FailureKind::Invalid };
        Failure::new(kind, format!("Dockerfile {} cannot be read: {error}", dockerfile_path.display()))
            .hint("mend build.dockerfile in the Compose file")
    })?;
    append_text(&mut archive, &text).map_err(|error| unreadable(&dockerfile_path, &error))?;
    archive.into_inner().map_err(|error| unreadable(root, &error))
}

fn unreadable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(FailureKind::Invalid, format!("build context {} cannot be read: {error}", path.display()))
        .hint("make it readable, or name it in .dockerignore")
}

/// `<Dockerfile>.dockerignore` wins over the context's own `.dockerignore` (BuildKit).
fn ignore_file(root: &Path, dockerfile: &Path) -> Result<Dockerignore, Failure> {
    let mut beside = dockerfile.as_os_str().to_owned();
    beside.push(".dockerignore");
    for path in [PathBuf::from(beside), root.join(".dockerignore")] {
        match fs::read_to_string(&path) {
            Ok(text) => return Ok(Dockerignore::parse(&text)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(unreadable(&path, &error)),
        }
    }
    Ok(Dockerignore::default())
}

fn collect(root: &Path, below: &Path, ignore: &Dockerignore, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in fs::read_dir(root.join(below))? {
        let entry = entry?;
        let relative = below.join(entry.file_name());
        let text = relative.to_string_lossy();
        // Chora's own state changes with every deployment; as an input it would make every image a new one.
        let ignored = ignore.ignores(&text) || text == ".chora";
        if entry.file_type()?.is_dir() {
            if ignored && !ignore.may_include_below(&text) {
                continue;
            }
            if !ignored {
                files.push(relative.clone());
            }
            collect(root, &relative, ignore, files)?;
        } else if !ignored {
            files.push(relative);
        }
    }
    Ok(())
}

fn append(archive: &mut tar::Builder<Vec<u8>>, root: &Path, relative: &Path) -> std::io::Result<()> {
    let path = root.join(relative);
    let metadata = fs::symlink_metadata(&path)?;
    let mut header = tar::Header::new_gnu();
    header.set_mtime(0);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mode(metadata.permissions().mode() & 0o7777);
    header.set_size(0);
    if metadata.is_symlink() {
        header.set_entry_type(tar::EntryType::Symlink);
        return archive.append_link(&mut header, relative, fs::read_link(&path)?);
    }
    if metadata.is_dir() {
        header.set_entry_type(tar::EntryType::Directory);
        return archive.append_data(&mut header, relative, std::io::empty());
    }
    if !metadata.is_file() {
        // Sockets and pipes have no content to send.
        return Ok(());
    }
    header.set_entry_type(tar::EntryType::Regular);
    header.set_size(metadata.len());
    archive.append_data(&mut header, relative, fs::File::open(&path)?)
}

fn append_text(archive: &mut tar::Builder<Vec<u8>>, text: &str) -> std::io::Result<()> {
    let mut header = tar::Header::new_gnu();
    header.set_mtime(0);
    header.set_mode(0o644);
    header.set_size(text.len() as u64);
    header.set_entry_type(tar::EntryType::Regular);
    archive.append_data(&mut header, OWN_DOCKERFILE, text.as_bytes())
}
