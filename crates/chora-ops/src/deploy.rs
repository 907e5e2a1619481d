//! Deploy: from a project to a healthy release, or back to the one before (SPEC §5).

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use chora_core::model::container::ContainerFilter;
use chora_core::model::deployment::{Deployment, DeploymentAction, Gap, Outcome, OutcomeKind, Traffic};
use chora_core::model::health::Check;
use chora_core::model::ids::{DeploymentId, EnvironmentName, ReleaseId};
use chora_core::model::image::ImagePin;
use chora_core::model::release::Release;
use chora_core::model::trace;
use chora_core::plan::gateway::GATEWAY;
use chora_core::plan::{DeployInput, Observed, Plan, PlanError, Reuse, labels, plan_deploy};
use chora_core::ports::EngineError;
use futures_util::future::join4;
use indexmap::IndexMap;

use crate::context::Context;
use crate::failure::{Failure, FailureKind};
use crate::images::{self, Eagerness, ImagePlan};
use crate::project::{Project, Selection, load};
use crate::rollout::execute::{Run, StepFailure};
use crate::rollout::finish;
use crate::rollout::foresee::foresee;
use crate::rollout::holding::holding;
use crate::rollout::observe::observe;
use crate::rollout::perform::StepError;
use crate::rollout::settle::{Cause, Settled, Settlement, back, settle};
use crate::watch::{self, Waited};
use crate::{certificates, preflight, release, version};

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
    /// Stay until the watch has ended.
    pub wait_watch: bool,
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
    /// What happens before the plan, in words (dry run): what a killed process left is settled first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub first: Vec<String>,
    /// The plan that was carried out, or would be.
    pub plan: Plan,
    /// Images that are pulled or built first, in words (dry run).
    pub images: Vec<String>,
    /// Checks that the gate passed.
    pub checks: Vec<Check>,
    /// Services that did not serve for a while.
    pub gaps: Vec<Gap>,
    /// What became of requests meanwhile.
    #[serde(skip_serializing_if = "Traffic::is_quiet")]
    pub traffic: Traffic,
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
    holding(cx, &project, &purpose, Box::pin(deploy_held(cx, &project, request))).await
}

async fn deploy_held(cx: &Context, project: &Project, request: &DeployRequest) -> Result<DeployOutcome, Failure> {
    let began = cx.clock.elapsed();
    let mut warnings: Vec<String> = told(&settle(cx, project, &project.environment.name, Settlement::Safe).await?);
    warnings.extend(watch::collect(cx, project).await?.words);
    warnings.extend(project.warnings.iter().cloned());
    let prepared = prepare(cx, project, request).await.map_err(|failure| failure.or_state("nothing was changed"))?;
    warnings.extend(prepared.warnings.iter().cloned());
    let mut deployment = new_deployment(cx, project, DeploymentAction::Deploy, &prepared);
    let release = match ready(cx, project, request, &prepared).await? {
        Some((release, plan)) if plan.is_empty() => {
            let version = prepared.live.as_ref().map_or(release.version, |live| live.version.clone());
            images::tag_again(cx, &prepared.images).await?;
            warnings.extend(certificates::missing(cx, project).await);
            let unchanged = Unchanged { version, plan, warnings, took: cx.clock.elapsed().saturating_sub(began) };
            return Ok(nothing_to_do(project, prepared, unchanged));
        }
        Some((release, plan)) => {
            deployment.plan = Some(plan);
            Some(release)
        }
        None => {
            // What cannot be planned is refused before anything is pulled, built or recorded.
            with_images(cx, project, request, &prepared, prepared.images.likely_pins()).await?;
            None
        }
    };
    finish::begin(cx, &deployment, release.as_ref()).await?;
    let work = Work { project, prepared: &prepared, release, recreate: request.recreate, warnings, began };
    let mut outcome = Box::pin(run(cx, deployment, work)).await?;
    outcome.warnings.extend(certificates::missing(cx, project).await);
    if request.wait_watch { Box::pin(watched(cx, project, outcome)).await } else { Ok(outcome) }
}

/// Stays until the release is not watched any more.
async fn watched(cx: &Context, project: &Project, mut outcome: DeployOutcome) -> Result<DeployOutcome, Failure> {
    let Some(deployment) = &outcome.deployment else { return Ok(outcome) };
    match watch::wait(cx, project, deployment).await? {
        None => outcome.warnings.push("nothing was watched: there is no release before that could be kept ready".to_owned()),
        Some(Waited::Passed(words)) => outcome.warnings.extend(words),
        Some(Waited::Interrupted(until)) => outcome.warnings.push(format!("the gateway watches on without you, until {until:.0}")),
        Some(Waited::WentBack(why, back)) => {
            let failure = Failure::new(FailureKind::Restored, format!("{} failed while it was watched: {why}", outcome.version));
            let state = format!("{} serves again in {} and is healthy", back.version, outcome.environment);
            return Err(failure.state(state).hint("mend it and deploy again; `chora events` has what happened when"));
        }
    }
    Ok(outcome)
}

