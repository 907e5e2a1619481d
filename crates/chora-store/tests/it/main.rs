//! The adapters against their contracts, and against other processes, crashes, full disks and other versions.

mod another_process;
mod blobs;
mod contention;
mod crash;
mod disk;
mod schema;
mod sqlite;
