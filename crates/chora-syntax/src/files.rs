//! Reading other files while one is resolved. The caller does it; this crate touches no disk.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Why a file could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FileProblem {
    /// Nothing is there.
    #[error("no such file")]
    NotFound,
    /// A directory is there.
    #[error("it is a directory")]
    IsDirectory,
    /// The text is not UTF-8.
    #[error("it is not UTF-8 text")]
    NotText,
    /// Anything else, in the words of the operating system.
    #[error("{0}")]
    Other(String),
}

/// The files that a resolution may read, by absolute path.
pub trait Files {
    /// The text of a file.
    ///
    /// # Errors
    /// Why it cannot be read.
    fn read(&self, path: &Path) -> Result<String, FileProblem>;

    /// Whether a file (not a directory) is there.
    fn exists(&self, path: &Path) -> bool {
        !matches!(self.read(path), Err(FileProblem::NotFound | FileProblem::IsDirectory))
    }
}

/// Files held in memory.
#[derive(Debug, Clone, Default)]
pub struct MemoryFiles(BTreeMap<PathBuf, String>);

impl MemoryFiles {
    /// Adds a file.
    #[must_use]
    pub fn with(mut self, path: impl Into<PathBuf>, text: impl Into<String>) -> Self {
        self.0.insert(path.into(), text.into());
        self
    }
}

impl Files for MemoryFiles {
    fn read(&self, path: &Path) -> Result<String, FileProblem> {
        if let Some(text) = self.0.get(path) {
            return Ok(text.clone());
        }
        let is_directory = self.0.keys().any(|file| file.starts_with(path));
        Err(if is_directory { FileProblem::IsDirectory } else { FileProblem::NotFound })
    }
}
