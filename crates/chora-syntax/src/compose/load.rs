//! Reading files into one tree: the state that all steps share, and the order of the steps.

use std::collections::HashMap;
use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;

use indexmap::IndexMap;

use super::interpolate::Interpolation;
use super::marks::Marks;
use super::path::Path;
use super::schema::TOP;
use super::{canonical, checks, defaults, environment, lexical, merge, places, validate};
use crate::diagnostic::{DiagnosticKind, Problem};
use crate::files::{FileProblem, Files};
use crate::span::{Source, Sources, Span};
use crate::yaml::{self, Node, Value};

/// Problems were reported; the resolution cannot go on.
#[derive(Debug)]
pub(super) struct Stop;

/// The result of a step.
pub(super) type Step<T = ()> = Result<T, Stop>;

/// Variables by name.
pub(super) type Environment = IndexMap<String, String>;

/// What all steps of a resolution share.
pub(super) struct Loader<'f> {
    pub(super) files: &'f dyn Files,
    pub(super) sources: Sources,
    pub(super) problems: Vec<Problem>,
    pub(super) warnings: Vec<Problem>,
    pub(super) read: Vec<PathBuf>,
    /// Names in messages are relative to this directory.
    pub(super) base: PathBuf,
    pub(super) home: Option<String>,
    /// Documents that were parsed and not used yet.
    documents: HashMap<String, Vec<Node>>,
    texts: HashMap<String, (u32, Arc<Source>)>,
}

/// Where a file stands: what its relative paths and variables mean, and what led to it.
#[derive(Clone, Copy)]
pub(super) struct Scope<'s> {
    pub(super) dir: &'s str,
    pub(super) environment: &'s Environment,
    /// Files being included, outermost first.
    pub(super) included: &'s [String],
}

impl<'f> Loader<'f> {
    pub(super) fn new(files: &'f dyn Files, base: PathBuf, home: Option<String>) -> Self {
        Self {
            files,
            sources: Sources::default(),
            problems: Vec::new(),
            warnings: Vec::new(),
            read: Vec::new(),
            base,
            home,
            documents: HashMap::new(),
            texts: HashMap::new(),
        }
    }

    /// Ends the resolution when anything was reported.
    pub(super) const fn checkpoint(&self) -> Step {
        if self.problems.is_empty() { Ok(()) } else { Err(Stop) }
    }

    pub(super) fn fail<T>(&mut self, problem: Problem) -> Step<T> {
        self.problems.push(problem);
        Err(Stop)
    }

    /// The name of a file in messages.
    pub(super) fn shown(&self, path: &str) -> String {
        FilePath::new(path).strip_prefix(&self.base).map_or_else(|_| path.to_owned(), |rest| rest.display().to_string())
    }

    /// Reads a file, once; `cause` is the text that named it.
    pub(super) fn text(&mut self, path: &str, cause: Span, what: &str) -> Step<(u32, Arc<Source>)> {
        if let Some((source, text)) = self.texts.get(path) {
            return Ok((*source, Arc::clone(text)));
        }
        match self.files.read(FilePath::new(path)) {
            Ok(text) => {
                self.read.push(PathBuf::from(path));
                let (number, source) = self.sources.add(self.shown(path), text);
                self.texts.insert(path.to_owned(), (number, Arc::clone(&source)));
                Ok((number, source))
            }
            Err(problem) => {
                let shown = self.shown(path);
                let message = match problem {
                    FileProblem::NotFound => format!("{what} `{shown}` does not exist"),
                    other => format!("{what} `{shown}` cannot be read: {other}"),
                };
                self.fail(Problem::new(DiagnosticKind::File, cause, message))
            }
        }
    }

    /// The documents of a Compose file.
    pub(super) fn parsed(&mut self, path: &str, cause: Span) -> Step<Vec<Node>> {
        if let Some(documents) = self.documents.remove(path) {
            return Ok(documents);
        }
        let (source, text) = self.text(path, cause, "file")?;
        let documents = yaml::parse(source, &text.text, &mut self.problems);
        for document in &documents {
            self.stop_with_unknown_keys(document)?;
            if !matches!(document.value, Value::Map(_)) {
                let message = format!("a Compose file is a mapping, found {}", document.kind_name());
                return self.fail(Problem::value(document.span, message));
            }
        }
        self.checkpoint()?;
        Ok(documents)
    }

