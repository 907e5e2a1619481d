//! The name of a project.

use super::load::{Environment, Loader, Step, Stop};
use super::project::whole;
use super::request::ResolveRequest;
use crate::diagnostic::{DiagnosticKind, Problem};
use crate::span::Span;
use crate::yaml::Node;

/// The name: as asked for, `COMPOSE_PROJECT_NAME`, the last `name` key, or the directory's.
pub(super) fn project_name(
    loader: &mut Loader<'_>,
    request: &ResolveRequest,
    compose_files: &[String],
    dir: &str,
    environment: &Environment,
) -> Step<String> {
    let from_variable = || environment.get("COMPOSE_PROJECT_NAME").filter(|name| !name.is_empty()).cloned();
    if let Some(name) = request.project_name.clone().filter(|name| !name.is_empty()).or_else(from_variable) {
        if normalized(&name) == name {
            return Ok(name);
        }
        let problem = whole(DiagnosticKind::Value, format!("`{name}` is not a project name"));
        return loader.fail(problem.help("lower-case letters, digits, `-` and `_`, starting with a letter or digit"));
    }
    let mut given: Option<(String, Span)> = None;
    for path in compose_files {
        let last = loader.look(path, |documents| documents.iter().rev().find_map(name_key))?;
        given = last.or(given);
    }
    let (name, span) = match given {
        None => (normalized(dir.rsplit('/').next().unwrap_or_default()), Span::default()),
        Some((text, span)) => {
            let Some(name) = loader.interpolation(environment).replaced(&text, span) else { return Err(Stop) };
            (normalized(&name), span)
        }
    };
    if name.is_empty() {
        let problem = Problem::value(span, "the project has no usable name");
        return loader.fail(problem.help("add `name: NAME` to the Compose file"));
    }
    Ok(name)
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
