//! The `build --multi` operation: images for several architectures under one name, built by buildx where there is one that helps, else by
//! the engine, one after the other.

mod buildx;
pub(crate) mod emulation;
mod program;

use std::collections::BTreeSet;

use chora_core::compose::Service;
use chora_core::model::ids::EnvironmentName;
use indexmap::IndexMap;

use crate::context::Context;
use crate::failure::{Failure, FailureKind};
use crate::images;
use crate::platform::{plain, suffix};
use crate::project::Project;
use crate::publish::two_of_one_name;
use crate::registry::{Consignment, consign, repository, send};

use buildx::{Boot, Way};

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
    /// What builds: `engine`, `buildx` with its current builder, or a builder of buildx by its name; whatever helps unless given.
    pub builder: Option<String>,
    /// Tell, touch nothing.
    pub dry_run: bool,
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

/// By what images are built.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
#[serde(tag = "by", rename_all = "snake_case")]
pub enum BuiltBy {
    /// The engine's own builder, platform by platform.
    Engine {
        /// Why not a builder of buildx, where nobody has asked for the engine.
        #[serde(skip_serializing_if = "String::is_empty")]
        because: String,
    },
    /// A builder of buildx, all platforms at once.
    Buildx {
        /// Its name.
        name: String,
        /// Its driver, such as `docker-container`.
        driver: String,
    },
}

impl std::fmt::Display for BuiltBy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Engine { because } if because.is_empty() => f.write_str("engine"),
            Self::Engine { because } => write!(f, "engine ({because})"),
            Self::Buildx { name, driver } => write!(f, "buildx {name} ({driver})"),
        }
    }
}

/// What was built and pushed.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
pub struct MultiOutcome {
    /// Environment.
    pub environment: EnvironmentName,
    /// What builds.
    pub builder: BuiltBy,
    /// Images by service.
    pub images: IndexMap<String, MultiImage>,
    /// What would be done, of a dry run.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub plan: Vec<String>,
    /// The next command.
    pub next: String,
}

/// An image that is wanted.
struct Wanted {
    /// Services that are made of it; the build of the first one makes it.
    services: Vec<String>,
    /// Its name in the registry, without a tag.
    repository: String,
    platforms: Vec<String>,
}

impl Wanted {
    fn service(&self) -> &str {
        self.services.first().map_or("", String::as_str)
    }
}

/// Builds every image for every platform, pushes them, and puts one name over each.
///
/// # Errors
/// Invalid when a build fails, would run programs that nobody here can, two services give one name to different images, or the builder that
/// was asked for cannot do it; not found when that one is not there; denied when the registry wants a login; unavailable when it does not
/// answer.
pub async fn build_multi(cx: &Context, request: &MultiRequest) -> Result<MultiOutcome, Failure> {
    let MultiRequest { registry, environment, services, version, .. } = request;
    let Consignment { registry, project, version } = consign(cx, registry, environment.as_ref(), services, version.as_ref()).await?;
    let wanted = wanted(cx, &project, (&registry, &request.platforms)).await?;
    let boot = if request.dry_run { Boot::Never } else { Boot::WhereAsleep };
    let way = buildx::choose(cx, (&project, &registry), &wanted, (request.builder.as_deref(), boot)).await?;
    if let Way::Engine { because } = &way {
        let machine = cx.engine.facts().await?;
        let why: Vec<String> = Some(because).filter(|because| !because.is_empty()).cloned().into_iter().collect();
        for wanted in &wanted {
            // Before anything is built: an hour later is too late to hear it.
            emulation::check(&project, wanted.service(), &wanted.platforms, &machine).map_err(|failure| failure.details(why.clone()))?;
        }
    }
    let environment = project.environment.name.clone();
    if request.dry_run {
        let plan = wanted.iter().flat_map(|wanted| foreseen(wanted, &version)).collect();
        let next = again(request, &registry, &version);
        return Ok(MultiOutcome { environment, builder: way.told(), images: IndexMap::new(), plan, next });
    }
    let mut made = IndexMap::new();
    for wanted in &wanted {
        let image = match &way {
            Way::Engine { .. } => one(cx, &project, wanted, &version).await,
            Way::Buildx(chosen) => Box::pin(buildx::build(cx, chosen, &project, (wanted, &version))).await,
        };
        let image = image.map_err(|failure| failure.or_state(&state(&made)))?;
        made.extend(wanted.services.iter().map(|service| (service.clone(), image.clone())));
    }
    let services = project.stack.services.keys();
    let images = services.filter_map(|service| made.shift_remove_entry(service)).collect();
    let next = format!("chora verify {registry}/NAME:{version}");
    Ok(MultiOutcome { environment, builder: way.told(), images, plan: Vec::new(), next })
}

