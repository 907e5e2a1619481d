//! What gets into an image and should not, and what should.

use chora_syntax::dockerfile::{InstructionKind, Stage};

use super::{Subject, Target, each};
use crate::audit::marks::{Evidence, Marks};
use crate::audit::words::{has_password, is_secret, is_secret_file, is_worth_hiding, listed};

/// Labels that say which build an image is.
const LABELS: [&str; 3] = ["version", "created", "revision"];
const OCI: &str = "org.opencontainers.image.";

pub(super) fn secrets(subject: &Subject, marks: &mut Marks) {
    each(subject, marks, |target, marks| {
        let mut found = false;
        for instruction in target.file.stages.iter().flat_map(|stage| &stage.instructions) {
            for what in leaks(&instruction.kind) {
                found = true;
                // Never the value: this is printed, logged and committed.
                marks.bad(target.at(instruction.line, what));
            }
        }
        if !found {
            marks.good(target.at(target.stage.line, "none is named in ARG, ENV or COPY"));
        }
    });
}

fn leaks(kind: &InstructionKind) -> Vec<String> {
    match kind {
        InstructionKind::Arg(pairs) => {
            let secret = pairs.iter().filter(|(name, _)| is_secret(name));
            secret.map(|(name, _)| format!("ARG {name} stays in the history of the image")).collect()
        }
        InstructionKind::Env(pairs) => {
            let secret = pairs.iter().filter(|(name, value)| has_password(value) || (is_secret(name) && is_worth_hiding(value)));
            secret.map(|(name, _)| format!("ENV {name} is in the image")).collect()
        }
        InstructionKind::Copy { sources, from: None } => {
            let secret = sources.iter().filter(|source| is_secret_file(source));
            secret.map(|source| format!("`{source}` is copied into the image")).collect()
        }
        _ => Vec::new(),
    }
}

pub(super) fn ignored(subject: &Subject, marks: &mut Marks) {
    for image in &subject.images {
        let Some(ignore) = &image.ignore else {
            marks.bad(Evidence::in_file(".dockerignore", None, format!("there is none in the build context of {}", image.path)));
            continue;
        };
        // A context below the project holds no version control.
        let git = Some(".git").filter(|_| image.context == subject.directory);
        let wanted = git.into_iter().chain([".env", ".env.local"]).chain(image.secrets.iter().map(String::as_str));
        let wanted: Vec<&str> = wanted.collect();
        let lacking: Vec<&str> = wanted.iter().copied().filter(|path| !ignore.rules.ignores(path)).collect();
        let note =
            if lacking.is_empty() { "keeps them out".to_owned() } else { format!("lets {} into the build context", listed(&lacking)) };
        marks.share(wanted.len() - lacking.len(), wanted.len(), Evidence::in_file(&ignore.path, None, note));
    }
}

pub(super) fn labels(subject: &Subject, marks: &mut Marks) {
    each(subject, marks, |target, marks| {
        let (line, found) = labelled(target.file.chain(target.stage));
        let lacking: Vec<&str> = LABELS.into_iter().filter(|label| !found.contains(label)).collect();
        match line {
            Some(line) if lacking.is_empty() => marks.good(target.at(line, "version, created and revision")),
            Some(line) => marks.share(found.len(), LABELS.len(), target.at(line, format!("no label says {}", listed(&lacking)))),
            None => lost(target, marks),
        }
    });
}

/// Labels that another stage has, and the image does not get.
fn lost(target: &Target<'_>, marks: &mut Marks) {
    let elsewhere = target.file.stages.iter().find_map(|stage| Some((labelled(std::iter::once(stage)).0?, stage)));
    marks.bad(match elsewhere {
        Some((line, stage)) => {
            let name = stage.name.as_deref().unwrap_or("another stage");
            target.at(line, format!("labels of `{name}` are not those of the image"))
        }
        None => target.at(target.stage.line, "it has no OCI label"),
    });
}

/// The line of the last label, and which of those wanted are there.
fn labelled<'s>(stages: impl Iterator<Item = &'s Stage>) -> (Option<usize>, Vec<&'static str>) {
    let (mut line, mut found) = (None, Vec::new());
    for instruction in stages.flat_map(|stage| &stage.instructions) {
        let InstructionKind::Label(pairs) = &instruction.kind else { continue };
        for label in pairs.iter().filter_map(|(name, _)| name.strip_prefix(OCI)) {
            line = line.max(Some(instruction.line));
            found.extend(LABELS.into_iter().filter(|wanted| *wanted == label));
        }
    }
    found.sort_unstable();
    found.dedup();
    (line, found)
}