/// What is known before the deployment begins.
pub(crate) struct Prepared {
    /// The deployment to come; names in its plan hold its id.
    pub(crate) deployment: DeploymentId,
    pub(crate) version: String,
    pub(crate) release_id: ReleaseId,
    pub(crate) live: Option<Release>,
    /// Releases that stay ready for rollback beside the new one.
    pub(crate) retained: Vec<Release>,
    pub(crate) images: ImagePlan,
    /// What was on the engine.
    pub(crate) observed: Observed,
    pub(crate) warnings: Vec<String>,
}

async fn prepare(cx: &Context, project: &Project, request: &DeployRequest) -> Result<Prepared, Failure> {
    let environment = &project.environment.name;
    let live = release::live(cx, environment).await?;
    let retained = release::good(cx, environment, (project.environment.releases_kept as usize).saturating_sub(1)).await?;
    let eager = Eagerness { pull: request.pull, build: request.build, as_built: false };
    let gateway = live.as_ref().and_then(|live| live.images.get(GATEWAY)).filter(|_| !request.recreate);
    let checked = preflight::preflight(cx, project);
    let observed = observe(cx, &project.environment.project, &project.stack);
    let (checked, images, observed, version) =
        join4(checked, images::survey(cx, project, eager, gateway), observed, choose_version(cx, project, request)).await;
    let renamed = renamed(cx, project, live.iter().chain(&retained)).await?;
    let checked = checked.map_err(|failure| match &renamed {
        Some(words) if failure.kind == FailureKind::Conflict => failure.hint(words.clone()),
        _ => failure,
    });
    let (mut warnings, images, observed, version) = (checked?, images?, observed?, version?);
    warnings.extend(preflight::clock_behind(cx.clock.now(), live.as_ref()));
    warnings.extend(renamed);
    warnings.extend(preflight::rollback_set(cx, &retained, images.present()).await?);
    let (deployment, release_id) = (DeploymentId::new(cx.host.fresh_id()), ReleaseId::new(cx.host.fresh_id()));
    Ok(Prepared { deployment, version, release_id, live, retained, images, observed, warnings })
}

/// Containers of the environment's releases under a name that the project had before: nothing else would ever touch them.
async fn renamed(cx: &Context, project: &Project, releases: impl Iterator<Item = &Release>) -> Result<Option<String>, Failure> {
    let names: BTreeSet<&str> = releases.map(|release| release.stack.name.as_str()).collect();
    for name in names.into_iter().filter(|name| *name != project.environment.project) {
        let labels = IndexMap::from([(labels::PROJECT.to_owned(), name.to_owned())]);
        let left = cx.engine.containers(&ContainerFilter { labels, all: true }).await?.len();
        if left > 0 {
            let filter = format!("label={}={name}", labels::PROJECT);
            return Ok(Some(format!(
                "the project was called `{name}` before; what ran under that name is not touched any more ({left} containers): \
                 `docker ps -aq --filter {filter} | xargs docker rm -f` removes it"
            )));
        }
    }
    Ok(None)
}

/// The version asked for, else what git says, else a number.
async fn choose_version(cx: &Context, project: &Project, request: &DeployRequest) -> Result<String, Failure> {
    if let Some(version) = &request.version {
        return Ok(version.clone());
    }
    match version::describe(&project.directory).await {
        Some(version) => Ok(version),
        None => Ok(format!("r{}", cx.store.deployment_count(&project.environment.name).await? + 1)),
    }
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
    let how = PlanFor { observed: &prepared.observed, reuse: Reuse::LiveOnly, recreate: request.recreate };
    let plan = plan_for(project, prepared, &release, &how)?;
    Ok((release, plan))
}

/// What distinguishes the plan of a deploy from that of a rollback.
pub(crate) struct PlanFor<'a> {
    pub(crate) observed: &'a Observed,
    pub(crate) reuse: Reuse,
    pub(crate) recreate: bool,
}

