//! The `Store` port on `SQLite` and the `Blobs` port on files. Decides nothing; refuses stores of newer programs.

mod blobs;
mod sqlite;

pub use blobs::FileBlobs;
pub use sqlite::SqliteStore;
