//! The `verify` operation: an image as somebody gets it, looked into and started, apart from everything else.

mod export;
mod role;
mod specimen;
mod zstd;

use std::time::Duration;

use chora_core::inspection::{LayerReport, Leak, Remark, Rules, Subject, judge};
use chora_core::model::event::ProgressState;
use chora_core::model::health::{Check, Level, Verdict};
use chora_core::model::ids::ImageId;
use chora_core::model::image::Image;

use crate::context::Context;
use crate::failure::{Failure, FailureKind};
use crate::project::{Project, Selection, load};

use self::role::Role;
use self::specimen::Tried;

pub(crate) use specimen::remove_leftovers;

/// How long an image may take to pass its levels, where nobody says.
const PATIENCE: Duration = Duration::from_secs(60);

/// What to verify, and by what.
#[derive(Debug, Clone, Default, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct VerifyRequest {
    /// `name:tag`, `name@digest` or id; pulled where the engine lacks it.
    pub image: String,
    /// Environment; `production` unless named.
    pub environment: Option<String>,
    /// Start it as this service; else as the one with this image.
    pub service: Option<String>,
    /// Version its label must name.
    pub version: Option<String>,
    /// Most bytes of its files.
    pub max_size_bytes: Option<u64>,
    /// KEY=VALUE for its start.
    pub variables: Vec<String>,
    /// Paths that may hold what looks like a secret.
    pub allow: Vec<String>,
    /// Only look into it.
    pub no_start: bool,
    /// Its network has a way out.
    pub online: bool,
    /// Time to pass; 60,000 unless given.
    pub limit_ms: Option<u64>,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
pub struct VerifyOutcome {
    /// Nothing failed.
    pub ok: bool,
    /// Image as it was asked for.
    pub image: String,
    /// Its id on the engine.
    pub id: String,
    /// Service it was started as.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// Judgements of the image as it lies there.
    pub remarks: Vec<Remark>,
    /// Checks of its container by level; empty when it was not started.
    pub checks: Vec<Check>,
    /// The container's last lines, when it did not pass.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub log: Vec<String>,
    /// Bytes of its files.
    pub size_bytes: u64,
    /// Its layers, lowest first.
    pub layers: Vec<LayerReport>,
    /// Everything in it that looks like a secret.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub leaks: Vec<Leak>,
    /// Worth knowing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// The next command.
    pub next: String,
}

/// Verifies an image. The container that is started for it is always removed.
///
/// # Errors
/// Not found when there is no such image or service; unavailable when the engine does not answer, or on a signal. An image that
/// is not good is an outcome.
pub async fn verify(cx: &Context, request: &VerifyRequest) -> Result<VerifyOutcome, Failure> {
    let project = match load(cx, &Selection { environment: request.environment.clone() }) {
        Ok(project) => Some(project),
        // An image can be verified anywhere.
        Err(failure) if failure.kind == FailureKind::NotFound && request.environment.is_none() => None,
        Err(failure) => return Err(failure),
    };
    if let Some(project) = &project {
        crate::redactor::learn(cx, &project.stack).await;
    }
    variables(&request.variables)?;
    let image = present(cx, &request.image).await?;
    Box::pin(verify_image(cx, project.as_ref(), &image, request)).await
}

/// Verifies an image that is on the engine.
pub(crate) async fn verify_image(
    cx: &Context,
    project: Option<&Project>,
    image: &Image,
    request: &VerifyRequest,
) -> Result<VerifyOutcome, Failure> {
    let id = image.id.clone().ok_or_else(|| Failure::new(FailureKind::Internal, "the engine gives no id for the image"))?;
    let what = format!("verify {}", request.image);
    cx.note(ProgressState::Begun, &what, "", (0, 0));
    let role = role::role(cx, project, request).await?;
    cx.note(ProgressState::Note, &what, "looking into its layers", (0, 0));
    let contents = export::contents(cx, id.as_str(), &request.allow).await?;
    let leaks: Vec<Leak> = contents.leaks.into_iter().filter(|leak| !is_allowed(leak, &request.allow)).collect();
    let rules = Rules {
        version: request.version.clone(),
        max_size_bytes: request.max_size_bytes,
        asked_otherwise: role.as_ref().and_then(Role::asked_otherwise),
    };
    let subject = Subject { config: &contents.config, layers: &contents.layers, leaks: &leaks, unread: &contents.unread };
    let remarks = judge(&subject, &rules);
    let tried = if request.no_start {
        Tried::default()
    } else {
        cx.note(ProgressState::Note, &what, "starting it", (0, 0));
        Box::pin(started(cx, project, (&id, &contents.config.architecture), role.as_ref(), request)).await?
    };
    let failed =
        remarks.iter().any(|remark| remark.verdict == Verdict::Fail) || tried.checks.iter().any(|check| check.verdict == Verdict::Fail);
    cx.note(if failed { ProgressState::Failed } else { ProgressState::Done }, &what, "", (0, 0));
    Ok(VerifyOutcome {
        ok: !failed,
        image: request.image.clone(),
        id: id.to_string(),
        service: role.map(|role| role.name),
        remarks,
        checks: tried.checks,
        log: tried.log,
        size_bytes: contents.layers.iter().map(|layer| layer.size_bytes).sum(),
        layers: contents.layers,
        leaks,
        warnings: tried.warnings,
        next: if failed { "chora build" } else { "chora push REGISTRY" }.to_owned(),
    })
}

