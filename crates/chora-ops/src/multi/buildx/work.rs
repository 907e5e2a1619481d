//! One build by a builder of buildx: all platforms at once, pushed under the name, then asked back from the registry.

use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::path::Path;

use chora_core::model::event::ProgressState;
use chora_core::model::image::{ImageBuild, PublishedIndex};
use chora_core::plan::labels;
use chora_core::ports::EngineError;
use indexmap::IndexMap;

use super::super::program::{self, Ended, Ends, ProgramError};
use super::super::{MultiImage, Wanted, interrupted};
use super::arguments::{Beside, arguments};
use super::given::Given;
use super::{Chosen, refused};
use crate::context::Context;
use crate::failure::{Failure, FailureKind};
use crate::images::{self, VERSION};
use crate::platform::{plain, suffix};
use crate::project::Project;

/// What buildx says before it says what went wrong.
const PREFIXES: [&str; 3] = ["ERROR: ", "failed to build: ", "failed to solve: "];
/// How registries say that they do not know who pushes, or that they may not.
const DENIED: [&str; 4] = ["unauthorized", "authorization failed", "insufficient_scope", "denied: "];
/// How it is said that nobody answers.
const AWAY: [&str; 8] = [
    "connection refused",
    "no such host",
    "i/o timeout",
    "connection reset",
    "broken pipe",
    "no route to host",
    "TLS handshake timeout",
    "server misbehaving",
];

/// Builds the image of a service, unless the registry has it already.
pub(in super::super) async fn build(
    cx: &Context,
    chosen: &Chosen,
    project: &Project,
    (wanted, version): (&Wanted, &str),
) -> Result<MultiImage, Failure> {
    let (name, Wanted { repository, platforms, .. }) = (wanted.service(), wanted);
    let reference = format!("{repository}:{version}");
    let prepared = images::prepare_together(cx, project, name, platforms).await?;
    let build = images::labelled(cx, &prepared, version).await;
    let there = match cx.engine.published_index(&reference).await {
        // Of what is not there yet, some registries say that one may not see it. Whether one may push is told by the push.
        Err(EngineError::LoginNeeded { .. }) => None,
        there => there?,
    };
    if let Some(index) = there
        && let Some(found) = by_platform(&index, platforms)
        && is_this(&index, &build)
    {
        cx.note(ProgressState::Done, &format!("build {name}"), "the registry has it, made from the same files", (0, 0));
        return named(cx, repository, version, MultiImage { reference, digest: index.digest, platforms: found }).await;
    }
    let digest = carry_out(cx, chosen, &build, (&reference, platforms)).await?;
    let made = cx.engine.published_index(&format!("{repository}@{digest}")).await?;
    let unexpected = || {
        let said = format!("what buildx has pushed as {reference} ({digest}) is no index over {}", platforms.join(", "));
        Failure::new(FailureKind::Conflict, said).hint("see `docker buildx imagetools inspect`; with `--builder engine` the engine builds")
    };
    let found = made.and_then(|index| by_platform(&index, platforms)).ok_or_else(unexpected)?;
    named(cx, repository, version, MultiImage { reference, digest, platforms: found }).await
}

/// Gives the image of each platform the name that it has when the engine builds.
async fn named(cx: &Context, repository: &str, version: &str, image: MultiImage) -> Result<MultiImage, Failure> {
    for (platform, digest) in &image.platforms {
        cx.engine.tag_published(&format!("{repository}@{digest}"), &format!("{version}-{}", suffix(platform))).await?;
    }
    Ok(image)
}

/// Digests by the platforms that were asked for; `None` when the index has others, or more.
fn by_platform(index: &PublishedIndex, platforms: &[String]) -> Option<IndexMap<String, String>> {
    let find = |wanted: &String| {
        let found = index.images.iter().find(|image| plain(&image.platform) == plain(wanted))?;
        Some((wanted.clone(), found.digest.clone()))
    };
    let found: IndexMap<String, String> = platforms.iter().map(find).collect::<Option<_>>()?;
    (found.len() == index.images.len()).then_some(found)
}

