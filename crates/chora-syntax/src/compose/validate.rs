//! Whether a tree fits the table: unknown keys, wrong types, forms that cannot be read. Reports everything it finds.

mod collection;
mod scalar;
mod special;

use super::path::Path;
use super::schema::{Object, Shape};
use crate::diagnostic::{DiagnosticKind, Problem};
use crate::nearest::nearest;
use crate::yaml::{Map, Node, Value};

/// Checks a node against a shape.
pub(super) fn check(shape: &'static Shape, node: &Node, path: &Path<'_>, problems: &mut Vec<Problem>) {
    if node.is_unknown() {
        return;
    }
    match shape {
        Shape::Dropped(inner) => check(inner, node, path, problems),
        Shape::Object(object) | Shape::PlainObject(object) => check_object(object, node, path, problems),
        Shape::List(item) => collection::list(item, node, path, problems),
        Shape::Named(value) | Shape::StrictNamed(value) => {
            collection::named(value, matches!(shape, Shape::StrictNamed(_)), node, path, problems);
        }
        Shape::Texts(_)
        | Shape::PrintedList
        | Shape::TextOrTexts
        | Shape::TextList
        | Shape::LabelFiles
        | Shape::Command
        | Shape::HealthTest
        | Shape::Dict(_)
        | Shape::KeyValues
        | Shape::Options(_)
        | Shape::TextMap
        | Shape::AnyMap
        | Shape::MultiOptions
        | Shape::Hosts => collection::check(shape, node, path, problems),
        Shape::NamesOr(_)
        | Shape::Dependencies(_)
        | Shape::Build(_)
        | Shape::Extends(_)
        | Shape::EnvFiles(_)
        | Shape::FileReferences(_)
        | Shape::Devices(_)
        | Shape::Volumes(_)
        | Shape::Ports(_)
        | Shape::Gpus(_)
        | Shape::Ssh
        | Shape::Ulimits
        | Shape::External
        | Shape::Include => special::check(shape, node, path, problems),
        _ => scalar::check(shape, node, path, problems),
    }
}

/// Checks a mapping with known keys.
pub(super) fn check_object(object: &'static Object, node: &Node, path: &Path<'_>, problems: &mut Vec<Problem>) {
    let Value::Map(map) = &node.value else {
        if !(object.nullable && node.is_null()) {
            expected("a mapping", node, path, problems);
        }
        return;
    };
    for (key, entry) in map {
        if let Some(field) = object.field(key) {
            check(&field.shape, &entry.node, &path.key(key), problems);
        } else if !(object.extensions && key.starts_with("x-")) {
            problems.push(unknown_key(object, key, entry.key, path));
        }
    }
    for key in object.required {
        if !map.contains_key(*key) && !is_mistyped(object, map, key) {
            problems.push(Problem::missing(node.span, format!("`{path}` lacks the key `{key}`")));
        }
    }
}

/// Whether a key that the table does not have was meant to be this one.
pub(super) fn is_mistyped(object: &Object, map: &Map, key: &str) -> bool {
    let mut unknown = map.keys().filter(|given| object.field(given).is_none() && !given.starts_with("x-"));
    unknown.any(|given| nearest(given, [key]).is_some())
}

fn unknown_key(object: &'static Object, key: &str, span: crate::span::Span, path: &Path<'_>) -> Problem {
    let place = path.to_string();
    let message = if place.is_empty() { format!("unknown key `{key}`") } else { format!("unknown key `{key}` in `{place}`") };
    let problem = Problem::new(DiagnosticKind::UnknownKey, span, message);
    let mut keys: Vec<&str> = object.fields.iter().map(|field| field.key).collect();
    if let Some(near) = nearest(key, keys.iter().copied()) {
        return problem.help(format!("did you mean `{near}`?"));
    }
    if keys.len() > 12 {
        return problem.help("keys of your own start with `x-`");
    }
    keys.sort_unstable();
    problem.help(format!("valid keys here: {}", keys.join(", ")))
}

/// Reports a value that is not what its key takes.
fn expected(what: &str, node: &Node, path: &Path<'_>, problems: &mut Vec<Problem>) {
    if node.is_unknown() {
        return;
    }
    problems.push(Problem::value(node.span, format!("`{path}` takes {what}, found {}", node.kind_name())));
}
