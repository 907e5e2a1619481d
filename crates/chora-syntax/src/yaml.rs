//! YAML text as a tree whose every node knows where it stands.

pub(crate) mod de;
pub mod node;
mod number;
mod parse;
mod scalar;

pub use node::{Entry, Map, Mark, Node, Value};
pub(crate) use number::go_float;
pub(crate) use parse::parse;