/// Whether images are made from the same files, as the same version. What comes from other contexts is not hashed.
fn is_this(index: &PublishedIndex, build: &ImageBuild) -> bool {
    let same = |key: &str| index.images.iter().all(|image| image.labels.get(key) == build.labels.get(key));
    build.build.additional_contexts.is_empty() && same(labels::BUILD_INPUTS) && same(VERSION)
}

/// Runs buildx; gives the digest of what it has pushed.
async fn carry_out(
    cx: &Context,
    chosen: &Chosen,
    build: &ImageBuild,
    (reference, platforms): (&str, &[String]),
) -> Result<String, Failure> {
    build.secrets.values().for_each(|value| cx.redactor.learn(value));
    let world =
        |error: io::Error| refused(FailureKind::Unavailable, format!("buildx cannot be run: {error}")).hint("run the command again");
    let folder = tempfile::tempdir().map_err(world)?;
    let metadata = folder.path().join("metadata.json");
    let secrets = build.secrets.iter().map(|(id, value)| Ok((id.clone(), Held::new(value.expose())?)));
    let secrets = secrets.collect::<io::Result<Vec<(String, Held)>>>().map_err(world)?;
    let files: Vec<(String, String)> = secrets.iter().map(|(id, held)| (id.clone(), held.path())).collect();
    let given = Given::of(build, folder.path()).map_err(world)?;
    let beside = Beside {
        builder: &chosen.builder.name,
        reference,
        platforms,
        metadata: metadata.display().to_string(),
        dockerfile: &given.dockerfile,
        context: &given.context,
        secrets: &files,
    };
    let mut command = chosen.client.command();
    command.args(arguments(build, &beside)?);
    let what = format!("build {}", build.service);
    cx.note(ProgressState::Begun, &what, "", (0, 0));
    let tell = |line: &str| cx.note(ProgressState::Note, &what, line, (0, 0));
    let ended = program::run(command, Ends { cancel: &cx.cancel, limit: None }, &tell).await;
    let made = done(cx, ended, build, &metadata);
    if let Err(error) = Given::forget(folder) {
        cx.note(ProgressState::Note, &what, &format!("its files in the folder for temporary ones are still there: {error}"), (0, 0));
    }
    match &made {
        Ok(digest) => cx.note(ProgressState::Done, &what, digest, (0, 0)),
        Err(failure) => cx.note(ProgressState::Failed, &what, &failure.message, (0, 0)),
    }
    made
}

/// The digest that it has written, or what it has said last.
fn done(cx: &Context, ended: Result<Ended, ProgramError>, build: &ImageBuild, metadata: &Path) -> Result<String, Failure> {
    let ended = ended.map_err(|error| match error {
        ProgramError::Interrupted => interrupted(),
        error => refused(FailureKind::Unavailable, format!("buildx cannot be run: {error}")).hint("run the command again"),
    })?;
    if !ended.status.success() {
        let lines = ended.last.iter().map(|line| cx.redactor.clean(line)).collect();
        return Err(failed(&build.service, lines));
    }
    digest(metadata).ok_or_else(|| {
        refused(FailureKind::Unavailable, format!("buildx does not say what it has made of `{}`", build.service))
            .hint("update buildx; with `--builder engine` the engine builds")
    })
}

fn digest(metadata: &Path) -> Option<String> {
    let document: serde_json::Value = serde_json::from_slice(&std::fs::read(metadata).ok()?).ok()?;
    Some(document.get("containerimage.digest")?.as_str()?.to_owned())
}

