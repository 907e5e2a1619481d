//! From files on disk to a [`Project`]: `chora.yaml` where there is one, the Compose files, the environment's defaults.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use chora_core::compose::Stack;
use chora_core::model::environment::{Environment, EnvironmentClass, WatchRules};
use chora_core::model::ids::EnvironmentName;
use chora_core::plan::gateway::{GATEWAY, add_gateway};
use chora_syntax::compose::{ResolveRequest, Resolved, resolve};
use chora_syntax::manifest::{Manifest, Watch};
use chora_syntax::{DiagnosticKind, Diagnostics, FileProblem, Files};
use indexmap::IndexMap;

use super::{DEFAULT_ENVIRONMENT, DEVELOPMENT, Project};
use crate::context::{Context, Settings};
use crate::exposure;
use crate::failure::{Failure, FailureKind};
use crate::scaffold::apply;
use crate::secrets::FileSecrets;

/// How long a replaced release has to end what it is at, where nobody says.
const DRAIN: Duration = Duration::from_secs(30);

/// Which part of a project is wanted.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// Environment; `production` unless named.
    pub environment: Option<String>,
}

/// Files on disk.
pub(crate) struct DiskFiles;

impl Files for DiskFiles {
    fn read(&self, path: &Path) -> Result<String, FileProblem> {
        let bytes = std::fs::read(path).map_err(|error| match error.kind() {
            ErrorKind::NotFound | ErrorKind::NotADirectory => FileProblem::NotFound,
            ErrorKind::IsADirectory => FileProblem::IsDirectory,
            _ => FileProblem::Other(error.to_string()),
        })?;
        String::from_utf8(bytes).map_err(|_| FileProblem::NotText)
    }
}

/// Reads the project for one environment.
///
/// # Errors
/// Invalid when a file is not right, with every diagnostic; not found when there is no Compose file or no such environment.
pub fn read(settings: &Settings, selection: &Selection) -> Result<Project, Failure> {
    let (project, _) = resolve_project(settings, selection)?;
    Ok(project)
}

/// The project for one environment: the one that the context holds, else read anew.
///
/// # Errors
/// As [`read`].
pub fn load(cx: &Context, selection: &Selection) -> Result<Project, Failure> {
    let name = selection.environment.as_deref().unwrap_or(DEFAULT_ENVIRONMENT);
    match cx.project.as_deref().filter(|project| project.environment.name.as_str() == name) {
        Some(project) => Ok(project.clone()),
        None => read(&cx.settings, selection),
    }
}

/// Which resolved stack to print.
#[derive(Debug, Clone, Default, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ConfigRequest {
    /// Environment; `production` unless named.
    pub environment: Option<String>,
}

/// The resolved stack.
#[derive(Debug, Clone, serde::Serialize, schemars::JsonSchema)]
pub struct ConfigOutcome {
    /// Canonical document, as `docker compose config --format json` prints it; secrets' values are not part of it.
    pub stack: serde_json::Value,
    /// Files that it was read from.
    pub files: Vec<PathBuf>,
    /// Worth knowing, each as a rendered diagnostic.
    pub warnings: Vec<String>,
}

/// Gives the resolved stack of an environment.
///
/// # Errors
/// As [`read`].
pub fn config(settings: &Settings, request: &ConfigRequest) -> Result<ConfigOutcome, Failure> {
    let selection = Selection { environment: request.environment.clone() };
    let (project, mut stack) = resolve_project(settings, &selection)?;
    let secrets = FileSecrets::new(project.variables.clone().into_iter().collect());
    let values: Vec<_> = project.stack.secrets.iter().filter_map(|(key, object)| secrets.read(key, object).ok()).collect();
    exposure::hide(&mut stack, &values);
    let mut warnings = project.warnings;
    // Every `up` would say so, and nobody would read it any more.
    if project.environment.class == EnvironmentClass::Development {
        let manifest = super::manifest::read(&settings.project_dir)?;
        let name = project.environment.name.as_str();
        warnings.extend(super::manifest::edge::unserved(manifest.as_ref(), name, "development has no gateway"));
    }
    Ok(ConfigOutcome { stack, files: project.files, warnings })
}

/// Resolves the Compose files of an environment.
pub(crate) fn resolve_environment(
    settings: &Settings,
    name: &str,
    wanted: &chora_syntax::manifest::Environment,
) -> Result<Resolved, Diagnostics> {
    let request = ResolveRequest {
        project_dir: settings.project_dir.clone(),
        compose_files: wanted.compose_files.iter().map(PathBuf::from).collect(),
        env_files: wanted.env_files.iter().map(PathBuf::from).collect(),
        environment: settings.variables.clone(),
        profiles: wanted.profiles.clone(),
        project_name: wanted.project_name.clone(),
        name_suffix: name_suffix(name),
        ..ResolveRequest::default()
    };
    resolve(&DiskFiles, &request)
}

