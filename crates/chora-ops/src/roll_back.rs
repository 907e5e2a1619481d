//! Rollback: an earlier release made live again, image, configuration and secrets together, through the same gate.

use std::collections::BTreeSet;
use std::time::Duration;

use chora_core::model::deployment::{Deployment, DeploymentAction, OutcomeKind, Traffic};
use chora_core::model::ids::{DeploymentId, EnvironmentName, ImageId, ReleaseId};
use chora_core::model::release::Release;
use chora_core::plan::gateway::{GATEWAY, keep_certificates};
use chora_core::plan::{Observed, Plan, Reuse};
use futures_util::future::try_join_all;

use crate::context::Context;
use crate::deploy::{
    Conclusion, DeployOutcome, PlanFor, Prepared, Unchanged, carry_out, conclude, millis, new_deployment, nothing_to_do, plan_for, told,
};
use crate::failure::{Failure, FailureKind};
use crate::images::{self, ImagePlan};
use crate::preflight;
use crate::project::{Project, Selection, load_or_recall};
use crate::release;
use crate::rollout::finish;
use crate::rollout::foresee::foresee;
use crate::rollout::holding::holding;
use crate::rollout::observe::observe;
use crate::rollout::settle::{Settled, Settlement, settle};
use crate::watch;

/// Where to go back, and to what.
#[derive(Debug, Clone, Default, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RollbackRequest {
    /// Environment; `production` unless named.
    pub environment: Option<String>,
    /// Version or release id; the last good release unless named.
    pub release: Option<String>,
    /// Print the plan, touch nothing.
    pub dry_run: bool,
}

/// Rolls an environment back.
///
/// # Errors
/// Not found when there is nothing to go back to; else as `deploy`.
pub async fn roll_back(cx: &Context, request: &RollbackRequest) -> Result<DeployOutcome, Failure> {
    let selection = Selection { environment: request.environment.clone() };
    let project = load_or_recall(cx, &selection).await?;
    if request.dry_run {
        return dry_run(cx, &project, request).await;
    }
    watch::prepare(cx, &project).await;
    holding(cx, &project, "rollback", Box::pin(roll_back_held(cx, &project, request))).await
}

async fn dry_run(cx: &Context, project: &Project, request: &RollbackRequest) -> Result<DeployOutcome, Failure> {
    let began = cx.clock.elapsed();
    let environment = &project.environment.name;
    let live = release::live(cx, environment).await?;
    let foreseen = foresee(cx, environment, Observed::default(), live, Settlement::Safe).await?;
    let first = foreseen.words;
    let outcome = if foreseen.undoes_deploy && request.release.is_none() {
        let took = cx.clock.elapsed().saturating_sub(began);
        back_already(project, foreseen.live.as_ref(), Vec::new(), took)
    } else {
        let (target, mut prepared) = prepare(cx, project, request, foreseen.live).await?;
        let observed = std::mem::take(&mut prepared.observed);
        prepared.observed = foresee(cx, environment, observed, None, Settlement::Safe).await?.observed;
        let plan = plan(project, &prepared, &target)?;
        let unchanged = Unchanged { version: target.version, plan, warnings: Vec::new(), took: cx.clock.elapsed().saturating_sub(began) };
        nothing_to_do(project, prepared, unchanged)
    };
    let next = request.release.as_ref().map_or_else(|| "chora rollback".to_owned(), |release| format!("chora rollback {release}"));
    Ok(DeployOutcome { outcome: None, first, next, ..outcome })
}

/// The end of a rollback that had nothing to do but to undo an unfinished deployment: the last good release serves again.
fn back_already(project: &Project, live: Option<&Release>, mut warnings: Vec<String>, took: Duration) -> DeployOutcome {
    let version = live.map_or_else(|| "nothing".to_owned(), |live| live.version.clone());
    warnings.push(format!("{version} is the last good release; to go further back name one, see `chora history`"));
    DeployOutcome {
        environment: project.environment.name.clone(),
        previous_version: live.map(|live| live.version.clone()),
        version,
        deployment: None,
        outcome: Some(OutcomeKind::Unchanged),
        first: Vec::new(),
        plan: Plan::default(),
        images: Vec::new(),
        checks: Vec::new(),
        gaps: Vec::new(),
        traffic: Traffic::default(),
        took_ms: millis(took),
        warnings,
        next: "chora health".to_owned(),
    }
}

