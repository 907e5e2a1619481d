//! Deploy: from a project to a healthy release, or back to the one before (SPEC §5).

use std::time::Duration;

use chora_core::model::deployment::{Deployment, DeploymentAction, Gap, Outcome, OutcomeKind};
use chora_core::model::health::Check;
use chora_core::model::ids::{DeploymentId, EnvironmentName, ReleaseId};
use chora_core::model::image::ImagePin;
use chora_core::model::release::Release;
use chora_core::model::trace;
use chora_core::plan::{DeployInput, Plan, Reuse, plan_deploy};
use indexmap::IndexMap;

use crate::context::Context;
use crate::failure::{Failure, FailureKind};
use crate::images::{self, Eagerness, ImagePlan};
use crate::project::{Project, Selection, load};
use crate::rollout::execute::{Run, StepFailure};
use crate::rollout::finish;
use crate::rollout::lease;
use crate::rollout::observe::observe;
use crate::rollout::settle::{Cause, Settled, Settlement, back, settle};
use crate::{preflight, release, version};

/// What to deploy, and where.
#[derive(Debug, Clone, Default, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "independent switches, as the command line has them")]
pub struct DeployRequest {
    /// Environment; `production` unless named.
    pub environment: Option<String>,
    /// Version; `git describe` unless named.
    pub version: Option<String>,
    /// Print the plan, touch nothing.
    pub dry_run: bool,
    /// Pull images that are on the engine already.
    pub pull: bool,
    /// Build images whose inputs did not change.
    pub build: bool,
    /// Replace containers that did not change.
    pub recreate: bool,
}

/// What came of it.
#[derive(Debug, Clone, serde::Serialize, schemars::JsonSchema)]
pub struct DeployOutcome {
    /// Environment.
    pub environment: EnvironmentName,
    /// Version that is live now (or would be, in a dry run).
    pub version: String,
    /// Version that was live before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub previous_version: Option<String>,
    /// Deployment; absent when there was nothing to do and in a dry run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deployment: Option<DeploymentId>,
    /// How it ended; absent in a dry run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<OutcomeKind>,
    /// The plan that was carried out, or would be.
    pub plan: Plan,
    /// Images that are pulled or built first, in words (dry run).
    pub images: Vec<String>,
    /// Checks that the gate passed.
    pub checks: Vec<Check>,
    /// Services that did not serve for a while.
    pub gaps: Vec<Gap>,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
    /// Worth knowing.
    pub warnings: Vec<String>,
    /// The next command.
    pub next: String,
}

/// Deploys a project.
///
/// # Errors
/// Kept, restored or degraded when the release was refused; invalid, unavailable, conflict or denied when nothing was begun.
pub async fn deploy(cx: &Context, request: &DeployRequest) -> Result<DeployOutcome, Failure> {
    if let Some(version) = &request.version {
        checked_version(version)?;
    }
    let selection = Selection { environment: request.environment.clone() };
    let project = load(cx, &selection)?;
    if request.dry_run {
        return dry_run(cx, &project, request).await;
    }
    let purpose = format!("deploy {}", request.version.as_deref().unwrap_or("the project"));
    let held = lease::take(cx, &project.environment.name, purpose.trim()).await?;
    let result = deploy_held(cx, &project, request).await;
    held.give_back(cx).await;
    result
}

async fn deploy_held(cx: &Context, project: &Project, request: &DeployRequest) -> Result<DeployOutcome, Failure> {
    let began = cx.clock.elapsed();
    let mut warnings: Vec<String> = told(&settle(cx, project, &project.environment.name, Settlement::Safe).await?);
    warnings.extend(project.warnings.iter().cloned());
    let prepared = prepare(cx, project, request).await?;
    warnings.extend(prepared.warnings.iter().cloned());
    if let Some((release, plan)) = ready(cx, project, request, &prepared).await?
        && plan.is_empty()
    {
        let version = prepared.live.as_ref().map_or(release.version, |live| live.version.clone());
        let unchanged = Unchanged { version, plan, warnings, took: cx.clock.elapsed().saturating_sub(began) };
        return Ok(nothing_to_do(project, prepared, unchanged));
    }
    let deployment = new_deployment(cx, project, DeploymentAction::Deploy, &prepared);
    finish::begin(cx, &deployment).await?;
    let work = Work { project, prepared: &prepared, rebuild: request, warnings, began };
    run(cx, deployment, work).await
}