    /// Looks at the documents of a file that is loaded later.
    pub(super) fn look<T>(&mut self, path: &str, see: impl FnOnce(&[Node]) -> T) -> Step<T> {
        let documents = self.parsed(path, Span::default())?;
        let seen = see(&documents);
        self.documents.insert(path.to_owned(), documents);
        Ok(seen)
    }

    /// Loads and merges files that belong together.
    pub(super) fn model(&mut self, paths: &[String], cause: Span, scope: Scope<'_>) -> Step<Node> {
        let mut model = merge::empty();
        for path in paths {
            self.file(path, cause, &mut model, scope)?;
        }
        defaults::apply(&mut model);
        checks::check(&model, &mut self.problems);
        self.checkpoint()?;
        places::resolve(&mut model, scope.dir, self.home.as_deref());
        environment::resolve_lines(&mut model, scope.environment);
        Ok(model)
    }

    /// Loads one file over what earlier ones gave.
    fn file(&mut self, path: &str, cause: Span, model: &mut Node, scope: Scope<'_>) -> Step {
        for mut document in self.parsed(path, cause)? {
            let marks = Marks::collect(&mut document);
            self.interpolate(&mut document, scope.environment)?;
            self.extend_all(&mut document, path, &marks, scope)?;
            marks.apply(model, &[]);
            self.include_all(&mut document, path, &marks, scope)?;
            merge::merge_files(model, document, &mut self.problems);
            merge::unify(model);
            self.checkpoint()?;
            validate::check_object(&TOP, model, &Path::ROOT, &mut self.problems);
            self.checkpoint()?;
            if let Some(entry) = model.as_map_mut().and_then(|map| map.shift_remove("version")) {
                self.warnings.push(Problem::new(DiagnosticKind::Warning, entry.key, "the key `version` is obsolete and ignored"));
            }
            canonical::canonical(model, &mut self.problems);
            defaults::drop_empty(model);
            merge::unify(model);
            self.checkpoint()?;
        }
        Ok(())
    }

    fn interpolate(&mut self, document: &mut Node, environment: &Environment) -> Step {
        self.interpolation(environment).visit(document);
        self.stop_with_unknown_keys(document)
    }

    /// What interpolation reads and where it reports.
    pub(super) const fn interpolation<'l>(&'l mut self, environment: &'l Environment) -> Interpolation<'l> {
        Interpolation { environment, sources: &self.sources, problems: &mut self.problems, warnings: &mut self.warnings }
    }

    /// Ends the resolution when anything was reported; mistyped keys of the same document are reported with it.
    fn stop_with_unknown_keys(&mut self, document: &Node) -> Step {
        if !self.problems.is_empty() {
            let mut found = Vec::new();
            validate::check_object(&TOP, document, &Path::ROOT, &mut found);
            self.problems.extend(found.into_iter().filter(|problem| problem.kind == DiagnosticKind::UnknownKey));
        }
        self.checkpoint()
    }

    /// Loads one file on its own, unchecked, for a service in it to be extended; its paths are made absolute.
    pub(super) fn base_file(&mut self, path: &str, cause: Span, scope: Scope<'_>) -> Step<(Node, Marks)> {
        let mut model = merge::empty();
        let mut last = Marks::default();
        for mut document in self.parsed(path, cause)? {
            let marks = Marks::collect(&mut document);
            self.interpolate(&mut document, scope.environment)?;
            marks.apply(&mut model, &[]);
            merge::merge_files(&mut model, document, &mut self.problems);
            merge::unify(&mut model);
            canonical::canonical(&mut model, &mut self.problems);
            defaults::drop_empty(&mut model);
            merge::unify(&mut model);
            last = marks;
        }
        self.checkpoint()?;
        places::resolve(&mut model, &lexical::parent(path), self.home.as_deref());
        Ok((model, last))
    }
}
