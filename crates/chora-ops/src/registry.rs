//! The project's own images and the registry they go to: what each is called there, and how it is sent.

use std::time::Duration;

use chora_core::compose::Service;
use chora_core::model::event::ProgressState;
use chora_core::model::ids::ImageId;
use chora_core::ports::EngineError;

use crate::context::Context;
use crate::failure::{Failure, FailureKind};
use crate::project::{Project, Selection, load};
use crate::version;

/// Tries of a push whose registry does not answer.
const TRIES: u32 = 3;
/// The first pause between two tries; it doubles.
const PAUSE: Duration = Duration::from_secs(1);
/// The longest tag (distribution-spec, pulling manifests).
const LONGEST_TAG: usize = 128;

/// Which images go to a registry, and as what.
pub(crate) struct Consignment {
    /// Host and path.
    pub(crate) registry: String,
    /// With the services whose images they are, and no others.
    pub(crate) project: Project,
    /// A tag that a registry takes.
    pub(crate) version: String,
}

/// Finds out what goes where: the services that are built, or those of them that are named; as what git says, unless a version is given.
///
/// # Errors
/// Invalid when the registry is none, the version no tag, or there is neither version nor git repository; not found when a service is not
/// there or is not built.
pub(crate) async fn consign(
    cx: &Context,
    text: &str,
    environment: Option<&String>,
    services: &[String],
    version: Option<&String>,
) -> Result<Consignment, Failure> {
    let registry = registry(text)?;
    let mut project = load(cx, &Selection { environment: environment.cloned() })?;
    built_only(&mut project, services)?;
    let version = match version {
        Some(version) => version.clone(),
        None => version::describe(&project.directory).await.ok_or_else(nameless)?,
    };
    tag(&version)?;
    Ok(Consignment { registry, project, version })
}

fn nameless() -> Failure {
    Failure::new(FailureKind::Invalid, "there is no version to push as: the project is no git repository")
        .state("nothing was changed")
        .hint("name one with --version")
}

/// Reads where images are to go: a host, perhaps with a port, perhaps with a path; or an account of Docker's own registry.
///
/// # Errors
/// Invalid when it is a URL, or names an image.
pub(crate) fn registry(text: &str) -> Result<String, Failure> {
    let refused = |why: &str| {
        let failure = Failure::new(FailureKind::Invalid, format!("`{text}` is no registry: {why}"));
        Err(failure.state("nothing was changed").hint("name its host and, where it has one, the path, such as ghcr.io/acme"))
    };
    let name = text.trim_end_matches('/');
    if name.contains("://") {
        return refused("it is written without http:// or https://");
    }
    let (host, path) = name.split_once('/').unwrap_or((name, ""));
    let fine = |part: &str, more: &[char]| {
        !part.is_empty() && part.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || more.contains(&c))
    };
    if !fine(&host.to_ascii_lowercase(), &['.', '-', ':', '[', ']', '_']) {
        return refused("it has no host");
    }
    if !path.is_empty() && !path.split('/').all(|part| fine(part, &['.', '-', '_'])) {
        return refused("its path has lower-case letters, digits, `.`, `-` and `_` only");
    }
    Ok(name.to_owned())
}

/// Reads a version that is to be a tag.
///
/// # Errors
/// Invalid when no registry takes it.
pub(crate) fn tag(version: &str) -> Result<&str, Failure> {
    let begins = version.chars().next().is_some_and(|c| c.is_ascii_alphanumeric() || c == '_');
    let fine = version.len() <= LONGEST_TAG && version.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'));
    if begins && fine && version != "latest" {
        return Ok(version);
    }
    let why = if version == "latest" { "it means the newest one" } else { "a tag has letters, digits, `.`, `-` and `_`" };
    let failure = Failure::new(FailureKind::Invalid, format!("`{version}` is no version that a registry could hold: {why}"));
    Err(failure.state("nothing was changed").hint("name one such as v1.4.2"))
}

/// What the image of a service is called in a registry, without its tag.
pub(crate) fn repository(registry: &str, project: &Project, service: &str, definition: &Service) -> String {
    let Some(image) = &definition.image else { return format!("{registry}/{}-{service}", own_name(project)) };
    let image = image.split('@').next().unwrap_or(image);
    let name = image.rsplit_once(':').filter(|(_, tag)| !tag.contains('/')).map_or(image, |(name, _)| name);
    if name.starts_with(&format!("{registry}/")) {
        return name.to_owned();
    }
    match name.split_once('/') {
        Some((host, path)) if host.contains(['.', ':']) || host == "localhost" => format!("{registry}/{path}"),
        _ => format!("{registry}/{name}"),
    }
}

