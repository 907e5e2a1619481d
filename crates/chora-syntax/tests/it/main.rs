//! The crate through its public API, on real files.

mod corpus;
mod disk;
