//! Files that the gateway is sent, such as certificates and keys: kept under the hash of their content, for their owner only. What is
//! in them is never told again, and a hash that is another one's is refused.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use super::private_file;

/// What their names end with.
const ENDING: &str = ".pem";

/// The folder with the files, where there is to be one.
#[derive(Clone)]
pub(super) struct Files(Option<PathBuf>);

/// Why a file is not kept.
#[derive(Debug, thiserror::Error)]
pub(super) enum FileError {
    #[error("this gateway keeps no files: it was started without --files")]
    None,
    #[error("what was sent is not the content of {0}")]
    Other(String),
    #[error("files cannot be kept in {}: {source}", folder.display())]
    Folder { folder: PathBuf, source: io::Error },
    #[error("files could not be kept: their task ended")]
    Interrupted,
}

impl Files {
    pub(super) fn new(folder: Option<PathBuf>) -> Self {
        Self(folder)
    }

    /// The hashes of what is kept.
    pub(super) fn list(&self) -> Result<Vec<String>, FileError> {
        self.within(|folder| {
            let entries = match fs::read_dir(folder) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
                entries => entries?,
            };
            let name = |entry: io::Result<fs::DirEntry>| entry.map(|entry| entry.file_name().to_string_lossy().into_owned());
            let names: io::Result<Vec<String>> = entries.map(name).collect();
            let mut hashes: Vec<String> = names?.iter().filter_map(|name| name.strip_suffix(ENDING)).map(str::to_owned).collect();
            hashes.sort();
            Ok(hashes)
        })
    }

    /// Keeps a text; gives its path.
    pub(super) fn keep(&self, hash: &str, text: &str) -> Result<PathBuf, FileError> {
        let content: String = Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
        if content != hash {
            return Err(FileError::Other(hash.to_owned()));
        }
        let name = format!("{hash}{ENDING}");
        self.within(|folder| private_file::write(folder, &name, text.as_bytes()).map(|()| folder.join(&name)))
    }

    /// Removes what is not among these paths; gives how many files that were.
    pub(super) fn forget_but(&self, paths: &BTreeSet<PathBuf>) -> Result<usize, FileError> {
        let mut forgotten = 0;
        for hash in self.list()? {
            forgotten += self.within(|folder| {
                let path = folder.join(format!("{hash}{ENDING}"));
                if paths.contains(&path) { Ok(0) } else { fs::remove_file(&path).map(|()| 1) }
            })?;
        }
        Ok(forgotten)
    }

    fn within<T>(&self, work: impl FnOnce(&Path) -> io::Result<T>) -> Result<T, FileError> {
        let folder = self.0.as_deref().ok_or(FileError::None)?;
        work(folder).map_err(|source| FileError::Folder { folder: folder.to_owned(), source })
    }
}