/// What is known before the deployment begins.
pub(crate) struct Prepared {
    pub(crate) version: String,
    pub(crate) release_id: ReleaseId,
    pub(crate) live: Option<Release>,
    /// Releases that stay ready for rollback beside the new one.
    pub(crate) retained: Vec<Release>,
    pub(crate) images: ImagePlan,
    pub(crate) warnings: Vec<String>,
}

async fn prepare(cx: &Context, project: &Project, request: &DeployRequest) -> Result<Prepared, Failure> {
    let environment = &project.environment.name;
    let live = release::live(cx, environment).await?;
    let mut retained: Vec<Release> = release::good(cx, environment).await?.into_iter().map(|(release, _)| release).collect();
    retained.truncate((project.environment.releases_kept as usize).saturating_sub(1));
    let warnings = preflight::preflight(cx, project, &retained).await?;
    let eager = Eagerness { pull: request.pull, build: request.build };
    let images = images::survey(cx, project, eager).await?;
    let version = match &request.version {
        Some(version) => version.clone(),
        None => match version::describe(&project.directory).await {
            Some(version) => version,
            None => format!("r{}", cx.store.deployments(environment, 10_000).await?.len() + 1),
        },
    };
    Ok(Prepared { version, release_id: ReleaseId::new(cx.host.fresh_id()), live, retained, images, warnings })
}

/// A version is shown in tables and used in names: one word.
fn checked_version(version: &str) -> Result<(), Failure> {
    let fine = |c: char| c.is_ascii_alphanumeric() || "._+-".contains(c);
    if version.is_empty() || version.len() > 100 || !version.chars().all(fine) {
        let failure = Failure::new(FailureKind::Invalid, format!("`{version}` is not a version"));
        return Err(failure.hint("use letters, digits, dots, dashes, underscores and plus signs"));
    }
    Ok(())
}

/// Release and plan, when every image is present.
async fn ready(cx: &Context, project: &Project, request: &DeployRequest, prepared: &Prepared) -> Result<Option<(Release, Plan)>, Failure> {
    match prepared.images.pins() {
        Some(pins) => with_images(cx, project, request, prepared, pins).await.map(Some),
        None => Ok(None),
    }
}

async fn with_images(
    cx: &Context,
    project: &Project,
    request: &DeployRequest,
    prepared: &Prepared,
    pins: IndexMap<String, ImagePin>,
) -> Result<(Release, Plan), Failure> {
    let files = release::digest_files(cx, &project.stack).await?;
    let mut release = release::make(cx, project, &prepared.version, pins, files)?;
    release.id = prepared.release_id.clone();
    let id = DeploymentId::new(cx.host.fresh_id());
    let plan =
        plan_for(cx, project, prepared, &release, PlanFor { deployment: &id, reuse: Reuse::LiveOnly, recreate: request.recreate }).await?;
    Ok((release, plan))
}

/// What distinguishes the plan of a deploy from that of a rollback.
pub(crate) struct PlanFor<'a> {
    pub(crate) deployment: &'a DeploymentId,
    pub(crate) reuse: Reuse,
    pub(crate) recreate: bool,
}

pub(crate) async fn plan_for(
    cx: &Context,
    project: &Project,
    prepared: &Prepared,
    release: &Release,
    how: PlanFor<'_>,
) -> Result<Plan, Failure> {
    let observed = observe(cx, &project.environment.project, &release.stack).await?;
    let mut retained: Vec<&Release> = prepared.retained.iter().chain(&prepared.live).collect();
    retained.push(release);
    let input = DeployInput {
        deployment: how.deployment,
        environment: &project.environment,
        release,
        live: prepared.live.as_ref(),
        retained,
        observed: &observed,
        reuse: how.reuse,
        rollouts: &project.rollouts,
        recreate: how.recreate,
    };
    plan_deploy(&input).map_err(|error| Failure::new(FailureKind::Invalid, error.to_string()).hint("break the cycle in depends_on"))
}

async fn dry_run(cx: &Context, project: &Project, request: &DeployRequest) -> Result<DeployOutcome, Failure> {
    let began = cx.clock.elapsed();
    let prepared = prepare(cx, project, request).await?;
    let mut warnings = project.warnings.clone();
    warnings.extend(prepared.warnings.iter().cloned());
    // An image that is not there yet counts as another one: the plan shows what happens when it is.
    let (_, plan) = with_images(cx, project, request, &prepared, prepared.images.likely_pins()).await?;
    Ok(DeployOutcome {
        environment: project.environment.name.clone(),
        version: prepared.version.clone(),
        previous_version: prepared.live.as_ref().map(|live| live.version.clone()),
        deployment: None,
        outcome: None,
        images: prepared.images.missing(),
        plan,
        checks: Vec::new(),
        gaps: Vec::new(),
        took_ms: millis(cx.clock.elapsed().saturating_sub(began)),
        warnings,
        next: "chora deploy".to_owned(),
    })
}

