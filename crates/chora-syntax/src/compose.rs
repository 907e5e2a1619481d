//! Compose files: from text on disk to one resolved [`model::Stack`].

mod canonical;
mod checks;
mod consistency;
mod defaults;
mod environment;
mod extends;
mod finish;
mod forms;
mod include;
mod interpolate;
pub mod keys;
mod lexical;
mod load;
mod locate;
mod marks;
mod merge;
#[expect(missing_docs, reason = "fields carry the Compose Specification's own key names")]
pub mod model;
mod name;
mod normalize;
mod path;
mod places;
mod project;
mod request;
mod resolve;
mod schema;
mod validate;
mod written;

pub use request::{ResolveRequest, Resolved};
pub use resolve::resolve;
pub use written::Written;

/// The shortest equal form of a path, for other formats of this crate.
pub(crate) fn clean_path(path: &str) -> String {
    lexical::clean(path)
}
