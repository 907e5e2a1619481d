//! Tools of a deployment's life: plan, deploy, roll back, resume, abort, and what there is and was.

use chora_core::plan::{Change, Plan};
use chora_ops::deploy::{DeployOutcome, DeployRequest, deploy};
use chora_ops::resume::{ResumeOutcome, ResumeRequest, abort, resume};
use chora_ops::roll_back::{RollbackRequest, roll_back};
use chora_ops::status::{HistoryOutcome, StatusOutcome, StatusRequest, history, status};
use chora_ops::{Context, Failure};
use futures_util::future::BoxFuture;

use super::operation::{Effect, Operation, Words};

/// How many rows a text shows; the structured content has all of them.
const ROWS: usize = 20;

pub(super) fn operations() -> Vec<Operation> {
    vec![plan_tool(), deploy_tool(), rollback_tool(), resume_tool(), abort_tool(), status_tool(), history_tool()]
}

fn plan_tool() -> Operation {
    let words = Words {
        name: "plan",
        title: "Plan a deployment",
        description: "Shows what `deploy` would create, replace, keep and remove, in which order and why. Touches nothing. Call it before `deploy`.",
    };
    Operation::new(words, Effect::Reads, planned, planned_words).without_property("dry_run")
}

fn deploy_tool() -> Operation {
    let words = Words {
        name: "deploy",
        title: "Deploy the project",
        description: "Makes the project live in an environment: builds or pulls images, starts candidates, checks their health, then lets them take over. \
A release that fails its checks is refused and the old one keeps serving. Asks first.",
    };
    Operation::new(words, Effect::Replaces, |cx, request| Box::pin(deploy(cx, request)), deployed_words)
        .idempotent()
        .asking(|request: &DeployRequest| request.dry_run, |cx, request| Box::pin(async move { Ok(steps(&planned(cx, request).await?)) }))
}

fn rollback_tool() -> Operation {
    let words = Words {
        name: "rollback",
        title: "Roll an environment back",
        description: "Makes an earlier release live again, the last good one unless `release` names another (see `status`). It passes the same health \
checks as a deployment. Asks first.",
    };
    Operation::new(words, Effect::Replaces, |cx, request| Box::pin(roll_back(cx, request)), deployed_words).asking(
        |request: &RollbackRequest| request.dry_run,
        |cx, request| {
            Box::pin(async move {
                let request = RollbackRequest { dry_run: true, ..request.clone() };
                Ok(steps(&Box::pin(roll_back(cx, &request)).await?))
            })
        },
    )
}

fn resume_tool() -> Operation {
    let words = Words {
        name: "resume",
        title: "Resume an unfinished deployment",
        description: "Goes on with a deployment that a killed process left unfinished (see `status`). Asks first.",
    };
    Operation::new(words, Effect::Replaces, |cx, request| Box::pin(resume(cx, request)), resumed_words)
        .asking(|_: &ResumeRequest| false, |cx, request| unfinished(cx, request, "go on with"))
}

fn abort_tool() -> Operation {
    let words = Words {
        name: "abort",
        title: "Undo an unfinished deployment",
        description: "Undoes a deployment that a killed process left unfinished (see `status`); the release before it serves again. Asks first.",
    };
    Operation::new(words, Effect::Replaces, |cx, request| Box::pin(abort(cx, request)), resumed_words)
        .asking(|_: &ResumeRequest| false, |cx, request| unfinished(cx, request, "undo"))
}

fn status_tool() -> Operation {
    let words = Words {
        name: "status",
        title: "Show what is live",
        description: "Shows an environment at a glance: the live version, its containers, who changes it now, what was left unfinished, where `rollback` could go.",
    };
    Operation::new(words, Effect::Reads, |cx, request| Box::pin(status(cx, request)), status_words)
}

fn history_tool() -> Operation {
    let words = Words {
        name: "history",
        title: "List deployments",
        description: "Lists an environment's deployments and rollbacks, newest first, with their outcome and its cause.",
    };
    Operation::new(words, Effect::Reads, |cx, request| Box::pin(history(cx, request)), history_words)
}

fn planned<'a>(cx: &'a Context, request: &'a DeployRequest) -> BoxFuture<'a, Result<DeployOutcome, Failure>> {
    Box::pin(async move {
        let request = DeployRequest { dry_run: true, ..request.clone() };
        Box::pin(deploy(cx, &request)).await
    })
}

