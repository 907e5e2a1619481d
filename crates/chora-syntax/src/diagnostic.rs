//! What is wrong with a file, where, and what was expected; one value holds all problems of a resolution.

use std::fmt::{Display, Formatter};
use std::sync::Arc;

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};

use crate::span::{Source, Sources, Span};

/// What a diagnostic is about, for callers that act on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DiagnosticKind {
    /// There is no Compose file to read.
    NoComposeFile,
    /// A file that something names cannot be read.
    File,
    /// The text is not valid YAML, or not a valid env file.
    Syntax,
    /// A key that the format does not have.
    UnknownKey,
    /// A value of the wrong type or form.
    Value,
    /// A key that has to be there.
    Missing,
    /// A variable that is required and missing, or a malformed `${…}`.
    Variable,
    /// Something is named that is not defined, or two parts contradict each other.
    Reference,
    /// A key that is valid but that Chora does not honour.
    Unsupported,
    /// A variable that is not set and has no default; nothing is refused.
    Unset,
    /// Worth knowing; nothing is refused.
    Warning,
}

/// One problem, with the excerpt that shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// What it is about.
    pub kind: DiagnosticKind,
    /// What is wrong: a lower-case fragment.
    pub message: String,
    /// What was expected, or what to write instead.
    pub help: Option<String>,
    source: Option<Arc<Source>>,
    start: usize,
    end: usize,
}

impl Diagnostic {
    /// A diagnostic that points at no text.
    #[must_use]
    pub fn without_source(kind: DiagnosticKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), help: None, source: None, start: 0, end: 0 }
    }

    /// The file, as messages print it.
    #[must_use]
    pub fn file(&self) -> Option<&str> {
        self.source.as_ref().map(|source| source.name.as_str())
    }

    /// Line and column of the offending text, counted from one.
    #[must_use]
    pub fn position(&self) -> Option<(usize, usize)> {
        self.source.as_ref().map(|source| source.position(self.start))
    }

    /// The offending text.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        self.source.as_ref().and_then(|source| source.text.get(self.start..self.end))
    }

    /// The problem with its excerpt, the offending text underlined.
    #[must_use]
    pub fn render(&self, color: bool) -> String {
        let renderer = if color { Renderer::styled() } else { Renderer::plain() };
        let is_refused = !matches!(self.kind, DiagnosticKind::Unset | DiagnosticKind::Warning);
        let level = if is_refused { Level::ERROR } else { Level::WARNING };
        let mut group = level.primary_title(self.message.as_str()).elements(None::<Snippet<'_, annotate_snippets::Annotation<'_>>>);
        if let Some(source) = &self.source {
            let range = self.start..self.end;
            group = group
                .element(Snippet::source(source.text.as_str()).path(source.name.as_str()).annotation(AnnotationKind::Primary.span(range)));
        }
        if let Some(help) = &self.help {
            group = group.element(Level::HELP.message(help.as_str()));
        }
        renderer.render(&[group])
    }
}

impl Display for Diagnostic {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        if let (Some(file), Some((line, column))) = (self.file(), self.position()) {
            write!(f, "{file}:{line}:{column}: ")?;
        }
        f.write_str(&self.message)?;
        self.help.as_ref().map_or(Ok(()), |help| write!(f, " ({help})"))
    }
}

/// All problems of a resolution; never empty when it is an error.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Diagnostics(pub Vec<Diagnostic>);

impl Diagnostics {
    /// Whether one of them is of the given kind.
    #[must_use]
    pub fn has(&self, kind: DiagnosticKind) -> bool {
        self.0.iter().any(|diagnostic| diagnostic.kind == kind)
    }

    /// All problems with their excerpts, a blank line between two.
    #[must_use]
    pub fn render(&self, color: bool) -> String {
        self.0.iter().map(|diagnostic| diagnostic.render(color)).collect::<Vec<_>>().join("\n\n")
    }
}

impl Display for Diagnostics {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        for (index, diagnostic) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            Display::fmt(diagnostic, f)?;
        }
        Ok(())
    }
}

impl std::error::Error for Diagnostics {}

impl From<Diagnostic> for Diagnostics {
    fn from(diagnostic: Diagnostic) -> Self {
        Self(vec![diagnostic])
    }
}

/// A problem before its excerpt is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) kind: DiagnosticKind,
    pub(crate) span: Span,
    pub(crate) message: String,
    pub(crate) help: Option<String>,
}

impl Problem {
    pub(crate) fn new(kind: DiagnosticKind, span: Span, message: impl Into<String>) -> Self {
        Self { kind, span, message: message.into(), help: None }
    }

    pub(crate) fn value(span: Span, message: impl Into<String>) -> Self {
        Self::new(DiagnosticKind::Value, span, message)
    }

    pub(crate) fn missing(span: Span, message: impl Into<String>) -> Self {
        Self::new(DiagnosticKind::Missing, span, message)
    }

    pub(crate) fn reference(span: Span, message: impl Into<String>) -> Self {
        Self::new(DiagnosticKind::Reference, span, message)
    }

    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    pub(crate) fn locate(self, sources: &Sources) -> Diagnostic {
        let source = sources.get(self.span).cloned();
        let len = source.as_ref().map_or(0, |source| source.text.len());
        let start = usize::try_from(self.span.start).unwrap_or(0).min(len);
        let end = usize::try_from(self.span.end).unwrap_or(0).clamp(start, len);
        let (start, end) = source.as_ref().map_or((0, 0), |source| on_characters(&source.text, start, end));
        Diagnostic { kind: self.kind, message: self.message, help: self.help, source, start, end }
    }
}

/// Moves a range outwards to character boundaries and cuts it at the end of its first line.
fn on_characters(text: &str, start: usize, end: usize) -> (usize, usize) {
    let start = text.floor_char_boundary(start);
    let end = text.ceil_char_boundary(end);
    let line_end = text.get(start..end).and_then(|part| part.find('\n')).map_or(end, |at| start + at);
    (start, line_end.max(start))
}

/// Turns problems into diagnostics, in the order of the text and without repetitions.
pub(crate) fn locate_all(mut problems: Vec<Problem>, sources: &Sources) -> Diagnostics {
    problems.sort_by_key(|problem| (problem.span.source, problem.span.start));
    let mut told = std::collections::HashSet::new();
    problems.retain(|problem| told.insert((problem.span, problem.message.clone())));
    Diagnostics(problems.into_iter().map(|problem| problem.locate(sources)).collect())
}
