//! One service against the project.

use super::Names;
use crate::compose::checks::items;
use crate::compose::forms::number;
use crate::compose::schema::SERVICE;
use crate::compose::validate::is_mistyped;
use crate::diagnostic::Problem;
use crate::yaml::{Node, Value};

/// Checks an active service.
pub(super) fn check(name: &str, service: &Node, names: &Names<'_>, problems: &mut Vec<Problem>) {
    image(name, service, problems);
    build(service, names, problems);
    networks(service, names, problems);
    health(service, problems);
    dependencies(service, names, problems);
    resources_named(service, names, problems);
    scale(name, service, problems);
    limits(service, problems);
    watches(service, problems);
    targets(service, problems);
}

fn is_unknown(node: &Node, key: &str) -> bool {
    node.get(key).is_some_and(Node::is_unknown)
}

fn text<'n>(node: &'n Node, key: &str) -> Option<&'n str> {
    node.get(key).and_then(Node::as_text).filter(|text| !text.is_empty())
}

fn image(name: &str, service: &Node, problems: &mut Vec<Problem>) {
    let has_build = service.get("build").is_some_and(|build| !build.is_null());
    let mistyped = service.as_map().is_some_and(|map| ["image", "build"].iter().any(|key| is_mistyped(&SERVICE, map, key)));
    if !mistyped && !has_build && !is_unknown(service, "image") && text(service, "image").is_none() && service.get("provider").is_none() {
        let problem = Problem::reference(service.span, format!("service `{name}` has neither `image` nor `build`"));
        problems.push(problem.help("name an image to run or a directory to build"));
    }
}

fn build(service: &Node, names: &Names<'_>, problems: &mut Vec<Problem>) {
    let Some(build) = service.get("build") else { return };
    if let Some(inline) = build.get("dockerfile_inline").filter(|_| text(build, "dockerfile").is_some()) {
        problems.push(Problem::reference(inline.span, "`dockerfile` and `dockerfile_inline` exclude each other"));
    }
    for (_, entry) in build.get("additional_contexts").and_then(Node::as_map).into_iter().flatten() {
        let Some(target) = entry.node.as_text().and_then(|text| text.strip_prefix("service:")) else { continue };
        names.require_service(target, true, entry.node.span, problems);
        let other = names.model.get("services").and_then(|services| services.get(target));
        if other.is_some_and(|other| !other.is_unknown() && other.get("build").is_none()) {
            problems.push(Problem::reference(entry.node.span, format!("service `{target}` is not built, so it is no build context")));
        }
    }
    let mut platforms = items(build, "platforms").filter_map(Node::as_text).peekable();
    if let Some(platform) = text(service, "platform")
        && platforms.peek().is_some()
        && !items(build, "platforms").any(Node::is_unknown)
        && !platforms.any(|candidate| candidate == platform)
    {
        let span = service.get("platform").map(|node| node.span).unwrap_or_default();
        problems.push(Problem::reference(span, format!("`build.platforms` does not hold `{platform}`")));
    }
    for secret in items(build, "secrets") {
        source(secret, "secrets", names, problems);
    }
}

fn source(reference: &Node, section: &str, names: &Names<'_>, problems: &mut Vec<Problem>) {
    if reference.is_unknown() || is_unknown(reference, "source") {
        return;
    }
    let name = reference.get("source").and_then(Node::as_text).unwrap_or_default();
    names.require(section, name, reference.span, problems);
}

fn networks(service: &Node, names: &Names<'_>, problems: &mut Vec<Problem>) {
    let joined = service.get("networks").and_then(Node::as_map);
    if let Some(mode) = service.get("network_mode").filter(|mode| !mode.is_unknown() && mode.as_text() != Some("")) {
        if joined.is_some_and(|joined| !joined.is_empty()) {
            problems.push(Problem::reference(mode.span, "`network_mode` and `networks` exclude each other"));
        }
        if let Some(target) = mode.as_text().and_then(|text| text.strip_prefix("service:")) {
            names.require_service(target, true, mode.span, problems);
        }
    }
    for (name, entry) in joined.into_iter().flatten() {
        names.require("networks", name, entry.key, problems);
    }
}

fn health(service: &Node, problems: &mut Vec<Problem>) {
    let Some(test) = service.get("healthcheck").and_then(|health| health.get("test")) else { return };
    let Some(first) = test.as_list().and_then(|words| words.first()) else { return };
    if !first.is_unknown() && !matches!(first.as_text(), Some("CMD" | "CMD-SHELL" | "NONE")) {
        let problem = Problem::value(first.span, "a health test given as a list starts with CMD, CMD-SHELL or NONE");
        problems.push(problem.help("write `[CMD, program, argument]`"));
    }
}

fn dependencies(service: &Node, names: &Names<'_>, problems: &mut Vec<Problem>) {
    for (name, entry) in service.get("depends_on").and_then(Node::as_map).into_iter().flatten() {
        let required = entry.node.get("required").is_some_and(|node| number::flag(node).unwrap_or(false));
        names.require_service(name, required, entry.key, problems);
    }
}

