//! A pattern and its answers become the text of files: all of them, or an error.

use std::collections::BTreeMap;

use crate::answers::Answers;
use crate::engine::{Engine, TemplateError};
use crate::path::{self, PathError};
use crate::pattern::{FileRule, Pattern};

/// The most files that a pattern writes.
const MOST_FILES: usize = 500;

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
    /// More files than a pattern may write.
    #[error("the pattern writes more than {MOST_FILES} files")]
    TooMany,
}

/// A file as the pattern wants it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RenderedFile {
    /// Its text, lines ending in `\n`.
    pub text: String,
    /// Whether it may be run.
    pub executable: bool,
}

/// Files by their paths relative to the target, with `/` between parts.
pub type Rendered = BTreeMap<String, RenderedFile>;

pub(crate) fn render(engine: &Engine<'_>, pattern: &Pattern, answers: &Answers) -> Result<Rendered, RenderError> {
    let mut known = pattern.fixed.clone();
    known.extend(answers.iter().map(|(name, answer)| (name.clone(), answer.clone())));
    known.insert("pattern".to_owned(), pattern.name.as_str().into());
    known.insert("pattern_version".to_owned(), pattern.version.into());
    let mut files = Rendered::new();
    for rule in &pattern.files {
        if let Some((path, file)) = one(engine, &pattern.name, rule, &known)? {
            if files.len() == MOST_FILES {
                return Err(RenderError::TooMany);
            }
            if files.insert(path.clone(), file).is_some() {
                return Err(RenderError::Twice(path));
            }
        }
    }
    Ok(files)
}

fn one(engine: &Engine<'_>, pattern: &str, rule: &FileRule, known: &Answers) -> Result<Option<(String, RenderedFile)>, RenderError> {
    if let Some(when) = &rule.when
        && !engine.holds(pattern, when, known)?
    {
        return Ok(None);
    }
    let path = engine.line(pattern, &rule.path, known)?;
    path::check(&path)?;
    let text = engine.render(&engine.line(pattern, &rule.from, known)?, known)?;
    Ok(Some((path, RenderedFile { text, executable: rule.executable })))
}
