//! From a complete model to the printed document: profiles, variables and labels from files, unused parts left out.

use std::collections::HashSet;

use serde_json::{Map as JsonMap, Value as Json};

use super::checks::{entries, items};
use super::environment::located;
use super::finish::{finish, finish_object, raw};
use super::load::{Environment, Loader, Scope};
use super::schema::{SERVICE, TOP};
use crate::diagnostic::{DiagnosticKind, Problem};
use crate::dotenv::{self, DotenvError};
use crate::span::Span;
use crate::yaml::Node;

/// The services that no profile or an active profile selects.
pub(super) fn active<'n>(model: &'n Node, profiles: &[String]) -> HashSet<&'n str> {
    let is_active = |service: &Node| {
        let mut own = items(service, "profiles").filter_map(Node::as_text).peekable();
        own.peek().is_none() || profiles.iter().any(|profile| profile == "*") || own.any(|own| profiles.iter().any(|p| p == own))
    };
    entries(model, "services").filter(|(_, service)| is_active(service)).map(|(name, _)| name).collect()
}

/// The document as the reference prints it, `$` not doubled yet, without keys of the project's own.
pub(super) fn document(
    loader: &mut Loader<'_>,
    model: &Node,
    active: &HashSet<&str>,
    name: &str,
    scope: Scope<'_>,
) -> JsonMap<String, Json> {
    let mut services = JsonMap::new();
    for (service_name, node) in entries(model, "services").filter(|(name, _)| active.contains(name)) {
        let mut service = finish_object(&SERVICE, node);
        add_environment(loader, node, &mut service, scope);
        add_labels(loader, node, &mut service);
        same_scale(&mut service);
        services.insert(service_name.to_owned(), Json::Object(service));
    }
    let mut document = JsonMap::new();
    document.insert("name".to_owned(), Json::from(name));
    for section in ["networks", "volumes", "configs", "secrets"] {
        let used = used(section, &services);
        let all = TOP.field(section).zip(model.get(section)).and_then(|(field, node)| finish(&field.shape, node));
        let Some(Json::Object(mut all)) = all else { continue };
        all.retain(|key, _| used.contains(key.as_str()));
        if !all.is_empty() {
            document.insert(section.to_owned(), Json::Object(all));
        }
    }
    document.insert("services".to_owned(), Json::Object(services));
    document
}

/// Adds the keys of the project's own, which are printed last.
pub(super) fn add_own_keys(document: &mut JsonMap<String, Json>, model: &Node) {
    let own = model.as_map().into_iter().flatten().filter(|(key, _)| key.starts_with("x-"));
    document.extend(own.map(|(key, entry)| (key.clone(), raw(&entry.node))));
}

/// The entries of a section that services use.
fn used<'s>(section: &str, services: &'s JsonMap<String, Json>) -> HashSet<&'s str> {
    let mut names = HashSet::new();
    for service in services.values() {
        match section {
            "networks" => {
                names.extend(service.get("networks").and_then(Json::as_object).into_iter().flatten().map(|(key, _)| key.as_str()))
            }
            "volumes" => names.extend(
                list(service, "volumes")
                    .filter(|mount| mount.get("type").and_then(Json::as_str) == Some("volume"))
                    .filter_map(|mount| mount.get("source")?.as_str()),
            ),
            _ => {
                let build = service.get("build").filter(|_| section == "secrets").unwrap_or(&Json::Null);
                let references = list(service, section).chain(list(build, section));
                names.extend(references.filter_map(|reference| reference.get("source")?.as_str()));
            }
        }
    }
    names
}

fn list<'s>(value: &'s Json, key: &str) -> impl Iterator<Item = &'s Json> {
    value.get(key).and_then(Json::as_array).into_iter().flatten()
}

/// `scale` given beside `deploy` sets the replicas too.
fn same_scale(service: &mut JsonMap<String, Json>) {
    let Some(scale) = service.get("scale").cloned() else { return };
    if let Some(Json::Object(deploy)) = service.get_mut("deploy") {
        deploy.insert("replicas".to_owned(), scale);
    }
}

