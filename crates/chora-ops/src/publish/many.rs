//! Releases for several platforms: an image for each, pushed under a name of its own, and one index over them.

use indexmap::IndexMap;

use super::part::Part;
use super::{Work, interrupted};
use crate::context::Context;
use crate::failure::{Failure, FailureKind};
use crate::images::{obtain_apart, prepare_apart, prepare_together};
use crate::platform::{own, suffix};
use crate::registry::send;

/// Hashes of what the images of a service are built from, by platform.
pub(super) async fn inputs(cx: &Context, work: &Work<'_>, name: &str) -> Result<IndexMap<String, String>, Failure> {
    let platforms = &work.request.platforms;
    let prepared = prepare_together(cx, &work.project, name, platforms).await?;
    Ok(platforms.iter().map(|platform| (platform.clone(), prepared.inputs().to_owned())).collect())
}

/// Builds what the registry does not have.
pub(super) async fn build(cx: &Context, work: &mut Work<'_>) -> Result<(), Failure> {
    let own = own(cx).await?;
    for part in work.parts.iter_mut().filter(|part| part.image.is_none()) {
        for platform in part.inputs.keys() {
            let prepared = prepare_apart(cx, &work.project, part.service(), (platform, &work.request.platforms)).await?;
            let pin = tokio::select! {
                pin = obtain_apart(cx, &prepared, &work.request.version) => pin?,
                () = cx.cancel.cancelled() => return Err(interrupted("images were built")),
            };
            let gone = || {
                Failure::new(FailureKind::NotFound, format!("the image of `{}` is gone from the engine", part.service()))
                    .hint("run the command again")
            };
            let image = cx.engine.image(pin.id.as_str()).await?.ok_or_else(gone)?;
            part.platforms.push((platform.clone(), image));
        }
        part.image = part.native(&own);
    }
    Ok(())
}

/// Pushes the images that were verified, and puts the index over them; gives its digest.
pub(super) async fn push(cx: &Context, part: &Part, reference: &str) -> Result<String, Failure> {
    let mut manifests = Vec::with_capacity(part.platforms.len());
    for (platform, image) in &part.platforms {
        let id = image.id.as_ref().ok_or_else(|| Failure::new(FailureKind::Internal, "an image without an id was verified"))?;
        manifests.push((platform.clone(), send(cx, id, &format!("{reference}-{}", suffix(platform))).await?));
    }
    Ok(cx.engine.publish_index(reference, &manifests).await?)
}