fn resources_named(service: &Node, names: &Names<'_>, problems: &mut Vec<Problem>) {
    for volume in items(service, "volumes").filter(|volume| text(volume, "type") == Some("volume")) {
        if let Some(name) = text(volume, "source") {
            let span = volume.get("source").map_or(volume.span, |node| node.span);
            names.require("volumes", name, span, problems);
        }
    }
    for config in items(service, "configs") {
        source(config, "configs", names, problems);
    }
    for secret in items(service, "secrets") {
        source(secret, "secrets", names, problems);
    }
    for (name, entry) in service.get("models").and_then(Node::as_map).into_iter().flatten() {
        names.require("models", name, entry.key, problems);
    }
}

fn integer(node: Option<&Node>) -> Option<i64> {
    node.and_then(|node| number::integer(node, i64::MIN, i64::MAX).ok())
}

fn scale(name: &str, service: &Node, problems: &mut Vec<Problem>) {
    let replicas_node = service.get("deploy").and_then(|deploy| deploy.get("replicas"));
    let (scale, replicas) = (integer(service.get("scale")), integer(replicas_node));
    let span = service.get("scale").or(replicas_node).map_or(service.span, |node| node.span);
    if let (Some(scale), Some(replicas)) = (scale, replicas)
        && scale != replicas
    {
        problems.push(Problem::reference(span, format!("`scale` is {scale} but `deploy.replicas` is {replicas}")));
    }
    let count = scale.or(replicas).unwrap_or(1);
    if count < 0 {
        problems.push(Problem::value(span, "the number of containers cannot be negative"));
    }
    if count > 1 && text(service, "container_name").is_some() {
        problems.push(Problem::reference(span, format!("service `{name}` has a `container_name`, so it has one container at most")));
    }
}

/// The older limits must equal those under `deploy.resources`, where both are given.
fn limits(service: &Node, problems: &mut Vec<Problem>) {
    let Some(resources) = service.get("deploy").and_then(|deploy| deploy.get("resources")) else { return };
    for (key, section, other) in [
        ("cpus", "limits", "cpus"),
        ("mem_limit", "limits", "memory"),
        ("mem_reservation", "reservations", "memory"),
        ("pids_limit", "limits", "pids"),
    ] {
        let (Some(node), Some(section_node)) = (service.get(key), resources.get(section).filter(|node| !node.is_null())) else { continue };
        let amount = |node: Option<&Node>| match (key, node) {
            (_, None) => Some(0.0),
            ("cpus", Some(node)) => number::float(node).ok().map(f64::from),
            ("pids_limit", Some(node)) => integer(Some(node)).map(|value| value.to_string().parse().unwrap_or(0.0)),
            (_, Some(node)) => number::bytes(node).ok().map(|value| value.to_string().parse().unwrap_or(0.0)),
        };
        let own = amount(Some(node));
        if node.is_unknown() || section_node.is_unknown() || is_unknown(section_node, other) {
            continue;
        }
        if own != Some(0.0) && own != amount(section_node.get(other)) {
            let message = format!("`{key}` and `deploy.resources.{section}.{other}` differ");
            problems.push(Problem::reference(node.span, message).help("give only one of them"));
        }
    }
}

fn watches(service: &Node, problems: &mut Vec<Problem>) {
    for watch in service.get("develop").into_iter().flat_map(|develop| items(develop, "watch")) {
        let unknown = watch.is_unknown() || is_unknown(watch, "target") || is_unknown(watch, "action");
        if !unknown && text(watch, "target").is_none() && !matches!(text(watch, "action"), Some("rebuild" | "restart")) {
            problems.push(Problem::reference(watch.span, "this action copies files, so it needs a `target`"));
        }
    }
}

/// Two mounts cannot have the same target.
fn targets(service: &Node, problems: &mut Vec<Problem>) {
    let mut seen: Vec<&str> = Vec::new();
    let tmpfs = match service.get("tmpfs").map(|node| &node.value) {
        Some(Value::List(list)) => list.iter().collect::<Vec<_>>(),
        Some(Value::Text(_)) => service.get("tmpfs").into_iter().collect(),
        _ => Vec::new(),
    };
    let tmpfs = tmpfs.into_iter().filter_map(|node| Some((node.as_text()?.split(':').next()?, node)));
    let volumes = items(service, "volumes").filter(|node| !node.is_unknown() && !is_unknown(node, "target"));
    let volumes = volumes.map(|node| (node.get("target").and_then(Node::as_text).unwrap_or_default(), node));
    for (target, node) in tmpfs.chain(volumes) {
        if seen.contains(&target) {
            problems.push(Problem::reference(node.span, format!("something else is mounted at `{target}` already")));
        }
        seen.push(target);
    }
}
