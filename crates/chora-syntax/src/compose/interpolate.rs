//! Variables in every text of a tree.

use super::load::Environment;
use crate::diagnostic::{DiagnosticKind, Problem};
use crate::span::{Sources, Span};
use crate::template::{self, TemplateError, Variables};
use crate::yaml::{Node, Value};

/// What interpolation reads and where it reports.
pub(super) struct Interpolation<'a> {
    pub(super) environment: &'a Environment,
    pub(super) sources: &'a Sources,
    pub(super) problems: &'a mut Vec<Problem>,
    pub(super) warnings: &'a mut Vec<Problem>,
    /// Whether every variable is known; otherwise one that is not set may be set in what could not be read.
    pub(super) known: bool,
}

impl Interpolation<'_> {
    /// Interpolates a document; unset variables become warnings, and what cannot be interpolated is reported and unknown.
    pub(super) fn visit(&mut self, node: &mut Node) {
        let span = node.span;
        match &mut node.value {
            Value::Text(text) if text.contains('$') => {
                node.value = self.replaced(text, span).map_or(Value::Unknown, Value::Text);
            }
            Value::List(list) => list.iter_mut().for_each(|item| self.visit(item)),
            Value::Map(map) => map.values_mut().for_each(|entry| self.visit(&mut entry.node)),
            _ => {}
        }
    }

    /// One text interpolated; `None` when it was reported, or cannot be known.
    pub(super) fn replaced(&mut self, text: &str, span: Span) -> Option<String> {
        let environment = self.environment;
        let lookup = |name: &str| environment.get(name).cloned();
        let mut variables = Variables::new(&lookup);
        let result = template::substitute_all(text, &mut variables);
        if !self.known && !variables.unset.is_empty() {
            return None;
        }
        for name in variables.unset {
            let message = format!("variable `{name}` is not set, a blank text stands for it");
            self.warnings.push(Problem::new(DiagnosticKind::Unset, self.place(span, &name), message));
        }
        result
            .map_err(|errors| {
                for error in errors.iter().filter(|error| self.known || !matches!(error, TemplateError::Required { .. })) {
                    self.problems.push(self.problem(error, span));
                }
            })
            .ok()
    }

    fn problem(&self, error: &TemplateError, span: Span) -> Problem {
        let message = error.to_string();
        let problem = |span, help: String| Problem::new(DiagnosticKind::Variable, span, message.as_str()).help(help);
        match error {
            TemplateError::Malformed { text, .. } => problem(self.sources.narrow(span, text), "write `$$` for a dollar sign".to_owned()),
            TemplateError::Required { name, .. } => {
                problem(self.place(span, name), format!("set `{name}` in the environment or in an env file"))
            }
            TemplateError::TooDeep => Problem::new(DiagnosticKind::Variable, span, message.as_str()),
        }
    }

    /// Where a variable is used within a text.
    fn place(&self, span: Span, name: &str) -> Span {
        let braced = self.sources.narrow(span, &format!("${{{name}"));
        if braced == span { self.sources.narrow(span, &format!("${name}")) } else { braced }
    }
}
