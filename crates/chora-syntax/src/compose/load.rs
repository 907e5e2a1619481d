//! Reading files into one tree: the state that all steps share, and the order of the steps.

use std::collections::{HashMap, HashSet};
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

/// A part of the project cannot be had; why was reported. What needs it goes on without it, as far as it makes sense.
#[derive(Debug)]
pub(super) struct Stop;

/// The result of a step that may be in vain.
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
    /// A part of the project could not be read: what is not defined may be defined there.
    pub(super) incomplete: bool,
    /// Documents that were parsed and may be used again.
    documents: HashMap<String, Documents>,
    texts: HashMap<String, (u32, Arc<Source>)>,
}

/// What was read of a Compose file.
#[derive(Clone, Default)]
struct Documents {
    nodes: Vec<Node>,
    /// Whether it is all of the file.
    whole: bool,
}

/// Where a file stands: what its relative paths and variables mean, and what led to it.
#[derive(Clone, Copy)]
pub(super) struct Scope<'s> {
    pub(super) dir: &'s str,
    pub(super) environment: &'s Environment,
    /// Whether all env files of the environment could be read.
    pub(super) known: bool,
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
            incomplete: false,
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

    /// The documents of a Compose file, as far as they can be read.
    fn parse(&mut self, path: &str, cause: Span) -> Documents {
        let Ok((source, text)) = self.text(path, cause, "file") else { return Documents::default() };
        let parsed = yaml::parse(source, &text.text, &mut self.problems);
        let (mappings, others): (Vec<Node>, Vec<Node>) =
            parsed.documents.into_iter().partition(|document| matches!(document.value, Value::Map(_)));
        for document in others.iter().filter(|document| !document.is_unknown()) {
            let message = format!("a Compose file is a mapping, found {}", document.kind_name());
            self.problems.push(Problem::value(document.span, message));
        }
        Documents { nodes: mappings, whole: parsed.whole && others.is_empty() }
    }

    /// The documents of a file that is loaded later.
    pub(super) fn look(&mut self, path: &str) -> &[Node] {
        &self.kept(path, Span::default()).nodes
    }

    /// The documents of a file, parsed once.
    fn kept(&mut self, path: &str, cause: Span) -> &Documents {
        if !self.documents.contains_key(path) {
            let documents = self.parse(path, cause);
            self.documents.insert(path.to_owned(), documents);
        }
        self.documents.entry(path.to_owned()).or_default()
    }

    /// Loads and merges files that belong together.
    pub(super) fn model(&mut self, paths: &[String], cause: Span, scope: Scope<'_>) -> Node {
        let mut model = merge::empty();
        for path in paths {
            self.file(path, cause, &mut model, scope);
        }
        defaults::apply(&mut model);
        self.checked(&mut model, checks::check);
        places::resolve(&mut model, scope.dir, self.home.as_deref());
        environment::resolve_lines(&mut model, scope.environment);
        model
    }

    /// Loads one file over what earlier ones gave.
    fn file(&mut self, path: &str, cause: Span, model: &mut Node, scope: Scope<'_>) {
        // A file at the top is used once; one that is included may be needed again.
        let documents = match self.documents.remove(path) {
            Some(documents) => documents,
            None => self.parse(path, cause),
        };
        if !scope.included.is_empty() {
            self.documents.insert(path.to_owned(), documents.clone());
        }
        self.incomplete |= !documents.whole;
        for mut document in documents.nodes {
            let marks = Marks::collect(&mut document);
            self.interpolation(scope).visit(&mut document);
            self.extend_all(&mut document, path, &marks, scope);
            marks.apply(model, &[]);
            self.include_all(&mut document, path, &marks, scope);
            merge::merge_files(model, document, &mut self.problems);
            merge::unify(model);
            self.checked(model, |model, _, problems| validate::check_object(&TOP, model, &Path::ROOT, problems));
            if let Some(entry) = model.as_map_mut().and_then(|map| map.shift_remove("version")) {
                self.warnings.push(Problem::new(DiagnosticKind::Warning, entry.key, "the key `version` is obsolete and ignored"));
            }
            canonical::canonical(model, &mut self.problems);
            defaults::drop_empty(model);
            merge::unify(model);
        }
    }

    /// Runs a check; what it finds wrong is unknown from then on, so that later steps say nothing more about it.
    pub(super) fn checked(&mut self, node: &mut Node, check: impl FnOnce(&Node, bool, &mut Vec<Problem>)) {
        let before = self.problems.len();
        check(node, self.incomplete, &mut self.problems);
        if self.incomplete {
            let found = self.problems.split_off(before);
            self.problems.extend(found.into_iter().filter(|problem| problem.kind != DiagnosticKind::Missing));
        }
        let found = self.problems.iter().skip(before).map(|problem| problem.span).filter(|span| *span != Span::default());
        let wrong: HashSet<Span> = found.collect();
        if !wrong.is_empty() {
            forget(node, &wrong);
        }
    }

    /// What interpolation reads and where it reports.
    pub(super) const fn interpolation<'l>(&'l mut self, scope: Scope<'l>) -> Interpolation<'l> {
        Interpolation {
            environment: scope.environment,
            known: scope.known,
            sources: &self.sources,
            problems: &mut self.problems,
            warnings: &mut self.warnings,
        }
    }

    /// Loads one file on its own, unchecked, for a service in it to be extended; its paths are made absolute.
    pub(super) fn base_file(&mut self, path: &str, cause: Span, scope: Scope<'_>) -> Step<(Node, Marks)> {
        let mut model = merge::empty();
        let mut last = Marks::default();
        let documents = self.kept(path, cause).clone();
        for mut document in documents.nodes {
            let marks = Marks::collect(&mut document);
            self.interpolation(scope).visit(&mut document);
            marks.apply(&mut model, &[]);
            merge::merge_files(&mut model, document, &mut self.problems);
            merge::unify(&mut model);
            canonical::canonical(&mut model, &mut self.problems);
            defaults::drop_empty(&mut model);
            merge::unify(&mut model);
            last = marks;
        }
        places::resolve(&mut model, &lexical::parent(path), self.home.as_deref());
        if documents.whole { Ok((model, last)) } else { Err(Stop) }
    }
}

/// Makes every value unknown that stands, or whose key stands, at one of the places.
fn forget(node: &mut Node, wrong: &HashSet<Span>) {
    match &mut node.value {
        Value::List(list) => {
            for item in list {
                if wrong.contains(&item.span) {
                    item.value = Value::Unknown;
                }
                forget(item, wrong);
            }
        }
        Value::Map(map) => {
            for entry in map.values_mut() {
                if wrong.contains(&entry.key) || wrong.contains(&entry.node.span) {
                    entry.node.value = Value::Unknown;
                }
                forget(&mut entry.node, wrong);
            }
        }
        _ => {}
    }
}
