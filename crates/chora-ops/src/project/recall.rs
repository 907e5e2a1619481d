//! A project whose files cannot be read now, as the store knows it: what runs can still be seen, taken back and taken down.

use chora_core::model::event::ProgressState;
use chora_core::model::ids::EnvironmentName;

use super::load::{Selection, load};
use super::{DEFAULT_ENVIRONMENT, Project, manifest};
use crate::context::{Context, Settings};
use crate::failure::{Failure, FailureKind};
use crate::scaffold::apply;

/// The project from its files, else from what was deployed last.
///
/// # Errors
/// As `load`, when nothing was deployed.
pub(crate) async fn load_or_recall(cx: &Context, selection: &Selection) -> Result<Project, Failure> {
    let failure = match load(cx, selection) {
        Ok(project) => return Ok(project),
        Err(failure) => failure,
    };
    // Half-written files are as good as broken ones: what runs can still be taken back and taken down.
    let is_half_written = failure.kind == FailureKind::Conflict && apply::is_pending(&cx.settings.project_dir);
    if !is_half_written && !matches!(failure.kind, FailureKind::Invalid | FailureKind::NotFound) {
        return Err(failure);
    }
    let name = selection.environment.as_deref().unwrap_or(DEFAULT_ENVIRONMENT);
    let Some(project) = recall(cx, &EnvironmentName::new(name)).await? else { return Err(failure) };
    let detail = failure.details.first().and_then(|detail| detail.lines().next()).unwrap_or(&failure.message);
    let words = format!("cannot be used as they are ({}); what was deployed last counts", detail.trim_start_matches("error: "));
    cx.note(ProgressState::Note, "the project's files", &words, (0, 0));
    Ok(project)
}

async fn recall(cx: &Context, environment: &EnvironmentName) -> Result<Option<Project>, Failure> {
    let deployments = cx.store.deployments(environment, 20).await?;
    let live = cx.store.live_release(environment).await?;
    let mut release = None;
    for id in live.iter().chain(deployments.iter().map(|deployment| &deployment.release)) {
        release = cx.store.release(id).await?;
        if release.is_some() {
            break;
        }
    }
    let (Some(release), Some(last)) = (release, deployments.into_iter().next()) else { return Ok(None) };
    let directory = cx.settings.project_dir.clone();
    let manifest = manifest::read(&directory).ok().flatten();
    let services = manifest::services(manifest.as_ref(), &directory, &release.stack)
        .or_else(|_| manifest::services(None, &directory, &release.stack))?;
    Ok(Some(Project {
        directory,
        repository: last.repository,
        environment: last.environment,
        engine: engine(&cx.settings, environment.as_str()),
        stack: release.stack,
        bridges: release.bridges,
        variables: cx.settings.variables.clone(),
        files: Vec::new(),
        compose_files: Vec::new(),
        health: services.health,
        rollouts: services.rollouts,
        canaries: services.canaries,
        contracts: services.contracts,
        unsupported: Vec::new(),
        warnings: Vec::new(),
    }))
}

/// The engine's address that `chora.yaml` names for an environment, as far as it can be read.
#[must_use]
pub fn engine(settings: &Settings, environment: &str) -> Option<String> {
    let manifest = manifest::read(&settings.project_dir).ok().flatten();
    manifest::environment(manifest.as_ref(), environment).ok()?.engine
}
