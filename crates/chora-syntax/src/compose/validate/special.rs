//! Values with a short and a long form.

use super::{check as check_any, check_object, collection, expected, is_mistyped, scalar};
use crate::compose::forms::{device, number, port, volume};
use crate::compose::path::Path;
use crate::compose::schema::{Object, Shape};
use crate::diagnostic::Problem;
use crate::yaml::{Node, Value};

/// Checks a shape that has a short and a long form.
pub(super) fn check(shape: &Shape, node: &Node, path: &Path<'_>, problems: &mut Vec<Problem>) {
    match shape {
        Shape::Build(object) | Shape::Extends(object) => text_or_object(object, node, path, problems),
        Shape::NamesOr(object) => names_or(object, node, path, problems),
        Shape::Dependencies(object) => dependencies(object, node, path, problems),
        Shape::EnvFiles(_) if node.as_text().is_some() => {}
        Shape::EnvFiles(object) | Shape::FileReferences(object) => items(object, node, path, problems, |_| Ok(())),
        Shape::Devices(object) => items(object, node, path, problems, |text| device::parse(text).map(|_| ())),
        Shape::Volumes(object) => items(object, node, path, problems, |text| volume::parse(text).map(|_| ())),
        Shape::Ports(object) => ports(object, node, path, problems),
        Shape::Gpus(object) => gpus(object, node, path, problems),
        Shape::Ssh => ssh(node, path, problems),
        Shape::Ulimits => ulimits(node, path, problems),
        Shape::External => external(node, path, problems),
        Shape::Include => include(node, path, problems),
        _ => {}
    }
}

fn text_or_object(object: &'static Object, node: &Node, path: &Path<'_>, problems: &mut Vec<Problem>) {
    match node.value {
        Value::Text(_) => {}
        Value::Map(_) => check_object(object, node, path, problems),
        _ => expected("text or a mapping", node, path, problems),
    }
}

fn names(node: &Node, path: &Path<'_>, problems: &mut Vec<Problem>) {
    check_any(&Shape::Texts(true), node, path, problems);
}

fn names_or(object: &'static Object, node: &Node, path: &Path<'_>, problems: &mut Vec<Problem>) {
    match &node.value {
        Value::List(_) => names(node, path, problems),
        Value::Map(map) => map.iter().for_each(|(name, entry)| check_object(object, &entry.node, &path.key(name), problems)),
        _ => expected("a list of names or a mapping", node, path, problems),
    }
}

fn dependencies(object: &'static Object, node: &Node, path: &Path<'_>, problems: &mut Vec<Problem>) {
    match &node.value {
        Value::List(_) => names(node, path, problems),
        Value::Map(map) => {
            for (name, entry) in map {
                if collection::is_name(name) {
                    check_object(object, &entry.node, &path.key(name), problems);
                } else {
                    problems.push(Problem::value(entry.key, format!("`{name}` is not a service name")));
                }
            }
        }
        _ => expected("a list of services or a mapping", node, path, problems),
    }
}

/// A list of long forms, or short ones that `read` accepts.
fn items(object: &'static Object, node: &Node, path: &Path<'_>, problems: &mut Vec<Problem>, read: impl Fn(&str) -> Result<(), String>) {
    let Some(list) = node.as_list() else { return expected("a list", node, path, problems) };
    for (index, item) in list.iter().enumerate() {
        let path = path.item(index);
        match &item.value {
            Value::Text(text) => {
                if let Err(message) = read(text) {
                    problems.push(Problem::value(item.span, message));
                }
            }
            Value::Map(_) => check_object(object, item, &path, problems),
            _ => expected("text or a mapping", item, &path, problems),
        }
    }
}