/// Whether settling took a deploy back, so that what was live before it is what a rollback without a name asks for.
fn went_back(settled: &[Settled]) -> Option<&Settled> {
    settled.iter().rev().find(|settled| {
        let undone = !matches!(settled.outcome.kind, OutcomeKind::Deployed | OutcomeKind::Unchanged);
        undone && settled.deployment.action == DeploymentAction::Deploy && settled.deployment.previous.is_some()
    })
}

async fn roll_back_held(cx: &Context, project: &Project, request: &RollbackRequest) -> Result<DeployOutcome, Failure> {
    let began = cx.clock.elapsed();
    let environment = &project.environment.name;
    let settled = settle(cx, project, environment, Settlement::Safe).await?;
    let mut warnings = told(&settled);
    let collected = watch::collect(cx, project).await?;
    warnings.extend(collected.words);
    if let Some(outcome) = collected.went_back.filter(|_| request.release.is_none()) {
        return Ok(DeployOutcome { warnings, ..outcome });
    }
    let live = release::live(cx, environment).await?;
    warnings.extend(preflight::clock_behind(cx.clock.now(), live.as_ref()));
    if let Some(back) = went_back(&settled).filter(|_| request.release.is_none()) {
        if back.outcome.kind == OutcomeKind::Degraded {
            return Err(finish::failure(&back.deployment, &back.outcome, back.deployment.previous_version.as_deref()));
        }
        return Ok(back_already(project, live.as_ref(), warnings, cx.clock.elapsed().saturating_sub(began)));
    }
    let prepared = prepare(cx, project, request, live).await;
    let (target, prepared) = prepared.map_err(|failure| failure.or_state("nothing was changed"))?;
    let planned = plan(project, &prepared, &target)?;
    if planned.is_empty() {
        let took = cx.clock.elapsed().saturating_sub(began);
        return Ok(nothing_to_do(project, prepared, Unchanged { version: target.version, plan: planned, warnings, took }));
    }
    go_back(cx, project, (&target, &prepared, planned), Told { warnings, why: "", began }).await
}

/// Makes the release before a deployment the live one, where nobody asked for it: the gateway sends everything there already.
pub(crate) async fn because(cx: &Context, project: &Project, deployment: &Deployment, why: &str) -> Result<DeployOutcome, Failure> {
    let began = cx.clock.elapsed();
    let request = RollbackRequest { release: deployment.previous.as_ref().map(ToString::to_string), ..RollbackRequest::default() };
    let live = release::live(cx, &project.environment.name).await?;
    let (target, prepared) = prepare(cx, project, &request, live).await?;
    let planned = plan(project, &prepared, &target)?;
    go_back(cx, project, (&target, &prepared, planned), Told { warnings: Vec::new(), why, began }).await
}

/// What is told with the end.
struct Told<'a> {
    warnings: Vec<String>,
    /// Why it is done, where nobody asked for it.
    why: &'a str,
    began: Duration,
}

async fn go_back(
    cx: &Context,
    project: &Project,
    (target, prepared, planned): (&Release, &Prepared, Plan),
    told: Told<'_>,
) -> Result<DeployOutcome, Failure> {
    let Told { warnings, why, began } = told;
    let mut deployment = new_deployment(cx, project, DeploymentAction::Rollback, prepared);
    deployment.plan = Some(planned);
    finish::begin(cx, &deployment, None).await?;
    let mut done = carry_out(cx, project, &deployment, target, prepared.live.as_ref()).await;
    if done.outcome.kind == OutcomeKind::Deployed {
        why.clone_into(&mut done.outcome.cause);
    }
    let mut outcome = conclude(cx, &deployment, done, Conclusion { warnings, took: cx.clock.elapsed().saturating_sub(began) }).await?;
    outcome.took_ms = millis(cx.clock.elapsed().saturating_sub(began));
    Ok(outcome)
}

