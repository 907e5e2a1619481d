//! The `build --multi` operation: images for several architectures, each built by the engine and pushed, under one name.

pub(crate) mod emulation;

use chora_core::compose::Service;
use chora_core::model::ids::EnvironmentName;
use indexmap::IndexMap;

use crate::context::Context;
use crate::failure::{Failure, FailureKind};
use crate::project::{Project, Selection, load};
use crate::registry::{built_only, registry, repository, send, tag};
use crate::{images, version};

/// Platforms unless the stack or the request names some.
const USUAL: [&str; 2] = ["linux/amd64", "linux/arm64"];

/// What to build, for what, and where it goes.
#[derive(Debug, Clone, Default, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct MultiRequest {
    /// Host of the registry, with its path, such as `ghcr.io/acme`.
    pub registry: String,
    /// Environment; `production` unless named.
    pub environment: Option<String>,
    /// Services; all that are built unless named.
    pub services: Vec<String>,
    /// Tag, and version for the image labels; what git says unless given.
    pub version: Option<String>,
    /// Platforms such as `linux/arm64`; those of `build.platforms`, else amd64 and arm64.
    pub platforms: Vec<String>,
}

/// An image for several platforms.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
pub struct MultiImage {
    /// `name:tag` in the registry.
    pub reference: String,
    /// Digest of the index.
    pub digest: String,
    /// Digests of the manifests by platform.
    pub platforms: IndexMap<String, String>,
}

/// What was built and pushed.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
pub struct MultiOutcome {
    /// Environment.
    pub environment: EnvironmentName,
    /// Images by service.
    pub images: IndexMap<String, MultiImage>,
    /// The next command.
    pub next: String,
}

/// Builds every image for every platform, pushes them, and puts one name over each.
///
/// # Errors
/// Invalid when a build fails, or would run programs that the machine cannot; denied when the registry wants a login; unavailable
/// when it does not answer.
pub async fn build_multi(cx: &Context, request: &MultiRequest) -> Result<MultiOutcome, Failure> {
    let registry = registry(&request.registry)?;
    let mut project = load(cx, &Selection { environment: request.environment.clone() })?;
    built_only(&mut project, &request.services)?;
    let version = match &request.version {
        Some(version) => version.clone(),
        None => version::describe(&project.directory).await.ok_or_else(crate::push::nameless)?,
    };
    let version = tag(&version)?;
    let services = project.stack.services.iter();
    let wanted: Vec<(String, Vec<String>)> =
        services.map(|(name, service)| (name.clone(), platforms(service, &request.platforms))).collect();
    let machine = cx.engine.facts().await?;
    for (name, platforms) in &wanted {
        // Before anything is built: an hour later is too late to hear it.
        emulation::check(&project, name, platforms, &machine)?;
    }
    let mut images = IndexMap::new();
    for (name, platforms) in &wanted {
        let made = one(cx, &project, (&registry, version), (name, platforms)).await;
        let made = made.map_err(|failure| failure.or_state(&state(&images)))?;
        images.insert(name.clone(), made);
    }
    Ok(MultiOutcome { environment: project.environment.name, images, next: format!("chora verify {registry}/NAME:{version}") })
}

/// The platforms that the image of a service is for: those asked for, else its own, else the usual ones.
pub(crate) fn platforms(service: &Service, asked: &[String]) -> Vec<String> {
    if !asked.is_empty() {
        return asked.to_vec();
    }
    let own = service.build.as_ref().map(|build| build.platforms.clone()).unwrap_or_default();
    if own.is_empty() { USUAL.map(str::to_owned).to_vec() } else { own }
}

async fn one(
    cx: &Context,
    project: &Project,
    (registry, version): (&str, &str),
    (name, platforms): (&str, &[String]),
) -> Result<MultiImage, Failure> {
    let interrupted = || Failure::new(FailureKind::Unavailable, "interrupted while images were built").hint("run the command again");
    let missing = || Failure::new(FailureKind::NotFound, format!("no service `{name}`"));
    let repository = repository(registry, project, name, project.stack.services.get(name).ok_or_else(missing)?);
    let mut manifests = IndexMap::new();
    for platform in platforms {
        let prepared = images::prepare_apart(cx, project, name, platform).await?;
        let pin = tokio::select! {
            pin = images::obtain_apart(cx, &prepared, version) => pin?,
            () = cx.cancel.cancelled() => return Err(interrupted()),
        };
        let digest = send(cx, &pin.id, &format!("{repository}:{version}-{}", suffix(platform))).await?;
        manifests.insert(platform.clone(), digest);
    }
    let reference = format!("{repository}:{version}");
    let pairs: Vec<(String, String)> = manifests.iter().map(|(platform, digest)| (platform.clone(), digest.clone())).collect();
    let digest = cx.engine.publish_index(&reference, &pairs).await?;
    Ok(MultiImage { reference, digest, platforms: manifests })
}

/// What distinguishes the tag of one platform, such as `arm64`, `arm-v7`.
pub(crate) fn suffix(platform: &str) -> String {
    platform.split('/').skip(1).collect::<Vec<_>>().join("-")
}

fn state(images: &IndexMap<String, MultiImage>) -> String {
    let done: Vec<&str> = images.values().map(|image| image.reference.as_str()).collect();
    if done.is_empty() {
        return "no image has its name yet; what was pushed for single platforms stays".to_owned();
    }
    format!("{} are in the registry, the others are not; the same command goes on", done.join(", "))
}
