//! The patterns there are, and the templates that they share.

mod built_in;

use std::collections::BTreeMap;

use chora_syntax::{Diagnostics, yaml};
use indexmap::IndexMap;

use crate::answers::{self, AnswerError, Answers, Ask, Settled};
use crate::engine::{Engine, TemplateError};
use crate::migration::{self, Renames};
use crate::pattern::{PartFile, Pattern, PatternFile};
use crate::render::{self, Copies, RenderError, Rendered, TEMPLATE};
use crate::source::SourceFiles;

/// Why a catalogue cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CatalogueError {
    /// A manifest that is not right.
    #[error("{}", .0.render(false))]
    Manifest(Diagnostics),
    /// A part that is not there.
    #[error("the pattern `{pattern}` names the part `{part}`, which is not there")]
    NoPart {
        /// The pattern.
        pattern: String,
        /// The part.
        part: String,
    },
    /// A template that is none.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// A manifest or a template that is no text.
    #[error("`{0}` is no text")]
    NoText(String),
    /// Nothing that could be written.
    #[error("there is no pattern: no file `patterns/NAME.yaml`")]
    NoPatterns,
}

/// Patterns and templates.
pub struct Catalogue<'a> {
    patterns: BTreeMap<String, Pattern>,
    engine: Engine<'a>,
    copies: Copies<'a>,
}

impl Catalogue<'static> {
    /// The catalogue that is part of the program.
    ///
    /// # Errors
    /// None in a program that passed its tests.
    pub fn built_in() -> Result<Self, CatalogueError> {
        Self::read(built_in::FILES)
    }
}

impl<'a> Catalogue<'a> {
    /// Reads a catalogue from its files, by their paths below its root.
    ///
    /// # Errors
    /// A manifest or a template that is not right.
    pub fn read(files: &[(&'a str, &'a str)]) -> Result<Self, CatalogueError> {
        let mut parts = BTreeMap::new();
        for (path, text) in files {
            if let Some(name) = path.strip_prefix("parts/").and_then(|path| path.strip_suffix(".yaml")) {
                let part: PartFile = yaml::read(text, path).map_err(CatalogueError::Manifest)?;
                parts.insert(name, part);
            }
        }
        let mut patterns = BTreeMap::new();
        for (path, text) in files {
            if let Some(name) = path.strip_prefix("patterns/").and_then(|path| path.strip_suffix(".yaml")) {
                let file: PatternFile = yaml::read(text, path).map_err(CatalogueError::Manifest)?;
                patterns.insert(name.to_owned(), assembled(name, file, &parts)?);
            }
        }
        let templates = files.iter().filter(|(path, _)| path.ends_with(TEMPLATE)).copied();
        Ok(Self { patterns, engine: Engine::new(templates)?, copies: Copies::new() })
    }

    /// Reads a catalogue from elsewhere: the same files, and beside them what patterns copy as it is.
    ///
    /// # Errors
    /// A manifest or a template that is not right, no pattern at all.
    pub fn of(source: &'a SourceFiles) -> Result<Self, CatalogueError> {
        let (mut texts, mut copies) = (Vec::new(), Copies::new());
        for (path, file) in source.iter() {
            let is_manifest = (path.starts_with("patterns/") || path.starts_with("parts/")) && path.ends_with(".yaml");
            if is_manifest || path.ends_with(TEMPLATE) {
                texts.push((path, file.text().ok_or_else(|| CatalogueError::NoText(path.to_owned()))?));
            } else {
                copies.insert(path, Ok(file));
            }
        }
        copies.extend(source.unusable().map(|(path, why)| (path, Err(why.words()))));
        let catalogue = Self { copies, ..Self::read(&texts)? };
        if catalogue.patterns.is_empty() { Err(CatalogueError::NoPatterns) } else { Ok(catalogue) }
    }

    /// The patterns, by name.
    pub fn patterns(&self) -> impl Iterator<Item = &Pattern> {
        self.patterns.values()
    }

    /// A pattern.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&Pattern> {
        self.patterns.get(name)
    }

    /// A complete set of answers for a pattern; see [`answers::settle`].
    ///
    /// # Errors
    /// A question without an answer, an answer that does not fit.
    pub fn settle(&self, pattern: &Pattern, given: &Answers, found: &Answers) -> Result<Answers, AnswerError> {
        self.ask(pattern, given, found, &mut |_| None).map(|settled| settled.answers)
    }

    /// The same, with somebody who can be asked; see [`answers::settle`].
    ///
    /// # Errors
    /// As for [`Self::settle`].
    pub fn ask(&self, pattern: &Pattern, given: &Answers, found: &Answers, ask: &mut Ask<'_>) -> Result<Settled, AnswerError> {
        answers::settle(&self.engine, &pattern.questions, (given, found), ask)
    }

    /// The answers of an older version under their present names.
    #[must_use]
    pub fn migrated(&self, pattern: &Pattern, version: u32, answers: &Answers) -> Answers {
        migration::answers(pattern, version, answers)
    }

    /// Where the files of an older version are now.
    ///
    /// # Errors
    /// A line of a template that fails.
    pub fn renames(&self, pattern: &Pattern, version: u32, answers: &Answers) -> Result<Renames, TemplateError> {
        migration::files(&self.engine, pattern, version, &render::known(pattern, answers))
    }

    /// A line of a pattern's manifest, with the answers in it.
    ///
    /// # Errors
    /// A line of a template that fails.
    pub fn line(&self, pattern: &Pattern, line: &str, answers: &Answers) -> Result<String, TemplateError> {
        self.engine.line(&pattern.name, line, &render::known(pattern, answers))
    }

    /// The files of a pattern, for a complete set of answers.
    ///
    /// # Errors
    /// A template that fails, a path that leads elsewhere, too much of it.
    pub fn render(&self, pattern: &Pattern, answers: &Answers) -> Result<Rendered, RenderError> {
        render::render(&self.engine, &self.copies, pattern, answers)
    }
}

fn assembled(name: &str, file: PatternFile, parts: &BTreeMap<&str, PartFile>) -> Result<Pattern, CatalogueError> {
    let PatternFile { title, summary, version, parts: wanted, fixed, questions: own, files: own_files, hooks, mut migrations } = file;
    let (mut questions, mut files, mut known) = (crate::question::Questions::new(), Vec::new(), IndexMap::new());
    for part in wanted {
        let missing = || CatalogueError::NoPart { pattern: name.to_owned(), part: part.clone() };
        let found = parts.get(part.as_str()).ok_or_else(missing)?;
        known.extend(found.fixed.clone());
        questions.extend(found.questions.clone());
        files.extend(found.files.iter().cloned());
    }
    // What a pattern says itself takes the place of what its parts say, in their order; what it fixes is not asked.
    questions.retain(|name, _| !fixed.contains_key(name));
    known.extend(fixed);
    questions.extend(own);
    files.extend(own_files);
    migrations.sort_by_key(|migration| migration.to);
    Ok(Pattern { name: name.to_owned(), title, summary, version, fixed: known, questions, files, hooks, migrations })
}