pub(crate) fn plan_for(project: &Project, prepared: &Prepared, release: &Release, how: &PlanFor<'_>) -> Result<Plan, Failure> {
    let mut retained: Vec<&Release> = prepared.retained.iter().chain(&prepared.live).collect();
    retained.push(release);
    let input = DeployInput {
        deployment: &prepared.deployment,
        environment: &project.environment,
        release,
        live: prepared.live.as_ref(),
        retained,
        observed: how.observed,
        reuse: how.reuse,
        rollouts: &project.rollouts,
        canaries: &project.canaries,
        labels: &whereabouts(project),
        recreate: how.recreate,
    };
    plan_deploy(&input).map_err(|error| match &error {
        PlanError::Order(_) => Failure::new(FailureKind::Invalid, error.to_string()).hint("break the cycle in depends_on"),
        PlanError::Definition(definition) => {
            Failure::new(FailureKind::Conflict, error.to_string()).state("nothing was changed").hint(definition.hint())
        }
    })
}

/// Where the project is, for tools that list containers.
fn whereabouts(project: &Project) -> IndexMap<String, String> {
    let absolute = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned()).display().to_string();
    let files: Vec<String> = project.compose_files.iter().map(|file| absolute(&project.directory.join(file))).collect();
    let mut all = IndexMap::from([
        (labels::WORKING_DIR.to_owned(), absolute(&project.directory)),
        (labels::VERSION.to_owned(), concat!("chora ", env!("CARGO_PKG_VERSION")).to_owned()),
    ]);
    if !files.is_empty() {
        all.insert(labels::CONFIG_FILES.to_owned(), files.join(","));
    }
    all
}

async fn dry_run(cx: &Context, project: &Project, request: &DeployRequest) -> Result<DeployOutcome, Failure> {
    let began = cx.clock.elapsed();
    let mut prepared = prepare(cx, project, request).await?;
    let (observed, live) = (std::mem::take(&mut prepared.observed), prepared.live.take());
    let foreseen = foresee(cx, &project.environment.name, observed, live, Settlement::Safe).await?;
    (prepared.observed, prepared.live) = (foreseen.observed, foreseen.live);
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
        first: foreseen.words,
        plan,
        checks: Vec::new(),
        gaps: Vec::new(),
        traffic: Traffic::default(),
        took_ms: millis(cx.clock.elapsed().saturating_sub(began)),
        warnings,
        next: "chora deploy".to_owned(),
    })
}

pub(crate) fn new_deployment(cx: &Context, project: &Project, action: DeploymentAction, prepared: &Prepared) -> Deployment {
    let id = prepared.deployment.clone();
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
    /// The release, where it was known before.
    release: Option<Release>,
    recreate: bool,
    warnings: Vec<String>,
    began: Duration,
}

/// From the beginning line to the terminal one.
async fn run(cx: &Context, mut deployment: Deployment, mut work: Work<'_>) -> Result<DeployOutcome, Failure> {
    let release = match work.release.take() {
        Some(release) => images::tag_again(cx, &work.prepared.images).await.map(|()| release).map_err(Failure::from),
        None => obtain(cx, &mut deployment, &work).await,
    };
    let release = match release {
        Ok(release) => release,
        Err(failure) => return Err(refused_early(cx, &deployment, failure).await),
    };
    let done = carry_out(cx, work.project, &deployment, &release, work.prepared.live.as_ref()).await;
    conclude(cx, &deployment, done, Conclusion { warnings: work.warnings, took: cx.clock.elapsed().saturating_sub(work.began) }).await
}

/// Images, release and plan; stored before anything is done.
async fn obtain(cx: &Context, deployment: &mut Deployment, work: &Work<'_>) -> Result<Release, Failure> {
    let project = work.project;
    let pins = tokio::select! {
        pins = images::obtain(cx, &work.prepared.images, &project.stack, &work.prepared.version) => pins?,
        () = cx.cancel.cancelled() => return Err(Failure::new(FailureKind::Unavailable, "interrupted while images were made").hint(finish::INTERRUPTED)),
    };
    let files = release::digest_files(cx, &project.stack).await?;
    let mut release = release::make(cx, project, &work.prepared.version, pins, files)?;
    release.id = deployment.release.clone();
    // Making images takes its time: what was on the engine before may not be there any more.
    let observed = observe(cx, &project.environment.project, &release.stack).await?;
    let how = PlanFor { observed: &observed, reuse: Reuse::LiveOnly, recreate: work.recreate };
    deployment.plan = Some(plan_for(project, work.prepared, &release, &how)?);
    cx.store.begin_deployment(deployment, &release).await?;
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
    let outcome = Outcome {
        kind: OutcomeKind::Kept,
        cause: failure.message.clone(),
        log: failure.details.clone(),
        gaps: Vec::new(),
        traffic: Traffic::default(),
    };
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
    /// Whoever asked for it broke it off.
    pub(crate) interrupted: bool,
    /// Why it could neither be ended nor undone, and whether its canary may be under way.
    pub(crate) left_open: Option<(String, bool)>,
}

