//! The steps of a release, in order; each asks the registry or the engine what is done already.

use chora_core::model::event::ProgressState;
use jiff::Timestamp;

use super::part::{Part, parts};
use super::{PublishOutcome, PublishRequest, Work, account, interrupted, many};
use crate::context::Context;
use crate::failure::{Failure, FailureKind};
use crate::images::{Eagerness, ImagePlan, Source, VERSION, obtain, share, survey};
use crate::platform::{is_same, own};
use crate::project::Project;
use crate::registry::send;
use crate::verify::{VerifyOutcome, VerifyRequest, verify_image};

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
    verify(cx, work).await?;
    let unfit = |part: &Part| part.verified.iter().filter(|(_, verified)| !verified.ok).map(|(name, _)| name.clone()).collect::<Vec<_>>();
    let unfit: Vec<String> = work.parts.iter().flat_map(unfit).collect();
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
    work.parts = parts(cx, work, &plan).await?;
    for part in &mut work.parts {
        if let Some(digest) = cx.engine.published(&format!("{}:{}", part.repository, work.request.version)).await? {
            part.take_published(cx, digest, work.request).await?;
        }
    }
    Ok(plan)
}

/// Builds what neither registry nor engine have as this version.
async fn build(cx: &Context, work: &mut Work<'_>, plan: &ImagePlan) -> Result<(), Failure> {
    let version = &work.request.version;
    let (mut again, mut lacking) = (work.project.clone(), Vec::new());
    for part in work.parts.iter_mut().filter(|part| part.image.is_none()) {
        for name in &part.services {
            let Some(Source::Built { pin, .. }) = plan.sources.get(name).filter(|_| part.image.is_none()) else { continue };
            // One that was built without this version does not say that it is it.
            part.image = cx.engine.image(pin.id.as_str()).await?.filter(|image| image.labels.get(VERSION) == Some(version));
        }
        if part.image.is_none() {
            lacking.push(part.service().to_owned());
        }
    }
    again.stack.services.retain(|name, _| lacking.contains(name));
    let anew = survey(cx, &again, Eagerness { build: true, ..Eagerness::default() }, None).await?;
    let pins = tokio::select! {
        pins = obtain(cx, &anew, &again.stack, version) => pins?,
        () = cx.cancel.cancelled() => return Err(interrupted("images were built")),
    };
    for part in work.parts.iter_mut().filter(|part| !part.was_there) {
        if let Some(pin) = pins.get(part.service()) {
            part.image = cx.engine.image(pin.id.as_str()).await?;
        }
        // Services that are made of one image are deployed from that one.
        let Some(id) = part.image.as_ref().and_then(|image| image.id.as_ref()).filter(|_| part.services.len() > 1) else { continue };
        for source in part.services.iter().filter_map(|name| plan.sources.get(name)) {
            share(cx, source, id).await?;
        }
    }
    Ok(())
}

/// Verifies every image, as each of the services that are made of it.
async fn verify(cx: &Context, work: &mut Work<'_>) -> Result<(), Failure> {
    let own = own(cx).await?;
    for part in &mut work.parts {
        let platform = part.platform(&own).to_owned();
        let is_foreign = !is_same(&platform, &own);
        if is_foreign && !work.request.no_start {
            let name = format!("{}:{}", part.repository, work.request.version);
            work.warnings.push(format!(
                "{name} is for other machines than {own}: it was looked into, not started; `chora verify {name}` on such a machine starts it"
            ));
        }
        for service in part.services.clone() {
            let verified = verify_as(cx, (&work.whole, work.request), part, &service, is_foreign).await?;
            part.verified.insert(service, verified);
        }
    }
    Ok(())
}

async fn verify_as(
    cx: &Context,
    (project, request): (&Project, &PublishRequest),
    part: &Part,
    service: &str,
    is_foreign: bool,
) -> Result<VerifyOutcome, Failure> {
    let missing =
        || Failure::new(FailureKind::NotFound, format!("the image of `{service}` is gone from the engine")).hint("run the command again");
    let image = part.image.clone().ok_or_else(missing)?;
    let asked = VerifyRequest {
        image: format!("{}:{}", part.repository, request.version),
        environment: request.environment.clone(),
        service: Some(service.to_owned()),
        version: Some(request.version.clone()),
        max_size_bytes: request.max_size_bytes,
        allow: request.allow.clone(),
        no_start: request.no_start || is_foreign,
        online: request.online,
        ..VerifyRequest::default()
    };
    let mut verified = Box::pin(verify_image(cx, Some(project), &image, &asked)).await?;
    // Those of other machines are looked into only, once.
    let others = part.platforms.iter().filter(|(_, other)| other.id != image.id && service == part.service());
    for (platform, image) in others {
        if !verified.ok {
            break;
        }
        let asked = VerifyRequest { image: format!("{} for {platform}", asked.image), no_start: true, ..asked.clone() };
        let other = Box::pin(verify_image(cx, Some(project), image, &asked)).await?;
        if !other.ok {
            verified = other;
        }
    }
    Ok(verified)
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
        if let Some(other) = stands.filter(|_| part.was_there) {
            let version = &work.request.version;
            if released {
                work.warnings.push(format!("{version} was released before, and {reference} has moved on to {other}: it stays there"));
                continue;
            }
            let [ours, theirs] = [made(cx, &part.repository, &digest).await?, made(cx, &part.repository, &other).await?];
            if let Some(theirs) = theirs.filter(|theirs| ours.is_none_or(|ours| ours <= *theirs)) {
                let words = format!(
                    "{version} was in the registry before, and {reference} has moved on to {other}, made at {theirs}: it stays there"
                );
                work.warnings.push(words);
                continue;
            }
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

/// When what stands under a digest was made; `None` where it does not say it.
async fn made(cx: &Context, repository: &str, digest: &str) -> Result<Option<Timestamp>, Failure> {
    let images = cx.engine.published_images(&format!("{repository}@{digest}")).await?;
    Ok(images.iter().filter_map(|image| image.created).max())
}

/// What a release would do.
pub(super) async fn foresee(cx: &Context, mut work: Work<'_>) -> Result<PublishOutcome, Failure> {
    let plan = survey(cx, &work.project, Eagerness::default(), None).await?;
    let (version, mut lines) = (work.request.version.clone(), Vec::new());
    work.parts = parts(cx, &work, &plan).await?;
    for part in &mut work.parts {
        let (repository, name) = (&part.repository, part.service().to_owned());
        let digest = cx.engine.published(&format!("{repository}:{version}")).await?;
        lines.push(match &digest {
            Some(digest) => format!("take {repository}:{version} from the registry ({digest}), if it is made from the same files"),
            None => format!("build {name} as {version}, where it is not built yet"),
        });
        lines.extend(part.services.iter().map(|name| format!("verify the image of {name}")));
        if digest.is_none() {
            lines.push(format!("push it as {repository}:{version}"));
        }
        (part.was_there, part.digest) = (digest.is_some(), digest);
    }
    if !work.request.no_latest {
        lines.extend(work.parts.iter().map(|part| format!("let {}:{LATEST} stand for it", part.repository)));
    }
    let next = format!("chora release {version} {}", work.registry);
    Ok(PublishOutcome { plan: lines, ..work.outcome(true, next) })
}
