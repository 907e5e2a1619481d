//! The steps of a release, in order; each asks the registry or the engine what is done already.

use chora_core::model::event::ProgressState;
use chora_core::plan::labels;

use super::part::Part;
use super::{PublishOutcome, Work, account, interrupted, many};
use crate::context::Context;
use crate::failure::{Failure, FailureKind};
use crate::images::{Eagerness, ImagePlan, Source, obtain, survey};
use crate::registry::{repository, send};
use crate::verify::{VerifyRequest, verify_image};

/// The label that names an image's version (OCI image-spec, annotations.md).
const VERSION: &str = "org.opencontainers.image.version";
/// The tag that stands for the newest version.
const LATEST: &str = "latest";

/// Builds, verifies, pushes, and moves `latest`.
pub(super) async fn carry_out(cx: &Context, work: &mut Work<'_>) -> Result<PublishOutcome, Failure> {
    let plan = look(cx, work).await?;
    if work.request.platforms.is_empty() {
        build(cx, work, &plan).await?;
    } else {
        many::build(cx, work).await?;
    }
    for part in &mut work.parts {
        verify(cx, &work.whole, work.request, part).await?;
    }
    let unfit: Vec<&str> = work
        .parts
        .iter()
        .filter(|part| part.verified.as_ref().is_none_or(|verified| !verified.ok))
        .map(|part| part.service.as_str())
        .collect();
    if !unfit.is_empty() {
        let next = format!("mend the image of {}, then run the command again; nothing of it was pushed", unfit.join(", "));
        return Ok(work.outcome(false, next));
    }
    for part in work.parts.iter_mut().filter(|part| part.digest.is_none()) {
        push(cx, part, &work.request.version).await?;
    }
    if !work.request.no_latest {
        latest(cx, work).await?;
    }
    Ok(work.outcome(true, "chora deploy".to_owned()))
}

/// Finds out what there is of every image; takes what the registry has.
async fn look(cx: &Context, work: &mut Work<'_>) -> Result<ImagePlan, Failure> {
    let plan = survey(cx, &work.project, Eagerness::default(), None).await?;
    for (name, service) in &work.project.stack.services {
        let Some(source) = plan.sources.get(name) else { continue };
        let inputs = if work.request.platforms.is_empty() { inputs(cx, source).await? } else { many::inputs(cx, work, name).await? };
        let repository = repository(&work.registry, &work.project, name, service);
        work.parts.push(Part::new(name.clone(), repository, inputs));
    }
    for part in &mut work.parts {
        if let Some(digest) = cx.engine.published(&format!("{}:{}", part.repository, work.request.version)).await? {
            part.take_published(cx, digest, &work.request.version).await?;
        }
    }
    Ok(plan)
}

/// Hash of what an image is built from.
async fn inputs(cx: &Context, source: &Source) -> Result<String, Failure> {
    let label = match source {
        Source::Build(prepared) => Some(prepared.inputs().to_owned()),
        Source::Built { pin, .. } | Source::Present(pin) => {
            cx.engine.image(pin.id.as_str()).await?.and_then(|image| image.labels.get(labels::BUILD_INPUTS).cloned())
        }
        Source::Pull { .. } | Source::Own { .. } => None,
    };
    label.ok_or_else(|| Failure::new(FailureKind::Internal, "an image of the project's own does not say what it is built from"))
}

/// Builds what neither registry nor engine have as this version.
async fn build(cx: &Context, work: &mut Work<'_>, plan: &ImagePlan) -> Result<(), Failure> {
    let version = &work.request.version;
    let (mut again, mut lacking) = (work.project.clone(), Vec::new());
    for part in work.parts.iter_mut().filter(|part| part.image.is_none()) {
        let here = match plan.sources.get(&part.service) {
            Some(Source::Built { pin, .. } | Source::Present(pin)) => cx.engine.image(pin.id.as_str()).await?,
            _ => None,
        };
        // One that was built without this version does not say that it is it.
        part.image = here.filter(|image| image.labels.get(VERSION) == Some(version));
        if part.image.is_none() {
            lacking.push(part.service.clone());
        }
    }
    again.stack.services.retain(|name, _| lacking.contains(name));
    let plan = survey(cx, &again, Eagerness { pull: false, build: true }, None).await?;
    let pins = tokio::select! {
        pins = obtain(cx, &plan, &again.stack, version) => pins?,
        () = cx.cancel.cancelled() => return Err(interrupted("images were built")),
    };
    for part in &mut work.parts {
        if let Some(pin) = pins.get(&part.service) {
            part.image = cx.engine.image(pin.id.as_str()).await?;
        }
    }
    Ok(())
}

