//! Files of containers whose root is read-only: nothing can be written into those, so configs are mounted from content-addressed
//! copies beside the project. A copy never changes, and a retained container keeps finding its own.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use chora_core::compose::{BindOptions, Mount, MountKind};
use chora_core::model::container::FileContent;
use chora_core::model::digest::Digest;

use crate::context::Context;

/// Where the engine adapter can write in a read-only container.
const WRITABLE: &str = "/run/secrets/";

/// Whether a file has to be mounted instead of written.
pub(crate) fn needs_mount(file: &FileContent) -> bool {
    !file.path.starts_with(WRITABLE)
}

/// Keeps the content on disk and gives the mount that brings it to its place.
pub(crate) fn mount(cx: &Context, file: &FileContent) -> std::io::Result<Mount> {
    let source = keep(&cx.settings.project_dir.join(".chora/files"), file)?;
    Ok(Mount {
        kind: MountKind::Bind,
        source: Some(source.to_string_lossy().into_owned()),
        target: file.path.clone(),
        read_only: true,
        bind: Some(BindOptions { create_host_path: Some(false), ..BindOptions::default() }),
        ..Mount::default()
    })
}

/// Mode is part of the name: the same content may be wanted with another one.
fn keep(directory: &Path, file: &FileContent) -> std::io::Result<PathBuf> {
    let path = directory.join(format!("{}-{:o}", Digest::of(file.content.expose()), file.mode));
    if path.exists() {
        return Ok(path);
    }
    fs::create_dir_all(directory)?;
    let mut temporary = tempfile::NamedTempFile::new_in(directory)?;
    temporary.write_all(file.content.expose())?;
    temporary.as_file().set_permissions(fs::Permissions::from_mode(file.mode))?;
    temporary.as_file().sync_all()?;
    temporary.persist(&path)?;
    Ok(path)
}
