//! The crate through its public API, on real files.

#[cfg(test)]
mod completeness;
#[cfg(test)]
mod corpus;
#[cfg(test)]
mod disk;
#[cfg(test)]
mod docs;
#[cfg(test)]
mod errors;