pub(crate) fn new_deployment(cx: &Context, project: &Project, action: DeploymentAction, prepared: &Prepared) -> Deployment {
    let id = DeploymentId::new(cx.host.fresh_id());
    let now = cx.clock.now();
    let year = now.to_zoned(jiff::tz::TimeZone::UTC).year();
    Deployment {
        trace_id: trace::of_deployment(year, &id),
        id,
        action,
        repository: project.repository.clone(),
        deployed_by: cx.settings.deployed_by,
        environment: project.environment.clone(),
        release: prepared.release_id.clone(),
        version: prepared.version.clone(),
        previous: prepared.live.as_ref().map(|live| live.id.clone()),
        previous_version: prepared.live.as_ref().map(|live| live.version.clone()),
        owner: cx.host.owner(),
        started_at: now,
        plan: None,
        ended_at: None,
        took: None,
        outcome: None,
    }
}

/// A deployment that has begun.
struct Work<'a> {
    project: &'a Project,
    prepared: &'a Prepared,
    rebuild: &'a DeployRequest,
    warnings: Vec<String>,
    began: Duration,
}

/// From the beginning line to the terminal one.
async fn run(cx: &Context, mut deployment: Deployment, work: Work<'_>) -> Result<DeployOutcome, Failure> {
    let release = match obtain(cx, &mut deployment, &work).await {
        Ok(release) => release,
        Err(failure) => return Err(refused_early(cx, &deployment, failure).await),
    };
    let done = carry_out(cx, work.project, &deployment, &release, work.prepared.live.as_ref()).await;
    conclude(cx, &deployment, done, Conclusion { warnings: work.warnings, took: cx.clock.elapsed().saturating_sub(work.began) }).await
}

/// Images, release and plan; each is stored before the next.
async fn obtain(cx: &Context, deployment: &mut Deployment, work: &Work<'_>) -> Result<Release, Failure> {
    let project = work.project;
    let pins = tokio::select! {
        pins = images::obtain(cx, &work.prepared.images, &project.stack, &work.prepared.version) => pins?,
        () = cx.cancel.cancelled() => return Err(Failure::new(FailureKind::Unavailable, "interrupted while images were made")),
    };
    let files = release::digest_files(cx, &project.stack).await?;
    let mut release = release::make(cx, project, &work.prepared.version, pins, files)?;
    release.id = deployment.release.clone();
    cx.store.put_release(&release).await?;
    let how = PlanFor { deployment: &deployment.id, reuse: Reuse::LiveOnly, recreate: work.rebuild.recreate };
    let plan = plan_for(cx, project, work.prepared, &release, how).await?;
    deployment.plan = Some(plan);
    cx.store.put_deployment(deployment).await?;
    Ok(release)
}

/// A failure that tells no secret: build output may hold one.
fn cleaned(cx: &Context, failure: Failure) -> Failure {
    let details = failure.details.iter().map(|line| cx.redactor.clean(line)).collect();
    Failure { message: cx.redactor.clean(&failure.message), details, ..failure }
}

/// A deployment that failed before its first step: the world is as it was.
pub(crate) async fn refused_early(cx: &Context, deployment: &Deployment, failure: Failure) -> Failure {
    let failure = cleaned(cx, failure);
    let outcome = Outcome { kind: OutcomeKind::Kept, cause: failure.message.clone(), log: failure.details.clone(), gaps: Vec::new() };
    let ended = finish::end(cx, deployment, &outcome, &[], None).await;
    let was = deployment
        .previous_version
        .as_deref()
        .map_or_else(|| "nothing was changed".to_owned(), |was| format!("{was} keeps serving; nothing was changed"));
    match ended {
        Ok(()) => failure.state(was),
        Err(log) => failure.state(format!("{was}; its end could not be recorded ({log}), the next command does")),
    }
}

/// What came of the steps.
pub(crate) struct Done {
    pub(crate) outcome: Outcome,
    pub(crate) plan: Plan,
    pub(crate) checks: Vec<Check>,
    pub(crate) warnings: Vec<String>,
    /// The world was bad, not the release.
    pub(crate) bad_world: bool,
}

