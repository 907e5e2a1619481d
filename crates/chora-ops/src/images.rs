//! Images: found, pulled or built, and pinned by id.

mod context;
mod policy;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use chora_core::compose::{Build, Service, Stack};
use chora_core::model::digest::Digest;
use chora_core::model::event::ProgressState;
use chora_core::model::ids::ImageId;
use chora_core::model::image::{Image, ImageBuild, ImagePin, OWN_DOCKERFILE};
use chora_core::plan::gateway::is_gateway;
use chora_core::plan::labels;
use chora_core::ports::EngineError;
use futures_util::future::try_join_all;
use indexmap::IndexMap;

use crate::context::Context;
use crate::failure::{Failure, FailureKind};
use crate::own_image::OwnImageError;
use crate::platform::{own, plain, suffix};
use crate::project::Project;

/// Tries of a pull whose registry does not answer.
const PULL_TRIES: u32 = 4;
/// The first pause between two tries; it doubles.
const PULL_PAUSE: Duration = Duration::from_secs(1);

/// The label that names an image's version (OCI image-spec, annotations.md).
pub(crate) const VERSION: &str = "org.opencontainers.image.version";

/// How a service's image is to be had.
#[derive(Debug, Clone)]
pub(crate) enum Source {
    /// It is on the engine.
    Present(ImagePin),
    /// It was built before from the same inputs, of which this is the hash; another build may have taken its tags since.
    Built { pin: ImagePin, tags: Vec<String>, inputs: String },
    /// It has to be pulled, perhaps for its age.
    Pull { reference: String, ages: bool },
    /// It is this program's own, and has to be put on the engine.
    Own { reference: String },
    /// It has to be built.
    Build(Box<PreparedBuild>),
}

/// A build whose inputs are read and hashed.
#[derive(Debug, Clone)]
pub(crate) struct PreparedBuild {
    build: ImageBuild,
    /// The tag that carries the hash of the inputs.
    tag: String,
    reference: String,
}

impl PreparedBuild {
    /// Hash of what it is built from.
    pub(crate) fn inputs(&self) -> &str {
        self.build.labels.get(labels::BUILD_INPUTS).map_or("", String::as_str)
    }
}

impl Source {
    /// Hash of what it is built from, where it is.
    pub(crate) fn inputs(&self) -> Option<&str> {
        match self {
            Self::Build(prepared) => Some(prepared.inputs()),
            Self::Built { inputs, .. } => Some(inputs),
            Self::Present(_) | Self::Pull { .. } | Self::Own { .. } => None,
        }
    }

    /// What its image is called on the engine, where it is built.
    fn tags(&self) -> &[String] {
        match self {
            Self::Build(prepared) => &prepared.build.tags,
            Self::Built { tags, .. } => tags,
            Self::Present(_) | Self::Pull { .. } | Self::Own { .. } => &[],
        }
    }
}

/// Which images are missing.
#[derive(Debug, Clone, Default)]
pub(crate) struct ImagePlan {
    pub(crate) sources: IndexMap<String, Source>,
}

impl ImagePlan {
    /// The pins, when every image is present.
    pub(crate) fn pins(&self) -> Option<IndexMap<String, ImagePin>> {
        let pins = self.sources.iter().map(|(service, source)| match source {
            Source::Present(pin) | Source::Built { pin, .. } => Some((service.clone(), pin.clone())),
            Source::Pull { .. } | Source::Own { .. } | Source::Build(_) => None,
        });
        pins.collect()
    }

    /// Ids of the images that are present.
    pub(crate) fn present(&self) -> BTreeSet<ImageId> {
        let ids = self.sources.values().filter_map(|source| match source {
            Source::Present(pin) | Source::Built { pin, .. } => Some(pin.id.clone()),
            Source::Pull { .. } | Source::Own { .. } | Source::Build(_) => None,
        });
        ids.collect()
    }

