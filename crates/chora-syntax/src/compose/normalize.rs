//! What a project implies: the default network, names on the engine, dependencies that follow from shared namespaces.

use super::canonical::{default, insert};
use super::lexical;
use super::load::Environment;
use crate::span::Span;
use crate::yaml::{Entry, Map, Node, Value};

/// Completes a model for a project of the given name.
pub(super) fn normalize(model: &mut Node, name: &str, environment: &Environment) {
    let Some(map) = model.as_map_mut() else { return };
    let mut uses_default = false;
    if let Some(Value::Map(services)) = map.get_mut("services").map(|entry| &mut entry.node.value) {
        for entry in services.values_mut() {
            if let Value::Map(service) = &mut entry.node.value {
                uses_default |= join_default_network(service, entry.key);
                complete_service(service, environment);
            }
        }
    }
    if uses_default {
        let span = map.get("services").map(|entry| entry.key).unwrap_or_default();
        let networks = map.entry("networks".to_owned()).or_insert_with(|| section(span));
        if networks.node.is_null() {
            networks.node.value = Value::Map(Map::default());
        }
        if let Value::Map(networks) = &mut networks.node.value {
            default(networks, "default", span, || Value::Null);
        }
    }
    for section in ["networks", "volumes", "configs", "secrets"] {
        if let Some(Value::Map(entries)) = map.get_mut(section).map(|entry| &mut entry.node.value) {
            entries.iter_mut().for_each(|(key, entry)| give_name(key, entry, name));
        }
    }
}

fn section(span: Span) -> Entry {
    Entry { key: span, node: Node::new(span, Value::Map(Map::default())) }
}

/// Connects a service that says nothing about networks; whether it uses the default network.
fn join_default_network(service: &mut Map, span: Span) -> bool {
    if service.contains_key("provider") || service.contains_key("network_mode") {
        return false;
    }
    let networks = service.get("networks").and_then(|entry| entry.node.as_map()).filter(|networks| !networks.is_empty());
    match networks {
        Some(networks) => networks.contains_key("default"),
        None => {
            let mut networks = Map::default();
            insert(&mut networks, "default", Node::new(span, Value::Null));
            insert(service, "networks", Node::new(span, Value::Map(networks)));
            true
        }
    }
}

fn complete_service(service: &mut Map, environment: &Environment) {
    if let Some(entry) = service.get_mut("pull_policy")
        && entry.node.as_text() == Some("if_not_present")
    {
        entry.node.value = Value::Text("missing".to_owned());
    }
    if let Some(entry) = service.get_mut("build") {
        let span = entry.node.span;
        if let Value::Map(build) = &mut entry.node.value {
            complete_build(build, span, environment);
        }
    }
    if let Some(entry) = service.get_mut("environment") {
        look_up(&mut entry.node, environment, true);
    }
    let volumes = service.get_mut("volumes").and_then(|entry| entry.node.as_list_mut());
    for target in volumes.into_iter().flatten().filter_map(|volume| volume.as_map_mut()?.get_mut("target")) {
        if let Value::Text(path) = &mut target.node.value {
            *path = lexical::clean(path);
        }
    }
    implied_dependencies(service);
}

fn complete_build(build: &mut Map, span: Span, environment: &Environment) {
    default(build, "context", span, || Value::Text(".".to_owned()));
    if !build.contains_key("dockerfile_inline") {
        default(build, "dockerfile", span, || Value::Text("Dockerfile".to_owned()));
    }
    if let Some(entry) = build.get_mut("args") {
        look_up(&mut entry.node, environment, false);
    }
}

/// Gives names without a value the one of the environment; a name that is not there stays or goes.
fn look_up(node: &mut Node, environment: &Environment, keep: bool) {
    match &mut node.value {
        Value::Map(map) => map.retain(|name, entry| {
            if entry.node.is_null()
                && let Some(value) = environment.get(name)
            {
                entry.node.value = Value::Text(value.clone());
            }
            keep || !entry.node.is_null()
        }),
        Value::List(list) => list.retain_mut(|line| {
            let Value::Text(text) = &mut line.value else { return true };
            if text.contains('=') {
                return true;
            }
            match environment.get(text.as_str()) {
                Some(value) => *text = format!("{text}={value}"),
                None => return keep,
            }
            true
        }),
        _ => {}
    }
}

/// Services whose links, namespaces or volumes a service uses are started first.
fn implied_dependencies(service: &mut Map) {
    let mut implied: Vec<(String, bool, Span)> = Vec::new();
    for link in texts(service, "links") {
        let mut parts = link.0.split(':');
        let name = match (parts.next(), parts.next(), parts.next()) {
            (Some(name), Some(_), None) => name,
            _ => link.0,
        };
        implied.push((name.to_owned(), true, link.1));
    }
    for namespace in ["network_mode", "ipc", "pid", "uts", "cgroup"] {
        if let Some(node) = service.get(namespace).map(|entry| &entry.node)
            && let Some(name) = node.as_text().and_then(|text| text.strip_prefix("service:"))
        {
            implied.push((name.to_owned(), true, node.span));
        }
    }
    for (text, span) in texts(service, "volumes_from").filter(|(text, _)| !text.starts_with("container:")) {
        implied.push((text.split(':').next().unwrap_or_default().to_owned(), false, span));
    }
    let Some((_, _, span)) = implied.first() else { return };
    let dependencies = service.entry("depends_on".to_owned()).or_insert_with(|| section(*span));
    let Value::Map(dependencies) = &mut dependencies.node.value else { return };
    for (name, restart, span) in implied {
        if !dependencies.contains_key(&name) {
            let mut dependency = Map::default();
            insert(&mut dependency, "condition", Node::text(span, "service_started"));
            insert(&mut dependency, "restart", Node::new(span, Value::Bool(restart)));
            insert(&mut dependency, "required", Node::new(span, Value::Bool(true)));
            insert(dependencies, &name, Node::new(span, Value::Map(dependency)));
        }
    }
}

fn texts<'m>(service: &'m Map, key: &str) -> impl Iterator<Item = (&'m str, Span)> {
    let list = service.get(key).and_then(|entry| entry.node.as_list());
    list.into_iter().flatten().filter_map(|node| Some((node.as_text()?, node.span)))
}

/// The name on the engine: as given, the key where it is external, else the project's name and the key.
fn give_name(key: &str, entry: &mut Entry, project: &str) {
    if entry.node.is_null() {
        entry.node.value = Value::Map(Map::default());
    }
    let span = entry.node.span;
    let Value::Map(map) = &mut entry.node.value else { return };
    if map.get("name").is_some_and(|name| !name.node.is_null()) {
        return;
    }
    let external = map.get("external").and_then(|entry| entry.node.printed());
    let is_external = external.is_some_and(|text| matches!(text.as_str(), "1" | "t" | "T" | "true" | "TRUE" | "True"));
    let name = if is_external { key.to_owned() } else { format!("{project}_{key}") };
    insert(map, "name", Node::text(span, name));
}
