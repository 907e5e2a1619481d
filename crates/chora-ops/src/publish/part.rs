//! One image of a release: which services are made of it, where it comes from, what the registry has of it.

use chora_core::model::image::{Image, PublishedImage};
use chora_core::plan::labels;
use indexmap::IndexMap;

use super::{Work, interrupted, many};
use crate::context::Context;
use crate::failure::{Failure, FailureKind};
use crate::images::{ImagePlan, VERSION};
use crate::platform::{is_same, own};
use crate::push::Published;
use crate::registry::repository;
use crate::verify::VerifyOutcome;

/// What to do where the registry has something else.
const ANOTHER: &str = "release another version: what one stands for never changes";

/// The image of one service, or of several that build the same under one name.
pub(super) struct Part {
    /// Services that are made of it; the build of the first one makes it.
    pub(super) services: Vec<String>,
    /// Its name in the registry, without a tag.
    pub(super) repository: String,
    /// Hash of what it is built from, by platform.
    pub(super) inputs: IndexMap<String, String>,
    /// It, once it is on the engine.
    pub(super) image: Option<Image>,
    /// Its images by platform, where platforms were asked for.
    pub(super) platforms: Vec<(String, Image)>,
    /// Digest of what the registry has under the version.
    pub(super) digest: Option<String>,
    /// The registry had it before this run.
    pub(super) was_there: bool,
    /// `latest` stands for it.
    pub(super) is_latest: bool,
    /// What was found out about it, by service.
    pub(super) verified: IndexMap<String, VerifyOutcome>,
}

/// The images of the project's services, none of them twice.
///
/// # Errors
/// Invalid when two services give one name to images that are built from different files.
pub(super) async fn parts(cx: &Context, work: &Work<'_>, plan: &ImagePlan) -> Result<Vec<Part>, Failure> {
    let own = own(cx).await?;
    let mut parts: Vec<Part> = Vec::new();
    for (name, service) in &work.project.stack.services {
        let Some(source) = plan.sources.get(name) else { continue };
        let unknown = || Failure::new(FailureKind::Internal, "an image of the project's own does not say what it is built from");
        let inputs = if work.request.platforms.is_empty() {
            let platform = service.platform.clone().unwrap_or_else(|| own.clone());
            IndexMap::from([(platform, source.inputs().ok_or_else(unknown)?.to_owned())])
        } else {
            many::inputs(cx, work, name).await?
        };
        let repository = repository(&work.registry, &work.project, name, service);
        match parts.iter_mut().find(|part| part.repository == repository) {
            None => parts.push(Part::new(name.clone(), repository, inputs)),
            Some(part) if part.inputs == inputs => part.services.push(name.clone()),
            Some(part) => return Err(two_of_one_name(part.service(), name, &repository)),
        }
    }
    Ok(parts)
}

/// Two images cannot stand under one name.
pub(crate) fn two_of_one_name(one: &str, other: &str, repository: &str) -> Failure {
    let said = format!("the images of `{one}` and `{other}` are both called {repository}, and are built from different files");
    let hint = "give one of them another `image` in the Compose file, or the same `build` to both; `chora config` shows them";
    Failure::new(FailureKind::Invalid, said).state("nothing was built or pushed").hint(hint)
}

impl Part {
    fn new(service: String, repository: String, inputs: IndexMap<String, String>) -> Self {
        Self {
            services: vec![service],
            repository,
            inputs,
            image: None,
            platforms: Vec::new(),
            digest: None,
            was_there: false,
            is_latest: false,
            verified: IndexMap::new(),
        }
    }

    /// The service whose build makes it.
    pub(super) fn service(&self) -> &str {
        self.services.first().map_or("", String::as_str)
    }

    /// The platform of the image that is started to be verified: the engine's own, else the first.
    pub(super) fn platform(&self, own: &str) -> &str {
        let mut platforms = self.inputs.keys();
        let native = platforms.clone().find(|platform| is_same(platform, own));
        native.or_else(|| platforms.next()).map_or("", String::as_str)
    }