    /// Pins with a placeholder where an image is not there yet, for a plan to look at.
    pub(crate) fn likely_pins(&self) -> IndexMap<String, ImagePin> {
        let pin = |source: &Source| match source {
            Source::Present(pin) | Source::Built { pin, .. } => pin.clone(),
            Source::Pull { reference, .. } | Source::Own { reference } => {
                ImagePin { reference: reference.clone(), id: ImageId::new("(pulled first)"), digest: None }
            }
            Source::Build(prepared) => ImagePin { reference: prepared.reference.clone(), id: ImageId::new("(built first)"), digest: None },
        };
        self.sources.iter().map(|(service, source)| (service.clone(), pin(source))).collect()
    }

    /// What is missing, in words.
    pub(crate) fn missing(&self) -> Vec<String> {
        let words = self.sources.iter().filter_map(|(service, source)| match source {
            Source::Present(_) | Source::Built { .. } => None,
            Source::Pull { reference, .. } => Some(format!("pull {reference} for {service}")),
            Source::Own { reference } => Some(format!("put {reference} on the engine for {service}")),
            Source::Build(_) => Some(format!("build {service}")),
        });
        words.collect()
    }
}

/// How eagerly images are made anew.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Eagerness {
    /// Pull what can be pulled.
    pub(crate) pull: bool,
    /// Build what can be built.
    pub(crate) build: bool,
    /// What was built from the same inputs is good enough, whatever the file says of building it each time.
    pub(crate) as_built: bool,
}

/// Finds out which images the engine lacks; reads and hashes build contexts.
///
/// The gateway goes on with the image that it has, unless everything is to be replaced.
pub(crate) async fn survey(cx: &Context, project: &Project, eager: Eagerness, gateway: Option<&ImagePin>) -> Result<ImagePlan, Failure> {
    let here = images_here(cx, project).await?;
    let mut sources = IndexMap::new();
    for (name, service) in &project.stack.services {
        let source = match (&service.build, &service.image) {
            _ if is_gateway(service) => own_source(cx, gateway).await?,
            (Some(build), _) => build_source(cx, project, (name, service), build, eager).await?,
            (None, Some(reference)) => pull_source(cx, (name, service), reference, here.get(reference.as_str()), eager)?,
            (None, None) => {
                let failure = Failure::new(FailureKind::Invalid, format!("service `{name}` has neither image nor build"));
                return Err(failure.hint("give it one of the two in the Compose file"));
            }
        };
        sources.insert(name.clone(), source);
    }
    Ok(ImagePlan { sources })
}

/// The images that services name and the engine has, each asked for once.
async fn images_here<'a>(cx: &Context, project: &'a Project) -> Result<BTreeMap<&'a str, Image>, EngineError> {
    let named = project.stack.services.values().filter(|service| service.build.is_none() && !is_gateway(service));
    let references: BTreeSet<&str> = named.filter_map(|service| service.image.as_deref()).collect();
    let asked = references.into_iter().map(|reference| async move { cx.engine.image(reference).await.map(|image| (reference, image)) });
    let found: Vec<(&str, Option<Image>)> = try_join_all(asked).await?;
    Ok(found.into_iter().filter_map(|(reference, image)| Some((reference, image?))).collect())
}

/// The image of the gateway.
async fn own_source(cx: &Context, running: Option<&ImagePin>) -> Result<Source, Failure> {
    if let Some(pin) = running
        && cx.engine.image(pin.id.as_str()).await?.is_some()
    {
        return Ok(Source::Present(pin.clone()));
    }
    let reference = cx.own_image.reference().await?.to_owned();
    match cx.own_image.here().await? {
        Some(id) => Ok(Source::Present(ImagePin { reference, id, digest: None })),
        None => Ok(Source::Own { reference }),
    }
}

/// Puts the image of this program on the engine.
pub(crate) async fn provide_own(cx: &Context) -> Result<ImagePin, OwnImageError> {
    let reference = cx.own_image.reference().await?.to_owned();
    Ok(ImagePin { reference, id: cx.own_image.provide().await?, digest: None })
}