fn plan(project: &Project, prepared: &Prepared, target: &Release) -> Result<Plan, Failure> {
    plan_for(project, prepared, target, &PlanFor { observed: &prepared.observed, reuse: Reuse::Retained, recreate: false })
}

/// The release that is asked for, out of the good ones.
async fn target(
    cx: &Context,
    environment: &EnvironmentName,
    request: &RollbackRequest,
    live: &ReleaseId,
) -> Result<Option<Release>, Failure> {
    match &request.release {
        Some(name) => release::named(cx, environment, name).await,
        None => release::last_good(cx, environment, live).await,
    }
}

/// Those of the images that the engine has.
async fn present(cx: &Context, ids: impl Iterator<Item = &ImageId>) -> Result<BTreeSet<ImageId>, Failure> {
    let distinct: BTreeSet<&ImageId> = ids.collect();
    let asked = distinct.into_iter().map(|id| async move { cx.engine.image(id.as_str()).await.map(|image| image.map(|_| id.clone())) });
    Ok(try_join_all(asked).await?.into_iter().flatten().collect())
}

async fn prepare(
    cx: &Context,
    project: &Project,
    request: &RollbackRequest,
    live: Option<Release>,
) -> Result<(Release, Prepared), Failure> {
    let environment = &project.environment.name;
    let nothing = |message: String| {
        Failure::new(FailureKind::NotFound, message).state("nothing was changed").hint("`chora history` lists the releases")
    };
    if request.release.is_none() && live.is_none() {
        return Err(nothing(format!("nothing is live in {environment}"))
            .hint("`chora rollback VERSION` makes a release live again; `chora history` lists them"));
    }
    let live_id = live.as_ref().map_or_else(|| ReleaseId::new(""), |live| live.id.clone());
    let Some(target) = target(cx, environment, request, &live_id).await? else {
        let message = request.release.as_ref().map_or_else(
            || format!("no release was live in {environment} before {}", live.as_ref().map_or("this", |live| live.version.as_str())),
            |name| format!("no good release `{name}` in {environment}"),
        );
        return Err(nothing(message));
    };
    let observed = observe(cx, &project.environment.project, &target.stack).await?;
    // An engine keeps the image of a container that is up.
    let up = observed.containers.iter().filter(|container| container.is_up());
    let in_use: BTreeSet<&ImageId> = up.map(|container| &container.image).collect();
    let mut target = with_gateway_image(cx, target, &in_use).await?;
    if let Some(live) = &live {
        keep_certificates(&mut target, live);
    }
    check_available(cx, &target, &in_use).await?;
    let retained = release::good(cx, environment, project.environment.releases_kept as usize).await?;
    let prepared = Prepared {
        deployment: DeploymentId::new(cx.host.fresh_id()),
        version: target.version.clone(),
        release_id: target.id.clone(),
        live,
        retained,
        images: ImagePlan::default(),
        observed,
        warnings: Vec::new(),
    };
    Ok((target, prepared))
}

/// The gateway's image can be had again when it is gone.
async fn with_gateway_image(cx: &Context, mut target: Release, in_use: &BTreeSet<&ImageId>) -> Result<Release, Failure> {
    if let Some(pin) = target.images.get_mut(GATEWAY)
        && !in_use.contains(&pin.id)
        && cx.engine.image(pin.id.as_str()).await?.is_none()
    {
        *pin = images::provide_own(cx).await?;
    }
    Ok(target)
}

/// Every image must still be there: nothing is pulled in a rollback, a tag could have moved.
async fn check_available(cx: &Context, target: &Release, in_use: &BTreeSet<&ImageId>) -> Result<(), Failure> {
    let open = target.images.values().map(|pin| &pin.id).filter(|id| !in_use.contains(id));
    let found = present(cx, open).await?;
    for (service, pin) in &target.images {
        if !in_use.contains(&pin.id) && !found.contains(&pin.id) {
            let failure = Failure::new(
                FailureKind::NotFound,
                format!("the image of `{service}` in release {} is gone from the engine", target.version),
            );
            return Err(failure
                .state("nothing was changed")
                .hint(format!("pull or build {} again, or roll back to another release, see `chora history`", pin.reference)));
        }
    }
    Ok(())
}