/// The images of the project's services, none of them twice.
///
/// # Errors
/// Invalid when two services give one name to images that are built from different files, or for different platforms.
async fn wanted(cx: &Context, project: &Project, (registry, asked): (&str, &[String])) -> Result<Vec<Wanted>, Failure> {
    let mut all: Vec<Wanted> = Vec::new();
    for (name, service) in &project.stack.services {
        let (repository, platforms) = (repository(registry, project, name, service), platforms(service, asked));
        let Some(known) = all.iter_mut().find(|wanted| wanted.repository == repository) else {
            all.push(Wanted { services: vec![name.clone()], repository, platforms });
            continue;
        };
        let first = images::prepare_together(cx, project, known.service(), &known.platforms).await?;
        let other = images::prepare_together(cx, project, name, &platforms).await?;
        if first.inputs() != other.inputs() {
            return Err(two_of_one_name(known.service(), name, &repository));
        }
        known.services.push(name.clone());
    }
    Ok(all)
}

/// The platforms that the image of a service is for: those asked for, else its own, else the usual ones.
fn platforms(service: &Service, asked: &[String]) -> Vec<String> {
    if !asked.is_empty() {
        return distinct(asked);
    }
    let own = service.build.as_ref().map(|build| build.platforms.clone()).unwrap_or_default();
    if own.is_empty() { USUAL.map(str::to_owned).to_vec() } else { distinct(&own) }
}

/// Each platform once, whatever it is called.
fn distinct(platforms: &[String]) -> Vec<String> {
    let mut known = BTreeSet::new();
    platforms.iter().filter(|platform| known.insert(plain(platform))).cloned().collect()
}

/// The same command, but for real.
fn again(request: &MultiRequest, registry: &str, version: &str) -> String {
    let mut words = vec!["chora build".to_owned()];
    words.extend(request.services.iter().cloned());
    words.push(format!("--multi --push {registry} --version {version}"));
    if !request.platforms.is_empty() {
        words.push(format!("--platform {}", request.platforms.join(",")));
    }
    words.extend(request.builder.iter().map(|builder| format!("--builder {builder}")));
    words.join(" ")
}

/// What would be done for an image.
fn foreseen(wanted: &Wanted, version: &str) -> [String; 2] {
    let Wanted { services, repository, platforms } = wanted;
    let platforms = platforms.join(", ");
    [format!("build {} for {platforms}, where it is not built yet", services.join(", ")), format!("push it as {repository}:{version}")]
}

async fn one(cx: &Context, project: &Project, wanted: &Wanted, version: &str) -> Result<MultiImage, Failure> {
    let Wanted { repository, platforms, .. } = wanted;
    let mut manifests = IndexMap::new();
    for platform in platforms {
        let prepared = images::prepare_apart(cx, project, wanted.service(), (platform, platforms)).await?;
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

fn interrupted() -> Failure {
    Failure::new(FailureKind::Unavailable, "interrupted while images were built").hint("run the command again")
}

fn state(images: &IndexMap<String, MultiImage>) -> String {
    let done: BTreeSet<&str> = images.values().map(|image| image.reference.as_str()).collect();
    if done.is_empty() {
        return "no image has its name yet; what was pushed for single platforms stays".to_owned();
    }
    let done: Vec<&str> = done.into_iter().collect();
    format!("{} are in the registry, the others are not; the same command goes on", done.join(", "))
}
