//! The adapters against their contracts, and against other processes, crashes, full disks and other versions.
#![expect(clippy::string_slice, reason = "what fails here is to fail the test")]

#[cfg(test)]
mod another_process;
#[cfg(test)]
mod blobs;
#[cfg(test)]
mod contention;
#[cfg(test)]
mod crash;
#[cfg(test)]
mod disk;
#[cfg(test)]
mod schema;
#[cfg(test)]
mod sqlite;
