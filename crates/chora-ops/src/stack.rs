//! The stack at hand: take it down, list it, build it, prune what no release needs.

use std::collections::BTreeSet;

use chora_core::model::event::ProgressState;
use chora_core::model::ids::EnvironmentName;
use chora_core::plan::{labels, retention};
use indexmap::IndexMap;

use crate::context::Context;
use crate::failure::Failure;
use crate::images::{self, Eagerness};
use crate::project::{DEVELOPMENT, Selection, load};
use crate::release;
use crate::rollout::lease;
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
    /// The next command.
    pub next: String,
}

/// Stops and removes everything of an environment; volumes only when asked.
///
/// # Errors
/// Conflict while a deployment runs; unavailable when the engine does not answer.
pub async fn down(cx: &Context, request: &DownRequest) -> Result<RemovedOutcome, Failure> {
    let selection = Selection { environment: Some(request.environment.clone().unwrap_or_else(|| DEVELOPMENT.to_owned())) };
    let project = load(cx, &selection)?;
    let held = lease::take(cx, &project.environment.name, "down").await?;
    let settled = settle(cx, &project, &project.environment.name, Settlement::Safe).await;
    let result = match settled {
        Ok(_) => take_down(cx, &project, request.volumes).await,
        Err(failure) => Err(failure),
    };
    held.give_back(cx).await;
    result
}

async fn take_down(cx: &Context, project: &crate::project::Project, volumes: bool) -> Result<RemovedOutcome, Failure> {
    let observed = observe(cx, &project.environment.project, &project.stack).await?;
    cx.store.set_live_release(&project.environment.name, None).await?;
    let mut removed = RemovedOutcome { next: "chora up".to_owned(), ..RemovedOutcome::default() };
    let stops = observed.containers.iter().filter(|container| container.is_up()).map(|container| {
        cx.note(ProgressState::Begun, &format!("stop {}", container.name), "", (0, 0));
        cx.engine.stop_container(&container.name, None)
    });
    futures_util::future::try_join_all(stops).await?;
    for container in &observed.containers {
        cx.engine.remove_container(&container.name, true).await?;
        removed.containers.push(container.name.clone());
    }
    let own = IndexMap::from([(labels::PROJECT.to_owned(), project.environment.project.clone())]);
    for network in cx.engine.networks(&own).await? {
        cx.engine.remove_network(&network.name).await?;
        removed.networks.push(network.name);
    }
    if volumes {
        for volume in cx.engine.volumes(&own).await? {
            cx.engine.remove_volume(&volume.name).await?;
            removed.volumes.push(volume.name);
        }
    }
    Ok(removed)
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
    let project = load(cx, &Selection { environment: request.environment.clone() })?;
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
    let plan = images::survey(cx, &project, Eagerness { pull: false, build: request.again }).await?;
    let version = request.version.clone().unwrap_or_default();
    let images = images::obtain(cx, &plan, &project.stack, &version).await?;
    Ok(BuildOutcome { images, next: "chora deploy".to_owned() })
}

/// Removes stopped containers and built images that no retained release needs.
///
/// # Errors
/// Conflict while a deployment runs; unavailable when the engine does not answer.
pub async fn prune(cx: &Context, request: &PsRequest) -> Result<RemovedOutcome, Failure> {
    let project = load(cx, &Selection { environment: request.environment.clone() })?;
    let held = lease::take(cx, &project.environment.name, "prune").await?;
    let settled = settle(cx, &project, &project.environment.name, Settlement::Safe).await;
    let result = match settled {
        Ok(_) => prune_held(cx, &project).await,
        Err(failure) => Err(failure),
    };
    held.give_back(cx).await;
    result
}

async fn prune_held(cx: &Context, project: &crate::project::Project) -> Result<RemovedOutcome, Failure> {
    let environment = &project.environment.name;
    let mut releases: Vec<_> = release::good(cx, environment).await?.into_iter().map(|(release, _)| release).collect();
    releases.truncate(project.environment.releases_kept as usize);
    releases.extend(release::live(cx, environment).await?);
    let retained: Vec<_> = releases.iter().collect();
    let observed = observe(cx, &project.environment.project, &project.stack).await?;
    let mut removed = RemovedOutcome { next: "chora status".to_owned(), ..RemovedOutcome::default() };
    for container in retention::beyond_retention(&observed.containers, &retained) {
        cx.engine.remove_container(&container.name, true).await?;
        removed.containers.push(container.name.clone());
    }
    let pinned: BTreeSet<_> = retained.iter().flat_map(|release| release.images.values()).map(|pin| pin.id.clone()).collect();
    let own = IndexMap::from([(labels::PROJECT.to_owned(), project.environment.project.clone())]);
    for image in cx.engine.images(&own).await? {
        let (Some(id), true) = (&image.id, image.labels.contains_key(labels::BUILD_INPUTS)) else { continue };
        if !pinned.contains(id) {
            for tag in &image.tags {
                cx.engine.remove_image(tag).await?;
            }
            cx.engine.remove_image(id.as_str()).await?;
            removed.images.push(id.to_string());
        }
    }
    removed.images.extend(crate::probe::remove_unused_images(cx.engine.as_ref()).await?);
    Ok(removed)
}