/// Adds the variables of a service's env files; its own win.
fn add_environment(loader: &mut Loader<'_>, node: &Node, service: &mut JsonMap<String, Json>, scope: Scope<'_>) {
    let environment = scope.environment;
    let mut own = match service.remove("environment") {
        Some(Json::Object(own)) => own,
        _ => JsonMap::new(),
    };
    for (name, value) in &mut own {
        if let (true, Some(found)) = (value.is_null(), environment.get(name)) {
            *value = Json::from(found.as_str());
        }
    }
    let mut variables: Environment = own.iter().filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned()))).collect();
    let lookup = |name: &str| environment.get(name).cloned().or_else(|| own.get(name)?.as_str().map(str::to_owned));
    let own_known = scope.known && node.get("environment").is_none_or(is_known);
    for file in items(node, "env_file").filter(|file| is_known(file)) {
        for (error, source) in read_variables(loader, file, &lookup, &mut variables) {
            // A variable that is missing may be among those that could not be read.
            if own_known || !error.missing_variable {
                loader.problems.push(located(error, source));
            }
        }
    }
    let mut merged: JsonMap<String, Json> = variables.into_iter().map(|(name, value)| (name, Json::from(value))).collect();
    merged.extend(own);
    if !merged.is_empty() {
        service.insert("environment".to_owned(), Json::Object(merged));
    }
}

/// Whether nothing directly in a value is unknown.
fn is_known(node: &Node) -> bool {
    let below = node.as_map().into_iter().flatten().map(|(_, entry)| &entry.node).chain(node.as_list().into_iter().flatten());
    !node.is_unknown() && !below.into_iter().any(Node::is_unknown)
}

/// Reads an env file; gives what is wrong in it, with its source.
fn read_variables(
    loader: &mut Loader<'_>,
    file: &Node,
    lookup: &dyn Fn(&str) -> Option<String>,
    variables: &mut Environment,
) -> Vec<(DotenvError, u32)> {
    let span = file.get("path").map_or(file.span, |node| node.span);
    let path = file.get("path").and_then(Node::as_text).unwrap_or_default();
    let required = file.get("required").is_none_or(|node| super::forms::number::flag(node).unwrap_or(true));
    if !required && !loader.files.exists(std::path::Path::new(path)) {
        return Vec::new();
    }
    let Ok((source, text)) = loader.text(path, span, "env file") else { return Vec::new() };
    let errors = match file.get("format").and_then(Node::as_text).unwrap_or_default() {
        "" | ".env" => dotenv::parse_lines(&text.text, lookup, variables),
        "raw" => dotenv::parse_raw_lines(&text.text, lookup, variables),
        other => {
            let problem = Problem::value(file.get("format").map_or(span, |node| node.span), format!("`{other}` is not an env file format"));
            loader.problems.push(problem.help("leave `format` out, or write `raw`"));
            Vec::new()
        }
    };
    errors.into_iter().map(|error| (error, source)).collect()
}

/// Adds the labels of a service's label files; its own win.
fn add_labels(loader: &mut Loader<'_>, node: &Node, service: &mut JsonMap<String, Json>) {
    let mut labels = Environment::new();
    for file in items(node, "label_file").filter(|file| is_known(file)) {
        let path = file.as_text().unwrap_or_default();
        let Ok((source, text)) = loader.text(path, file.span, "label file") else { continue };
        let known = labels.clone();
        let errors = dotenv::parse_lines(&text.text, &|name| known.get(name).cloned(), &mut labels);
        loader.problems.extend(errors.into_iter().map(|error| located(error, source)));
    }
    if labels.is_empty() {
        return;
    }
    let mut merged: JsonMap<String, Json> = labels.into_iter().map(|(name, value)| (name, Json::from(value))).collect();
    if let Some(Json::Object(own)) = service.remove("labels") {
        merged.extend(own);
    }
    service.insert("labels".to_owned(), Json::Object(merged));
}

/// Doubles every `$` of a document, as the reference prints it.
pub(super) fn double_dollars(value: &mut Json) {
    match value {
        Json::String(text) if text.contains('$') => *text = text.replace('$', "$$"),
        Json::Array(items) => items.iter_mut().for_each(double_dollars),
        Json::Object(map) => {
            if map.keys().any(|key| key.contains('$')) {
                *map = std::mem::take(map).into_iter().map(|(key, value)| (key.replace('$', "$$"), value)).collect();
            }
            map.values_mut().for_each(double_dollars);
        }
        _ => {}
    }
}

/// A problem of the whole project, at no place.
pub(super) fn whole(kind: DiagnosticKind, message: impl Into<String>) -> Problem {
    Problem::new(kind, Span::default(), message)
}