fn resolve_project(settings: &Settings, selection: &Selection) -> Result<(Project, serde_json::Value), Failure> {
    // Half of the files would be those of before.
    apply::refuse_pending(&settings.project_dir).map_err(|failure| failure.state("nothing was changed"))?;
    let manifest = super::manifest::read(&settings.project_dir)?;
    let name = selection.environment.clone().unwrap_or_else(|| DEFAULT_ENVIRONMENT.to_owned());
    let wanted = super::manifest::environment(manifest.as_ref(), &name)?;
    let resolved = resolve_environment(settings, &name, &wanted).map_err(|problems| refused(&problems, &settings.project_dir))?;
    let environment = Environment {
        name: EnvironmentName::new(&name),
        class: class_of(&wanted, &name),
        project: resolved.stack.name.clone(),
        releases_kept: wanted.releases_kept.max(1),
        gate_timeout: wanted.gate_timeout.0,
        gap_timeout: wanted.gap_timeout.map(|gap| gap.0),
        drain: wanted.drain.map_or(DRAIN, |drain| drain.0),
        drains: super::manifest::drains(manifest.as_ref()),
        watch: wanted.watch.map(|watch| watch.r#for.0).filter(|watch| !watch.is_zero()),
        watch_rules: wanted.watch.map(watch_rules).unwrap_or_default(),
    };
    let services = super::manifest::services(manifest.as_ref(), &settings.project_dir, &resolved.stack)?;
    let mut unsupported: Vec<String> = resolved.unsupported().iter().map(|diagnostic| diagnostic.render(false)).collect();
    unsupported.extend(super::manifest::not_honoured(manifest.as_ref(), &name, &wanted));
    unsupported.extend(super::manifest::out_of_reach(manifest.as_ref(), &name, &wanted));
    let mut stack = resolved.stack;
    let recorded = |service: &str| services.health.get(service).is_some_and(|health| health.function.is_some());
    let bridges = super::manifest::bridges(manifest.as_ref(), &mut stack, environment.class, recorded)?;
    let mut warnings: Vec<String> = resolved.warnings.iter().map(ToString::to_string).collect();
    warnings.extend(super::manifest::astray(&stack, &bridges));
    let edge = (&wanted, environment.class);
    warnings.extend(way_in(&mut stack, manifest.as_ref(), (&name, edge), &settings.project_dir)?);
    let project = Project {
        directory: settings.project_dir.clone(),
        repository: manifest.and_then(|manifest| manifest.repository.or(manifest.name)).unwrap_or_else(|| resolved.own_name.clone()),
        environment,
        engine: wanted.engine.clone(),
        stack,
        variables: resolved.environment,
        files: resolved.files,
        compose_files: resolved.compose_files.clone(),
        bridges,
        health: services.health,
        rollouts: services.rollouts,
        canaries: services.canaries,
        contracts: services.contracts,
        unsupported,
        warnings,
    };
    Ok((project, resolved.canonical))
}

/// Adds the gateway, and what it serves by host and path; gives what is worth knowing where there is none.
fn way_in(
    stack: &mut Stack,
    manifest: Option<&Manifest>,
    (name, (wanted, class)): (&str, (&chora_syntax::manifest::Environment, EnvironmentClass)),
    directory: &Path,
) -> Result<Option<String>, Failure> {
    let careful = class != EnvironmentClass::Development;
    if !wanted.gateway {
        let why = "it has no gateway (`gateway: false`)";
        return Ok(super::manifest::edge::unserved(manifest, name, why).filter(|_| careful));
    }
    check_name_is_free(stack)?;
    if careful {
        super::manifest::edge::add(stack, manifest, (name, wanted), directory)?;
    }
    add_gateway(stack, class);
    Ok(None)
}

/// Development has the project's own name, as Compose gives it; other environments stand beside it on one engine.
fn name_suffix(environment: &str) -> String {
    if environment == DEVELOPMENT { String::new() } else { format!("-{environment}") }
}

/// The gateway's name must be its own.
fn check_name_is_free(stack: &Stack) -> Result<(), Failure> {
    if !stack.services.contains_key(GATEWAY) {
        return Ok(());
    }
    let failure = Failure::new(FailureKind::Invalid, format!("a service is called `{GATEWAY}`, as the gateway that chora adds would be"));
    Err(failure
        .state("nothing was changed")
        .hint("give the service another name, or set `gateway: false` for the environment in chora.yaml"))
}

fn class_of(wanted: &chora_syntax::manifest::Environment, name: &str) -> EnvironmentClass {
    match wanted.class_of(name) {
        chora_syntax::manifest::EnvironmentClass::Development => EnvironmentClass::Development,
        chora_syntax::manifest::EnvironmentClass::Staging => EnvironmentClass::Staging,
        chora_syntax::manifest::EnvironmentClass::Production => EnvironmentClass::Production,
    }
}

fn refused(problems: &Diagnostics, directory: &Path) -> Failure {
    if problems.has(DiagnosticKind::NoComposeFile) {
        let failure = Failure::new(FailureKind::NotFound, format!("no Compose file in {}", directory.display()));
        return failure.hint("go to the project's directory, or name it with --project; `compose.yaml` is the usual name");
    }
    let count = problems.0.len();
    let what = if count == 1 { "a problem".to_owned() } else { format!("{count} problems") };
    let failure = Failure::new(FailureKind::Invalid, format!("the project has {what}"));
    failure
        .state("nothing was changed")
        .hint("mend the files, then see `chora config`")
        .details(problems.0.iter().map(|problem| problem.render(false)).collect())
}

/// Per-service settings of `chora.yaml`.
#[derive(Debug, Default)]
pub(super) struct ServiceSettings {
    pub(super) health: IndexMap<String, chora_core::model::health::ServiceHealth>,
    pub(super) rollouts: IndexMap<String, chora_core::plan::Rollout>,
    pub(super) canaries: IndexMap<String, chora_core::model::canary::CanaryRules>,
    pub(super) contracts: IndexMap<String, PathBuf>,
}

fn watch_rules(watch: Watch) -> WatchRules {
    let every_ms = u64::try_from(watch.every.0.as_millis()).unwrap_or(u64::MAX).max(1);
    WatchRules { every_ms, failures: watch.failures, errors: watch.errors }
}
