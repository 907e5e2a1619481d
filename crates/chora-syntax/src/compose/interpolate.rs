//! Variables in every text of a tree.

use super::load::Environment;
use crate::diagnostic::{DiagnosticKind, Problem};
use crate::span::Span;
use crate::template::{self, TemplateError, Variables};
use crate::yaml::{Node, Value};

/// Interpolates a document; unset variables become warnings.
pub(super) fn document(node: &mut Node, environment: &Environment, problems: &mut Vec<Problem>, warnings: &mut Vec<Problem>) {
    let lookup = |name: &str| environment.get(name).cloned();
    visit(node, &lookup, problems, warnings);
}

fn visit(node: &mut Node, lookup: &dyn Fn(&str) -> Option<String>, problems: &mut Vec<Problem>, warnings: &mut Vec<Problem>) {
    let span = node.span;
    match &mut node.value {
        Value::Text(text) if text.contains('$') => match replaced(text, lookup, span, warnings) {
            Ok(value) => *text = value,
            Err(problem) => problems.push(problem),
        },
        Value::List(list) => list.iter_mut().for_each(|item| visit(item, lookup, problems, warnings)),
        Value::Map(map) => map.values_mut().for_each(|entry| visit(&mut entry.node, lookup, problems, warnings)),
        _ => {}
    }
}

/// One text interpolated.
pub(super) fn replaced(
    text: &str,
    lookup: &dyn Fn(&str) -> Option<String>,
    span: Span,
    warnings: &mut Vec<Problem>,
) -> Result<String, Problem> {
    let mut variables = Variables::new(lookup);
    let result = template::substitute(text, &mut variables);
    for name in variables.unset {
        let message = format!("variable `{name}` is not set, a blank text stands for it");
        warnings.push(Problem::new(DiagnosticKind::Warning, span, message));
    }
    result.map_err(|error| {
        let problem = Problem::new(DiagnosticKind::Variable, span, error.to_string());
        match error {
            TemplateError::Malformed { .. } => problem.help("write `$$` for a dollar sign"),
            TemplateError::Required { name, .. } => problem.help(format!("set `{name}` in the environment or in an env file")),
            TemplateError::TooDeep => problem,
        }
    })
}