/// Tells a bad world, and a registry that refuses, from a build that is wrong.
fn failed(service: &str, lines: Vec<String>) -> Failure {
    let said =
        lines.iter().rev().find(|line| line.starts_with("ERROR: ")).or_else(|| lines.last()).map_or("it says nothing", String::as_str);
    let reason = PREFIXES.iter().fold(said, |said, prefix| said.strip_prefix(prefix).unwrap_or(said));
    // A step of the build says what it likes of others.
    let is_step = reason.contains("did not complete successfully");
    let says = |words: &[&str]| !is_step && words.iter().any(|word| reason.contains(word));
    let failure = |kind| Failure::new(kind, format!("build of `{service}` failed: {reason}"));
    let failure = if says(&DENIED) {
        failure(FailureKind::Denied).hint("log in with `docker login` as somebody who may, then run the command again")
    } else if says(&AWAY) {
        failure(FailureKind::Unavailable)
            .hint("run the command again when registry and builder answer; with `--builder engine` the engine builds")
    } else {
        Failure::from(EngineError::BuildFailed { service: service.to_owned(), reason: reason.to_owned(), log: Vec::new() })
    };
    failure.details(lines)
}

/// A secret in a file that has no name and is gone with this process, however it ends. It is read through what the kernel shows of it.
struct Held(std::fs::File);

impl Held {
    fn new(value: &[u8]) -> io::Result<Self> {
        let mut file = tempfile::tempfile()?;
        file.write_all(value)?;
        Ok(Self(file))
    }

    fn path(&self) -> String {
        format!("/proc/{}/fd/{}", std::process::id(), self.0.as_raw_fd())
    }
}

#[cfg(test)]
mod tests {
    use chora_core::model::image::{PublishedImage, PublishedIndex};

    use super::{Held, by_platform, failed};
    use crate::failure::FailureKind;

    #[test]
    fn a_secret_is_read_by_others_and_has_no_name() {
        let held = Held::new(b"hunter2").unwrap();
        assert_eq!(std::fs::read(held.path()).unwrap(), b"hunter2");
        assert!(std::fs::read_link(held.path()).unwrap().to_string_lossy().ends_with(" (deleted)"));
    }

    #[test]
    fn an_index_has_exactly_what_was_asked_for() {
        let image =
            |platform: &str| PublishedImage { platform: platform.into(), digest: format!("of {platform}"), ..PublishedImage::default() };
        let index = |platforms: &[&str]| PublishedIndex {
            digest: "sha256:1".into(),
            images: platforms.iter().map(|platform| image(platform)).collect(),
        };
        let wanted = ["linux/arm64/v8".to_owned(), "linux/amd64".to_owned()];
        let found = by_platform(&index(&["linux/amd64", "linux/arm64"]), &wanted).unwrap();
        assert_eq!(found.values().collect::<Vec<_>>(), ["of linux/arm64", "of linux/amd64"]);
        for other in [vec!["linux/amd64"], vec!["linux/amd64", "linux/arm64", "unknown/unknown"], vec!["linux/amd64", "linux/arm"]] {
            assert_eq!(by_platform(&index(&other), &wanted), None, "{other:?}");
        }
    }

    #[test]
    fn failures_are_told_apart() {
        let of = |line: &str| failed("web", vec!["#5 0.1 working".to_owned(), format!("ERROR: failed to build: failed to solve: {line}")]);
        for (line, kind) in [
            ("process \"/bin/false\" did not complete successfully: exit code: 1", FailureKind::Invalid),
            ("process \"curl: connection refused\" did not complete successfully: exit code: 7", FailureKind::Invalid),
            ("failed to push r.example/web:v1: dial tcp 127.0.0.1:1: connect: connection refused", FailureKind::Unavailable),
            ("failed to push r.example/web:v1: unexpected status: 401 Unauthorized: unauthorized", FailureKind::Denied),
        ] {
            let failure = of(line);
            assert_eq!((failure.kind, failure.details.len()), (kind, 2), "{line}");
            assert_eq!(failure.message, format!("build of `web` failed: {line}"));
        }
        assert_eq!(failed("web", Vec::new()).message, "build of `web` failed: it says nothing");
    }
}
