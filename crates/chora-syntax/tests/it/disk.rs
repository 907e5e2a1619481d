//! Files of the disk, read as a caller of the crate reads them.

use std::io::ErrorKind;
use std::path::Path;

use chora_syntax::{FileProblem, Files};

pub(crate) struct Disk;

impl Files for Disk {
    fn read(&self, path: &Path) -> Result<String, FileProblem> {
        if path.is_dir() {
            return Err(FileProblem::IsDirectory);
        }
        std::fs::read_to_string(path).map_err(|error| match error.kind() {
            ErrorKind::NotFound => FileProblem::NotFound,
            ErrorKind::InvalidData => FileProblem::NotText,
            _ => FileProblem::Other(error.to_string()),
        })
    }
}