async fn verify(cx: &Context, project: &crate::project::Project, request: &super::PublishRequest, part: &mut Part) -> Result<(), Failure> {
    let missing = || {
        Failure::new(FailureKind::NotFound, format!("the image of `{}` is gone from the engine", part.service))
            .hint("run the command again")
    };
    let image = part.image.clone().ok_or_else(missing)?;
    let asked = VerifyRequest {
        image: format!("{}:{}", part.repository, request.version),
        environment: request.environment.clone(),
        service: Some(part.service.clone()),
        version: Some(request.version.clone()),
        max_size_bytes: request.max_size_bytes,
        allow: request.allow.clone(),
        no_start: request.no_start,
        online: request.online,
        ..VerifyRequest::default()
    };
    let mut verified = Box::pin(verify_image(cx, Some(project), &image, &asked)).await?;
    // Those of other machines are looked into only.
    for (platform, image) in part.platforms.iter().filter(|(_, other)| other.id != image.id) {
        if !verified.ok {
            break;
        }
        let asked = VerifyRequest { image: format!("{} for {platform}", asked.image), no_start: true, ..asked.clone() };
        let other = Box::pin(verify_image(cx, Some(project), image, &asked)).await?;
        if !other.ok {
            verified = other;
        }
    }
    part.verified = Some(verified);
    Ok(())
}

/// Pushes the image that was verified, unless somebody else was quicker.
async fn push(cx: &Context, part: &mut Part, version: &str) -> Result<(), Failure> {
    let reference = format!("{}:{version}", part.repository);
    if let Some(digest) = cx.engine.published(&reference).await? {
        let failure = Failure::new(FailureKind::Conflict, format!("somebody else has pushed {reference} ({digest}) meanwhile"));
        return Err(failure.hint("run the command again: it goes on where both are made from the same files"));
    }
    let digest = if part.platforms.is_empty() {
        let id = part.image.as_ref().and_then(|image| image.id.clone());
        let id = id.ok_or_else(|| Failure::new(FailureKind::Internal, "an image without an id was verified"))?;
        send(cx, &id, &reference).await?
    } else {
        many::push(cx, part, &reference).await?
    };
    let there = cx.engine.published(&reference).await?;
    if there.as_ref() != Some(&digest) {
        let there = there.as_deref().unwrap_or("nothing");
        let failure =
            Failure::new(FailureKind::Conflict, format!("{reference} was pushed as {digest}, and the registry has {there} under it"));
        return Err(failure.hint("somebody else pushes the same version: release another one"));
    }
    part.digest = Some(digest);
    Ok(())
}

/// Lets `latest` stand for what is released now; all of it is in the registry by then.
async fn latest(cx: &Context, work: &mut Work<'_>) -> Result<(), Failure> {
    let released = account::released_before(cx, &work.request.version, &work.registry)?;
    for part in &mut work.parts {
        let Some(digest) = part.digest.clone() else { continue };
        let reference = format!("{}:{LATEST}", part.repository);
        let stands = cx.engine.published(&reference).await?;
        part.is_latest = stands.as_ref() == Some(&digest);
        if part.is_latest {
            continue;
        }
        if let Some(other) = stands.filter(|_| released && part.was_there) {
            work.warnings
                .push(format!("{} was released before, and {reference} has moved on to {other}: it stays there", work.request.version));
            continue;
        }
        if cx.cancel.is_cancelled() {
            return Err(interrupted("`latest` was moved"));
        }
        let what = format!("tag {reference}");
        cx.note(ProgressState::Begun, &what, "", (0, 0));
        cx.engine.tag_published(&format!("{}@{digest}", part.repository), LATEST).await?;
        part.is_latest = cx.engine.published(&reference).await?.as_ref() == Some(&digest);
        cx.note(ProgressState::Done, &what, &digest, (0, 0));
    }
    Ok(())
}

/// What a release would do.
pub(super) async fn foresee(cx: &Context, mut work: Work<'_>) -> Result<PublishOutcome, Failure> {
    let plan = survey(cx, &work.project, Eagerness::default(), None).await?;
    let (version, mut lines) = (work.request.version.clone(), Vec::new());
    for (name, service) in &work.project.stack.services {
        let Some(source) = plan.sources.get(name) else { continue };
        let repository = repository(&work.registry, &work.project, name, service);
        let digest = cx.engine.published(&format!("{repository}:{version}")).await?;
        lines.push(match &digest {
            Some(digest) => format!("take {repository}:{version} from the registry ({digest}), if it is made from the same files"),
            None => format!("build {name} as {version}, where it is not built yet"),
        });
        lines.push(format!("verify the image of {name}"));
        if digest.is_none() {
            lines.push(format!("push it as {repository}:{version}"));
        }
        let inputs = if work.request.platforms.is_empty() { inputs(cx, source).await? } else { many::inputs(cx, &work, name).await? };
        let was_there = digest.is_some();
        work.parts.push(Part { digest, was_there, ..Part::new(name.clone(), repository, inputs) });
    }
    if !work.request.no_latest {
        lines.extend(work.parts.iter().map(|part| format!("let {}:{LATEST} stand for it", part.repository)));
    }
    let next = format!("chora release {version} {}", work.registry);
    Ok(PublishOutcome { plan: lines, ..work.outcome(true, next) })
}