fn pull_source(
    cx: &Context,
    (name, service): (&str, &Service),
    reference: &str,
    here: Option<&Image>,
    eager: Eagerness,
) -> Result<Source, Failure> {
    let policy = service.pull_policy.as_deref().unwrap_or("missing");
    match (policy, here) {
        ("never", None) => {
            let failure = Failure::new(
                FailureKind::NotFound,
                format!("image `{reference}` of `{name}` is not on the engine and its pull_policy is never"),
            );
            Err(failure.hint("load the image, or change pull_policy"))
        }
        (_, Some(image)) if policy == "never" || !(eager.pull || policy::is_due(policy, image.tagged_at, cx.clock.now())) => {
            Ok(Source::Present(pin(reference, image)?))
        }
        _ => Ok(Source::Pull { reference: reference.to_owned(), ages: policy::longest_age(policy).is_some() }),
    }
}

async fn build_source(
    cx: &Context,
    project: &Project,
    service: (&str, &Service),
    build: &Build,
    eager: Eagerness,
) -> Result<Source, Failure> {
    let (name, definition) = service;
    let prepared = prepare_build(cx, project, name, definition, build).await?;
    let each_time = build.no_cache || definition.pull_policy.as_deref() == Some("build");
    let again = eager.build || (each_time && !eager.as_built);
    if !again && let Some(image) = cx.engine.image(&prepared.tag).await? {
        let inputs = prepared.inputs().to_owned();
        return Ok(Source::Built { pin: pin(&prepared.reference, &image)?, tags: prepared.build.tags, inputs });
    }
    Ok(Source::Build(Box::new(prepared)))
}

/// What the image of a service that is built is called.
pub(crate) fn reference(project: &str, name: &str, service: &Service) -> String {
    service.image.clone().unwrap_or_else(|| format!("{project}-{name}"))
}

async fn prepare_build(cx: &Context, project: &Project, name: &str, service: &Service, build: &Build) -> Result<PreparedBuild, Failure> {
    let context = context::read(Path::new(&build.context), build)?;
    let variables = &cx.settings.variables;
    let args: IndexMap<String, String> =
        build.args.iter().filter_map(|(key, value)| Some((key.clone(), value.clone().or_else(|| variables.get(key).cloned())?))).collect();
    let mut secrets = IndexMap::new();
    for secret in &build.secrets {
        let object = project.stack.secrets.get(&secret.source).cloned().unwrap_or_default();
        let id = secret.target.clone().unwrap_or_else(|| secret.source.clone());
        secrets.insert(id, cx.secrets.value(&secret.source, &object).await?);
    }
    let options = Build { context: String::new(), args: IndexMap::new(), no_cache: false, pull: false, ..build.clone() };
    let inputs = (Digest::of(&context), OWN_DOCKERFILE, &args, options, &service.platform);
    let inputs = Digest::of_json(&inputs).map_err(|error| Failure::new(FailureKind::Internal, error.to_string()))?;
    let repository = format!("{}-{name}", project.environment.project);
    let tag = format!("{repository}:inputs-{}", inputs.short());
    let reference = reference(&project.environment.project, name, service);
    let mut tags = vec![tag.clone(), reference.clone()];
    tags.extend(build.tags.iter().cloned());
    // It does not say which service it was built for: several may be made of it.
    let own = [(labels::PROJECT, project.environment.project.clone()), (labels::BUILD_INPUTS, inputs.to_string())];
    let build = ImageBuild {
        service: name.to_owned(),
        build: build.clone(),
        args,
        dockerfile: OWN_DOCKERFILE.to_owned(),
        tags,
        labels: own.into_iter().map(|(key, value)| (key.to_owned(), value)).collect(),
        platform: service.platform.clone(),
        secrets,
        context: context.into(),
    };
    Ok(PreparedBuild { build, tag, reference })
}

