//! The files of a catalogue from elsewhere: how many and how large, and which of them cannot be used.

use std::collections::BTreeMap;

use crate::render::ProjectFile;

/// The most files that a source may have.
pub const MOST_FILES: usize = 5_000;
/// The largest file that is read, in bytes.
pub const LARGEST_FILE: u64 = 1 << 20;
/// The most that a source may have in files that are read, in bytes.
pub const LARGEST_SOURCE: u64 = 32 << 20;

/// A source that is more than a source may be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// Too many files.
    #[error("it has more than {MOST_FILES} files")]
    TooMany,
    /// Too much in them.
    #[error("its files have more than {LARGEST_SOURCE} bytes")]
    TooLarge,
}

/// Why a file of a source is not used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unusable {
    /// It is a symbolic link, which could lead out of the source.
    Link,
    /// It is larger than a file may be.
    Large,
}

impl Unusable {
    /// In words.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Link => "it is a symbolic link, which is not followed",
            Self::Large => "it is larger than 1 MiB",
        }
    }
}

/// Files of a source by their paths below its root, with `/` between parts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SourceFiles {
    files: BTreeMap<String, ProjectFile>,
    unusable: BTreeMap<String, Unusable>,
    /// Bytes of the files that were admitted.
    admitted: u64,
    /// How many files there are, those that are still to be put in included.
    counted: usize,
}

impl SourceFiles {
    /// Whether a file of this size is to be read; it counts from then on.
    ///
    /// # Errors
    /// The source has too many files, or too much in them.
    pub fn admit(&mut self, path: &str, size: u64) -> Result<bool, SourceError> {
        if size > LARGEST_FILE {
            self.leave_out(path, Unusable::Large)?;
            return Ok(false);
        }
        self.admitted = self.admitted.saturating_add(size);
        match self.admitted {
            0..=LARGEST_SOURCE => self.count().map(|()| true),
            _ => Err(SourceError::TooLarge),
        }
    }

    /// Notes a file that is not used, and why.
    ///
    /// # Errors
    /// The source has too many files.
    pub fn leave_out(&mut self, path: &str, why: Unusable) -> Result<(), SourceError> {
        self.unusable.insert(path.to_owned(), why);
        self.count()
    }

    /// Takes a file in.
    pub fn put(&mut self, path: String, file: ProjectFile) {
        self.files.insert(path, file);
    }

    /// The files, by path.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &ProjectFile)> {
        self.files.iter().map(|(path, file)| (path.as_str(), file))
    }

    /// Files that are not used, and why.
    pub fn unusable(&self) -> impl Iterator<Item = (&str, Unusable)> {
        self.unusable.iter().map(|(path, why)| (path.as_str(), *why))
    }

    fn count(&mut self) -> Result<(), SourceError> {
        self.counted += 1;
        if self.counted <= MOST_FILES { Ok(()) } else { Err(SourceError::TooMany) }
    }
}

#[cfg(test)]
mod tests {
    use super::{LARGEST_FILE, MOST_FILES, SourceError, SourceFiles, Unusable};

    #[test]
    fn a_source_has_an_end() {
        let mut source = SourceFiles::default();
        assert_eq!(source.admit("film", LARGEST_FILE + 1), Ok(false));
        assert_eq!(source.unusable().collect::<Vec<_>>(), [("film", Unusable::Large)]);
        assert_eq!((0..33).find_map(|_| source.admit("a", LARGEST_FILE).err()), Some(SourceError::TooLarge));
        // They are listed first, and put in later.
        let mut many = SourceFiles::default();
        let refused = (0..=MOST_FILES).position(|number| many.admit(&number.to_string(), 1) == Err(SourceError::TooMany));
        assert_eq!(refused, Some(MOST_FILES));
    }
}
