//! Short forms become long ones, so that the next file merges with one form only. Runs on a valid tree.

mod parts;

use super::forms::{device, port, volume};
use super::merge::rules;
use super::schema::{Object, Shape, TOP};
use crate::diagnostic::Problem;
use crate::span::Span;
use crate::yaml::{Entry, Map, Node, Value};

/// Brings a whole file to long forms.
pub(super) fn canonical(node: &mut Node, problems: &mut Vec<Problem>) {
    object(&TOP, node, problems);
}

fn object(table: &'static Object, node: &mut Node, problems: &mut Vec<Problem>) {
    let Value::Map(map) = &mut node.value else { return };
    for (key, entry) in map.iter_mut() {
        if let Some(field) = table.field(key) {
            shape(&field.shape, &mut entry.node, problems);
        }
    }
    if map.contains_key("external") {
        parts::external(map, problems);
    }
}

fn shape(shape_of: &'static Shape, node: &mut Node, problems: &mut Vec<Problem>) {
    match shape_of {
        Shape::Object(table) | Shape::PlainObject(table) => object(table, node, problems),
        Shape::Named(value) | Shape::StrictNamed(value) => {
            let Value::Map(map) = &mut node.value else { return };
            map.values_mut().for_each(|entry| shape(value, &mut entry.node, problems));
        }
        Shape::List(value) => {
            let Value::List(list) = &mut node.value else { return };
            list.iter_mut().for_each(|item| shape(value, item, problems));
        }
        Shape::Build(table) => {
            *node = rules::long_build(std::mem::take(node));
            object(table, node, problems);
        }
        Shape::NamesOr(_) => *node = rules::names(std::mem::take(node), false),
        Shape::Dependencies(_) => dependencies(node),
        Shape::Extends(_) => replace_text(node, |node| single("service", node)),
        Shape::EnvFiles(_) => env_files(node),
        Shape::TextList | Shape::LabelFiles => to_list(node),
        Shape::FileReferences(_) => each(node, |item| replace_text(item, |node| single("source", node))),
        Shape::Devices(_) => {
            each(node, |item| parts::expand(item, |text, span| device::parse(text).ok().map(|parts| parts::device(parts, span))))
        }
        Shape::Volumes(_) => {
            each(node, |item| parts::expand(item, |text, span| volume::parse(text).ok().map(|short| parts::volume(&short, span))))
        }
        Shape::Ports(_) => ports(node),
        Shape::Gpus(_) if node.as_text().is_some() => {
            let count = single("count", Node::text(node.span, "all"));
            *node = Node::new(node.span, Value::List(vec![count]));
        }
        Shape::Stringified => {
            if let Some(printed) = node.printed() {
                node.value = Value::Text(printed);
            }
        }
        Shape::KeyValues => key_values(node, true),
        Shape::Ssh => key_values(node, false),
        _ => {}
    }
}

/// A mapping of one key.
fn single(key: &str, node: Node) -> Node {
    let span = node.span;
    let mut map = Map::default();
    insert(&mut map, key, node);
    Node::new(span, Value::Map(map))
}

/// Adds a key that no file holds, placed at its value.
pub(super) fn insert(map: &mut Map, key: &str, node: Node) {
    map.insert(key.to_owned(), Entry { key: node.span, node });
}

fn replace_text(node: &mut Node, long: impl Fn(Node) -> Node) {
    if node.as_text().is_some() {
        *node = long(std::mem::take(node));
    }
}

fn each(node: &mut Node, change: impl Fn(&mut Node)) {
    if let Value::List(list) = &mut node.value {
        list.iter_mut().for_each(change);
    }
}

fn to_list(node: &mut Node) {
    if node.as_text().is_some() {
        let item = std::mem::take(node);
        *node = Node::new(item.span, Value::List(vec![item]));
    }
}

fn dependencies(node: &mut Node) {
    *node = rules::names(std::mem::take(node), true);
    let Value::Map(map) = &mut node.value else { return };
    for entry in map.values_mut() {
        let span = entry.node.span;
        if let Value::Map(dependency) = &mut entry.node.value {
            default(dependency, "condition", span, || Value::Text("service_started".to_owned()));
            default(dependency, "required", span, || Value::Bool(true));
        }
    }
}

/// Gives a key its default value.
pub(super) fn default(map: &mut Map, key: &str, span: Span, value: impl Fn() -> Value) {
    if !map.contains_key(key) {
        insert(map, key, Node::new(span, value()));
    }
}

fn env_files(node: &mut Node) {
    to_list(node);
    each(node, |item| {
        replace_text(item, |node| single("path", node));
        let span = item.span;
        if let Value::Map(map) = &mut item.value {
            default(map, "required", span, || Value::Bool(true));
        }
    });
}

fn ports(node: &mut Node) {
    let Value::List(list) = &mut node.value else { return };
    let mut ports = Vec::with_capacity(list.len());
    for item in std::mem::take(list) {
        match (&item.value, item.printed()) {
            (Value::Map(_), _) | (_, None) => ports.push(item),
            (_, Some(text)) => {
                ports.extend(port::parse(&text).into_iter().flatten().map(|port| parts::port(&port, item.span)));
            }
        }
    }
    *list = ports;
}

/// `key=value` lines as a mapping; a line without `=` has no value.
fn key_values(node: &mut Node, keep_text: bool) {
    let Value::List(list) = &mut node.value else { return };
    let mut map = Map::default();
    for item in std::mem::take(list) {
        let Some(text) = item.as_text() else { continue };
        let value = match text.split_once('=') {
            Some((_, value)) => Value::Text(value.to_owned()),
            None if keep_text => Value::Text(String::new()),
            None => Value::Null,
        };
        let key = text.split('=').next().unwrap_or_default();
        insert(&mut map, key, Node::new(item.span, value));
    }
    node.value = Value::Map(map);
}
