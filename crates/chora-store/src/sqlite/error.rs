//! `SQLite`'s and the operating system's errors in the port's words.

use std::io;
use std::path::Path;

use chora_core::ports::store::StoreError;
use rusqlite::ErrorCode;
use rusqlite::ffi;

/// Names a failed statement's situation.
pub(super) fn store_error(error: &rusqlite::Error) -> StoreError {
    let text = error.to_string();
    let Some(cause) = error.sqlite_error() else { return StoreError::Failed(text) };
    match cause.code {
        ErrorCode::DiskFull => StoreError::DiskFull(text),
        ErrorCode::ReadOnly | ErrorCode::PermissionDenied => StoreError::ReadOnly(text),
        ErrorCode::SystemIoFailure if cause.extended_code == ffi::SQLITE_IOERR_SHMSIZE => StoreError::DiskFull(text),
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => StoreError::Failed(format!("another program keeps it locked: {text}")),
        _ => StoreError::Failed(text),
    }
}

/// Names the situation of a failed file operation.
pub(super) fn file_error(path: &Path, error: &io::Error) -> StoreError {
    let text = format!("{}: {error}", path.display());
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => StoreError::DiskFull(text),
        io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied => StoreError::ReadOnly(text),
        _ => StoreError::Failed(text),
    }
}
