//! Lists and free mappings.

use super::{check as check_any, expected, scalar};
use crate::compose::forms::{hosts, words};
use crate::compose::path::Path;
use crate::compose::schema::{Dict, Shape};
use crate::diagnostic::Problem;
use crate::yaml::{Map, Node, Value};

/// Checks a list of one shape.
pub(super) fn list(item: &'static Shape, node: &Node, path: &Path<'_>, problems: &mut Vec<Problem>) {
    let Some(items) = node.as_list() else { return expected("a list", node, path, problems) };
    for (index, node) in items.iter().enumerate() {
        check_any(item, node, &path.item(index), problems);
    }
}

/// Checks a mapping of one shape by names.
pub(super) fn named(value: &'static Shape, strict: bool, node: &Node, path: &Path<'_>, problems: &mut Vec<Problem>) {
    let Some(map) = node.as_map() else { return expected("a mapping", node, path, problems) };
    for (name, entry) in map {
        if is_name(name) {
            check_any(value, &entry.node, &path.key(name), problems);
        } else if strict {
            let message = format!("`{name}` is not a name: letters, digits, `.`, `_` and `-`");
            problems.push(Problem::value(entry.key, message));
        }
    }
}

/// Whether a name may stand for a service, network, volume, config or secret.
pub(super) fn is_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
}

/// Checks a shape of several plain values.
pub(super) fn check(shape: &Shape, node: &Node, path: &Path<'_>, problems: &mut Vec<Problem>) {
    match (shape, &node.value) {
        (Shape::Command, Value::Null) | (Shape::HealthTest | Shape::TextOrTexts | Shape::TextList | Shape::LabelFiles, Value::Text(_)) => {}
        (Shape::Command, Value::Text(line)) => {
            if let Err(message) = words::split(line) {
                problems.push(Problem::value(node.span, message));
            }
        }
        (Shape::Texts(unique), Value::List(items)) => texts(items, *unique, path, problems),
        (Shape::Command | Shape::HealthTest | Shape::LabelFiles, Value::List(items)) => texts(items, false, path, problems),
        (Shape::TextOrTexts | Shape::TextList, Value::List(items)) => texts(items, true, path, problems),
        (Shape::PrintedList, Value::List(items)) => printed_list(items, path, problems),
        (Shape::Dict(dict), Value::List(items)) => lines(items, *dict == Dict::Nullable, path, problems),
        (Shape::KeyValues, Value::List(items)) => key_values(items, path, problems),
        (Shape::Hosts, Value::List(items)) => {
            texts(items, true, path, problems);
            read_hosts(node, problems);
        }
        (Shape::Hosts, Value::Map(_)) => read_hosts(node, problems),
        (Shape::Dict(_) | Shape::KeyValues | Shape::Options(_) | Shape::TextMap | Shape::AnyMap | Shape::MultiOptions, Value::Map(map)) => {
            values(shape, map, path, problems);
        }
        _ => expected(wanted(shape), node, path, problems),
    }
}

const fn wanted(shape: &Shape) -> &'static str {
    match shape {
        Shape::Command => "a list of words or a command line",
        Shape::HealthTest => "a list such as `[CMD, …]` or a command line",
        Shape::TextOrTexts | Shape::TextList | Shape::LabelFiles => "text or a list of text",
        Shape::Dict(_) | Shape::KeyValues => "a mapping or a list of `key=value`",
        Shape::Hosts => "a mapping or a list of `name=address`",
        Shape::Options(_) | Shape::TextMap | Shape::AnyMap | Shape::MultiOptions => "a mapping",
        _ => "a list",
    }
}

fn texts(items: &[Node], unique: bool, path: &Path<'_>, problems: &mut Vec<Problem>) {
    let mut seen = std::collections::HashSet::new();
    for (index, item) in items.iter().enumerate() {
        let Some(text) = scalar::text(item, &path.item(index), problems) else { continue };
        if unique && !seen.insert(text) {
            problems.push(Problem::value(item.span, format!("`{path}` names `{text}` twice")));
        }
    }
}

fn printed_list(items: &[Node], path: &Path<'_>, problems: &mut Vec<Problem>) {
    for (index, item) in items.iter().enumerate() {
        if !matches!(item.value, Value::Text(_) | Value::Int(_) | Value::Float(_)) {
            expected("a number or text", item, &path.item(index), problems);
        } else if items.iter().take(index).any(|before| before.value == item.value) {
            let printed = item.printed().unwrap_or_default();
            problems.push(Problem::value(item.span, format!("`{path}` names `{printed}` twice")));
        }
    }
}

fn lines(items: &[Node], trimmed: bool, path: &Path<'_>, problems: &mut Vec<Problem>) {
    texts(items, true, path, problems);
    for item in items.iter().filter(|_| trimmed) {
        let key = item.as_text().and_then(|text| text.split('=').next()).unwrap_or_default();
        if key.ends_with(char::is_whitespace) {
            problems.push(Problem::value(item.span, format!("there is a space after the name of variable `{}`", key.trim_end())));
        }
    }
}

fn key_values(items: &[Node], path: &Path<'_>, problems: &mut Vec<Problem>) {
    texts(items, true, path, problems);
    for item in items {
        if item.as_text().is_some_and(|text| !text.contains('=')) {
            problems.push(Problem::value(item.span, format!("`{path}` takes `key=value`")));
        }
    }
}

fn read_hosts(node: &Node, problems: &mut Vec<Problem>) {
    let items = node.as_list().into_iter().flatten();
    if items.into_iter().any(|item| item.as_text().is_none()) {
        return;
    }
    if let Err(message) = hosts::lines(node) {
        problems.push(Problem::value(node.span, message));
    }
}

fn values(shape: &Shape, map: &Map, path: &Path<'_>, problems: &mut Vec<Problem>) {
    for (key, entry) in map {
        let node = &entry.node;
        let fits = match (shape, &node.value) {
            (Shape::MultiOptions, Value::List(items)) => items.iter().all(|item| item.printed().is_some()),
            (_, Value::Unknown) => true,
            (_, Value::List(_) | Value::Map(_)) => false,
            (Shape::Dict(_) | Shape::KeyValues, _) => true,
            (Shape::Options(null), Value::Null) => *null,
            (Shape::Options(_) | Shape::AnyMap, Value::Bool(_)) => false,
            (Shape::TextMap, value) => matches!(value, Value::Text(_)),
            (_, value) => !matches!(value, Value::Null) || matches!(shape, Shape::AnyMap),
        };
        if !fits {
            let wanted = if matches!(shape, Shape::Dict(_)) { "text, a number, a boolean or nothing" } else { "text or a number" };
            expected(wanted, node, &path.key(key), problems);
        }
    }
}