fn ports(object: &'static Object, node: &Node, path: &Path<'_>, problems: &mut Vec<Problem>) {
    let Some(list) = node.as_list() else { return expected("a list", node, path, problems) };
    for (index, item) in list.iter().enumerate() {
        let place = path.item(index);
        match &item.value {
            Value::Text(_) | Value::Int(_) => {
                if let Err(message) = port::parse(&item.printed().unwrap_or_default()) {
                    problems.push(Problem::value(item.span, message).help("write `host:container`, such as \"8080:80\""));
                }
            }
            Value::Map(map) => {
                check_object(object, item, &place, problems);
                if !map.contains_key("target") && !is_mistyped(object, map, "target") {
                    problems.push(Problem::missing(item.span, format!("`{place}` lacks the key `target`")));
                }
            }
            _ => expected("text, a number or a mapping", item, &place, problems),
        }
    }
}

fn gpus(object: &'static Object, node: &Node, path: &Path<'_>, problems: &mut Vec<Problem>) {
    match &node.value {
        Value::Text(text) if text == "all" => {}
        Value::List(list) => {
            for (index, item) in list.iter().enumerate() {
                check_object(object, item, &path.item(index), problems);
            }
        }
        _ => expected("`all` or a list", node, path, problems),
    }
}

fn ssh(node: &Node, path: &Path<'_>, problems: &mut Vec<Problem>) {
    match &node.value {
        Value::List(list) => {
            for (index, item) in list.iter().enumerate() {
                if scalar::text(item, &path.item(index), problems).is_some_and(|text| text != "default" && !text.contains('=')) {
                    problems.push(Problem::value(item.span, "an SSH key is `default` or `id=path`"));
                }
            }
        }
        Value::Map(_) => check_any(&Shape::Dict(crate::compose::schema::Dict::Nullable), node, path, problems),
        _ => expected("a mapping or a list", node, path, problems),
    }
}

fn ulimits(node: &Node, path: &Path<'_>, problems: &mut Vec<Problem>) {
    let Some(map) = node.as_map() else { return expected("a mapping", node, path, problems) };
    for (name, entry) in map {
        let path = path.key(name);
        match &entry.node.value {
            Value::Map(limits) => {
                for (key, entry) in limits {
                    match key.as_str() {
                        "soft" | "hard" => check_any(&Shape::PlainInt, &entry.node, &path.key(key), problems),
                        key if key.starts_with("x-") => {}
                        _ => problems.push(Problem::value(entry.key, format!("`{path}` has only the keys `soft` and `hard`"))),
                    }
                }
                for key in ["soft", "hard"].into_iter().filter(|key| !limits.contains_key(*key)) {
                    problems.push(Problem::missing(entry.node.span, format!("`{path}` lacks the key `{key}`")));
                }
            }
            _ => check_any(&Shape::PlainInt, &entry.node, &path, problems),
        }
    }
}

fn external(node: &Node, path: &Path<'_>, problems: &mut Vec<Problem>) {
    match &node.value {
        Value::Map(map) => {
            for (key, entry) in map {
                if key == "name" {
                    scalar::text(&entry.node, &path.key(key), problems);
                }
            }
        }
        _ => {
            if number::flag(node).is_err() {
                expected("`true` or `false`", node, path, problems);
            }
        }
    }
}

fn include(node: &Node, path: &Path<'_>, problems: &mut Vec<Problem>) {
    const KEYS: [&str; 3] = ["path", "env_file", "project_directory"];
    if node.is_null() {
        return;
    }
    let Some(list) = node.as_list() else { return expected("a list", node, path, problems) };
    for (index, item) in list.iter().enumerate() {
        let path = path.item(index);
        match &item.value {
            Value::Text(_) => {}
            Value::Map(map) => {
                for (key, entry) in map {
                    match key.as_str() {
                        "path" | "env_file" => check_any(&Shape::TextOrTexts, &entry.node, &path.key(key), problems),
                        "project_directory" => check_any(&Shape::Text, &entry.node, &path.key(key), problems),
                        _ => problems.push(
                            Problem::new(crate::DiagnosticKind::UnknownKey, entry.key, format!("unknown key `{key}` in `{path}`"))
                                .help(format!("valid keys here: {}", KEYS.join(", "))),
                        ),
                    }
                }
            }
            _ => expected("text or a mapping", item, &path, problems),
        }
    }
}
