//! The resolved tree as JSON, in the form that the reference prints. Runs on a valid, canonical tree.

mod values;

use serde_json::{Map as JsonMap, Value as Json};

use super::schema::{Object, Shape};
use crate::yaml::{Node, Value};

/// A mapping with known keys as JSON; own keys and empty values are left out.
pub(super) fn finish_object(object: &'static Object, node: &Node) -> JsonMap<String, Json> {
    let mut out = JsonMap::new();
    for field in object.fields {
        let node = node.get(field.key);
        let value = match (&field.shape, node) {
            (Shape::Command, None) => Some(Json::Null),
            (Shape::PlainObject(object), node) if !node.is_some_and(Node::is_null) => {
                let empty = Node::default();
                Some(Json::Object(finish_object(object, node.unwrap_or(&empty))))
            }
            (Shape::PlainObject(object), _) => Some(Json::Object(finish_object(object, &Node::default()))),
            (Shape::PlainInt, None) => Some(Json::from(0)),
            (Shape::PlainBytes, None) => Some(Json::from("0")),
            (_, None) => None,
            (shape, Some(node)) => finish(shape, node),
        };
        if let Some(value) = value {
            let key = if object.capitalised { capitalised(field.key) } else { field.key.to_owned() };
            out.insert(key, value);
        }
    }
    out
}

fn capitalised(key: &str) -> String {
    let mut letters = key.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// A value as JSON; `None` when it is empty and not printed.
pub(super) fn finish(shape: &'static Shape, node: &Node) -> Option<Json> {
    match shape {
        Shape::Dropped(_) | Shape::Extends(_) | Shape::EnvFiles(_) | Shape::LabelFiles | Shape::Include => None,
        Shape::Object(object) | Shape::Build(object) if !node.is_null() => Some(Json::Object(finish_object(object, node))),
        Shape::PlainObject(object) => Some(Json::Object(finish_object(object, node))),
        Shape::Object(_) | Shape::Build(_) => None,
        Shape::List(item) => list(node, |node| finish(item, node)),
        Shape::Named(value) | Shape::StrictNamed(value) => entries(node, |node| finish(value, node)),
        Shape::NamesOr(object) => {
            entries(node, |node| if node.is_null() { Some(Json::Null) } else { Some(Json::Object(finish_object(object, node))) })
        }
        Shape::Dependencies(object) => entries(node, |node| {
            let mut dependency = finish_object(object, node);
            dependency.entry("required").or_insert(Json::Bool(false));
            Some(Json::Object(dependency))
        }),
        Shape::FileReferences(object) | Shape::Devices(object) | Shape::Volumes(object) | Shape::Ports(object) | Shape::Gpus(object) => {
            list(node, |node| Some(Json::Object(finish_object(object, node))))
        }
        _ => values::finish(shape, node),
    }
}

fn list(node: &Node, item: impl Fn(&Node) -> Option<Json>) -> Option<Json> {
    let items: Vec<Json> = node.as_list()?.iter().filter_map(item).collect();
    (!items.is_empty()).then_some(Json::Array(items))
}

fn entries(node: &Node, value: impl Fn(&Node) -> Option<Json>) -> Option<Json> {
    let map = node.as_map()?;
    let entries: JsonMap<String, Json> = map.iter().filter_map(|(key, entry)| Some((key.clone(), value(&entry.node)?))).collect();
    (!entries.is_empty()).then_some(Json::Object(entries))
}

/// A value as written.
pub(super) fn raw(node: &Node) -> Json {
    match &node.value {
        Value::Null | Value::Unknown => Json::Null,
        Value::Bool(value) => Json::Bool(*value),
        Value::Int(value) => Json::from(*value),
        Value::Float(value) => values::float(*value),
        Value::Text(value) => Json::from(value.as_str()),
        Value::List(list) => Json::Array(list.iter().map(raw).collect()),
        Value::Map(map) => Json::Object(map.iter().map(|(key, entry)| (key.clone(), raw(&entry.node))).collect()),
    }
}
