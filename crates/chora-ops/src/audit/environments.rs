//! The environments of a project: those of `chora.yaml`, else those that the names of Compose files tell of.

use std::collections::BTreeSet;
use std::path::Path;

use chora_core::audit::{EnvironmentFiles, Evidence, ManifestFile, ResolvedStack};
use chora_syntax::compose::Resolved;
use chora_syntax::manifest::{Environment, EnvironmentClass};
use chora_syntax::{DiagnosticKind, Diagnostics};

use super::{reasons, shown};
use crate::context::Settings;
use crate::project::{DEFAULT_ENVIRONMENT, DEVELOPMENT, resolve_environment};

/// Compose files that are found without being named, in the order in which they are.
const USUAL: [&str; 4] = ["compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml"];
/// What names of further files say about the environment that they are for.
const NAMES: [(&str, &[&str], EnvironmentClass); 4] = [
    (DEFAULT_ENVIRONMENT, &["prod", "production"], EnvironmentClass::Production),
    ("staging", &["staging", "stage"], EnvironmentClass::Staging),
    ("test", &["test", "tests", "testing", "ci"], EnvironmentClass::Development),
    (DEVELOPMENT, &["dev", "development", "local", "override"], EnvironmentClass::Development),
];

pub(super) fn environments(settings: &Settings, manifest: &ManifestFile, paths: &BTreeSet<String>) -> Vec<EnvironmentFiles> {
    let named = if let ManifestFile::Read(manifest, _) = manifest { Some(&manifest.environments) } else { None };
    match named.filter(|environments| !environments.is_empty()) {
        Some(environments) => {
            let mut all: Vec<EnvironmentFiles> =
                environments.iter().map(|(name, wanted)| one(settings, (name, wanted.class_of(name)), wanted)).collect();
            if !all.iter().any(|environment| environment.class != EnvironmentClass::Development) {
                // It needs no description to be deployed.
                all.push(one(settings, (DEFAULT_ENVIRONMENT, EnvironmentClass::Production), &Environment::default()));
            }
            all
        }
        None => by_names(settings, paths),
    }
}

fn one(settings: &Settings, (name, class): (&str, EnvironmentClass), wanted: &Environment) -> EnvironmentFiles {
    let root = settings.project_dir.as_path();
    let resolved = resolve_environment(settings, name, wanted);
    let files = match &resolved {
        Ok(resolved) => resolved.compose_files.iter().map(|file| shown(root, file)).collect(),
        Err(_) if wanted.compose_files.is_empty() => usual(root).into_iter().map(str::to_owned).collect(),
        Err(_) => wanted.compose_files.clone(),
    };
    EnvironmentFiles { name: name.to_owned(), class, files, stack: stack(resolved) }
}

/// The Compose file that is found without being named.
fn usual(root: &Path) -> Option<&'static str> {
    USUAL.into_iter().find(|name| root.join(name).is_file())
}

fn stack(resolved: Result<Resolved, Diagnostics>) -> Result<ResolvedStack, Vec<Evidence>> {
    let resolved = resolved.map_err(|problems| reasons(&problems))?;
    let (unset, _): (Vec<_>, Vec<_>) = resolved.warnings.into_iter().partition(|warning| warning.kind == DiagnosticKind::Unset);
    Ok(ResolvedStack { stack: resolved.stack, written: resolved.written, unset: reasons(&Diagnostics(unset)) })
}

fn by_names(settings: &Settings, paths: &BTreeSet<String>) -> Vec<EnvironmentFiles> {
    let base = usual(&settings.project_dir);
    let mut all = Vec::new();
    for (name, words, class) in NAMES {
        let own = words.iter().find_map(|word| further(paths, word));
        let is_usual = name == DEFAULT_ENVIRONMENT && (base.is_some() || settings.variables.contains_key("COMPOSE_FILE"));
        match own {
            Some(file) => all.push(of_file(settings, (name, class), base, &file)),
            // Without a file of its own it is the usual one that is deployed.
            None if is_usual => all.push(one(settings, (name, class), &Environment::default())),
            // What is deployed has a file of its own: the usual one is for development.
            None if name == DEVELOPMENT && base.is_some() && is_described(&all) => {
                all.push(one(settings, (name, class), &Environment::default()));
            }
            None => {}
        }
    }
    if !all.iter().any(|environment| environment.class == EnvironmentClass::Production) {
        let stack = Err(vec![Evidence::in_file("compose.yaml", None, "there is no Compose file for production")]);
        all.push(EnvironmentFiles { name: DEFAULT_ENVIRONMENT.to_owned(), class: EnvironmentClass::Production, files: Vec::new(), stack });
    }
    all
}

/// Whether production has a file of its own.
fn is_described(environments: &[EnvironmentFiles]) -> bool {
    let production = environments.iter().find(|environment| environment.name == DEFAULT_ENVIRONMENT);
    production.and_then(|production| production.files.last()).is_some_and(|last| !USUAL.contains(&last.as_str()))
}

/// A further Compose file with a word in its name.
fn further(paths: &BTreeSet<String>, word: &str) -> Option<String> {
    let is_it = |path: &&String| {
        let name = path.strip_prefix("docker-").unwrap_or(path);
        let stem = name.strip_suffix(".yaml").or_else(|| name.strip_suffix(".yml"));
        let suffix = stem.and_then(|stem| stem.strip_prefix("compose")).and_then(|rest| rest.strip_prefix(['.', '-', '_']));
        suffix.is_some_and(|suffix| suffix.eq_ignore_ascii_case(word))
    };
    paths.iter().find(is_it).cloned()
}

/// An environment of a file that stands alone, or goes over the usual one: it does when it has no service of its own.
fn of_file(settings: &Settings, named: (&str, EnvironmentClass), base: Option<&str>, file: &str) -> EnvironmentFiles {
    let with =
        |files: &[&str]| Environment { compose_files: files.iter().map(|file| (*file).to_owned()).collect(), ..Environment::default() };
    let alone = one(settings, named, &with(&[file]));
    let Some(base) = base else { return alone };
    match &alone.stack {
        Ok(own) if !adds_only(settings, base, own) => alone,
        _ => one(settings, named, &with(&[base, file])),
    }
}

/// Whether every service of a file is one of the usual file, too.
fn adds_only(settings: &Settings, base: &str, own: &ResolvedStack) -> bool {
    let wanted = Environment { compose_files: vec![base.to_owned()], ..Environment::default() };
    let resolved = resolve_environment(settings, DEVELOPMENT, &wanted);
    resolved.is_ok_and(|usual| own.stack.services.keys().all(|name| usual.stack.services.contains_key(name)))
}

/// Files with secrets of every stack, absolute.
pub(super) fn secret_files(environments: &[EnvironmentFiles]) -> BTreeSet<String> {
    let stacks = environments.iter().filter_map(|environment| environment.stack.as_ref().ok());
    stacks.flat_map(|resolved| resolved.stack.secrets.values().filter_map(|secret| secret.file.clone())).collect()
}

/// A path relative to a directory, where it lies below it.
pub(super) fn below(directory: &Path, path: &str) -> Option<String> {
    Path::new(path).strip_prefix(directory).ok().map(|path| path.display().to_string()).filter(|path| !path.is_empty())
}
