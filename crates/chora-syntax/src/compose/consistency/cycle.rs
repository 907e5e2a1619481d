//! Services that wait for each other.

use std::collections::{HashMap, HashSet};

use crate::diagnostic::Problem;
use crate::span::Span;
use crate::yaml::Node;

/// Reports cycles of dependencies: one for each dependency that leads back.
pub(super) fn check(services: &[(&str, &Node)], problems: &mut Vec<Problem>) {
    let edges: HashMap<&str, Vec<(&str, Span)>> = services.iter().map(|(name, node)| (*name, dependencies(node))).collect();
    let mut done: HashSet<&str> = HashSet::new();
    for (start, _) in services {
        if done.contains(start) {
            continue;
        }
        // Depth first with a stack of our own: a chain of services may be long.
        let mut path: Vec<(&str, usize)> = vec![(start, 0)];
        while let Some((name, next)) = path.last_mut() {
            let Some((target, span)) = edges.get(name).and_then(|targets| targets.get(*next)) else {
                done.insert(name);
                path.pop();
                continue;
            };
            *next += 1;
            if let Some(first) = path.iter().position(|(name, _)| name == target) {
                let names: Vec<&str> = path.iter().skip(first).map(|(name, _)| *name).chain([*target]).collect();
                problems.push(Problem::reference(*span, format!("services wait for each other: {}", names.join(" → "))));
            } else if !done.contains(target) {
                path.push((target, 0));
            }
        }
    }
}

fn dependencies(service: &Node) -> Vec<(&str, Span)> {
    let map = service.get("depends_on").and_then(Node::as_map);
    map.into_iter().flatten().map(|(name, entry)| (name.as_str(), entry.key)).collect()
}
