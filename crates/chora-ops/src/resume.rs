//! Resume and abort: what a killed process left, completed or undone on request.

use chora_core::model::deployment::OutcomeKind;
use chora_core::model::ids::EnvironmentName;

use crate::context::Context;
use crate::failure::{Failure, FailureKind};
use crate::project::{Selection, load};
use crate::rollout::finish;
use crate::rollout::lease;
use crate::rollout::settle::{Settlement, settle};

/// Which environment.
#[derive(Debug, Clone, Default, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ResumeRequest {
    /// Environment; `production` unless named.
    pub environment: Option<String>,
}

/// What was done.
#[derive(Debug, Clone, serde::Serialize, schemars::JsonSchema)]
pub struct ResumeOutcome {
    /// Environment.
    pub environment: EnvironmentName,
    /// Version of the deployment that was open.
    pub version: String,
    /// How it ended.
    pub outcome: OutcomeKind,
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
    let project = load(cx, &Selection { environment: request.environment.clone() })?;
    let environment = project.environment.name.clone();
    let purpose = if how == Settlement::Resume { "resume" } else { "abort" };
    let held = lease::take(cx, &environment, purpose).await?;
    let settled = settle(cx, &project, &environment, how).await;
    held.give_back(cx).await;
    let Some(last) = settled?.pop() else {
        let failure = Failure::new(FailureKind::NotFound, format!("no unfinished deployment in {environment}"));
        return Err(failure.state("nothing was changed").hint("`chora status` shows what is live"));
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
        outcome: last.outcome.kind,
        message,
        next: "chora health".to_owned(),
    })
}
