//! A later tree over an earlier one, by the rule of each key.

mod pools;
pub(super) mod rules;
mod unique;

pub(super) use unique::unify;

use super::path::Path;
use super::schema::{Field, Merge, Object, SERVICE, Shape, TOP};
use crate::diagnostic::Problem;
use crate::yaml::{Map, Node, Value};

/// Merges one file's tree over what earlier files gave.
pub(super) fn merge_files(base: &mut Node, over: Node, problems: &mut Vec<Problem>) {
    merge_object(Some(&TOP), base, over, &Path::ROOT, problems);
}

/// Merges a service over the one it extends.
pub(super) fn merge_service(base: &mut Node, over: Node, problems: &mut Vec<Problem>) {
    merge_object(Some(&SERVICE), base, over, &Path::ROOT.key("services"), problems);
}

/// Merges a top-level entry such as `volumes.data` over an imported one.
pub(super) fn merge_entry(section: &'static str, base: &mut Node, over: Node, problems: &mut Vec<Problem>) {
    let shape = TOP.field(section).map(|field| &field.shape);
    let path = Path::ROOT.key(section);
    merge_shape(shape.and_then(inner), base, over, &path, problems);
}

/// The shape of the values of a named mapping.
const fn inner(shape: &'static Shape) -> Option<&'static Shape> {
    match shape {
        Shape::Named(value) | Shape::StrictNamed(value) => Some(value),
        Shape::Dropped(Shape::Named(value)) => Some(value),
        _ => None,
    }
}

/// The table of the keys under a shape, where it has one.
const fn object(shape: &'static Shape) -> Option<&'static Object> {
    match shape {
        Shape::Object(object)
        | Shape::PlainObject(object)
        | Shape::Build(object)
        | Shape::Extends(object)
        | Shape::Dropped(Shape::Object(object)) => Some(object),
        _ => None,
    }
}

/// The table of the values under a mapping of names.
const fn named_object(shape: &'static Shape) -> Option<&'static Object> {
    match shape {
        Shape::NamesOr(object) | Shape::Dependencies(object) => Some(object),
        _ => None,
    }
}

fn merge_shape(shape: Option<&'static Shape>, base: &mut Node, over: Node, path: &Path<'_>, problems: &mut Vec<Problem>) {
    if over.is_null() {
        return;
    }
    if let Some(named) = shape.and_then(inner) {
        return merge_named(base, over, path, problems, |base, over, path, problems| {
            merge_shape(Some(named), base, over, path, problems);
        });
    }
    if let Some(values) = shape.and_then(named_object) {
        return merge_named(base, over, path, problems, |base, over, path, problems| {
            merge_object(Some(values), base, over, path, problems);
        });
    }
    merge_object(shape.and_then(object), base, over, path, problems);
}

/// The default rule: mappings by key, lists appended, the rest replaced.
fn merge_object(object: Option<&'static Object>, base: &mut Node, over: Node, path: &Path<'_>, problems: &mut Vec<Problem>) {
    if over.is_null() {
        return;
    }
    match (&mut base.value, over.value) {
        (value, Value::Unknown) => *value = Value::Unknown,
        (Value::Unknown, Value::Map(_) | Value::List(_)) => {}
        (Value::Map(map), Value::Map(other)) => {
            for (key, entry) in other {
                match map.get_mut(&key) {
                    None => {
                        map.insert(key, entry);
                    }
                    Some(existing) => {
                        existing.key = entry.key;
                        let field = object.and_then(|object| object.field(&key));
                        merge_field(field, &mut existing.node, entry.node, &path.key(&key), problems);
                    }
                }
            }
        }
        (Value::List(list), Value::List(other)) => {
            base.span = over.span;
            list.extend(other);
        }
        (Value::Map(_) | Value::List(_), value) => {
            let over = Node::new(over.span, value);
            let message = format!("`{path}` is {} here, but {} in an earlier file", over.kind_name(), base.kind_name());
            problems.push(Problem::value(over.span, message).help("use the tag `!override` to replace the earlier value"));
            base.value = Value::Unknown;
        }
        (value, other) => {
            *value = other;
            base.span = over.span;
        }
    }
}

fn merge_named(
    base: &mut Node,
    over: Node,
    path: &Path<'_>,
    problems: &mut Vec<Problem>,
    merge: impl Fn(&mut Node, Node, &Path<'_>, &mut Vec<Problem>),
) {
    let (Value::Map(map), true) = (&mut base.value, matches!(over.value, Value::Map(_))) else {
        return merge_object(None, base, over, path, problems);
    };
    let Value::Map(other) = over.value else { return };
    for (key, entry) in other {
        match map.get_mut(&key) {
            None => {
                map.insert(key, entry);
            }
            Some(existing) => merge(&mut existing.node, entry.node, &path.key(&key), problems),
        }
    }
}

fn merge_field(field: Option<&'static Field>, base: &mut Node, over: Node, path: &Path<'_>, problems: &mut Vec<Problem>) {
    let Some(field) = field else { return merge_object(None, base, over, path, problems) };
    match field.merge {
        Merge::Default => merge_shape(Some(&field.shape), base, over, path, problems),
        Merge::Replace => *base = over,
        Merge::Sequence => rules::join(base, over, false),
        Merge::NewItems => rules::join(base, over, true),
        Merge::Names | Merge::Dependencies => {
            let dependencies = field.merge == Merge::Dependencies;
            let (mut left, right) = (rules::names(std::mem::take(base), dependencies), rules::names(over, dependencies));
            merge_shape(Some(&field.shape), &mut left, right, path, problems);
            *base = left;
        }
        Merge::Build => {
            let mut left = rules::long_build(std::mem::take(base));
            merge_shape(Some(&field.shape), &mut left, rules::long_build(over), path, problems);
            *base = left;
        }
        Merge::Logging => {
            if rules::same_driver(base, &over) {
                merge_shape(Some(&field.shape), base, over, path, problems);
            } else {
                *base = over;
            }
        }
        Merge::Pools => pools::merge(base, over, path, problems),
        Merge::Entries => rules::entries(base, over),
    }
}

/// An empty tree to merge files into.
pub(super) fn empty() -> Node {
    Node::new(crate::span::Span::default(), Value::Map(Map::default()))
}

#[cfg(test)]
mod tests;
