//! Single values and free collections as JSON.

use serde_json::{Map as JsonMap, Value as Json};

use crate::compose::forms::{hosts, number, words};
use crate::compose::schema::{Dict, Shape};
use crate::yaml::{Node, Value};

/// A plain value as JSON; `None` when it is empty and not printed.
pub(super) fn finish(shape: &Shape, node: &Node) -> Option<Json> {
    match shape {
        Shape::Text | Shape::TextOrNull | Shape::Choice(_) | Shape::ContainerName | Shape::PullPolicy => text(node),
        Shape::Stringified | Shape::NumberOrText => node.printed().filter(|text| !text.is_empty()).map(Json::from),
        Shape::Flag | Shape::StrictFlag => number::flag(node).ok().filter(|value| *value).map(Json::from),
        Shape::External => number::flag(node).ok().filter(|value| *value).map(Json::from),
        Shape::OptFlag => number::flag(node).ok().map(Json::from),
        Shape::OptOut => number::flag(node).ok().filter(|value| !value).map(Json::from),
        Shape::Int(min, max) | Shape::Number(min, max) => {
            number::integer(node, *min, *max).ok().filter(|value| *value != 0).map(Json::from)
        }
        Shape::OptInt(min, max) => number::integer(node, *min, *max).ok().map(Json::from),
        Shape::PlainInt => number::integer(node, i64::MIN, i64::MAX).ok().map(Json::from),
        Shape::Float | Shape::Percent => number::float(node).ok().filter(|value| *value != 0.0).map(single),
        Shape::Bytes | Shape::BytesText => number::bytes(node).ok().filter(|value| *value != 0).map(|value| Json::from(value.to_string())),
        Shape::PlainBytes => number::bytes(node).ok().map(|value| Json::from(value.to_string())),
        Shape::Duration => number::duration(node).ok().filter(|value| !value.0.is_zero()).map(|value| Json::from(value.to_string())),
        Shape::OptDuration => number::duration(node).ok().map(|value| Json::from(value.to_string())),
        Shape::FileMode => number::file_mode(node).ok().map(|value| Json::from(format!("0{value:o}"))),
        Shape::DeviceCount => number::device_count(node).ok().filter(|value| *value != 0).map(Json::from),
        Shape::Texts(_) | Shape::PrintedList | Shape::TextOrTexts | Shape::TextList => texts(node),
        Shape::Command => Some(command(node)),
        Shape::HealthTest => match node.as_text() {
            Some(line) => Some(Json::from(vec!["CMD-SHELL", line])),
            None => texts(node),
        },
        Shape::Dict(dict) => pairs(node, *dict),
        Shape::KeyValues => pairs(node, Dict::Blank),
        Shape::Options(_) | Shape::TextMap | Shape::AnyMap => pairs(node, Dict::Blank),
        Shape::MultiOptions => multi(node),
        Shape::Hosts => hosts::lines(node).ok().filter(|lines| !lines.is_empty()).map(Json::from),
        Shape::Ssh => ssh(node),
        Shape::Ulimits => ulimits(node),
        _ => None,
    }
}

fn text(node: &Node) -> Option<Json> {
    node.as_text().filter(|text| !text.is_empty()).map(Json::from)
}

fn texts(node: &Node) -> Option<Json> {
    let items: Vec<Json> = match &node.value {
        Value::List(list) => list.iter().filter_map(Node::printed).map(Json::from).collect(),
        Value::Text(text) => vec![Json::from(text.as_str())],
        _ => Vec::new(),
    };
    (!items.is_empty()).then_some(Json::Array(items))
}

fn command(node: &Node) -> Json {
    match &node.value {
        Value::Text(line) => words::split(line).map_or(Json::Null, Json::from),
        Value::List(list) => Json::Array(list.iter().filter_map(Node::printed).map(Json::from).collect()),
        _ => Json::Null,
    }
}

fn pairs(node: &Node, dict: Dict) -> Option<Json> {
    let blank = || if dict == Dict::Nullable { Json::Null } else { Json::from("") };
    let mut out = JsonMap::new();
    match &node.value {
        Value::Map(map) => {
            for (key, entry) in map {
                out.insert(key.clone(), entry.node.printed().map_or_else(blank, Json::from));
            }
        }
        Value::List(list) => {
            for line in list.iter().filter_map(Node::printed) {
                match line.split_once('=') {
                    Some((key, value)) => out.insert(key.to_owned(), Json::from(value)),
                    None => out.insert(line, blank()),
                };
            }
        }
        _ => {}
    }
    (!out.is_empty()).then_some(Json::Object(out))
}

fn multi(node: &Node) -> Option<Json> {
    let mut out = JsonMap::new();
    for (key, entry) in node.as_map()? {
        let values: Vec<String> = match &entry.node.value {
            Value::List(list) => list.iter().filter_map(Node::printed).collect(),
            _ => entry.node.printed().into_iter().collect(),
        };
        if !values.is_empty() {
            out.insert(key.clone(), Json::from(values));
        }
    }
    (!out.is_empty()).then_some(Json::Object(out))
}

/// A key by its name; a key with a path as `id=path`, where the reference fails to print it.
fn ssh(node: &Node) -> Option<Json> {
    let keys: Vec<String> = node
        .as_map()?
        .iter()
        .map(|(id, entry)| match entry.node.printed().filter(|path| !path.is_empty()) {
            Some(path) => format!("{id}={path}"),
            None => id.clone(),
        })
        .collect();
    (!keys.is_empty()).then(|| Json::from(keys))
}

fn ulimits(node: &Node) -> Option<Json> {
    let read = |node: &Node| number::integer(node, i64::MIN, i64::MAX).ok();
    let mut out = JsonMap::new();
    for (name, entry) in node.as_map()? {
        let value = match &entry.node.value {
            Value::Map(_) => {
                let mut limits = JsonMap::new();
                for key in ["soft", "hard"] {
                    if let Some(value) = entry.node.get(key).and_then(read).filter(|value| *value != 0) {
                        limits.insert(key.to_owned(), Json::from(value));
                    }
                }
                Json::Object(limits)
            }
            _ => match read(&entry.node).filter(|value| *value != 0) {
                Some(value) => Json::from(value),
                None => Json::Object(JsonMap::new()),
            },
        };
        out.insert(name.clone(), value);
    }
    (!out.is_empty()).then_some(Json::Object(out))
}

/// A number; a whole one without a fraction.
pub(super) fn float(value: f64) -> Json {
    if value.fract() == 0.0 && value.abs() < 9e15 {
        #[expect(clippy::cast_possible_truncation, reason = "checked to be whole and to fit")]
        return Json::from(value as i64);
    }
    Json::from(value)
}

/// A 32-bit number in its shortest decimal form.
fn single(value: f32) -> Json {
    float(value.to_string().parse().unwrap_or_else(|_| f64::from(value)))
}
