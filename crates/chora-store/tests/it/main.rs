//! The adapters against their contracts, and against other processes, crashes, full disks and other versions.
#![expect(clippy::unwrap_used, clippy::string_slice, clippy::print_stderr, reason = "what fails here is to fail the test")]

mod another_process;
mod blobs;
mod contention;
mod crash;
mod disk;
mod schema;
mod sqlite;