/// Does the plan's steps; when one fails before the record, goes back.
pub(crate) async fn carry_out(cx: &Context, project: &Project, deployment: &Deployment, release: &Release, live: Option<&Release>) -> Done {
    let plan = deployment.plan.clone().unwrap_or_default();
    let expectations = project.expectations(release);
    let run = Run::new(cx, deployment, &plan, release, &expectations);
    let result = Box::pin(run.execute()).await;
    let checks = std::mem::take(&mut run.course().checks);
    let mut warnings = Vec::new();
    let interrupted = matches!(&result, Err(StepFailure { error: StepError::Interrupted(_), .. }));
    let bad_world = !interrupted && result.as_ref().is_err_and(|failure| failure.error.is_bad_world());
    let mut left_open = None;
    let outcome = match result {
        Ok(()) => {
            let left_over = std::mem::take(&mut run.course().left_over);
            let left_over = left_over.iter().map(|what| format!("the release is live, but the next deployment has to {what}"));
            warnings.extend(left_over);
            deployed(&run)
        }
        Err(StepFailure { what, error }) => {
            let cause =
                if matches!(error, StepError::Gate(_) | StepError::Worse(_)) { error.to_string() } else { format!("{what}: {error}") };
            // The way back must not be cut short by the signal that caused it.
            let patient = Context { cancel: tokio_util::sync::CancellationToken::new(), ..cx.clone() };
            let log = error.log();
            let run = run.within(&patient);
            let back = match error {
                StepError::Engine(gone @ EngineError::Unreachable { .. }) => Err(gone),
                _ => Box::pin(back(&run, live, project, Cause { words: cause.clone(), log })).await,
            };
            back.unwrap_or_else(|gone| {
                let words = if cause.contains(&gone.to_string()) { cause } else { format!("{cause}; on the way back: {gone}") };
                left_open = Some((words, run.is_trying()));
                Outcome {
                    kind: OutcomeKind::Degraded,
                    cause: String::new(),
                    log: Vec::new(),
                    gaps: Vec::new(),
                    traffic: Traffic::default(),
                }
            })
        }
    };
    Done { outcome, plan, checks, warnings, bad_world, interrupted, left_open }
}

fn deployed(run: &Run<'_>) -> Outcome {
    let (gaps, traffic) = run.course().take_out();
    Outcome { kind: OutcomeKind::Deployed, cause: String::new(), log: Vec::new(), gaps, traffic }
}

/// What the end of a deployment is told with.
pub(crate) struct Conclusion {
    pub(crate) warnings: Vec<String>,
    pub(crate) took: Duration,
}

/// Writes the terminal line and turns the end into an outcome or a failure.
pub(crate) async fn conclude(cx: &Context, deployment: &Deployment, done: Done, conclusion: Conclusion) -> Result<DeployOutcome, Failure> {
    let Done { outcome, plan, checks, warnings: more, bad_world, interrupted, left_open } = done;
    if let Some((cause, tried)) = left_open {
        return Err(finish::left_open(deployment, &cx.redactor.clean(&cause), tried));
    }
    let live = (outcome.kind == OutcomeKind::Deployed).then_some(&deployment.release);
    let ended = finish::end(cx, deployment, &outcome, &checks, live).await;
    let mut warnings = conclusion.warnings;
    warnings.extend(more);
    if let Err(error) = ended {
        warnings.push(format!("the end could not be recorded ({error}); the next command does"));
    }
    if outcome.kind != OutcomeKind::Deployed {
        let tell = match (interrupted, bad_world) {
            (true, _) => finish::interrupted,
            (false, true) => finish::broken_off,
            (false, false) => finish::failure,
        };
        let mut failure = tell(deployment, &outcome, deployment.previous_version.as_deref());
        failure.details.extend(warnings);
        return Err(failure);
    }
    Ok(DeployOutcome {
        environment: deployment.environment.name.clone(),
        version: deployment.version.clone(),
        previous_version: deployment.previous_version.clone(),
        deployment: Some(deployment.id.clone()),
        outcome: Some(outcome.kind),
        first: Vec::new(),
        plan,
        images: Vec::new(),
        checks,
        gaps: outcome.gaps,
        traffic: outcome.traffic,
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
        first: Vec::new(),
        plan: unchanged.plan,
        images: Vec::new(),
        checks: Vec::new(),
        gaps: Vec::new(),
        traffic: Traffic::default(),
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