/// Pulls and builds what is missing; gives the pin of every service.
pub(crate) async fn obtain(
    cx: &Context,
    plan: &ImagePlan,
    stack: &Stack,
    version: &str,
) -> Result<IndexMap<String, ImagePin>, EngineError> {
    tag_again(cx, plan).await?;
    let mut pins = IndexMap::new();
    for (service, source) in &plan.sources {
        let pin = match source {
            Source::Present(pin) | Source::Built { pin, .. } => pin.clone(),
            Source::Pull { reference, ages } => {
                let platform = stack.services.get(service).and_then(|service| service.platform.as_deref());
                pull(cx, reference, platform, *ages).await?
            }
            Source::Own { reference } => {
                let what = format!("put {reference} on the engine");
                cx.note(ProgressState::Begun, &what, "", (0, 0));
                let pin = provide_own(cx).await.map_err(|error| match error {
                    OwnImageError::Engine(error) => error,
                    error => EngineError::Failed { reason: error.to_string() },
                })?;
                cx.note(ProgressState::Done, &what, "", (0, 0));
                pin
            }
            Source::Build(prepared) => make(cx, prepared, version).await?,
        };
        pins.insert(service.clone(), pin);
    }
    Ok(pins)
}

/// Reads the build of a service for one of several platforms; its image is to stand beside the one that the service's tags stand for here.
pub(crate) async fn prepare_apart(
    cx: &Context,
    project: &Project,
    name: &str,
    (platform, platforms): (&str, &[String]),
) -> Result<PreparedBuild, Failure> {
    let mut prepared = prepare_together(cx, project, name, platforms).await?;
    prepared.tag = format!("{}-{}", prepared.tag, suffix(platform));
    prepared.build.tags = vec![prepared.tag.clone()];
    prepared.build.platform = Some(platform.to_owned());
    Ok(prepared)
}

/// Reads the build of a service for several platforms. They are part of what it is made of, so that the images of all have one hash, and
/// an image for some of them another one.
pub(crate) async fn prepare_together(cx: &Context, project: &Project, name: &str, platforms: &[String]) -> Result<PreparedBuild, Failure> {
    let missing = || Failure::new(FailureKind::NotFound, format!("service `{name}` has no `build` section"));
    let mut service = project.stack.services.get(name).cloned().ok_or_else(missing)?;
    let build = service.build.take().ok_or_else(missing)?;
    let mut sorted = platforms.to_vec();
    sorted.sort();
    sorted.dedup();
    // For the engine's own alone it is what a build that names none makes.
    let own = own(cx).await?;
    let is_own = service.platform.is_none() && sorted.iter().all(|platform| plain(platform) == plain(&own));
    service.platform = Some(sorted.join(",")).filter(|_| !is_own);
    let mut prepared = prepare_build(cx, project, name, &service, &build).await?;
    prepared.build.platform = None;
    Ok(prepared)
}

/// Builds the image of a service for one platform; one that is there is not built again.
pub(crate) async fn obtain_apart(cx: &Context, prepared: &PreparedBuild, version: &str) -> Result<ImagePin, Failure> {
    if let Some(image) = cx.engine.image(&prepared.tag).await?
        && image.labels.get(VERSION).is_some_and(|found| found == version)
    {
        return pin(&prepared.reference, &image);
    }
    Ok(make(cx, prepared, version).await?)
}

/// Lets the tags of images that need no build point to them again.
pub(crate) async fn tag_again(cx: &Context, plan: &ImagePlan) -> Result<(), EngineError> {
    for source in plan.sources.values() {
        if let Source::Built { pin, .. } = source {
            share(cx, source, &pin.id).await?;
        }
    }
    Ok(())
}

/// Lets the tags of a service that is built point to an image that is built from the same.
pub(crate) async fn share(cx: &Context, source: &Source, image: &ImageId) -> Result<(), EngineError> {
    for tag in source.tags() {
        if cx.engine.image(tag).await?.and_then(|found| found.id).as_ref() != Some(image) {
            cx.engine.tag_image(image, tag).await?;
        }
    }
    Ok(())
}

