//! The rules that turn both sides into one form before they meet.

use crate::yaml::{Entry, Map, Node, Value};

/// Joins two values as lists; with `only_new`, items that are there already are left out.
pub(super) fn join(base: &mut Node, over: Node, only_new: bool) {
    let span = if over.is_null() { base.span } else { over.span };
    let mut items = sequence(std::mem::take(base));
    let added: Vec<Node> =
        sequence(over).into_iter().filter(|item| !only_new || items.iter().all(|there| there.value != item.value)).collect();
    items.extend(added);
    *base = Node::new(span, Value::List(items));
}

/// A value as a list: a mapping becomes sorted `key=value` lines.
fn sequence(node: Node) -> Vec<Node> {
    match node.value {
        Value::List(items) => items,
        Value::Text(_) => vec![node],
        Value::Map(map) => {
            let mut lines = Vec::with_capacity(map.len());
            for (key, Entry { key: at, node }) in map {
                match node.value {
                    Value::Null => lines.push(Node::text(at, key)),
                    Value::List(values) => {
                        let line = |value: &Node| value.printed().map(|printed| Node::text(value.span, format!("{key}={printed}")));
                        lines.extend(values.iter().filter_map(line));
                    }
                    _ => lines.extend(node.printed().map(|printed| Node::text(node.span, format!("{key}={printed}")))),
                }
            }
            lines.sort_by(|left, right| left.as_text().cmp(&right.as_text()));
            lines
        }
        _ => Vec::new(),
    }
}

/// A list of names as a mapping; services to be started first get their defaults.
pub(in crate::compose) fn names(node: Node, dependencies: bool) -> Node {
    let Value::List(items) = node.value else { return node };
    let mut map = Map::default();
    for item in items {
        let span = item.span;
        let Value::Text(name) = item.value else { continue };
        let value = if dependencies { started(span) } else { Node::new(span, Value::Null) };
        map.insert(name, Entry { key: span, node: value });
    }
    Node::new(node.span, Value::Map(map))
}

/// What a dependency is when only its name is given.
fn started(span: crate::span::Span) -> Node {
    let mut map = Map::default();
    map.insert("condition".to_owned(), Entry { key: span, node: Node::text(span, "service_started") });
    map.insert("required".to_owned(), Entry { key: span, node: Node::new(span, Value::Bool(true)) });
    Node::new(span, Value::Map(map))
}

/// The long form of a build section.
pub(in crate::compose) fn long_build(node: Node) -> Node {
    let Value::Text(_) = node.value else { return node };
    let span = node.span;
    let mut map = Map::default();
    map.insert("context".to_owned(), Entry { key: span, node });
    Node::new(span, Value::Map(map))
}

/// Whether two logging sections name the same driver, or one of them none.
pub(super) fn same_driver(base: &Node, over: &Node) -> bool {
    match (base.get("driver"), over.get("driver")) {
        (Some(left), Some(right)) => left.value == right.value,
        _ => true,
    }
}

/// Entries of the later mapping replace those of the earlier.
pub(super) fn entries(base: &mut Node, over: Node) {
    match (&mut base.value, over.value) {
        (Value::Map(map), Value::Map(other)) => map.extend(other),
        (_, Value::Null) => {}
        (value, other) => *value = other,
    }
}
