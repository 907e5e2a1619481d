//! A pattern and its answers become the text of files: all of them, or an error.

use std::collections::BTreeMap;

use crate::answers::Answers;
use crate::engine::{Engine, TemplateError};
use crate::path::{self, PathError};
use crate::pattern::{FileRule, Pattern};

/// The most files that a pattern writes.
pub const MOST_FILES: usize = 500;
/// How the names of templates end.
pub(crate) const TEMPLATE: &str = ".j2";

/// Why a pattern gave no files.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RenderError {
    /// A template failed.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// A file would stand where it may not.
    #[error(transparent)]
    Path(#[from] PathError),
    /// Two files have one place.
    #[error("the pattern writes `{0}` twice")]
    Twice(String),
    /// One file has its place where another one needs a folder.
    #[error("the pattern writes `{file}`, and `{below}` below it")]
    Below {
        /// The file.
        file: String,
        /// What needs a folder there.
        below: String,
    },
    /// What is to be copied is not there, or may not be.
    #[error("`{path}` cannot be taken from the source: {reason}")]
    Copy {
        /// Its path in the source.
        path: String,
        /// Why not.
        reason: &'static str,
    },
    /// More files than a pattern may write.
    #[error("the pattern writes more than {MOST_FILES} files")]
    TooMany,
}

/// A file of a project: as it stands there, or as a pattern wants it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProjectFile {
    /// What it holds.
    pub bytes: Vec<u8>,
    /// Whether it may be run.
    pub executable: bool,
}

impl ProjectFile {
    /// A text that may not be run.
    #[must_use]
    pub fn of(text: impl Into<String>) -> Self {
        Self { bytes: text.into().into_bytes(), executable: false }
    }

    /// What it holds, where that is text.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        std::str::from_utf8(&self.bytes).ok().filter(|text| !text.contains('\0'))
    }
}

/// Files by their paths relative to the target, with `/` between parts.
pub type Rendered = BTreeMap<String, ProjectFile>;

/// What is copied as it is, by its path in the source.
pub(crate) type Copies<'a> = BTreeMap<&'a str, Result<&'a ProjectFile, &'static str>>;

pub(crate) fn known(pattern: &Pattern, answers: &Answers) -> Answers {
    let mut known = pattern.fixed.clone();
    known.extend(answers.iter().map(|(name, answer)| (name.clone(), answer.clone())));
    known.insert("pattern".to_owned(), pattern.name.as_str().into());
    known.insert("pattern_version".to_owned(), pattern.version.into());
    known
}

pub(crate) fn render(engine: &Engine<'_>, copies: &Copies<'_>, pattern: &Pattern, answers: &Answers) -> Result<Rendered, RenderError> {
    let known = known(pattern, answers);
    let mut files = Rendered::new();
    for rule in &pattern.files {
        if let Some(when) = &rule.when
            && !engine.holds(&pattern.name, when, &known)?
        {
            continue;
        }
        let path = engine.line(&pattern.name, &rule.path, &known)?;
        path::check(&path)?;
        let file = one(engine, copies, &pattern.name, (rule, &known))?;
        if files.len() == MOST_FILES {
            return Err(RenderError::TooMany);
        }
        if files.insert(path.clone(), file).is_some() {
            return Err(RenderError::Twice(path));
        }
    }
    check_folders(&files)?;
    Ok(files)
}

fn one(engine: &Engine<'_>, copies: &Copies<'_>, pattern: &str, (rule, known): (&FileRule, &Answers)) -> Result<ProjectFile, RenderError> {
    let from = engine.line(pattern, &rule.from, known)?;
    let refused = |reason| RenderError::Copy { path: from.clone(), reason };
    match copies.get(from.as_str()) {
        Some(Ok(file)) => Ok(ProjectFile { bytes: file.bytes.clone(), executable: rule.executable }),
        Some(Err(reason)) => Err(refused(reason)),
        None if from.ends_with(TEMPLATE) => {
            // Merging is by lines: how they end is the project's business.
            let text = engine.render(&from, known)?.replace("\r\n", "\n");
            Ok(ProjectFile { bytes: text.into_bytes(), executable: rule.executable })
        }
        None => Err(refused("it is not there")),
    }
}

/// No file stands where another one needs a folder.
fn check_folders(files: &Rendered) -> Result<(), RenderError> {
    for below in files.keys() {
        let folders = below.match_indices('/').filter_map(|(at, _)| below.get(..at));
        if let Some(file) = folders.into_iter().find(|folder| files.contains_key(*folder)) {
            return Err(RenderError::Below { file: file.to_owned(), below: below.clone() });
        }
    }
    Ok(())
}
