//! The stack at hand: take it down, list it, build it, prune what no release needs.

use std::collections::BTreeSet;

use chora_core::model::event::ProgressState;
use chora_core::model::ids::EnvironmentName;
use chora_core::plan::{Observed, labels, retention};
use chora_core::ports::EngineError;
use indexmap::IndexMap;

use crate::context::Context;
use crate::failure::Failure;
use crate::images::{self, Eagerness};
use crate::project::{DEVELOPMENT, Project, Selection, load, load_or_recall};
use crate::release;
use crate::rollout::holding::holding;
use crate::rollout::observe::observe;
use crate::rollout::settle::{Settlement, settle};
use crate::status::{ContainerLine, containers};

/// What to take down.
#[derive(Debug, Clone, Default, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DownRequest {
    /// Environment; `development` unless named.
    pub environment: Option<String>,
    /// Named volumes and their data too.
    pub volumes: bool,
    /// Tell what would be removed, touch nothing.
    pub dry_run: bool,
}

/// What was removed, by name.
#[derive(Debug, Clone, Default, serde::Serialize, schemars::JsonSchema)]
pub struct RemovedOutcome {
    /// Containers.
    pub containers: Vec<String>,
    /// Networks.
    pub networks: Vec<String>,
    /// Volumes.
    pub volumes: Vec<String>,
    /// Images.
    pub images: Vec<String>,
    /// Nothing was removed: this is what would be.
    pub dry_run: bool,
    /// The next command.
    pub next: String,
}

/// Stops and removes everything of an environment; volumes only when asked.
///
/// # Errors
/// Conflict while a deployment runs; unavailable when the engine does not answer.
pub async fn down(cx: &Context, request: &DownRequest) -> Result<RemovedOutcome, Failure> {
    let selection = Selection { environment: Some(request.environment.clone().unwrap_or_else(|| DEVELOPMENT.to_owned())) };
    let project = load_or_recall(cx, &selection).await?;
    if request.dry_run {
        let mut would = doomed(cx, &project, request.volumes).await?.1;
        (would.dry_run, would.next) = (true, format!("chora down{}", if request.volumes { " --volumes" } else { "" }));
        return Ok(would);
    }
    let work = async {
        settle(cx, &project, &project.environment.name, Settlement::Safe).await?;
        let removed = take_down(cx, &project, request.volumes).await;
        removed.map_err(|failure| failure.or_state("a part may be removed already; the same command goes on with the rest"))
    };
    holding(cx, &project, "down", Box::pin(work)).await
}

async fn take_down(cx: &Context, project: &Project, volumes: bool) -> Result<RemovedOutcome, Failure> {
    let (observed, removed) = doomed(cx, project, volumes).await?;
    // What is live may have been deployed under another project name: that is not taken down.
    if release::live(cx, &project.environment.name).await?.is_some_and(|live| live.stack.name == project.environment.project) {
        cx.store.set_live_release(&project.environment.name, None).await?;
    }
    let stops = observed.containers.iter().filter(|container| container.is_up()).map(|container| {
        cx.note(ProgressState::Begun, &format!("stop {}", container.name), "", (0, 0));
        cx.engine.stop_container(&container.name, None)
    });
    futures_util::future::try_join_all(stops).await?;
    for container in &removed.containers {
        cx.engine.remove_container(container, true).await?;
    }
    for network in &removed.networks {
        cx.engine.remove_network(network).await?;
    }
    for volume in &removed.volumes {
        cx.engine.remove_volume(volume).await?;
    }
    Ok(removed)
}

/// What there is of an environment, and what of it goes.
async fn doomed(cx: &Context, project: &Project, volumes: bool) -> Result<(Observed, RemovedOutcome), Failure> {
    let observed = observe(cx, &project.environment.project, &project.stack).await?;
    let own = IndexMap::from([(labels::PROJECT.to_owned(), project.environment.project.clone())]);
    let networks = cx.engine.networks(&own).await?.into_iter().map(|network| network.name).collect();
    let volumes = if volumes { cx.engine.volumes(&own).await?.into_iter().map(|volume| volume.name).collect() } else { Vec::new() };
    let containers = observed.containers.iter().map(|container| container.name.clone()).collect();
    let removed = RemovedOutcome { containers, networks, volumes, next: "chora up".to_owned(), ..RemovedOutcome::default() };
    Ok((observed, removed))
}

/// Which environment.
#[derive(Debug, Clone, Default, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PsRequest {
    /// Environment; `production` unless named.
    pub environment: Option<String>,
}

/// The project's containers.
#[derive(Debug, Clone, serde::Serialize, schemars::JsonSchema)]
pub struct PsOutcome {
    /// Environment.
    pub environment: EnvironmentName,
    /// Containers: active ones first.
    pub containers: Vec<ContainerLine>,
}

/// Lists the project's containers.
///
/// # Errors
/// Unavailable when the engine does not answer.
pub async fn ps(cx: &Context, request: &PsRequest) -> Result<PsOutcome, Failure> {
    let project = load_or_recall(cx, &Selection { environment: request.environment.clone() }).await?;
    Ok(PsOutcome { containers: containers(cx, &project).await?, environment: project.environment.name })
}

