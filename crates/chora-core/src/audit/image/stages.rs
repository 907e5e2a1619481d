//! What an image is made from.

use chora_syntax::dockerfile::InstructionKind;

use super::{Subject, Target, each};
use crate::audit::marks::Marks;
use crate::audit::words::{Hold, hold};

/// Packages that build and do not run.
const BUILD_TOOLS: [&str; 9] = ["build-essential", "gcc", "g++", "cmake", "make", "build-base", "cargo", "rustc", "golang"];
/// Names of stages that are no use in production.
const NOT_RUNTIME: [&str; 9] = ["dev", "development", "test", "tests", "testing", "debug", "lint", "ci", "build"];

pub(super) fn several(subject: &Subject, marks: &mut Marks) {
    each(subject, marks, |target, marks| {
        let line = target.stage.line;
        let copies = target
            .backwards()
            .find(|instruction| matches!(&instruction.kind, InstructionKind::Copy { from: Some(from), .. } if target.file.is_stage(from)));
        if let Some((line, tool)) = build_tool(target) {
            let note = format!("`{tool}` is installed in what runs");
            return if copies.is_some() { marks.half(target.at(line, note)) } else { marks.bad(target.at(line, note)) };
        }
        match copies {
            Some(copy) => marks.good(target.at(copy.line, "copied from another stage")),
            None if target.file.stages.len() == 1 => marks.bad(target.at(line, "one stage: what builds it is in the image")),
            None => marks.half(target.at(line, "no stage hands anything to the last one")),
        }
    });
}

/// A package for building that the last stage installs.
fn build_tool(target: &Target<'_>) -> Option<(usize, &'static str)> {
    target.backwards().find_map(|instruction| {
        let InstructionKind::Run { command, .. } = &instruction.kind else { return None };
        let installs = ["apt-get", "apt ", "apk ", "dnf ", "yum "].iter().any(|tool| command.contains(tool));
        // What is removed in the same layer is not in the image.
        let removes = [" purge", " remove", "apk del"].iter().any(|word| command.contains(word));
        let mut words = command.split_whitespace();
        let found = words.find_map(|word| BUILD_TOOLS.into_iter().find(|tool| word == *tool)).filter(|_| installs && !removes);
        found.map(|tool| (instruction.line, tool))
    })
}

pub(super) fn pinned(subject: &Subject, marks: &mut Marks) {
    each(subject, marks, |target, marks| {
        let mut earlier: Vec<&str> = Vec::new();
        for stage in &target.file.stages {
            let copies = stage.instructions.iter().filter_map(|instruction| match &instruction.kind {
                InstructionKind::Copy { from: Some(from), .. } if !target.file.is_stage(from) => Some((instruction.line, from)),
                _ => None,
            });
            let base = Some((stage.line, &stage.base)).filter(|(_, base)| !earlier.iter().any(|name| name.eq_ignore_ascii_case(base)));
            for (line, written) in base.into_iter().chain(copies) {
                let image = target.file.replaced(stage, written);
                match hold(&image) {
                    _ if image.is_empty() => marks.half(target.at(line, format!("`{written}` is not known before it is built"))),
                    _ if image == "scratch" => {}
                    Hold::Digest => marks.good(target.at(line, format!("`{image}` by digest"))),
                    Hold::Version => marks.good(target.at(line, format!("`{image}` by version; a digest would hold it for ever"))),
                    Hold::Moving => marks.bad(target.at(line, format!("`{image}` is another image tomorrow"))),
                }
            }
            earlier.extend(stage.name.as_deref());
        }
    });
}

pub(super) fn runtime_last(subject: &Subject, marks: &mut Marks) {
    each(subject, marks, |target, marks| {
        let name = target.stage.name.as_deref().unwrap_or_default();
        let is_other = target.file.stages.len() > 1 && NOT_RUNTIME.contains(&name.to_ascii_lowercase().as_str());
        if is_other {
            marks.bad(target.at(target.stage.line, format!("stage `{name}` is what is built")));
        } else {
            marks.good(target.at(target.stage.line, "this stage is built"));
        }
    });
}
