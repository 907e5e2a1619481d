//! Rules that types cannot say.

mod edge;

use super::{Bridge, BridgeOptions, EndpointCheck, FunctionCheck, Manifest, McpCheck, McpTransport};
use crate::diagnostic::{DiagnosticKind, Problem};
use crate::nearest::nearest;
use crate::span::Span;
use crate::yaml::Node;

/// Checks a manifest; the tree gives the places.
pub(super) fn check(manifest: &Manifest, tree: &Node, problems: &mut Vec<Problem>) {
    edge::check(manifest, tree, problems);
    for (name, environment) in &manifest.environments {
        if let Some(from) = environment.promote_from.as_deref().filter(|from| !manifest.environments.contains_key(*from)) {
            let span = span(tree, &["environments", name, "promote_from"]);
            let problem = Problem::new(DiagnosticKind::Reference, span, format!("there is no environment `{from}`"));
            let near = nearest(from, manifest.environments.keys().map(String::as_str));
            problems.push(if let Some(near) = near { problem.help(format!("did you mean `{near}`?")) } else { problem });
        }
    }
    for (name, service) in &manifest.services {
        if let Some(endpoint) = &service.health.endpoint {
            check_endpoint(endpoint, span(tree, &["services", name, "health", "endpoint"]), problems);
        }
        if let Some(function) = &service.health.function {
            check_function(function, span(tree, &["services", name, "health", "function"]), problems);
        }
        if service.backup.as_ref().is_some_and(|backup| backup.command.is_empty()) {
            problems.push(Problem::value(span(tree, &["services", name, "backup"]), "a backup needs a `command`"));
        }
        if let Some(Bridge::On(options)) = &service.bridge {
            check_bridge(options, span(tree, &["services", name, "bridge"]), problems);
        }
    }
    for (name, source) in &manifest.secrets {
        let given = [source.file.is_some(), source.environment.is_some(), source.command.is_some(), source.age.is_some()];
        if given.into_iter().filter(|given| *given).count() > 1 {
            problems.push(Problem::value(span(tree, &["secrets", name]), format!("secret `{name}` has more than one source")));
        }
    }
}

pub(super) fn span(tree: &Node, path: &[&str]) -> Span {
    path.iter().try_fold(tree, |node, key| node.get(key)).map_or(tree.span, |node| node.span)
}

fn is_url(text: &str) -> bool {
    text.starts_with("http://") || text.starts_with("https://")
}

fn check_endpoint(endpoint: &EndpointCheck, span: Span, problems: &mut Vec<Problem>) {
    if endpoint.http.is_some() == endpoint.tcp.is_some() {
        problems.push(Problem::value(span, "an endpoint is either `http` or `tcp`"));
    }
    if let Some(http) = endpoint.http.as_deref().filter(|http| !is_url(http) && !http.starts_with('/')) {
        problems.push(Problem::value(span, format!("`{http}` is neither a URL nor a path starting with `/`")));
    }
}

fn check_function(function: &FunctionCheck, span: Span, problems: &mut Vec<Problem>) {
    let given = [function.mcp.is_some(), function.http.is_some(), function.command.is_some()];
    if given.into_iter().filter(|given| *given).count() != 1 {
        problems.push(Problem::value(span, "a function check is one of `mcp`, `http` and `command`"));
    }
    if let Some(mcp) = &function.mcp {
        check_mcp(mcp, span, problems);
    }
    if function.http.as_ref().is_some_and(|http| !is_url(&http.url) && !http.url.starts_with('/')) {
        problems.push(Problem::value(span, "`url` is a URL, or a path starting with `/`"));
    }
    if function.command.as_ref().is_some_and(Vec::is_empty) {
        problems.push(Problem::value(span, "`command` is blank"));
    }
}

fn check_bridge(options: &BridgeOptions, span: Span, problems: &mut Vec<Problem>) {
    if options.port == Some(0) {
        problems.push(Problem::value(span, "a bridge listens on a port that is known: 1 to 65535"));
    }
    if options.max_sessions == Some(0) {
        problems.push(Problem::value(span, "`max_sessions` is at least 1"));
    }
    let words = options.allow_hosts.iter().chain(&options.allow_origins).chain(&options.token);
    if words.into_iter().any(|word| word.trim().is_empty()) {
        problems.push(Problem::value(span, "`token`, `allow_hosts` and `allow_origins` hold no blank words"));
    }
}

fn check_mcp(mcp: &McpCheck, span: Span, problems: &mut Vec<Problem>) {
    let is_stdio = mcp.transport == McpTransport::Stdio;
    if !is_stdio && !mcp.command.is_empty() {
        problems.push(Problem::value(span, "`command` belongs to the transport `stdio`"));
    }
    if mcp.tool.as_ref().is_some_and(|tool| tool.name.is_empty()) {
        problems.push(Problem::value(span, "a tool call needs the `name` of a tool"));
    }
}
