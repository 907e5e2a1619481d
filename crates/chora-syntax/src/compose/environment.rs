//! Variables: from env files, and for names that a service lists without a value.

use super::load::{Environment, Loader};
use crate::diagnostic::{DiagnosticKind, Problem};
use crate::dotenv::{self, DotenvError};
use crate::span::Span;
use crate::yaml::{Node, Value};

/// Adds variables that are not set yet.
pub(super) fn add(environment: &mut Environment, variables: Environment) {
    for (name, value) in variables {
        environment.entry(name).or_insert(value);
    }
}

/// Reads env files in order; later files win, `current` wins in their own `${…}`. Tells whether all of it could be read.
pub(super) fn read_files(loader: &mut Loader<'_>, paths: &[String], cause: Span, current: &Environment) -> (Environment, bool) {
    let mut variables = Environment::new();
    let mut known = true;
    for path in paths {
        let Ok((source, text)) = loader.text(path, cause, "env file") else {
            known = false;
            continue;
        };
        let errors = dotenv::parse_lines(&text.text, &|name| current.get(name).cloned(), &mut variables);
        // What a line asks for may have been set in one that could not be read.
        let told = errors.into_iter().filter(|error| std::mem::replace(&mut known, false) || !error.missing_variable);
        loader.problems.extend(told.map(|error| located(error, source)));
    }
    (variables, known)
}

/// An env file's error at its place.
pub(super) fn located(error: DotenvError, source: u32) -> Problem {
    let offset = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
    let span = Span { source, start: offset(error.at), end: offset(error.at + error.len) };
    let kind = if error.missing_variable { DiagnosticKind::Variable } else { DiagnosticKind::Syntax };
    Problem::new(kind, span, error.message)
}

/// Gives names in `environment` lists the values they have in the scope of their file.
pub(super) fn resolve_lines(model: &mut Node, environment: &Environment) {
    let Some(Value::Map(services)) = model.as_map_mut().and_then(|map| map.get_mut("services")).map(|entry| &mut entry.node.value) else {
        return;
    };
    for service in services.values_mut() {
        let list = service.node.as_map_mut().and_then(|map| map.get_mut("environment")).and_then(|entry| entry.node.as_list_mut());
        for line in list.into_iter().flatten() {
            if let Value::Text(text) = &mut line.value
                && let Some(value) = environment.get(text.as_str())
            {
                *text = format!("{text}={value}");
            }
        }
    }
}
