//! One image of a release: where it comes from, what the registry has of it.

use chora_core::model::image::Image;
use chora_core::plan::labels;

use crate::context::Context;
use crate::failure::{Failure, FailureKind};
use crate::push::Published;
use crate::verify::VerifyOutcome;

/// The image of one service.
pub(super) struct Part {
    pub(super) service: String,
    /// Its name in the registry, without a tag.
    pub(super) repository: String,
    /// Hash of what it is built from.
    pub(super) inputs: String,
    /// It, once it is on the engine.
    pub(super) image: Option<Image>,
    /// Its images by platform, where it is for several.
    pub(super) platforms: Vec<(String, Image)>,
    /// Digest of what the registry has under the version.
    pub(super) digest: Option<String>,
    /// The registry had it before this run.
    pub(super) was_there: bool,
    /// `latest` stands for it.
    pub(super) is_latest: bool,
    pub(super) verified: Option<VerifyOutcome>,
}

impl Part {
    pub(super) const fn new(service: String, repository: String, inputs: String) -> Self {
        Self {
            service,
            repository,
            inputs,
            image: None,
            platforms: Vec::new(),
            digest: None,
            was_there: false,
            is_latest: false,
            verified: None,
        }
    }

    pub(super) fn published(&self, version: &str) -> Published {
        let id = self.image.as_ref().and_then(|image| image.id.as_ref()).map(ToString::to_string).unwrap_or_default();
        Published { reference: format!("{}:{version}", self.repository), digest: self.digest.clone(), id }
    }

    /// Takes what the registry has under the version, where it is made of the same.
    ///
    /// # Errors
    /// Conflict when it is not.
    pub(super) async fn take_published(&mut self, cx: &Context, digest: String, version: &str) -> Result<(), Failure> {
        let reference = format!("{}@{digest}", self.repository);
        let here = match cx.engine.image(&reference).await? {
            Some(image) => image,
            None => {
                crate::images::pull(cx, &reference, None, false).await?;
                let gone = || Failure::new(FailureKind::NotFound, format!("image `{reference}` is gone again"));
                cx.engine.image(&reference).await?.ok_or_else(gone)?
            }
        };
        if here.labels.get(labels::BUILD_INPUTS) != Some(&self.inputs) {
            let said =
                format!("{}:{version} is in the registry already ({digest}), made from other files than those here", self.repository);
            return Err(Failure::new(FailureKind::Conflict, said).hint("release another version: what one stands for never changes"));
        }
        (self.image, self.digest, self.was_there) = (Some(here), Some(digest), true);
        Ok(())
    }
}
