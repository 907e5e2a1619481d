//! From text to a manifest, with every problem of the file at once.

use serde::Deserialize;

use super::{Manifest, checks};
use crate::diagnostic::{Diagnostics, Problem, locate_all};
use crate::span::{Sources, Span};
use crate::yaml::de::Reader;
use crate::yaml::{self, Node, Value};

/// Problems of one file that are reported; the rest follows from them more often than not.
const PROBLEM_LIMIT: usize = 50;

/// Reads `chora.yaml`; `file_name` is what messages call it.
///
/// # Errors
/// Broken YAML, unknown keys (with the nearest valid one), wrong types and forms; each with line and column.
pub fn parse(text: &str, file_name: &str) -> Result<Manifest, Diagnostics> {
    let mut sources = Sources::default();
    let (source, _) = sources.add(file_name.to_owned(), text.to_owned());
    let mut problems = Vec::new();
    let mut documents = yaml::parse(source, text, &mut problems).documents;
    if let Some(second) = documents.get(1) {
        problems.push(Problem::value(first_line(second.span), "the file holds more than one document"));
    }
    if !problems.is_empty() {
        return Err(locate_all(problems, &sources));
    }
    let mut tree = documents.drain(..).next().unwrap_or_default();
    if tree.is_null() {
        return Ok(Manifest::default());
    }
    let manifest = read(&mut tree, &mut problems);
    if let Some(manifest) = &manifest {
        checks::check(manifest, &tree, &mut problems);
    }
    match manifest.filter(|_| problems.is_empty()) {
        Some(manifest) => Ok(manifest),
        None => Err(locate_all(problems, &sources)),
    }
}

/// What is wrong with a value of a file that is right by itself, such as one that does not go with another file; `path` leads to it.
#[must_use]
pub fn fault(text: &str, file_name: &str, path: &[&str], message: impl Into<String>) -> Diagnostics {
    let mut sources = Sources::default();
    let (source, _) = sources.add(file_name.to_owned(), text.to_owned());
    let tree = yaml::parse(source, text, &mut Vec::new()).documents.drain(..).next().unwrap_or_default();
    locate_all(vec![Problem::value(checks::span(&tree, path), message)], &sources)
}

const fn first_line(span: Span) -> Span {
    Span { end: span.start.saturating_add(1), ..span }
}

/// Reads the tree; what does not fit is reported, taken out, and the rest is read again.
fn read(tree: &mut Node, problems: &mut Vec<Problem>) -> Option<Manifest> {
    for _ in 0..PROBLEM_LIMIT {
        match Manifest::deserialize(Reader(tree)) {
            Ok(manifest) => return Some(manifest),
            Err(error) => {
                let problem = error.problem();
                let span = problem.span;
                problems.push(problem);
                if !take_out(tree, span) {
                    return None;
                }
            }
        }
    }
    None
}

/// Removes the entry whose key or value stands at a span.
fn take_out(node: &mut Node, span: Span) -> bool {
    match &mut node.value {
        Value::Map(map) => {
            let count = map.len();
            map.retain(|_, entry| entry.key != span && entry.node.span != span);
            map.len() < count || map.values_mut().any(|entry| take_out(&mut entry.node, span))
        }
        Value::List(list) => {
            let count = list.len();
            list.retain(|item| item.span != span);
            list.len() < count || list.iter_mut().any(|item| take_out(item, span))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests;
