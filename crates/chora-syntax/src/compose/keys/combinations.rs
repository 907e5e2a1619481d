//! Keys that are honoured alone and cannot be together: known before anything is asked of an engine.

use std::collections::HashSet;

use crate::diagnostic::{DiagnosticKind, Problem};
use crate::span::Span;
use crate::yaml::{Node, Value};

/// The one directory that can be written to below a read-only root.
const SECRETS: &str = "/run/secrets";

/// Combinations of active services that a deployment must refuse, each at the key that is to change.
pub(super) fn review(model: &Node, active: &HashSet<&str>) -> Vec<Problem> {
    let mut problems = Vec::new();
    let services = model.get("services").and_then(Node::as_map).into_iter().flatten();
    for (_, entry) in services.filter(|(name, _)| active.contains(name.as_str())) {
        let service = &entry.node;
        names_of_the_host(service, &mut problems);
        for file in files(service) {
            problems.extend(refusal(service, &file).map(|why| unsupported(file.span, &format!("{} at `{}`: {why}", file.what, file.path))));
        }
    }
    problems
}

fn unsupported(span: Span, what: &str) -> Problem {
    Problem::new(DiagnosticKind::Unsupported, span, format!("Chora does not honour {what}"))
}

/// The engine refuses a name of one's own in the namespace of the host.
fn names_of_the_host(service: &Node, problems: &mut Vec<Problem>) {
    if service.get("uts").and_then(Node::as_text) != Some("host") {
        return;
    }
    for key in ["hostname", "domainname"] {
        if let Some(node) = service.get(key).filter(|node| node.as_text().is_some_and(|name| !name.is_empty())) {
            problems.push(unsupported(
                node.span,
                &format!("`{key}` beside `uts: host`: the engine takes no name for the host's own namespace"),
            ));
        }
    }
}

/// A config or secret of a service.
struct File {
    what: &'static str,
    path: String,
    span: Span,
}

fn files(service: &Node) -> Vec<File> {
    let mut files = Vec::new();
    for (key, what, base) in [("configs", "a config", "/"), ("secrets", "a secret", "/run/secrets/")] {
        for item in service.get(key).and_then(Node::as_list).into_iter().flatten() {
            let part = |key| item.get(key).and_then(Node::as_text).filter(|text| !text.is_empty());
            let Some(target) = part("target").or_else(|| part("source")).or_else(|| item.as_text()) else { continue };
            let path = if target.starts_with('/') { target.to_owned() } else { format!("{base}{target}") };
            files.push(File { what, path, span: item.get("target").map_or(item.span, |target| target.span) });
        }
    }
    files
}

/// Why a file cannot be where it is wanted.
fn refusal(service: &Node, file: &File) -> Option<String> {
    // What is deeper is mounted later: the directory of secrets lies over the memory above it.
    let over = |place: &str| lies_below(&file.path, SECRETS) && place != SECRETS && !lies_below(place, SECRETS);
    if let Some(memory) = in_memory(service).find(|place| lies_below(&file.path, place) && !over(place)) {
        return Some(format!("the tmpfs at `{memory}` would lie over it; put it beside the tmpfs, or the tmpfs below it"));
    }
    let mounts = service.get("volumes").and_then(Node::as_list).into_iter().flatten();
    let mounted = mounts.filter(|mount| target(mount).is_some_and(|place| lies_below(&file.path, place)));
    let nearest = mounted.max_by_key(|mount| target(mount).map_or(0, str::len));
    if let Some(mount) = nearest {
        let read_only = is_true(mount.get("read_only"));
        return read_only.then(|| format!("the mount at `{}` is read-only", target(mount).unwrap_or_default()));
    }
    let stuck = is_true(service.get("read_only")) && file.what == "a secret" && !lies_below(&file.path, SECRETS);
    stuck.then(|| format!("the root is read-only; there secrets are below {SECRETS}"))
}

fn target(mount: &Node) -> Option<&str> {
    mount.get("target").and_then(Node::as_text)
}

fn is_true(node: Option<&Node>) -> bool {
    matches!(node.map(|node| &node.value), Some(Value::Bool(true)))
}

/// Where the service has memory for a file system.
fn in_memory(service: &Node) -> impl Iterator<Item = &str> {
    let listed = service.get("tmpfs").into_iter().flat_map(|node| node.as_list().map_or(std::slice::from_ref(node), Vec::as_slice));
    let listed = listed.filter_map(Node::as_text).map(|entry| entry.split(':').next().unwrap_or_default());
    let mounts = service.get("volumes").and_then(Node::as_list).into_iter().flatten();
    listed.chain(mounts.filter(|mount| mount.get("type").and_then(Node::as_text) == Some("tmpfs")).filter_map(target))
}

fn lies_below(path: &str, directory: &str) -> bool {
    path.strip_prefix(directory.trim_end_matches('/')).is_some_and(|rest| rest.starts_with('/'))
}
