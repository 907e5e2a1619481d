//! Rollback: an earlier release made live again, image, configuration and secrets together, through the same gate.

use chora_core::model::deployment::DeploymentAction;
use chora_core::model::release::Release;
use chora_core::plan::{Plan, Reuse};

use crate::context::Context;
use crate::deploy::{
    Conclusion, DeployOutcome, PlanFor, Prepared, Unchanged, carry_out, conclude, millis, new_deployment, nothing_to_do, plan_for,
    refused_early, told,
};
use crate::failure::{Failure, FailureKind};
use crate::images::ImagePlan;
use crate::project::{Project, Selection, load};
use crate::release;
use crate::rollout::finish;
use crate::rollout::lease;
use crate::rollout::settle::{Settlement, settle};

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
    let project = load(cx, &selection)?;
    if request.dry_run {
        return dry_run(cx, &project, request).await;
    }
    let held = lease::take(cx, &project.environment.name, "rollback").await?;
    let result = Box::pin(roll_back_held(cx, &project, request)).await;
    held.give_back(cx).await;
    result
}

async fn dry_run(cx: &Context, project: &Project, request: &RollbackRequest) -> Result<DeployOutcome, Failure> {
    let began = cx.clock.elapsed();
    let (target, prepared) = prepare(cx, project, request).await?;
    let plan = plan(cx, project, &prepared, &target).await?;
    let unchanged = Unchanged { version: target.version, plan, warnings: Vec::new(), took: cx.clock.elapsed().saturating_sub(began) };
    let outcome = nothing_to_do(project, prepared, unchanged);
    Ok(DeployOutcome { outcome: None, next: "chora rollback".to_owned(), ..outcome })
}

async fn roll_back_held(cx: &Context, project: &Project, request: &RollbackRequest) -> Result<DeployOutcome, Failure> {
    let began = cx.clock.elapsed();
    let warnings = told(&settle(cx, project, &project.environment.name, Settlement::Safe).await?);
    let (target, prepared) = prepare(cx, project, request).await?;
    let planned = plan(cx, project, &prepared, &target).await?;
    if planned.is_empty() {
        let took = cx.clock.elapsed().saturating_sub(began);
        return Ok(nothing_to_do(project, prepared, Unchanged { version: target.version, plan: planned, warnings, took }));
    }
    let mut deployment = new_deployment(cx, project, DeploymentAction::Rollback, &prepared);
    finish::begin(cx, &deployment).await?;
    // Names in a plan belong to its deployment: it is planned again under its own id.
    let how = PlanFor { deployment: &deployment.id, reuse: Reuse::Retained, recreate: false };
    deployment.plan = match plan_for(cx, project, &prepared, &target, how).await {
        Ok(plan) => Some(plan),
        Err(failure) => return Err(refused_early(cx, &deployment, failure).await),
    };
    if let Err(error) = cx.store.put_deployment(&deployment).await {
        return Err(refused_early(cx, &deployment, error.into()).await);
    }
    let done = carry_out(cx, project, &deployment, &target, prepared.live.as_ref()).await;
    let mut outcome = conclude(cx, &deployment, done, Conclusion { warnings, took: cx.clock.elapsed().saturating_sub(began) }).await?;
    outcome.took_ms = millis(cx.clock.elapsed().saturating_sub(began));
    Ok(outcome)
}

async fn plan(cx: &Context, project: &Project, prepared: &Prepared, target: &Release) -> Result<Plan, Failure> {
    let id = chora_core::model::ids::DeploymentId::new(cx.host.fresh_id());
    plan_for(cx, project, prepared, target, PlanFor { deployment: &id, reuse: Reuse::Retained, recreate: false }).await
}

async fn prepare(cx: &Context, project: &Project, request: &RollbackRequest) -> Result<(Release, Prepared), Failure> {
    let environment = &project.environment.name;
    let nothing = |message: String| {
        Failure::new(FailureKind::NotFound, message).state("nothing was changed").hint("`chora history` lists the releases")
    };
    let Some(live) = release::live(cx, environment).await? else {
        return Err(nothing(format!("nothing is live in {environment}")));
    };
    let good: Vec<Release> = release::good(cx, environment).await?.into_iter().map(|(release, _)| release).collect();
    let target = match &request.release {
        Some(name) => good.iter().find(|release| release.id.as_str() == name || &release.version == name).cloned(),
        None => release::last_good(cx, environment, &live.id).await?,
    };
    let Some(target) = target else {
        let message = request.release.as_ref().map_or_else(
            || format!("no release was live in {environment} before {}", live.version),
            |name| format!("no good release `{name}` in {environment}"),
        );
        return Err(nothing(message));
    };
    check_available(cx, &target).await?;
    let kept = project.environment.releases_kept as usize;
    let retained = good.into_iter().take(kept).collect();
    let prepared = Prepared {
        version: target.version.clone(),
        release_id: target.id.clone(),
        live: Some(live),
        retained,
        images: ImagePlan::default(),
        warnings: Vec::new(),
    };
    Ok((target, prepared))
}

/// Every image must still be there: nothing is pulled in a rollback, a tag could have moved.
async fn check_available(cx: &Context, target: &Release) -> Result<(), Failure> {
    for (service, pin) in &target.images {
        if cx.engine.image(pin.id.as_str()).await?.is_none() {
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
