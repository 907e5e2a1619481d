//! Whether the parts of a project fit together: everything named exists, nothing contradicts itself, no cycles.

mod cycle;
mod service;

use std::collections::HashSet;

use super::checks::entries;
use super::schema::TOP;
use super::validate::is_mistyped;
use crate::diagnostic::Problem;
use crate::nearest::nearest;
use crate::span::Span;
use crate::yaml::{Map, Node};

/// The names a project defines.
pub(super) struct Names<'n> {
    pub(super) model: &'n Node,
    /// Services whose profiles are active.
    pub(super) active: &'n HashSet<&'n str>,
    /// A part of the project could not be read: what is not defined may be defined there.
    pub(super) incomplete: bool,
}

impl<'n> Names<'n> {
    fn section(&self, section: &str) -> Option<&'n Map> {
        self.model.get(section).and_then(Node::as_map)
    }

    /// Reports a name that a section (a plural word) does not define.
    fn require(&self, section: &str, name: &str, span: Span, problems: &mut Vec<Problem>) {
        let what = section.trim_end_matches('s');
        let map = self.section(section);
        let mistyped = map.is_none() && self.model.as_map().is_some_and(|top| is_mistyped(&TOP, top, section));
        let unknown = mistyped || self.model.get(section).is_some_and(Node::is_unknown);
        if unknown || map.is_some_and(|map| map.contains_key(name)) {
            return;
        }
        let problem = Problem::reference(span, format!("there is no {what} `{name}`"));
        let near = nearest(name, map.into_iter().flatten().map(|(key, _)| key.as_str()));
        problems.push(match near {
            Some(near) => problem.help(format!("did you mean `{near}`?")),
            None => problem.help(format!("define it under the top-level key `{section}`")),
        });
    }

    /// Reports a service that does not exist or is not active; `required: false` forgives the latter.
    fn require_service(&self, name: &str, required: bool, span: Span, problems: &mut Vec<Problem>) {
        if self.active.contains(name) {
            return;
        }
        let services = self.section("services");
        if services.is_some_and(|services| services.contains_key(name)) {
            if required {
                let problem = Problem::reference(span, format!("service `{name}` is needed but none of its profiles is active"));
                problems.push(problem.help("activate one, or write `required: false`"));
            }
            return;
        }
        self.require("services", name, span, problems);
    }
}

/// Checks the active services and the secrets of a project. Where a part is not known, only what no part can mend is reported.
pub(super) fn check(names: &Names<'_>, problems: &mut Vec<Problem>) {
    let services: Vec<(&str, &Node)> =
        entries(names.model, "services").filter(|(name, node)| names.active.contains(name) && !node.is_unknown()).collect();
    cycle::check(&services, problems);
    if names.incomplete {
        return;
    }
    let mut container_names = std::collections::HashMap::new();
    for (name, node) in &services {
        service::check(name, node, names, problems);
        if let Some(container) = node.get("container_name")
            && let Some(text) = container.as_text()
            && let Some(other) = container_names.insert(text, *name)
        {
            problems.push(Problem::reference(container.span, format!("service `{other}` has the container name `{text}` too")));
        }
    }
    for (name, node) in entries(names.model, "secrets").filter(|(_, node)| !node.is_unknown()) {
        let given = |key: &str| node.get(key).is_some_and(|node| node.is_unknown() || node.as_text().is_some_and(|text| !text.is_empty()));
        let external = node.get("external").is_some_and(|node| node.is_unknown() || super::forms::number::flag(node).unwrap_or(false));
        if !external && !given("file") && !given("environment") {
            problems.push(Problem::reference(node.span, format!("secret `{name}` needs `file` or `environment`")));
        }
    }
}