    pub(super) fn published(&self, version: &str) -> Published {
        let id = self.image.as_ref().and_then(|image| image.id.as_ref()).map(ToString::to_string).unwrap_or_default();
        Published { reference: format!("{}:{version}", self.repository), digest: self.digest.clone(), id }
    }

    /// Takes what the registry has under the version, where it is made of the same, for the same platforms.
    ///
    /// # Errors
    /// Conflict when it is not.
    pub(super) async fn take_published(&mut self, cx: &Context, digest: String, request: &super::PublishRequest) -> Result<(), Failure> {
        let there = cx.engine.published_images(&format!("{}@{digest}", self.repository)).await?;
        self.compare(&there, &digest, &request.version)?;
        let own = own(cx).await?;
        if request.platforms.is_empty() {
            let platform = self.platform(&own).to_owned();
            self.image = Some(self.fetched(cx, &digest, (&platform, &own)).await?);
        } else {
            for platform in self.inputs.keys() {
                let Some(found) = there.iter().find(|image| is_same(&image.platform, platform)) else { continue };
                let image = self.fetched(cx, &found.digest, (platform, &own)).await?;
                self.platforms.push((platform.clone(), image));
            }
            self.image = self.native(&own);
        }
        (self.digest, self.was_there) = (Some(digest), true);
        Ok(())
    }

    /// Of the images of several platforms the one that is started.
    pub(super) fn native(&self, own: &str) -> Option<Image> {
        let platform = self.platform(own);
        self.platforms.iter().find(|(known, _)| known == platform).map(|(_, image)| image.clone())
    }

    /// Whether what the registry has is what would be made here.
    fn compare(&self, there: &[PublishedImage], digest: &str, version: &str) -> Result<(), Failure> {
        let refused = |why: String| {
            let said = format!("{}:{version} is in the registry already ({digest}), {why}", self.repository);
            Err(Failure::new(FailureKind::Conflict, said).hint(ANOTHER))
        };
        let found: Vec<&str> = there.iter().map(|image| image.platform.as_str()).collect();
        let wanted: Vec<&str> = self.inputs.keys().map(String::as_str).collect();
        if found.len() != wanted.len() || !wanted.iter().all(|wanted| found.iter().any(|found| is_same(found, wanted))) {
            let found = if found.is_empty() { "nothing".to_owned() } else { found.join(", ") };
            return refused(format!("for {found}, not for {}", wanted.join(", ")));
        }
        for image in there {
            let inputs = self.inputs.iter().find(|(platform, _)| is_same(&image.platform, platform)).map(|(_, inputs)| inputs);
            if image.labels.get(labels::BUILD_INPUTS) != inputs {
                return refused("made from other files than those here".to_owned());
            }
            match image.labels.get(VERSION) {
                Some(found) if found == version => {}
                Some(found) => return refused(format!("and its label says that it is {found}")),
                None => return refused("and it has no label that names its version".to_owned()),
            }
        }
        Ok(())
    }

    /// The image with a digest, pulled where the engine lacks it.
    async fn fetched(&self, cx: &Context, digest: &str, (platform, own): (&str, &str)) -> Result<Image, Failure> {
        let reference = format!("{}@{digest}", self.repository);
        if let Some(image) = cx.engine.image(&reference).await? {
            return Ok(image);
        }
        let platform = Some(platform).filter(|platform| !is_same(platform, own));
        let pin = tokio::select! {
            pin = crate::images::pull(cx, &reference, platform, false) => pin?,
            () = cx.cancel.cancelled() => return Err(interrupted("images were pulled")),
        };
        let gone = || Failure::new(FailureKind::NotFound, format!("image `{reference}` is gone again")).hint("run the command again");
        cx.engine.image(pin.id.as_str()).await?.ok_or_else(gone)
    }
}
