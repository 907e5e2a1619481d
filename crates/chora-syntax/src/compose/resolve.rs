//! The entry: from a request to a stack.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value as Json;

use super::consistency::{self, Names};
use super::load::{Environment, Loader, Scope, Step, Stop};
use super::model::Stack;
use super::name::ProjectName;
use super::request::{ResolveRequest, Resolved};
use super::written::Written;
use super::{keys, lexical, locate, name, normalize, project};
use crate::diagnostic::{DiagnosticKind, Diagnostics, locate_all};
use crate::files::Files;
use crate::span::Span;

/// Resolves a project: finds, reads and merges its files.
///
/// # Errors
/// Everything that is wrong with the files, with file, line and column; at least one diagnostic. A project without a
/// Compose file gives one of kind [`DiagnosticKind::NoComposeFile`].
pub fn resolve(files: &dyn Files, request: &ResolveRequest) -> Result<Resolved, Diagnostics> {
    let home = request.environment.get("HOME").cloned();
    let mut loader = Loader::new(files, request.project_dir.clone(), home);
    match run(&mut loader, request) {
        Ok(resolved) => Ok(resolved),
        Err(Stop) => Err(locate_all(std::mem::take(&mut loader.problems), &loader.sources)),
    }
}

fn run(loader: &mut Loader<'_>, request: &ResolveRequest) -> Step<Resolved> {
    let found = locate::locate(loader, request)?;
    let mut environment = found.environment;
    let dir = found.working_dir;
    let scope = Scope { dir: &dir, environment: &environment, known: found.known, included: &[] };
    let ProjectName { used: name, own: own_name } = name::project_name(loader, request, &found.compose_files, scope);
    environment.insert("COMPOSE_PROJECT_NAME".to_owned(), name.clone());

    let scope = Scope { dir: &dir, environment: &environment, known: found.known, included: &[] };
    let mut model = loader.model(&found.compose_files, Span::default(), scope);
    if model.as_map().is_none_or(indexmap::IndexMap::is_empty) && !loader.incomplete {
        return loader.fail(project::whole(DiagnosticKind::Value, "the Compose file is empty"));
    }
    normalize::normalize(&mut model, &name, &environment);

    let active = project::active(&model, &profiles(request, &environment));
    let names = Names { model: &model, active: &active, incomplete: loader.incomplete };
    consistency::check(&names, &mut loader.problems);
    let mut document = project::document(loader, &model, &active, &name, scope);
    loader.checkpoint()?;
    let (unsupported, without_effect) = keys::review(&model, &active, &document);
    loader.warnings.extend(without_effect);
    let held = Stack::deserialize(&document).map_err(|error| format!("the resolved stack cannot be held: {error}"));
    let stack = held.or_else(|message| loader.fail(project::whole(DiagnosticKind::Value, message)))?;
    project::add_own_keys(&mut document, &model);
    let mut canonical = Json::Object(document);
    project::double_dollars(&mut canonical);
    let warnings = locate_all(std::mem::take(&mut loader.warnings), &loader.sources).0;
    let unsupported = locate_all(unsupported, &loader.sources).0;
    Ok(Resolved {
        stack,
        own_name,
        canonical,
        files: std::mem::take(&mut loader.read),
        compose_files: found.compose_files.into_iter().map(PathBuf::from).collect(),
        working_dir: PathBuf::from(dir),
        environment,
        written: Written::new(model, std::mem::take(&mut loader.sources)),
        warnings,
        unsupported,
    })
}

fn profiles(request: &ResolveRequest, environment: &Environment) -> Vec<String> {
    if !request.profiles.is_empty() {
        return request.profiles.clone();
    }
    let listed = environment.get("COMPOSE_PROFILES").map(String::as_str).unwrap_or_default();
    listed.split(',').map(|profile| profile.trim().to_owned()).filter(|profile| !profile.is_empty()).collect()
}

/// An absolute path as text, from a directory.
pub(super) fn absolute(dir: &Path, path: &Path) -> String {
    lexical::join(&dir.to_string_lossy(), &path.to_string_lossy())
}
