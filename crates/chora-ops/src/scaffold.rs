//! What `init` and `upgrade` share: the catalogue, what is found out about a project, its files, the writing of many at once.

pub(crate) mod apply;
pub(crate) mod detect;
pub(crate) mod files;
mod staged;

use chora_template::record::{BASE, RECORD, Record};
use chora_template::{AnswerError, Answers, Catalogue, Pattern, RenderError, Rendered};
use sha2::{Digest as _, Sha256};

use self::apply::Change;
use crate::failure::{Failure, FailureKind};

/// The state of the world when something was refused before a file was written.
pub(crate) const UNTOUCHED: &str = "nothing was written";

pub(crate) fn catalogue() -> Result<Catalogue<'static>, Failure> {
    Catalogue::built_in().map_err(|error| Failure::new(FailureKind::Internal, format!("the catalogue cannot be read: {error}")))
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

/// A pattern that fails for these answers.
pub(crate) fn unrendered(error: &RenderError) -> Failure {
    Failure::new(FailureKind::Internal, error.to_string()).state(UNTOUCHED).hint("please report the bug in the pattern")
}

/// What the project remembers: the record, and every file as the pattern wrote it.
pub(crate) fn memory(pattern: &Pattern, answers: &Answers, rendered: &Rendered) -> Vec<Change> {
    let hash = |text: &str| Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let files = rendered.iter().map(|(path, file)| (path.clone(), hash(&file.text) + if file.executable { "+x" } else { "" }));
    let record = Record::new(pattern.name.clone(), pattern.version, answers.clone(), files.collect());
    let base = rendered.iter().map(|(path, file)| Change::text(&format!("{BASE}/{path}"), &file.text));
    base.chain([Change::text(RECORD, &record.text())]).collect()
}