/// Does the plan's steps; when one fails before the record, goes back.
pub(crate) async fn carry_out(cx: &Context, project: &Project, deployment: &Deployment, release: &Release, live: Option<&Release>) -> Done {
    let plan = deployment.plan.clone().unwrap_or_default();
    let expectations = project.expectations(release);
    let mut run = Run::new(cx, deployment, &plan, release, &expectations);
    let result = run.execute(0).await;
    let mut warnings = Vec::new();
    let bad_world = result.as_ref().is_err_and(|failure| failure.error.is_bad_world());
    let outcome = match result {
        Ok(()) => {
            let left_over = run.left_over.iter().map(|what| format!("the release is live, but the next deployment has to {what}"));
            warnings.extend(left_over);
            deployed(&mut run)
        }
        Err(StepFailure { index, what, error }) => {
            let cause =
                if matches!(error, crate::rollout::perform::StepError::Gate(_)) { error.to_string() } else { format!("{what}: {error}") };
            // The way back must not be cut short by the signal that caused it.
            let patient = Context { cancel: tokio_util::sync::CancellationToken::new(), ..cx.clone() };
            let mut returning = Run::new(&patient, deployment, &plan, release, &expectations);
            returning.switched = run.switched;
            returning.stopped_at = std::mem::take(&mut run.stopped_at);
            returning.gaps = std::mem::take(&mut run.gaps);
            let begun: Vec<usize> = (0..=index).collect();
            back(&mut returning, &begun, live, project, Cause { words: cause, log: error.log() }).await
        }
    };
    let checks = std::mem::take(&mut run.checks);
    Done { outcome, plan, checks, warnings, bad_world }
}

fn deployed(run: &mut Run<'_>) -> Outcome {
    Outcome { kind: OutcomeKind::Deployed, cause: String::new(), log: Vec::new(), gaps: std::mem::take(&mut run.gaps) }
}

/// What the end of a deployment is told with.
pub(crate) struct Conclusion {
    pub(crate) warnings: Vec<String>,
    pub(crate) took: Duration,
}

/// Writes the terminal line and turns the end into an outcome or a failure.
pub(crate) async fn conclude(cx: &Context, deployment: &Deployment, done: Done, conclusion: Conclusion) -> Result<DeployOutcome, Failure> {
    let Done { outcome, plan, checks, warnings: more, bad_world } = done;
    let live = (outcome.kind == OutcomeKind::Deployed).then_some(&deployment.release);
    let ended = finish::end(cx, deployment, &outcome, &checks, live).await;
    let mut warnings = conclusion.warnings;
    warnings.extend(more);
    if let Err(error) = ended {
        warnings.push(format!("the end could not be recorded ({error}); the next command does"));
    }
    if outcome.kind != OutcomeKind::Deployed {
        let mut failure = finish::failure(deployment, &outcome, deployment.previous_version.as_deref());
        if bad_world {
            failure.hint =
                "the release itself may be fine: mend the engine, registry, disk or network, then `chora deploy` again".to_owned();
        }
        failure.details.extend(warnings);
        return Err(failure);
    }
    Ok(DeployOutcome {
        environment: deployment.environment.name.clone(),
        version: deployment.version.clone(),
        previous_version: deployment.previous_version.clone(),
        deployment: Some(deployment.id.clone()),
        outcome: Some(outcome.kind),
        plan,
        images: Vec::new(),
        checks,
        gaps: outcome.gaps,
        took_ms: millis(conclusion.took),
        warnings,
        next: "chora health".to_owned(),
    })
}

/// A deploy that found nothing to do.
pub(crate) struct Unchanged {
    pub(crate) version: String,
    pub(crate) plan: Plan,
    pub(crate) warnings: Vec<String>,
    pub(crate) took: Duration,
}

pub(crate) fn nothing_to_do(project: &Project, prepared: Prepared, unchanged: Unchanged) -> DeployOutcome {
    DeployOutcome {
        environment: project.environment.name.clone(),
        version: unchanged.version,
        previous_version: prepared.live.map(|live| live.version),
        deployment: None,
        outcome: Some(OutcomeKind::Unchanged),
        plan: unchanged.plan,
        images: Vec::new(),
        checks: Vec::new(),
        gaps: Vec::new(),
        took_ms: millis(unchanged.took),
        warnings: unchanged.warnings,
        next: "chora health".to_owned(),
    }
}

pub(crate) fn told(settled: &[Settled]) -> Vec<String> {
    let words = settled.iter().map(|settled| {
        let how = match settled.outcome.kind {
            OutcomeKind::Deployed | OutcomeKind::Unchanged => "completed",
            OutcomeKind::Kept | OutcomeKind::Restored => "undone",
            OutcomeKind::Degraded => "undone, and what was before it is not healthy",
        };
        format!("an unfinished deployment of {} ({}) was found and {how}", settled.deployment.version, settled.deployment.owner)
    });
    words.collect()
}

pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
