//! The name of a project.

use super::load::{Loader, Scope};
use super::project::whole;
use super::request::ResolveRequest;
use crate::diagnostic::{DiagnosticKind, Problem};
use crate::span::Span;
use crate::yaml::Node;

/// Stands for a name that could not be interpolated, which was reported.
const UNKNOWN: &str = "unknown";

/// The names of a project.
pub(super) struct ProjectName {
    /// As asked for; else its own with what is to be added.
    pub(super) used: String,
    /// From `COMPOSE_PROJECT_NAME`, the last `name` key, or the directory.
    pub(super) own: String,
}

/// Finds the name of a project; the files are parsed, and nothing in them but the name is interpolated.
pub(super) fn project_name(loader: &mut Loader<'_>, request: &ResolveRequest, compose_files: &[String], scope: Scope<'_>) -> ProjectName {
    let mut given: Option<(String, Span)> = None;
    for path in compose_files {
        given = loader.look(path).iter().rev().find_map(name_key).or(given);
    }
    let Some(asked) = request.project_name.as_ref().filter(|name| !name.is_empty()) else {
        let own = own_name(loader, given, scope);
        return ProjectName { used: format!("{own}{}", request.name_suffix), own };
    };
    // A project that is given a name need not have a usable one of its own.
    let told = (loader.problems.len(), loader.warnings.len());
    let own = own_name(loader, given, scope);
    let failed = loader.problems.len() > told.0;
    loader.problems.truncate(told.0);
    loader.warnings.truncate(told.1);
    ProjectName { used: checked(loader, asked), own: if failed { asked.clone() } else { own } }
}

fn own_name(loader: &mut Loader<'_>, given: Option<(String, Span)>, scope: Scope<'_>) -> String {
    if let Some(name) = scope.environment.get("COMPOSE_PROJECT_NAME").filter(|name| !name.is_empty()) {
        return checked(loader, name);
    }
    let (name, span) = match given {
        None => (normalized(scope.dir.rsplit('/').next().unwrap_or_default()), Span::default()),
        Some((text, span)) => match loader.interpolation(scope).replaced(&text, span) {
            Some(name) => (normalized(&name), span),
            None => return UNKNOWN.to_owned(),
        },
    };
    if name.is_empty() {
        let problem = Problem::value(span, "the project has no usable name");
        loader.problems.push(problem.help("add `name: NAME` to the Compose file"));
    }
    name
}

fn checked(loader: &mut Loader<'_>, name: &str) -> String {
    if normalized(name) != name {
        let problem = whole(DiagnosticKind::Value, format!("`{name}` is not a project name"));
        loader.problems.push(problem.help("lower-case letters, digits, `-` and `_`, starting with a letter or digit"));
    }
    name.to_owned()
}

fn name_key(document: &Node) -> Option<(String, Span)> {
    let node = document.get("name")?;
    let name = node.as_text().filter(|name| !name.is_empty())?;
    Some((name.to_owned(), node.span))
}

/// Lower case, without characters that a name cannot hold.
fn normalized(name: &str) -> String {
    let kept: String =
        name.to_lowercase().chars().filter(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '-')).collect();
    kept.trim_start_matches(['_', '-']).to_owned()
}

#[cfg(test)]
mod tests {
    use super::normalized;

    #[test]
    fn names_keep_what_the_engine_takes() {
        for (name, expected) in [("My App.v2", "myappv2"), ("-_x", "x"), ("Ünï", "n"), ("a_b-c", "a_b-c"), ("...", "")] {
            assert_eq!(normalized(name), expected);
        }
    }
}
