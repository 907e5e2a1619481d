//! Rules over several keys of one entry.

use std::net::IpAddr;

use super::forms::number;
use crate::diagnostic::Problem;
use crate::yaml::{Map, Node};

/// Checks volumes, configs, secrets and parts of services. What is missing in a model that is incomplete is not reported.
pub(super) fn check(model: &Node, incomplete: bool, problems: &mut Vec<Problem>) {
    for (name, node) in entries(model, "volumes") {
        external_volume(name, node, problems);
    }
    for (name, node) in entries(model, "configs") {
        problems.extend(one_origin(&format!("configs.{name}"), node, &["file", "environment", "content"], incomplete));
    }
    for (name, node) in entries(model, "secrets") {
        problems.extend(one_origin(&format!("secrets.{name}"), node, &["file", "environment"], incomplete));
    }
    for (_, service) in entries(model, "services") {
        check_service(service, problems);
    }
}

/// The entries of a top-level section.
pub(super) fn entries<'n>(model: &'n Node, section: &str) -> impl Iterator<Item = (&'n str, &'n Node)> {
    let map = model.get(section).and_then(Node::as_map);
    map.into_iter().flatten().map(|(name, entry)| (name.as_str(), &entry.node))
}

/// The items of a list under a key.
pub(super) fn items<'n>(node: &'n Node, key: &str) -> impl Iterator<Item = &'n Node> {
    node.get(key).and_then(Node::as_list).into_iter().flatten()
}

fn is_external(map: &Map) -> bool {
    map.get("external").is_some_and(|entry| number::flag(&entry.node).unwrap_or(false))
}

fn external_volume(name: &str, node: &Node, problems: &mut Vec<Problem>) {
    let Some(map) = node.as_map().filter(|map| is_external(map)) else { return };
    for (key, entry) in map {
        if !matches!(key.as_str(), "name" | "external") && !key.starts_with("x-") {
            problems.push(Problem::reference(entry.key, format!("volume `{name}` is external, so `{key}` has no effect on it")));
        }
    }
}

fn one_origin(place: &str, node: &Node, keys: &[&str], incomplete: bool) -> Option<Problem> {
    let map = node.as_map()?;
    let incomplete = incomplete || map.values().any(|entry| entry.node.is_unknown());
    let given: Vec<&str> = keys.iter().copied().filter(|key| map.contains_key(*key)).collect();
    let message = if given.len() > 1 {
        format!("`{place}` has `{}`; only one of them can be", given.join("` and `"))
    } else if given.is_empty() && !incomplete && !map.contains_key("driver") && !map.contains_key("external") {
        format!("`{place}` needs one of `{}` or `external`", keys.join("`, `"))
    } else {
        return None;
    };
    Some(Problem::reference(node.span, message))
}

fn check_service(service: &Node, problems: &mut Vec<Problem>) {
    for mount in items(service, "volumes") {
        let is_bind = mount.get("type").and_then(Node::as_text) == Some("bind");
        if is_bind && mount.get("source").is_none() {
            problems.push(Problem::value(mount.span, "a mount of type `bind` needs a `source`"));
        }
    }
    for port in items(service, "ports") {
        if let Some(node) = port.get("host_ip")
            && let Some(text) = node.as_text()
            && text.parse::<IpAddr>().is_err()
        {
            problems.push(Problem::value(node.span, format!("`{text}` is not an IP address")));
        }
    }
    let watched = service.get("develop").into_iter().flat_map(|develop| items(develop, "watch"));
    for path in watched.filter_map(|watch| watch.get("path")).filter(|path| path.as_text() == Some("")) {
        problems.push(Problem::value(path.span, "the path to watch is blank"));
    }
    let reserved = service.get("deploy").and_then(|deploy| deploy.get("resources")?.get("reservations"));
    let requests = reserved.into_iter().flat_map(|node| items(node, "devices")).chain(items(service, "gpus"));
    for request in requests.filter(|request| request.get("count").is_some() && request.get("device_ids").is_some()) {
        problems.push(Problem::reference(request.span, "devices are requested by `count` or by `device_ids`, not both"));
    }
}
