//! Which files make a project, and the variables they see.

use std::path::Path;

use super::environment;
use super::lexical;
use super::load::{Environment, Loader, Step, Stop};
use super::project::whole;
use super::request::ResolveRequest;
use super::resolve::absolute;
use crate::diagnostic::{DiagnosticKind, Problem};
use crate::span::Span;

const DEFAULT_NAMES: [&str; 4] = ["compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml"];
const OVERRIDE_NAMES: [&str; 4] =
    ["compose.override.yml", "compose.override.yaml", "docker-compose.override.yml", "docker-compose.override.yaml"];

/// The files of a project.
pub(super) struct Located {
    pub(super) compose_files: Vec<String>,
    pub(super) working_dir: String,
    pub(super) environment: Environment,
    /// Whether all env files could be read.
    pub(super) known: bool,
}

/// Finds the Compose files and env files of a request.
pub(super) fn locate(loader: &mut Loader<'_>, request: &ResolveRequest) -> Step<Located> {
    let start = lexical::clean(&request.project_dir.to_string_lossy());
    let fixed = request.working_dir.as_ref().map(|dir| absolute(&request.project_dir, dir));
    let mut compose_files: Vec<String> = request.compose_files.iter().map(|path| absolute(&request.project_dir, path)).collect();
    let mut environment = request.environment.clone();
    environment.entry("PWD".to_owned()).or_insert_with(|| start.clone());

    let dir = working_dir(fixed.as_deref(), &compose_files, &start);
    let mut known = add_env_files(loader, request, &dir, &mut environment);
    if compose_files.is_empty() {
        compose_files = from_variable(loader, &environment, &start)?;
    }
    if compose_files.is_empty() {
        compose_files = default_files(loader, &dir)?;
    }
    let dir = working_dir(fixed.as_deref(), &compose_files, &start);
    known &= add_env_files(loader, request, &dir, &mut environment);
    Ok(Located { compose_files, working_dir: dir, environment, known })
}

fn working_dir(fixed: Option<&str>, compose_files: &[String], start: &str) -> String {
    match (fixed, compose_files.first()) {
        (Some(dir), _) => dir.to_owned(),
        (None, Some(file)) => lexical::parent(file),
        (None, None) => start.to_owned(),
    }
}

/// Adds the variables of the env files that are named, or of `.env` in the working directory; whether all could be read.
fn add_env_files(loader: &mut Loader<'_>, request: &ResolveRequest, dir: &str, environment: &mut Environment) -> bool {
    let mut paths: Vec<String> = request.env_files.iter().map(|path| absolute(&request.project_dir, path)).collect();
    if let (true, Some(listed)) = (paths.is_empty(), request.environment.get("COMPOSE_ENV_FILES").filter(|listed| !listed.is_empty())) {
        paths = listed.split(',').map(|path| absolute(&request.project_dir, Path::new(path))).collect();
    }
    if paths.is_empty() {
        let disabled = request.environment.get("COMPOSE_DISABLE_ENV_FILE").is_some_and(|text| is_true(text));
        let default = lexical::join(dir, ".env");
        if disabled || !loader.files.exists(Path::new(&default)) {
            return true;
        }
        paths.push(default);
    }
    if paths.iter().all(|path| loader.read.iter().any(|read| read == Path::new(path))) {
        return true;
    }
    let (variables, known) = environment::read_files(loader, &paths, Span::default(), environment);
    environment::add(environment, variables);
    known
}

/// The files that `COMPOSE_FILE` names.
fn from_variable(loader: &mut Loader<'_>, environment: &Environment, start: &str) -> Step<Vec<String>> {
    let Some(listed) = environment.get("COMPOSE_FILE") else { return Ok(Vec::new()) };
    let separator = environment.get("COMPOSE_PATH_SEPARATOR").filter(|text| !text.is_empty()).map_or(":", String::as_str);
    let paths = listed.split(separator).map(|path| lexical::join(start, path));
    let (there, missing): (Vec<String>, Vec<String>) = paths.partition(|path| loader.files.exists(Path::new(path)));
    for path in &missing {
        let message = format!("file `{}`, named in COMPOSE_FILE, does not exist", loader.shown(path));
        loader.problems.push(whole(DiagnosticKind::File, message));
    }
    loader.incomplete |= !missing.is_empty();
    if there.is_empty() { Err(Stop) } else { Ok(there) }
}

/// The default file and its override, in the directory or the nearest one above that has a file.
fn default_files(loader: &mut Loader<'_>, start: &str) -> Step<Vec<String>> {
    let mut dir = start.to_owned();
    loop {
        let found = existing(loader, &dir, &DEFAULT_NAMES);
        if let Some(first) = found.first() {
            let mut files = vec![first.clone()];
            files.extend(existing(loader, &dir, &OVERRIDE_NAMES).into_iter().next());
            if found.len() > 1 {
                let message = format!("there are several Compose files; `{}` is used", loader.shown(first));
                loader.warnings.push(whole(DiagnosticKind::Warning, message));
            }
            return Ok(files);
        }
        let parent = lexical::parent(&dir);
        if parent == dir {
            let problem = Problem::new(DiagnosticKind::NoComposeFile, Span::default(), format!("no Compose file in `{start}`"));
            return loader.fail(problem.help(format!("expected one of {}", DEFAULT_NAMES.join(", "))));
        }
        dir = parent;
    }
}

fn existing(loader: &Loader<'_>, dir: &str, names: &[&str]) -> Vec<String> {
    names.iter().map(|name| lexical::join(dir, name)).filter(|path| loader.files.exists(Path::new(path))).collect()
}

fn is_true(text: &str) -> bool {
    matches!(text, "1" | "t" | "T" | "true" | "True" | "TRUE")
}
