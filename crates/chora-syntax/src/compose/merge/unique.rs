//! Lists whose items have an identity: a later item takes the place of the earlier one with the same.

use std::collections::HashMap;

use crate::compose::forms::volume;
use crate::compose::schema::{Object, Shape, TOP, Unique};
use crate::yaml::{Node, Value};

/// Removes redefined items from every list of a file.
pub(in crate::compose) fn unify(node: &mut Node) {
    object(&TOP, node);
}

fn object(table: &'static Object, node: &mut Node) {
    let Value::Map(map) = &mut node.value else { return };
    for (key, entry) in map {
        let Some(field) = table.field(key) else { continue };
        if field.unique == Unique::No {
            descend(&field.shape, &mut entry.node);
        } else if let Value::List(items) = &mut entry.node.value
            && items.len() > 1
        {
            let taken = std::mem::take(items);
            *items = without_redefinitions(taken, field.unique);
        }
    }
}

fn descend(shape: &'static Shape, node: &mut Node) {
    match shape {
        Shape::Object(table) | Shape::PlainObject(table) | Shape::Build(table) => object(table, node),
        Shape::Named(value) | Shape::StrictNamed(value) => {
            let Value::Map(map) = &mut node.value else { return };
            map.values_mut().for_each(|entry| descend(value, &mut entry.node));
        }
        Shape::NamesOr(table) => {
            let Value::Map(map) = &mut node.value else { return };
            map.values_mut().for_each(|entry| object(table, &mut entry.node));
        }
        _ => {}
    }
}

fn without_redefinitions(items: Vec<Node>, unique: Unique) -> Vec<Node> {
    let mut places: HashMap<String, usize> = HashMap::with_capacity(items.len());
    let mut kept: Vec<Node> = Vec::with_capacity(items.len());
    for item in items {
        let place = identity(&item, unique).and_then(|key| {
            let next = kept.len();
            let place = *places.entry(key).or_insert(next);
            (place < next).then_some(place)
        });
        match place.and_then(|place| kept.get_mut(place)) {
            Some(earlier) => *earlier = item,
            None => kept.push(item),
        }
    }
    kept
}

/// What makes an item the same as another; `None` for items that validation refuses.
fn identity(item: &Node, unique: Unique) -> Option<String> {
    let under = |key: &str| item.get(key).and_then(Node::printed);
    match (unique, &item.value) {
        (Unique::Key, Value::Text(text)) => Some(text.split('=').next().unwrap_or_default().to_owned()),
        (Unique::Printed, _) => item.printed(),
        (Unique::Path | Unique::Port, Value::Text(text)) => Some(text.clone()),
        (Unique::Path, Value::Map(_)) => under("path"),
        (Unique::Mount, Value::Text(text)) => volume::parse(text).ok().map(|volume| volume.target),
        (Unique::Mount | Unique::Device, Value::Map(_)) => under("target"),
        (Unique::Device, Value::Text(text)) => {
            let mut parts = text.split(':');
            let source = parts.next();
            parts.next().or(source).map(str::to_owned)
        }
        (Unique::File(folder), Value::Text(text)) => Some(format!("{folder}/{text}")),
        (Unique::File(folder), Value::Map(_)) => {
            under("target").or_else(|| Some(format!("{folder}/{}", under("source").unwrap_or_default())))
        }
        (Unique::Port, Value::Int(port)) => Some(port.to_string()),
        (Unique::Port, Value::Map(_)) => {
            let published = item.get("published").map(|node| format!("{:?}", node.value)).unwrap_or_default();
            let host = under("host_ip").unwrap_or_else(|| "0.0.0.0".to_owned());
            let protocol = under("protocol").unwrap_or_else(|| "tcp".to_owned());
            Some(format!("{host}:{published}:{}/{protocol}", under("target")?))
        }
        _ => None,
    }
}
