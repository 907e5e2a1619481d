//! What `init` and `upgrade` share: where patterns are from, what is found out about a project, its files, hooks, the writing of many
//! files at once.

pub(crate) mod apply;
pub(crate) mod detect;
pub(crate) mod files;
pub(crate) mod hooks;
pub(crate) mod program;
pub(crate) mod source;
mod staged;
mod trust;

use std::path::Path;

use chora_template::record::{BASE, RECORD, Record, RecordError, Source};
use chora_template::{AnswerError, Answers, Catalogue, Pattern, ProjectFile, RenderError, Rendered};
use sha2::{Digest as _, Sha256};

use self::apply::Change;
use self::source::Fetched;
use self::source::address::Address;
use crate::context::Settings;
use crate::failure::{Failure, FailureKind};

/// The state of the world when something was refused before a file was written.
pub(crate) const UNTOUCHED: &str = "nothing was written";

/// The patterns of `SOURCE[@REF]`, of the built-in catalogue where none is named.
pub(crate) fn fetch(settings: &Settings, from: Option<&str>) -> Result<Fetched, Failure> {
    match from {
        None => Ok(Fetched::built_in()),
        Some(from) => Fetched::at(settings, &Address::parse(&settings.project_dir, from)?),
    }
}

pub(crate) fn pattern<'a>(catalogue: &'a Catalogue<'_>, name: &str) -> Result<&'a Pattern, Failure> {
    catalogue.find(name).ok_or_else(|| {
        let names: Vec<&str> = catalogue.patterns().map(|pattern| pattern.name.as_str()).collect();
        let failure = Failure::new(FailureKind::NotFound, format!("there is no pattern `{}`", name.escape_debug())).state(UNTOUCHED);
        failure.hint(format!("take one of {}; `chora patterns` says what they are", names.join(", ")))
    })
}

/// An answer that is missing or does not fit.
pub(crate) fn unanswered(pattern: &str, error: &AnswerError) -> Failure {
    let failure = Failure::new(FailureKind::Invalid, error.to_string()).state(UNTOUCHED);
    match error {
        AnswerError::Missing { question, choices, .. } if choices.is_empty() => failure.hint(format!("give it with --set {question}=…")),
        AnswerError::Missing { question, choices, .. } => {
            failure.hint(format!("give it with --set {question}=…, one of {}", choices.join(", ")))
        }
        AnswerError::Wrong { question, .. } | AnswerError::Taken { question, .. } => {
            failure.hint(format!("give another one with --set {question}=…"))
        }
        AnswerError::Unknown { near: Some(near), .. } => {
            failure.hint(format!("did you mean `{near}`? `chora patterns show {pattern}` lists them"))
        }
        AnswerError::Unknown { near: None, .. } => failure.hint(format!("`chora patterns show {pattern}` lists what it asks")),
        AnswerError::Pattern(_) => failure.hint("please report the bug in the pattern"),
    }
}

/// A record that is broken, or that a newer program wrote.
pub(crate) fn unreadable(error: &RecordError) -> Failure {
    let failure = |kind| Failure::new(kind, error.to_string()).state(UNTOUCHED);
    match error {
        RecordError::Newer(_) => failure(FailureKind::Conflict).hint("use the newer chora that wrote it"),
        RecordError::Broken(_) => failure(FailureKind::Invalid).hint(format!("take {RECORD} back from version control")),
    }
}

/// A pattern that fails for these answers.
pub(crate) fn unrendered(fetched: &Fetched, error: &RenderError) -> Failure {
    let (kind, hint) = fetched.blame();
    Failure::new(kind, error.to_string()).state(UNTOUCHED).hint(hint)
}

/// A pattern, filled in.
pub(crate) struct Filled<'a> {
    pub(crate) pattern: &'a Pattern,
    pub(crate) answers: &'a Answers,
    pub(crate) files: &'a Rendered,
    /// Files that hooks have made or changed.
    pub(crate) hooked: Vec<String>,
    pub(crate) source: Option<&'a Source>,
}

/// What keeps the state of one machine (the store, what is pending, copies) out of Git; what is beside it is of the project.
const IGNORED: (&str, &str) = (
    ".chora/.gitignore",
    "# Written by chora: what is named here belongs to the project, all else to this machine.\n\
     /*\n!/.gitignore\n!/answers.yaml\n!/base/\n!/base/**\n!/contracts/\n!/memory/\n",
);

/// What the project remembers: the record, every file as the pattern wrote it, and what Git leaves out, unless somebody says so already.
pub(crate) fn memory(root: &Path, filled: Filled<'_>) -> Vec<Change> {
    let Filled { pattern, answers, files, hooked, source } = filled;
    let hashes = files.iter().map(|(path, file)| (path.clone(), hash(&file.bytes) + if file.executable { "+x" } else { "" }));
    let record = Record::new(pattern.name.clone(), pattern.version, answers.clone(), hashes.collect()).from(source.cloned(), hooked);
    let kept = |(path, file): (&String, &ProjectFile)| Change { executable: false, ..Change::file(&format!("{BASE}/{path}"), file) };
    let is_said = root.join(IGNORED.0).symlink_metadata().is_ok();
    let ignored = (!is_said).then(|| Change::text(IGNORED.0, IGNORED.1));
    files.iter().map(kept).chain(ignored).chain([Change::text(RECORD, &record.text())]).collect()
}

/// SHA-256 in hexadecimal.
pub(crate) fn hash(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
