//! A client's file on disk: read through links, replaced as a whole or not at all, with a copy and our memory beside it.

use std::fs::{self, File, Metadata, Permissions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use crate::failure::{Failure, FailureKind};

/// The most links that lead from one to the next.
const LINKS: usize = 16;

/// A client's file as it was read.
#[derive(Debug)]
pub(super) struct ClientFile {
    /// Where it really is.
    pub(super) path: PathBuf,
    /// Nothing where there is no file.
    pub(super) text: Option<String>,
}

impl ClientFile {
    pub(super) fn read(path: &Path) -> Result<Self, Failure> {
        let path = target(path);
        let text = text_of(&path).map_err(|error| failure("read", &path, &error))?;
        Ok(Self { path, text })
    }

    pub(super) fn text(&self) -> &str {
        self.text.as_deref().unwrap_or_default()
    }

    /// The copy of the file as it was before it was changed first.
    pub(super) fn backup(&self) -> PathBuf {
        beside(&self.path, ".chora-backup")
    }

    /// What we remember about it.
    pub(super) fn memory(&self) -> PathBuf {
        beside(&self.path, ".chora-undo")
    }

    /// Makes its folder; says whether it was missing.
    pub(super) fn make_folder(&self) -> Result<bool, Failure> {
        let folder = folder(&self.path);
        if folder.is_dir() {
            return Ok(false);
        }
        fs::create_dir_all(folder).map_err(|error| failure("made", folder, &error))?;
        Ok(true)
    }

    pub(super) fn keep_copy(&self) -> Result<(), Failure> {
        let backup = self.backup();
        let copy = || put(&backup, self.text(), Mode::Like(&fs::metadata(&self.path)?));
        copy().map_err(|error| failure("written", &backup, &error))
    }

    /// Writes what we remember, readable for its owner only: an entry may hold a token.
    pub(super) fn remember(&self, text: &str) -> Result<(), Failure> {
        let memory = self.memory();
        put(&memory, text, Mode::Private).map_err(|error| failure("written", &memory, &error))
    }

    /// Puts a text in place of the one that was read.
    pub(super) fn replace(&self, text: &str) -> Result<(), Failure> {
        self.still_as_read()?;
        let write = || match fs::metadata(&self.path) {
            Ok(metadata) => put(&self.path, text, Mode::Like(&metadata)),
            Err(error) if error.kind() == ErrorKind::NotFound => put(&self.path, text, Mode::Common),
            Err(error) => Err(error),
        };
        write().map_err(|error| failure("written", &self.path, &error))
    }

    pub(super) fn remove(&self) -> Result<(), Failure> {
        self.still_as_read()?;
        remove(&self.path)
    }

    pub(super) fn forget(&self) -> Result<(), Failure> {
        remove(&self.memory())
    }

    /// The copy goes when the file is again as it was.
    pub(super) fn drop_equal_copy(&self) -> Result<(), Failure> {
        let backup = self.backup();
        let is_equal = matches!((fs::read(&backup), fs::read(&self.path)), (Ok(copy), Ok(text)) if copy == text);
        if is_equal { remove(&backup) } else { Ok(()) }
    }

    pub(super) fn remove_empty_folder(&self) {
        // One that somebody has put something into stays.
        drop(fs::remove_dir(folder(&self.path)));
    }

    /// A client that runs may write its own file.
    fn still_as_read(&self) -> Result<(), Failure> {
        let now = text_of(&self.path).map_err(|error| failure("read", &self.path, &error))?;
        if now == self.text {
            return Ok(());
        }
        let message = format!("somebody else is changing {}", self.path.display());
        Err(Failure::new(FailureKind::Conflict, message).state("the file was not changed").hint("run the command again"))
    }
}

/// Where links lead to, also when nothing is there.
fn target(path: &Path) -> PathBuf {
    let mut path = path.to_owned();
    for _ in 0..LINKS {
        let Ok(to) = fs::read_link(&path) else { break };
        path = folder(&path).join(to);
    }
    path
}

fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

fn text_of(path: &Path) -> io::Result<Option<String>> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn remove(path: &Path) -> Result<(), Failure> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(failure("removed", path, &error)),
        _ => Ok(()),
    }
}

