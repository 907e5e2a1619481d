//! Resume and abort: what a killed process left, completed or undone on request.

use chora_core::model::deployment::OutcomeKind;
use chora_core::model::ids::EnvironmentName;
use chora_core::plan::Observed;

use crate::context::Context;
use crate::failure::{Failure, FailureKind};
use crate::project::{Selection, load_or_recall};
use crate::rollout::finish;
use crate::rollout::foresee::foresee;
use crate::rollout::holding::holding;
use crate::rollout::settle::{Settlement, open_deployments, settle};

/// Which environment.
#[derive(Debug, Clone, Default, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ResumeRequest {
    /// Environment; `production` unless named.
    pub environment: Option<String>,
    /// Tell what would be done, touch nothing.
    pub dry_run: bool,
}

/// What was done.
#[derive(Debug, Clone, serde::Serialize, schemars::JsonSchema)]
pub struct ResumeOutcome {
    /// Environment.
    pub environment: EnvironmentName,
    /// Version of the deployment that was open.
    pub version: String,
    /// How it ended; absent in a dry run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<OutcomeKind>,
    /// What would be done, step by step (dry run).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<String>,
    /// In words.
    pub message: String,
    /// The next command.
    pub next: String,
}

/// Goes on with the deployment that a killed process left.
///
/// # Errors
/// Not found when there is none; kept, restored or degraded when it failed and was undone.
pub async fn resume(cx: &Context, request: &ResumeRequest) -> Result<ResumeOutcome, Failure> {
    finish_open(cx, request, Settlement::Resume).await
}

/// Undoes the deployment that a killed process left.
///
/// # Errors
/// Not found when there is none; conflict when its release is already recorded as live.
pub async fn abort(cx: &Context, request: &ResumeRequest) -> Result<ResumeOutcome, Failure> {
    finish_open(cx, request, Settlement::Abort).await
}

async fn finish_open(cx: &Context, request: &ResumeRequest, how: Settlement) -> Result<ResumeOutcome, Failure> {
    let project = load_or_recall(cx, &Selection { environment: request.environment.clone() }).await?;
    let environment = project.environment.name.clone();
    if request.dry_run {
        return dry_run(cx, environment, how).await;
    }
    let purpose = if how == Settlement::Resume { "resume" } else { "abort" };
    let mut settled = holding(cx, &project, purpose, Box::pin(settle(cx, &project, &environment, how))).await?;
    let Some(last) = settled.pop() else {
        return Err(nothing(&environment));
    };
    let previous = last.deployment.previous_version.as_deref();
    let wanted = if how == Settlement::Resume {
        last.outcome.kind == OutcomeKind::Deployed
    } else {
        last.outcome.kind != OutcomeKind::Degraded || previous.is_none()
    };
    if !wanted {
        return Err(finish::failure(&last.deployment, &last.outcome, previous));
    }
    let message = match last.outcome.kind {
        OutcomeKind::Deployed | OutcomeKind::Unchanged => format!("{} is live", last.deployment.version),
        _ => format!("{} was undone; {} serves", last.deployment.version, previous.unwrap_or("nothing")),
    };
    Ok(ResumeOutcome {
        environment,
        version: last.deployment.version,
        outcome: Some(last.outcome.kind),
        steps: Vec::new(),
        message,
        next: "chora health".to_owned(),
    })
}

fn nothing(environment: &EnvironmentName) -> Failure {
    let failure = Failure::new(FailureKind::NotFound, format!("no unfinished deployment in {environment}"));
    failure.state("nothing was changed").hint("`chora status` shows what is live")
}

async fn dry_run(cx: &Context, environment: EnvironmentName, how: Settlement) -> Result<ResumeOutcome, Failure> {
    let Some(last) = open_deployments(cx, &environment).await?.pop() else { return Err(nothing(&environment)) };
    let foreseen = foresee(cx, &environment, Observed::default(), None, how).await?;
    let next = if how == Settlement::Resume { "chora resume" } else { "chora abort" };
    let message = foreseen.words.join("; ");
    Ok(ResumeOutcome { environment, version: last.version, outcome: None, steps: foreseen.steps, message, next: next.to_owned() })
}