/// The project's name without that of its environment.
fn own_name(project: &Project) -> &str {
    let suffix = format!("-{}", project.environment.name);
    project.environment.project.strip_suffix(&suffix).unwrap_or(&project.environment.project)
}

/// Keeps the services that are built, or those of them that are named.
///
/// # Errors
/// Not found when one that is named is not there or is not built; invalid when there is none.
pub(crate) fn built_only(project: &mut Project, named: &[String]) -> Result<(), Failure> {
    for name in named {
        let words = match project.stack.services.get(name) {
            None => format!("no service `{name}`"),
            Some(service) if service.build.is_none() => format!("`{name}` has no `build` section: its image is somebody else's"),
            Some(_) => continue,
        };
        let built: Vec<&str> =
            project.stack.services.iter().filter(|(_, service)| service.build.is_some()).map(|(name, _)| name.as_str()).collect();
        let hint = if built.is_empty() { "no service has one".to_owned() } else { format!("the built services are {}", built.join(", ")) };
        return Err(Failure::new(FailureKind::NotFound, words).state("nothing was changed").hint(hint));
    }
    project.stack.services.retain(|name, service| service.build.is_some() && (named.is_empty() || named.contains(name)));
    if project.stack.services.is_empty() {
        let failure = Failure::new(FailureKind::Invalid, "no service has a `build` section, so there is no image of the project's own");
        return Err(failure.state("nothing was changed").hint("see `chora config`"));
    }
    Ok(())
}

/// Pushes an image under a `name:tag`, again where the registry does not answer, and gives its digest there.
///
/// # Errors
/// What engine and registry say; conflict when the registry then has another image under that digest.
pub(crate) async fn send(cx: &Context, image: &ImageId, reference: &str) -> Result<String, Failure> {
    let what = format!("push {reference}");
    cx.note(ProgressState::Begun, &what, "", (0, 0));
    let sent = tokio::select! {
        sent = try_send(cx, image, (&what, reference)) => sent.map_err(Failure::from),
        () = cx.cancel.cancelled() => Err(Failure::new(FailureKind::Unavailable, format!("interrupted while {reference} was pushed"))),
    };
    match &sent {
        Ok(digest) => cx.note(ProgressState::Done, &what, digest, (0, 0)),
        Err(failure) => cx.note(ProgressState::Failed, &what, &failure.message, (0, 0)),
    }
    let digest = sent?;
    let name = reference.rsplit_once(':').map_or(reference, |(name, _)| name);
    let there = cx.engine.image(&format!("{name}@{digest}")).await?.and_then(|image| image.id);
    if there.as_ref() == Some(image) {
        return Ok(digest);
    }
    // Somebody gave the tag to another image between our two calls.
    let failure =
        Failure::new(FailureKind::Conflict, format!("what was pushed as {reference} ({digest}) is not the image that was meant ({image})"));
    Err(failure.hint("see that nothing else tags images on this engine, then push again"))
}

async fn try_send(cx: &Context, image: &ImageId, (what, reference): (&str, &str)) -> Result<String, EngineError> {
    let sink = |line: &str| cx.note(ProgressState::Note, what, line, (0, 0));
    let mut pause = PAUSE;
    for attempt in 1.. {
        cx.engine.tag_image(image, reference).await?;
        match cx.engine.push_image(reference, &sink).await {
            Err(EngineError::RegistryUnreachable { reason, .. }) if attempt < TRIES => {
                sink(&format!("{reason}; trying again in {} s ({attempt} of {TRIES})", pause.as_secs()));
                cx.clock.sleep(pause).await;
                pause *= 2;
            }
            ended => return ended,
        }
    }
    Err(EngineError::Failed { reason: "it was never tried".to_owned() })
}

#[cfg(test)]
mod tests {
    use super::{registry, tag};

    #[test]
    fn registries_and_versions_are_checked() {
        for text in ["ghcr.io/acme", "127.0.0.1:5000", "acme", "Registry.Example:5000/a/b/"] {
            assert!(registry(text).is_ok(), "{text}");
        }
        for text in ["", "https://ghcr.io", "ghcr.io/Acme", "ghcr.io/a:1", "a b"] {
            assert!(registry(text).is_err(), "{text}");
        }
        assert!(tag("v1.4.2-rc.1").is_ok());
        for text in ["", "latest", "-v1", "v1+x", "a/b"] {
            assert!(tag(text).is_err(), "{text}");
        }
    }
}
