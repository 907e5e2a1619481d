//! The long forms of single items.

use super::insert;
use crate::compose::forms::port::ShortPort;
use crate::compose::forms::volume::ShortVolume;
use crate::compose::lexical;
use crate::diagnostic::Problem;
use crate::span::Span;
use crate::yaml::{Map, Node, Value};

/// Replaces text by what `long` makes of it.
pub(super) fn expand(item: &mut Node, long: impl Fn(&str, Span) -> Option<Node>) {
    let span = item.span;
    if let Some(node) = item.as_text().and_then(|text| long(text, span)) {
        *item = node;
    }
}

fn text(map: &mut Map, key: &str, value: &str, span: Span) {
    if !value.is_empty() {
        insert(map, key, Node::text(span, value));
    }
}

pub(super) fn device((source, target, permissions): (&str, &str, &str), span: Span) -> Node {
    let mut map = Map::default();
    for (key, value) in [("source", source), ("target", target), ("permissions", permissions)] {
        insert(&mut map, key, Node::text(span, value));
    }
    Node::new(span, Value::Map(map))
}

pub(super) fn port(port: &ShortPort, span: Span) -> Node {
    let mut map = Map::default();
    text(&mut map, "mode", "ingress", span);
    text(&mut map, "host_ip", &port.host_ip, span);
    insert(&mut map, "target", Node::new(span, Value::Int(i64::from(port.target))));
    text(&mut map, "published", &port.published, span);
    text(&mut map, "protocol", &port.protocol, span);
    Node::new(span, Value::Map(map))
}

pub(super) fn volume(short: &ShortVolume, span: Span) -> Node {
    let mut map = Map::default();
    text(&mut map, "type", if short.is_bind { "bind" } else { "volume" }, span);
    text(&mut map, "source", &short.source, span);
    text(&mut map, "target", &lexical::clean(&short.target), span);
    if short.read_only {
        insert(&mut map, "read_only", Node::new(span, Value::Bool(true)));
    }
    let mut bind = Map::default();
    text(&mut bind, "propagation", short.propagation.as_deref().unwrap_or_default(), span);
    text(&mut bind, "selinux", short.selinux.as_deref().unwrap_or_default(), span);
    if short.is_bind {
        insert(&mut bind, "create_host_path", Node::new(span, Value::Bool(true)));
    } else if !bind.is_empty() {
        insert(&mut bind, "create_host_path", Node::new(span, Value::Bool(false)));
    }
    if !bind.is_empty() {
        insert(&mut map, "bind", Node::new(span, Value::Map(bind)));
    }
    if short.nocopy || !(short.is_bind || is_bare(short)) {
        let mut options = Map::default();
        if short.nocopy {
            insert(&mut options, "nocopy", Node::new(span, Value::Bool(true)));
        }
        insert(&mut map, "volume", Node::new(span, Value::Map(options)));
    }
    Node::new(span, Value::Map(map))
}

/// The older `external: {name: …}` as `external: true` and `name`.
pub(super) fn external(map: &mut Map, problems: &mut Vec<Problem>) {
    let name = map.get("name").and_then(|entry| entry.node.as_text()).map(str::to_owned);
    let Some(entry) = map.get_mut("external") else { return };
    let span = entry.node.span;
    if !matches!(entry.node.value, Value::Map(_)) {
        return;
    }
    let given = entry.node.get("name").cloned();
    entry.node = Node::new(span, Value::Bool(true));
    let Some(given) = given else { return };
    match name {
        None => insert(map, "name", given),
        Some(name) if given.as_text() != Some(name.as_str()) => {
            problems.push(Problem::reference(span, "`external.name` and `name` differ").help("use only `name`, with `external: true`"));
        }
        Some(_) => {}
    }
}

/// The reference reads a mount of one or two characters without any options.
const fn is_bare(short: &ShortVolume) -> bool {
    short.source.is_empty() && short.target.len() <= 2
}