/// Who may read a file.
#[derive(Clone, Copy)]
enum Mode<'a> {
    Like(&'a Metadata),
    Common,
    Private,
}

fn put(path: &Path, text: &str, mode: Mode<'_>) -> io::Result<()> {
    let folder = folder(path);
    let common = if matches!(mode, Mode::Common) { 0o666 } else { 0o600 };
    let mut fresh = tempfile::Builder::new().prefix(".chora-").permissions(Permissions::from_mode(common)).tempfile_in(folder)?;
    fresh.write_all(text.as_bytes())?;
    if let Mode::Like(metadata) = mode {
        // Only root can, and only root needs to.
        drop(std::os::unix::fs::fchown(fresh.as_file(), Some(metadata.uid()), Some(metadata.gid())));
        fresh.as_file().set_permissions(metadata.permissions())?;
    }
    fresh.as_file().sync_all()?;
    fresh.persist(path)?;
    File::open(folder)?.sync_all()
}

fn failure(done: &str, path: &Path, error: &io::Error) -> Failure {
    let kind = match error.kind() {
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => FailureKind::Denied,
        ErrorKind::InvalidData | ErrorKind::NotADirectory | ErrorKind::IsADirectory | ErrorKind::AlreadyExists => FailureKind::Invalid,
        _ => FailureKind::Unavailable,
    };
    let failure = Failure::new(kind, format!("{} cannot be {done}: {error}", path.display())).state("the client's file was not changed");
    match kind {
        FailureKind::Denied => failure.hint("make the folder and the file writable for this user, or add it by hand"),
        FailureKind::Invalid => failure.hint("name the client's file with --config"),
        _ => failure.hint("mend it, then run the command again"),
    }
}

#[cfg(test)]
mod tests {
    use super::{ClientFile, failure};
    use crate::failure::FailureKind;
    use std::fs;
    use std::io::{Error, ErrorKind};
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    use std::path::Path;

    #[test]
    fn what_the_system_refuses_has_its_kind() {
        let table = [
            (ErrorKind::PermissionDenied, FailureKind::Denied),
            (ErrorKind::ReadOnlyFilesystem, FailureKind::Denied),
            (ErrorKind::IsADirectory, FailureKind::Invalid),
            (ErrorKind::InvalidData, FailureKind::Invalid),
            (ErrorKind::StorageFull, FailureKind::Unavailable),
        ];
        for (kind, wanted) in table {
            let failure = failure("written", Path::new("/x"), &Error::from(kind));
            assert_eq!(failure.kind, wanted);
            assert!(!failure.hint.is_empty() && !failure.state.is_empty());
        }
    }

    #[test]
    fn what_is_no_text_file_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("x.json");
        fs::write(&file, b"\xff\xfe{\0}\0").unwrap();
        fs::create_dir(folder.path().join("d.json")).unwrap();
        symlink("round.json", folder.path().join("round.json")).unwrap();
        for name in ["x.json", "d.json", "round.json", "x.json/below.json"] {
            assert!(ClientFile::read(&folder.path().join(name)).is_err(), "{name}");
        }
        assert_eq!(ClientFile::read(&folder.path().join("none.json")).unwrap().text, None);
    }

    #[test]
    fn a_file_is_replaced_whole_and_only_as_it_was_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.json");
        fs::write(&path, "{}").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let file = ClientFile::read(&path).unwrap();
        file.keep_copy().unwrap();
        file.replace("{ }").unwrap();
        assert_eq!(file.replace("{\n}").unwrap_err().kind, FailureKind::Conflict);
        assert_eq!(file.remove().unwrap_err().kind, FailureKind::Conflict);
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((fs::read_to_string(&path).unwrap().as_str(), mode(&path), mode(&file.backup())), ("{ }", 0o640, 0o640));
        file.drop_equal_copy().unwrap();
        assert!(file.backup().exists());
        file.remember("{}").unwrap();
        assert_eq!(mode(&file.memory()), 0o600);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3);
    }
}
