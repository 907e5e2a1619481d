//! The file that a restarted gateway reads its table from.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use super::table::{Table, TableError};

/// Why the state file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StateFileError {
    #[error("there is no state file {}", path.display())]
    Missing { path: PathBuf },
    #[error("the state file {} cannot be read: {source}", path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("the state file {} holds no whole table: {source}", path.display())]
    Torn { path: PathBuf, source: TableError },
    #[error("the state file {} cannot be written: {source}", path.display())]
    Unwritable { path: PathBuf, source: io::Error },
}

pub(super) fn load(path: &Path) -> Result<Table, StateFileError> {
    let bytes = fs::read(path).map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => StateFileError::Missing { path: path.to_owned() },
        _ => StateFileError::Unreadable { path: path.to_owned(), source },
    })?;
    Table::parse(&bytes).map_err(|source| StateFileError::Torn { path: path.to_owned(), source })
}

pub(super) fn save(table: &Table, path: &Path) -> Result<(), StateFileError> {
    write(table, path).map_err(|source| StateFileError::Unwritable { path: path.to_owned(), source })
}

fn write(table: &Table, path: &Path) -> io::Result<()> {
    let mut json = serde_json::to_vec_pretty(table)?;
    json.push(b'\n');
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?.to_owned();
    name.push(".new");
    let draft = folder.join(name);
    let mut file = File::create(&draft)?;
    file.write_all(&json)?;
    file.sync_all()?;
    fs::rename(&draft, path)?;
    // The new name is on disk only once its folder is.
    File::open(folder)?.sync_all()
}
