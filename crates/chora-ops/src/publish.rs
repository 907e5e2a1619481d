//! The `release` command: build, verify, push the very image that was verified, and only then let `latest` stand for it.
//!
//! What the registry has is what is done: a second run goes on from there, and other content under the same version is refused.

mod account;
mod many;
mod part;
mod steps;

use std::any::Any;
use std::panic::AssertUnwindSafe;

use chora_core::model::ids::EnvironmentName;
use futures_util::FutureExt as _;
use indexmap::IndexMap;

use crate::context::Context;
use crate::failure::{Failure, FailureKind};
use crate::multi::emulation;
use crate::project::{Project, Selection, load};
use crate::push::Published;
use crate::registry::{built_only, registry, tag};
use crate::rollout::holding::holding;
use crate::verify::VerifyOutcome;

use account::Account;
use part::Part;

pub(crate) use part::two_of_one_name;

/// What to release, as what, and where to.
#[derive(Debug, Clone, Default, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "independent switches, as the command line has them")]
pub struct PublishRequest {
    /// Version, the tag.
    pub version: String,
    /// Host and path, such as `ghcr.io/acme`.
    pub registry: String,
    /// Environment; `production` unless named.
    pub environment: Option<String>,
    /// Services; all that are built unless named.
    pub services: Vec<String>,
    /// Most bytes of an image's files.
    pub max_size_bytes: Option<u64>,
    /// Paths that may hold what looks like a secret.
    pub allow: Vec<String>,
    /// Platforms such as `linux/arm64`, under one name; the engine's own unless named.
    pub platforms: Vec<String>,
    /// Verify without starting.
    pub no_start: bool,
    /// Verify in a network with a way out.
    pub online: bool,
    /// Leave `latest` alone.
    pub no_latest: bool,
    /// Tell, touch nothing.
    pub dry_run: bool,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
pub struct PublishOutcome {
    /// Every image is in the registry under its version.
    pub ok: bool,
    /// Version.
    pub version: String,
    /// Environment.
    pub environment: EnvironmentName,
    /// Images by service.
    pub images: IndexMap<String, Published>,
    /// Services whose image was in the registry before.
    pub resumed: Vec<String>,
    /// `latest` stands for this version.
    pub latest: bool,
    /// What was found out about each image.
    pub verified: IndexMap<String, VerifyOutcome>,
    /// What would be done, of a dry run.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub plan: Vec<String>,
    /// Worth knowing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// The next command.
    pub next: String,
}

/// Releases the project's images. Each attempt is told in the deployment log, from its beginning to its one end.
///
/// # Errors
/// Conflict when the registry holds other content under this version, or somebody else holds the environment; denied when the
/// registry wants a login; unavailable when it does not answer. An image that is not fit is an outcome.
pub async fn publish(cx: &Context, request: &PublishRequest) -> Result<PublishOutcome, Failure> {
    let registry = registry(&request.registry)?;
    tag(&request.version)?;
    let mut project = load(cx, &Selection { environment: request.environment.clone() })?;
    let whole = project.clone();
    built_only(&mut project, &request.services)?;
    if !request.platforms.is_empty() {
        let machine = cx.engine.facts().await?;
        let mut services = project.stack.services.keys();
        services.try_for_each(|name| emulation::check(&project, name, &request.platforms, &machine))?;
    }
    crate::redactor::learn(cx, &whole.stack).await;
    let mut work = Work { whole, project, registry, request, parts: Vec::new(), warnings: Vec::new() };
    if request.dry_run {
        return steps::foresee(cx, work).await;
    }
    let (project, purpose) = (work.project.clone(), format!("release {}", request.version));
    // Nobody may prune or build the same images meanwhile.
    holding(cx, &project, &purpose, Box::pin(async { told(cx, &mut work).await })).await
}

/// A release that is under way.
struct Work<'a> {
    /// With the services that are not built, which others depend on.
    whole: Project,
    project: Project,
    registry: String,
    request: &'a PublishRequest,
    parts: Vec<Part>,
    warnings: Vec<String>,
}

/// From the beginning line to the terminal one.
async fn told(cx: &Context, work: &mut Work<'_>) -> Result<PublishOutcome, Failure> {
    account::close_killed(cx)?;
    let account = Account::new(cx, work);
    // A bug must not leave the log without an end.
    let done = match std::panic::catch_unwind(AssertUnwindSafe(|| account.begin(cx))) {
        Ok(begun) => {
            begun?;
            AssertUnwindSafe(Box::pin(steps::carry_out(cx, work))).catch_unwind().await
        }
        Err(panic) => Err(panic),
    };
    let bug =
        |panic: Box<dyn Any + Send>| Failure::of_panic(&*panic).hint("please report the bug; the same command goes on where it stopped");
    let done = done.unwrap_or_else(|panic| Err(bug(panic)));
    let done = done.map_err(|failure| {
        let details = failure.details.iter().map(|line| cx.redactor.clean(line)).collect();
        let failure = Failure { message: cx.redactor.clean(&failure.message), details, ..failure };
        failure.or_state(&work.state())
    });
    let unwritten = account.end(cx, work, &done);
    match (done, unwritten) {
        (Ok(mut outcome), Err(error)) => {
            outcome.warnings.push(format!("its end could not be written into the log: {error}"));
            Ok(outcome)
        }
        (done, _) => done,
    }
}

impl Work<'_> {
    /// What the registry has now.
    fn state(&self) -> String {
        let version = &self.request.version;
        let (there, missing): (Vec<&Part>, Vec<&Part>) = self.parts.iter().partition(|part| part.digest.is_some());
        let names = |parts: &[&Part]| parts.iter().map(|part| part.repository.as_str()).collect::<Vec<_>>().join(", ");
        let moved: Vec<&Part> = self.parts.iter().filter(|part| part.is_latest).collect();
        let latest =
            if moved.is_empty() { "`latest` is as it was".to_owned() } else { format!("`latest` stands for it in {}", names(&moved)) };
        match (there.is_empty(), missing.is_empty()) {
            (true, _) => format!("the registry has nothing of {version} from this run; {latest}"),
            (false, true) => format!("the registry has {version} of {} as it is built here; {latest}", names(&there)),
            (false, false) => {
                format!("the registry has {version} of {} as it is built here, not of {}; {latest}", names(&there), names(&missing))
            }
        }
    }

    /// `latest` stands for all of it.
    fn is_latest(&self) -> bool {
        !self.parts.is_empty() && self.parts.iter().all(|part| part.is_latest)
    }

    fn outcome(&self, ok: bool, next: String) -> PublishOutcome {
        let version = &self.request.version;
        let images = self.parts.iter().flat_map(|part| part.services.iter().map(move |name| (name.clone(), part.published(version))));
        PublishOutcome {
            ok,
            version: self.request.version.clone(),
            environment: self.project.environment.name.clone(),
            images: images.collect(),
            resumed: self.parts.iter().filter(|part| part.was_there).flat_map(|part| part.services.clone()).collect(),
            latest: self.is_latest(),
            verified: self.parts.iter().flat_map(|part| part.verified.clone()).collect(),
            plan: Vec::new(),
            warnings: self.warnings.clone(),
            next,
        }
    }
}

/// Whoever asked has broken it off.
fn interrupted(what: &str) -> Failure {
    Failure::new(FailureKind::Unavailable, format!("interrupted while {what}")).hint("the same command goes on where it stopped")
}
