//! The `push` operation: the project's own images, as they are built, to a registry.

use chora_core::model::ids::EnvironmentName;
use indexmap::IndexMap;

use crate::context::Context;
use crate::failure::{Failure, FailureKind};
use crate::images::{Eagerness, ImagePlan, Source, survey};
use crate::project::Project;
use crate::publish::two_of_one_name;
use crate::registry::{Consignment, consign, repository, send};

/// What to push, and where to.
#[derive(Debug, Clone, Default, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PushRequest {
    /// Host and path, such as `ghcr.io/acme`.
    pub registry: String,
    /// Environment; `production` unless named.
    pub environment: Option<String>,
    /// Services; all that are built unless named.
    pub services: Vec<String>,
    /// Tag; what git says unless given.
    pub version: Option<String>,
    /// Tell, touch nothing.
    pub dry_run: bool,
}

/// What a registry has of an image.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
pub struct Published {
    /// `name:tag` in the registry.
    pub reference: String,
    /// Digest of the manifest there; absent when it is not there yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// Id on the engine; empty when it is not there.
    pub id: String,
}

/// What was pushed.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
pub struct PushOutcome {
    /// Environment.
    pub environment: EnvironmentName,
    /// Images by service.
    pub images: IndexMap<String, Published>,
    /// Nothing was pushed: this is what would be.
    pub dry_run: bool,
    /// The next command.
    pub next: String,
}

/// Pushes the images of services that are built, as they were built from the files as they are now.
///
/// # Errors
/// Not found when an image is not built; denied when the registry wants a login; unavailable when it does not answer.
pub async fn push(cx: &Context, request: &PushRequest) -> Result<PushOutcome, Failure> {
    let PushRequest { registry, environment, services, version, .. } = request;
    let Consignment { registry, project, version } = consign(cx, registry, environment.as_ref(), services, version.as_ref()).await?;
    let plan = survey(cx, &project, Eagerness { as_built: true, ..Eagerness::default() }, None).await?;
    let mut images = chosen(&project, &plan, (&registry, &version))?;
    if !request.dry_run {
        for service in images.keys().cloned().collect::<Vec<_>>() {
            let Some(image) = images.get(&service).filter(|image| image.digest.is_none()) else { continue };
            let sent = send(cx, &chora_core::model::ids::ImageId::new(&image.id), &image.reference).await;
            let digest = sent.map_err(|failure| failure.or_state(&state(&images)))?;
            // Several services may be made of one image.
            let reference = image.reference.clone();
            for image in images.values_mut().filter(|image| image.reference == reference) {
                image.digest = Some(digest.clone());
            }
        }
    }
    let next = if request.dry_run { format!("chora push {registry}") } else { format!("chora release VERSION {registry}") };
    Ok(PushOutcome { environment: project.environment.name, images, dry_run: request.dry_run, next })
}

/// The image of each service and its name in the registry; services that build the same under one name have one image.
fn chosen(project: &Project, plan: &ImagePlan, (registry, version): (&str, &str)) -> Result<IndexMap<String, Published>, Failure> {
    let (mut images, mut firsts) = (IndexMap::new(), IndexMap::new());
    for (name, service) in &project.stack.services {
        let Some(Source::Built { pin, inputs, .. }) = plan.sources.get(name) else {
            let failure = Failure::new(FailureKind::NotFound, format!("the image of `{name}` is not built from the files as they are now"));
            return Err(failure.state("nothing was pushed").hint(format!("`chora build {name} --version {version}`")));
        };
        let repository = repository(registry, project, name, service);
        let (first, known, id) = firsts.entry(repository.clone()).or_insert_with(|| (name, inputs, pin.id.to_string()));
        if known != &inputs {
            return Err(two_of_one_name(first, name, &repository));
        }
        images.insert(name.clone(), Published { reference: format!("{repository}:{version}"), digest: None, id: id.clone() });
    }
    Ok(images)
}

/// What is in the registry now.
fn state(images: &IndexMap<String, Published>) -> String {
    let (there, missing): (Vec<_>, Vec<_>) = images.values().partition(|image| image.digest.is_some());
    let names = |images: Vec<&Published>| images.iter().map(|image| image.reference.clone()).collect::<Vec<_>>().join(", ");
    match (there.is_empty(), missing.is_empty()) {
        (true, _) => "nothing was pushed".to_owned(),
        (false, true) => format!("{} were pushed", names(there)),
        (false, false) => format!("{} was pushed, {} was not; the same command goes on", names(there), names(missing)),
    }
}
