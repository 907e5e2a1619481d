//! YAML text as a tree whose every node knows where it stands.

pub(crate) mod de;
pub mod node;
mod number;
mod parse;
mod scalar;

use crate::diagnostic::{Diagnostics, Problem, locate_all};
use crate::span::Sources;

pub use node::{Entry, Map, Mark, Node, Value};
pub(crate) use number::go_float;
pub(crate) use parse::parse;

/// The line of a key, counted from one; of the nearest one above it where it is not there.
#[must_use]
pub fn line(text: &str, path: &[&str]) -> Option<usize> {
    let mut sources = Sources::default();
    let (source, _) = sources.add(String::new(), text.to_owned());
    let tree = parse(source, text, &mut Vec::new()).documents.into_iter().next()?;
    sources.place(tree.reach(path)?).map(|place| place.line)
}

/// Reads a document of YAML into a type; `file_name` is what messages call it.
///
/// # Errors
/// Broken YAML, more than one document, or the first thing that does not fit the type; with line and column.
pub fn read<T: serde::de::DeserializeOwned>(text: &str, file_name: &str) -> Result<T, Diagnostics> {
    let mut sources = Sources::default();
    let (source, _) = sources.add(file_name.to_owned(), text.to_owned());
    let mut problems = Vec::new();
    let mut documents = parse(source, text, &mut problems).documents;
    if let Some(second) = documents.get(1) {
        problems.push(Problem::value(second.span, "the file holds more than one document"));
    }
    if !problems.is_empty() {
        return Err(locate_all(problems, &sources));
    }
    let tree = documents.drain(..).next().unwrap_or_default();
    T::deserialize(de::Reader(&tree)).map_err(|error| locate_all(vec![error.problem()], &sources))
}
