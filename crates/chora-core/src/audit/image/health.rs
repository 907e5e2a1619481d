//! What health checks need.

use chora_syntax::dockerfile::{Healthcheck, InstructionKind};

use super::{Subject, each};
use crate::audit::marks::Marks;
use crate::audit::stack::each_service;

/// Programs that slim images do not have.
const TOOLS: [&str; 4] = ["curl", "wget", "pgrep", "nc"];

/// A program that a check calls and an image may not have, by the check's words.
fn tool(words: &[String]) -> Option<&'static str> {
    let mut parts = words.iter().flat_map(|word| word.split([' ', '|', '&', ';', '(', '`', '\t', '\n']));
    parts.find_map(|part| TOOLS.into_iter().find(|tool| part == *tool || part.strip_suffix(*tool).is_some_and(|dir| dir.ends_with('/'))))
}

pub(super) fn no_curl(subject: &Subject, marks: &mut Marks) {
    each(subject, marks, |target, marks| {
        let Some(Healthcheck::Command { words, .. }) = target.file.healthcheck(target.stage) else { return };
        let line = target.backwards().find(|one| one.kind == InstructionKind::Healthcheck).map_or(target.stage.line, |one| one.line);
        match tool(words) {
            Some(tool) => marks.bad(target.at(line, format!("HEALTHCHECK needs `{tool}` in the image"))),
            None => marks.good(target.at(line, "HEALTHCHECK needs none")),
        }
    });
    each_service(subject, marks, |service, marks| {
        let Some(check) = service.own_check() else { return };
        let name = service.name;
        match tool(&check.test) {
            Some(tool) => marks.bad(service.at(&["healthcheck", "test"], format!("{name}: the check needs `{tool}` in the image"))),
            None => marks.good(service.at(&["healthcheck", "test"], format!("{name}: the check needs none"))),
        }
    });
}