/// Starts the image as what it is, with what that depends on, where this machine can.
async fn started(
    cx: &Context,
    project: Option<&Project>,
    (image, architecture): (&ImageId, &str),
    role: Option<&Role>,
    request: &VerifyRequest,
) -> Result<Tried, Failure> {
    if let Some(check) = foreign(cx, architecture).await? {
        return Ok(Tried { checks: vec![check], ..Tried::default() });
    }
    let usual = project.map_or(PATIENCE, |project| project.environment.gate_timeout);
    let patience = request.limit_ms.map_or(usual, Duration::from_millis);
    let needs = match (project, role) {
        (Some(project), Some(role)) => Box::pin(role::needs(cx, project, &role.name)).await?,
        _ => Vec::new(),
    };
    let variables = variables(&request.variables)?;
    Box::pin(specimen::try_out(
        cx,
        &specimen::Wanted { image, role, needs: &needs, variables: &variables, patience, online: request.online },
    ))
    .await
}

/// The image, pulled where it is not there.
async fn present(cx: &Context, reference: &str) -> Result<Image, Failure> {
    if reference.trim().is_empty() {
        return Err(Failure::new(FailureKind::Invalid, "no image is named")
            .state("nothing was started")
            .hint("name one, such as `chora verify app:v1`"));
    }
    if let Some(image) = cx.engine.image(reference).await? {
        return Ok(image);
    }
    let pull = tokio::select! {
        pull = crate::images::pull(cx, reference, None, false) => pull,
        () = cx.cancel.cancelled() => return Err(interrupted()),
    };
    let pin = pull.map_err(|error| {
        let failure = Failure::from(error);
        let hint = format!("{}; `chora build` makes the project's own", failure.hint);
        failure.state("the engine has no such image").hint(hint)
    })?;
    let gone = || Failure::new(FailureKind::NotFound, format!("image `{reference}` is gone again")).hint("run the command again");
    cx.engine.image(pin.id.as_str()).await?.ok_or_else(gone)
}

/// Whether a file, or a folder that it is in, may hold what looks like a secret.
fn is_allowed(leak: &Leak, allow: &[String]) -> bool {
    let path = leak.place.rsplit_once(':').filter(|(_, line)| line.parse::<usize>().is_ok()).map_or(leak.place.as_str(), |(path, _)| path);
    let below = |folder: &str| path.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    allow.iter().map(|allowed| allowed.trim_end_matches('/')).any(|allowed| !allowed.is_empty() && below(allowed))
}

fn variables(given: &[String]) -> Result<Vec<(String, String)>, Failure> {
    let pair = |text: &String| {
        let pair = text.split_once('=').filter(|(name, _)| !name.is_empty());
        pair.map(|(name, value)| (name.to_owned(), value.to_owned())).ok_or_else(|| {
            Failure::new(FailureKind::Invalid, format!("`{text}` sets no variable"))
                .state("nothing was started")
                .hint("write it as KEY=VALUE")
        })
    };
    given.iter().map(pair).collect()
}

/// An image for another machine is not started here.
async fn foreign(cx: &Context, architecture: &str) -> Result<Option<Check>, Failure> {
    let own = cx.engine.facts().await?.arch;
    if architecture.is_empty() || architecture == own {
        return Ok(None);
    }
    Ok(Some(Check {
        level: Level::Container,
        service: String::new(),
        container: String::new(),
        verdict: Verdict::Fail,
        asked: "architecture".to_owned(),
        answered: format!(
            "the image is for {architecture}, the engine's machine is {own}: verify it on such a machine, or without starting it"
        ),
        duration_ms: 0,
    }))
}

/// Whoever asked has broken it off.
fn interrupted() -> Failure {
    Failure::new(FailureKind::Unavailable, "interrupted").state("what was started is removed again").hint("run the command again")
}