fn unfinished<'a>(cx: &'a Context, request: &'a ResumeRequest, what: &'a str) -> BoxFuture<'a, Result<Vec<String>, Failure>> {
    Box::pin(async move {
        let request = StatusRequest { environment: request.environment.clone() };
        let status = status(cx, &request).await?;
        Ok(status.unfinished.iter().map(|deployment| format!("{what} the {deployment}")).collect())
    })
}

/// What a dry run would do, a line each.
fn steps(outcome: &DeployOutcome) -> Vec<String> {
    let mut lines: Vec<String> = outcome.images.clone();
    let touched = outcome.plan.services.iter().filter(|service| service.change != Change::Keep);
    lines.extend(touched.map(|service| format!("{} {}: {}", service.change, service.service, service.why)));
    if lines.is_empty() {
        lines.push(format!("change nothing: {} is live in {}", outcome.version, outcome.environment));
    }
    lines
}

fn summary(plan: &Plan) -> String {
    let count = |change| plan.services.iter().filter(|service| service.change == change).count();
    let counts = [
        (Change::Create, "create"),
        (Change::Replace, "replace"),
        (Change::Run, "run"),
        (Change::Remove, "remove"),
        (Change::Keep, "keep"),
    ];
    let parts: Vec<String> =
        counts.into_iter().filter(|(change, _)| count(*change) > 0).map(|(change, word)| format!("{word} {}", count(change))).collect();
    if parts.is_empty() { "nothing to do".to_owned() } else { format!("{} in {} steps", parts.join(", "), plan.steps.len()) }
}

fn planned_words(outcome: &DeployOutcome) -> String {
    let mut lines = vec![format!("{} in {}: {}", outcome.version, outcome.environment, summary(&outcome.plan))];
    lines.extend(steps(outcome).into_iter().take(ROWS));
    lines.push(format!("next: {}", outcome.next));
    lines.join("\n")
}

fn deployed_words(outcome: &DeployOutcome) -> String {
    if outcome.outcome.is_none() {
        return planned_words(outcome);
    }
    let before = outcome.previous_version.as_deref().map_or_else(String::new, |version| format!(", before it {version}"));
    let mut lines = vec![format!("{} is live in {} after {} ms{before}", outcome.version, outcome.environment, outcome.took_ms)];
    lines.push(format!("{}; {} checks passed", summary(&outcome.plan), outcome.checks.len()));
    lines.extend(outcome.warnings.first().map(|warning| format!("warning: {warning}")));
    lines.push(format!("next: {}", outcome.next));
    lines.join("\n")
}

fn resumed_words(outcome: &ResumeOutcome) -> String {
    format!("{} in {}\nnext: {}", outcome.message, outcome.environment, outcome.next)
}

fn status_words(outcome: &StatusOutcome) -> String {
    let active = outcome.containers.iter().filter(|container| container.role == "active").count();
    let live = outcome.version.as_deref().map_or_else(|| "nothing is live".to_owned(), |version| format!("{version} is live"));
    let mut lines = vec![format!("{live} in {}, {active} containers", outcome.environment)];
    lines.extend(outcome.lease.iter().map(|lease| format!("changed now by {}: {}", lease.owner, lease.purpose)));
    lines.extend(outcome.unfinished.iter().map(|deployment| format!("unfinished: {deployment}")));
    if !outcome.rollback_to.is_empty() {
        lines.push(format!("rollback to: {}", outcome.rollback_to.join(", ")));
    }
    lines.push(format!("next: {}", outcome.next));
    lines.join("\n")
}

fn history_words(outcome: &HistoryOutcome) -> String {
    let mut lines = vec![format!("{} deployments in {}", outcome.deployments.len(), outcome.environment)];
    lines.extend(outcome.deployments.iter().take(ROWS).map(|line| {
        let ended = line.outcome.map_or_else(|| "unfinished".to_owned(), word);
        let live = if line.live { ", live" } else { "" };
        let cause = if line.cause.is_empty() { String::new() } else { format!(": {}", line.cause) };
        format!("{} {} {} {ended}{live}{cause}", line.started_at, word(line.action), line.version)
    }));
    lines.push(format!("next: {}", outcome.next));
    lines.join("\n")
}

/// The word that an enumeration has in JSON.
fn word(value: impl serde::Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}