/// What to build.
#[derive(Debug, Clone, Default, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct BuildRequest {
    /// Environment; `production` unless named.
    pub environment: Option<String>,
    /// Services; all that are built unless named.
    pub services: Vec<String>,
    /// Build what did not change, too.
    pub again: bool,
    /// Version for the image labels.
    pub version: Option<String>,
}

/// Images by service.
#[derive(Debug, Clone, serde::Serialize, schemars::JsonSchema)]
pub struct BuildOutcome {
    /// Pins by service.
    pub images: IndexMap<String, chora_core::model::image::ImagePin>,
    /// The next command.
    pub next: String,
}

/// Builds the images of services that are built.
///
/// # Errors
/// Invalid when a build fails; unavailable when the engine does not answer.
pub async fn build(cx: &Context, request: &BuildRequest) -> Result<BuildOutcome, Failure> {
    let mut project = load(cx, &Selection { environment: request.environment.clone() })?;
    project
        .stack
        .services
        .retain(|name, service| service.build.is_some() && (request.services.is_empty() || request.services.contains(name)));
    let plan = images::survey(cx, &project, Eagerness { build: request.again, ..Eagerness::default() }, None).await?;
    let version = request.version.clone().unwrap_or_default();
    let images = images::obtain(cx, &plan, &project.stack, &version).await;
    let images = images.map_err(|error| Failure::from(error).or_state("images that were built before stay; no container was touched"))?;
    Ok(BuildOutcome { images, next: "chora deploy".to_owned() })
}

/// Where to tidy up.
#[derive(Debug, Clone, Default, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PruneRequest {
    /// Environment; `production` unless named.
    pub environment: Option<String>,
    /// Tell what would be removed, touch nothing.
    pub dry_run: bool,
}

/// Removes stopped containers and built images that no retained release needs, and what killed verifications left.
///
/// # Errors
/// Conflict while a deployment runs; unavailable when the engine does not answer.
pub async fn prune(cx: &Context, request: &PruneRequest) -> Result<RemovedOutcome, Failure> {
    let project = load_or_recall(cx, &Selection { environment: request.environment.clone() }).await?;
    if request.dry_run {
        return prune_held(cx, &project, true).await;
    }
    let work = async {
        settle(cx, &project, &project.environment.name, Settlement::Safe).await?;
        let removed = prune_held(cx, &project, false).await;
        removed.map_err(|failure| failure.or_state("a part may be removed already; nothing that a kept release needs"))
    };
    holding(cx, &project, "prune", Box::pin(work)).await
}

/// Removes an image by all of its names; one that somebody uses, such as a verification, stays.
async fn remove_image(cx: &Context, names: impl Iterator<Item = &str>) -> Result<bool, EngineError> {
    for name in names {
        match cx.engine.remove_image(name).await {
            Err(EngineError::Conflict { .. }) => return Ok(false),
            removed => removed?,
        }
    }
    Ok(true)
}

async fn prune_held(cx: &Context, project: &Project, dry_run: bool) -> Result<RemovedOutcome, Failure> {
    let environment = &project.environment.name;
    let mut releases = release::good(cx, environment, project.environment.releases_kept as usize).await?;
    releases.extend(release::live(cx, environment).await?);
    let retained: Vec<_> = releases.iter().collect();
    let observed = observe(cx, &project.environment.project, &project.stack).await?;
    let next = if dry_run { "chora prune" } else { "chora status" };
    let mut removed = RemovedOutcome { dry_run, next: next.to_owned(), ..RemovedOutcome::default() };
    // They may be what still uses an image.
    (removed.containers, removed.networks) = crate::verify::remove_leftovers(cx, dry_run).await?;
    for container in retention::beyond_retention(&observed.containers, &retained) {
        if !dry_run {
            cx.engine.remove_container(&container.name, true).await?;
        }
        removed.containers.push(container.name.clone());
    }
    let pinned: BTreeSet<_> = retained.iter().flat_map(|release| release.images.values()).map(|pin| pin.id.clone()).collect();
    let own = IndexMap::from([(labels::PROJECT.to_owned(), project.environment.project.clone())]);
    for image in cx.engine.images(&own).await? {
        let (Some(id), true) = (&image.id, image.labels.contains_key(labels::BUILD_INPUTS)) else { continue };
        if pinned.contains(id) {
            continue;
        }
        let names = image.tags.iter().map(String::as_str).chain([id.as_str()]).filter(|_| !dry_run);
        if remove_image(cx, names).await? {
            removed.images.push(id.to_string());
        }
    }
    if !dry_run {
        removed.images.extend(crate::own_image::remove_unused_images(cx.engine.as_ref()).await?);
        removed.volumes.extend(crate::own_image::remove_unused_volumes(cx.engine.as_ref()).await?);
    }
    Ok(removed)
}