/// Pulls an image, again where its registry does not answer.
pub(crate) async fn pull(cx: &Context, reference: &str, platform: Option<&str>, ages: bool) -> Result<ImagePin, EngineError> {
    let what = format!("pull {reference}");
    cx.note(ProgressState::Begun, &what, "", (0, 0));
    let mut pause = PULL_PAUSE;
    for attempt in 1..=PULL_TRIES {
        let sink = |line: &str| cx.note(ProgressState::Note, &what, line, (0, 0));
        match cx.engine.pull_image(reference, platform, &sink).await {
            Err(EngineError::RegistryUnreachable { reason, .. }) if attempt < PULL_TRIES && !cx.cancel.is_cancelled() => {
                let words = format!("{reason}; trying again in {} s ({attempt} of {PULL_TRIES})", pause.as_secs());
                cx.note(ProgressState::Note, &what, &words, (0, 0));
                cx.clock.sleep(pause).await;
                pause *= 2;
            }
            Err(error) => {
                cx.note(ProgressState::Failed, &what, &error.to_string(), (0, 0));
                return Err(error);
            }
            Ok(()) => break,
        }
    }
    cx.note(ProgressState::Done, &what, "", (0, 0));
    let pin = found(cx, reference).await?;
    // The older engines do not note when they pulled, only when a tag was set: the next look is counted from there.
    if ages {
        cx.engine.tag_image(&pin.id, reference).await?;
    }
    Ok(pin)
}

/// What is built, with the labels that say which version it is.
pub(crate) async fn labelled(cx: &Context, prepared: &PreparedBuild, version: &str) -> ImageBuild {
    let mut build = prepared.build.clone();
    // OCI image annotations (image-spec, annotations.md).
    let oci = [
        ("version", version.to_owned()),
        ("created", cx.clock.now().to_string()),
        ("revision", crate::version::revision(&cx.settings.project_dir).await.unwrap_or_default()),
    ];
    build.labels.extend(
        oci.into_iter().filter(|(_, value)| !value.is_empty()).map(|(key, value)| (format!("org.opencontainers.image.{key}"), value)),
    );
    build
}

async fn make(cx: &Context, prepared: &PreparedBuild, version: &str) -> Result<ImagePin, EngineError> {
    let what = format!("build {}", prepared.build.service);
    cx.note(ProgressState::Begun, &what, "", (0, 0));
    let build = labelled(cx, prepared, version).await;
    let sink = |line: &str| cx.note(ProgressState::Note, &what, line, (0, 0));
    let built = cx.engine.build_image(&build, &sink).await;
    if let Err(error) = &built {
        cx.note(ProgressState::Failed, &what, &error.to_string(), (0, 0));
    }
    let id = built?;
    cx.note(ProgressState::Done, &what, id.as_str(), (0, 0));
    let mut pin = found(cx, &prepared.tag).await?;
    pin.reference.clone_from(&prepared.reference);
    Ok(pin)
}

async fn found(cx: &Context, reference: &str) -> Result<ImagePin, EngineError> {
    let missing = || EngineError::NotFound { what: format!("image `{reference}`") };
    let image = cx.engine.image(reference).await?.ok_or_else(missing)?;
    pin(reference, &image).map_err(|_| missing())
}

fn pin(reference: &str, image: &Image) -> Result<ImagePin, Failure> {
    let id =
        image.id.clone().ok_or_else(|| Failure::new(FailureKind::Internal, format!("the engine gives no id for image `{reference}`")))?;
    let repository = reference.split('@').next().unwrap_or(reference);
    let repository = repository.rsplit_once(':').filter(|(_, tag)| !tag.contains('/')).map_or(repository, |(name, _)| name);
    let digest = image.digests.iter().find(|digest| digest.split('@').next().is_some_and(|name| name.ends_with(repository))).cloned();
    Ok(ImagePin { reference: reference.to_owned(), id, digest })
}
