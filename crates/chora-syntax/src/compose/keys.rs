//! What Chora does with every key of a Compose file: the table behind refusals, warnings and the reference page.

mod combinations;
mod exceptions;
mod reference;

pub use reference::reference;

use std::collections::HashSet;

use exceptions::EXCEPTIONS;
use serde_json::{Map as JsonMap, Value as Json};

use crate::diagnostic::{DiagnosticKind, Problem};
use crate::span::Span;
use crate::yaml::{Node, Value};

/// What Chora does with a key. Keys without an entry in the table are honoured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Support {
    /// Kept for other commands; a deployment has no use for it.
    Carried,
    /// Has no effect; a warning says so.
    Ignored,
    /// A deployment refuses it.
    Refused,
}

/// A key that is not simply honoured.
pub(super) struct Exception {
    /// Keys from the top, divided by dots; `*` is any name; list items are not counted.
    pub(super) path: &'static str,
    pub(super) support: Support,
    pub(super) reason: &'static str,
    /// Values that mean nothing special, so that they pass.
    pub(super) harmless: &'static [&'static str],
    /// Only these values are meant; empty: all.
    pub(super) only: &'static [&'static str],
}

/// What a model holds that is refused, and what has no effect, each at its key.
pub(super) fn review(model: &Node, active: &HashSet<&str>, document: &JsonMap<String, Json>) -> (Vec<Problem>, Vec<Problem>) {
    let (mut refused, mut ignored) = (Vec::new(), Vec::new());
    for exception in EXCEPTIONS {
        let problems = match exception.support {
            Support::Carried => continue,
            Support::Ignored => &mut ignored,
            Support::Refused => &mut refused,
        };
        let path: Vec<&str> = exception.path.split('.').collect();
        let Some((section, rest)) = path.split_first() else { continue };
        let Some(node) = model.get(section) else { continue };
        for (name, entry) in node.as_map().into_iter().flatten() {
            let used = match *section {
                "services" => active.contains(name.as_str()),
                "models" => true,
                section => document.get(section).and_then(|section| section.get(name)).is_some(),
            };
            let below = rest.get(1..).unwrap_or_default();
            if used {
                find(&entry.node, entry.key, below, exception, problems);
            }
        }
    }
    refused.extend(combinations::review(model, active));
    (refused, ignored)
}

/// Reports every place of an exception's path below a node.
fn find(node: &Node, key: Span, path: &[&str], exception: &Exception, problems: &mut Vec<Problem>) {
    if let Value::List(list) = &node.value
        && !path.is_empty()
    {
        return list.iter().for_each(|item| find(item, item.span, path, exception, problems));
    }
    let Some((first, rest)) = path.split_first() else {
        if applies(node, exception) {
            problems.push(problem(key, exception));
        }
        return;
    };
    let Some(map) = node.as_map() else { return };
    if *first == "*" {
        map.values().for_each(|entry| find(&entry.node, entry.key, rest, exception, problems));
    } else if let Some(entry) = map.get(*first) {
        find(&entry.node, entry.key, rest, exception, problems);
    }
}

fn applies(node: &Node, exception: &Exception) -> bool {
    let empty = match &node.value {
        Value::Null | Value::Bool(false) => true,
        Value::List(list) => list.is_empty(),
        Value::Map(map) => map.is_empty(),
        Value::Text(text) => text.is_empty(),
        _ => false,
    };
    let printed = node.printed().unwrap_or_default();
    let meant = exception.only.is_empty() || exception.only.contains(&printed.as_str());
    !empty && meant && !exception.harmless.contains(&printed.as_str())
}

fn problem(span: Span, exception: &Exception) -> Problem {
    let key = match exception.path.strip_prefix("services.*.") {
        Some(key) => key.to_owned(),
        None => exception.path.replace(".*", ""),
    };
    let (kind, message) = match exception.support {
        Support::Refused => (DiagnosticKind::Unsupported, format!("Chora does not honour `{key}`: {}", exception.reason)),
        _ => (DiagnosticKind::Warning, format!("`{key}` has no effect: {}", exception.reason)),
    };
    Problem::new(kind, span, message)
}
