//! Tools of a deployment's life: plan, deploy, roll back, resume, abort, and what there is and was.

use chora_core::model::deployment::{Gap, OutcomeKind};
use chora_core::model::health::Verdict;
use chora_core::model::ids::{DeploymentId, EnvironmentName};
use chora_core::plan::{Change, Plan, ServicePlan};
use chora_ops::deploy::{DeployOutcome, DeployRequest, deploy};
use chora_ops::resume::{ResumeOutcome, ResumeRequest, abort, resume};
use chora_ops::roll_back::{RollbackRequest, roll_back};
use chora_ops::status::{ContainerLine, HistoryOutcome, StatusOutcome, StatusRequest, history, status};
use chora_ops::{Context, Failure};
use futures_util::future::BoxFuture;

use super::operation::{Effect, Operation, Shown, Words};

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
    let shown = Shown { tell: planned_words, view: PlanAnswer::of };
    Operation::short(words, Effect::Reads, planned, shown).without_property("dry_run")
}

fn deploy_tool() -> Operation {
    let words = Words {
        name: "deploy",
        title: "Deploy the project",
        description: "Makes the project live in an environment: builds or pulls images, starts candidates, checks their health, then lets them take over. \
A release that fails its checks is refused and the old one keeps serving. Asks first.",
    };
    let shown = Shown { tell: deployed_words, view: DeployAnswer::of };
    Operation::short(words, Effect::Replaces, |cx, request| Box::pin(deploy(cx, request)), shown)
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
    let shown = Shown { tell: deployed_words, view: DeployAnswer::of };
    Operation::short(words, Effect::Replaces, |cx, request| Box::pin(roll_back(cx, request)), shown).asking(
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
        .asking(|request: &ResumeRequest| request.dry_run, |cx, request| unfinished(cx, request, "go on with"))
}

fn abort_tool() -> Operation {
    let words = Words {
        name: "abort",
        title: "Undo an unfinished deployment",
        description: "Undoes a deployment that a killed process left unfinished (see `status`); the release before it serves again. Asks first.",
    };
    Operation::new(words, Effect::Replaces, |cx, request| Box::pin(abort(cx, request)), resumed_words)
        .asking(|request: &ResumeRequest| request.dry_run, |cx, request| unfinished(cx, request, "undo"))
}

fn status_tool() -> Operation {
    let words = Words {
        name: "status",
        title: "Show what is live",
        description: "Shows an environment at a glance: the live version, its containers, who changes it now, what was left unfinished, where `rollback` could go.",
    };
    let shown = Shown { tell: status_words, view: StatusAnswer::of };
    Operation::short(words, Effect::Reads, |cx, request| Box::pin(status(cx, request)), shown)
}

fn history_tool() -> Operation {
    let words = Words {
        name: "history",
        title: "List deployments",
        description: "Lists an environment's deployments and rollbacks, newest first, with their outcome and its cause.",
    };
    Operation::new(words, Effect::Reads, |cx, request| Box::pin(history(cx, request)), history_words)
}

/// A plan in short: steps in words; `chora plan --json` has them in full.
#[derive(serde::Serialize, schemars::JsonSchema)]
struct PlanAnswer {
    /// Environment.
    environment: EnvironmentName,
    /// Version that would be live.
    version: String,
    /// Version that is live now.
    #[serde(skip_serializing_if = "Option::is_none")]
    previous_version: Option<String>,
    /// What happens to each service, and why.
    services: Vec<ServicePlan>,
    /// Steps in order.
    steps: Vec<String>,
    /// Images that are pulled or built first.
    images: Vec<String>,
    /// Worth knowing.
    warnings: Vec<String>,
    /// The next command.
    next: String,
}

impl PlanAnswer {
    fn of(outcome: DeployOutcome) -> Self {
        Self {
            environment: outcome.environment,
            version: outcome.version,
            previous_version: outcome.previous_version,
            steps: in_words(&outcome.plan),
            services: outcome.plan.services,
            images: outcome.images,
            warnings: outcome.warnings,
            next: outcome.next,
        }
    }
}

fn in_words(plan: &Plan) -> Vec<String> {
    plan.steps.iter().map(|step| step.action.to_string()).collect()
}

/// A deployment in short: steps in words, checks as a number; `health` has them in full.
#[derive(serde::Serialize, schemars::JsonSchema)]
struct DeployAnswer {
    /// Environment.
    environment: EnvironmentName,
    /// Version that is live now, or would be.
    version: String,
    /// Version that was live before.
    #[serde(skip_serializing_if = "Option::is_none")]
    previous_version: Option<String>,
    /// Deployment; absent in a plan, and when there was nothing to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    deployment: Option<DeploymentId>,
    /// How it ended; absent in a plan.
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<OutcomeKind>,
    /// What happens to each service, and why.
    services: Vec<ServicePlan>,
    /// Steps in order.
    steps: Vec<String>,
    /// Images that are pulled or built first.
    images: Vec<String>,
    /// Checks that the gate passed.
    checks_passed: usize,
    /// Services that did not serve for a while.
    gaps: Vec<Gap>,
    /// Requests that waited or were cut meanwhile.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    traffic: Vec<String>,
    /// Milliseconds that it took.
    took_ms: u64,
    /// Worth knowing.
    warnings: Vec<String>,
    /// The next command.
    next: String,
}

impl DeployAnswer {
    fn of(outcome: DeployOutcome) -> Self {
        Self {
            checks_passed: passed(&outcome),
            environment: outcome.environment,
            version: outcome.version,
            previous_version: outcome.previous_version,
            deployment: outcome.deployment,
            outcome: outcome.outcome,
            steps: in_words(&outcome.plan),
            services: outcome.plan.services,
            images: outcome.images,
            gaps: outcome.gaps,
            traffic: crate::cli::deploy::in_words(&outcome.traffic),
            took_ms: outcome.took_ms,
            warnings: outcome.warnings,
            next: outcome.next,
        }
    }
}

/// An environment at a glance, in short.
#[derive(serde::Serialize, schemars::JsonSchema)]
struct StatusAnswer {
    /// Environment.
    environment: EnvironmentName,
    /// Version that is live.
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<String>,
    /// Who changes it now, and what for.
    #[serde(skip_serializing_if = "Option::is_none")]
    lease: Option<String>,
    /// The release under watch, and how it fares.
    #[serde(skip_serializing_if = "Option::is_none")]
    watch: Option<String>,
    /// ACME certificates, and how they fare.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    certificates: Vec<String>,
    /// Deployments that a killed process left unfinished.
    unfinished: Vec<String>,
    /// Containers of the project.
    containers: Vec<ContainerLine>,
    /// Versions that `rollback` could go back to, newest first.
    rollback_to: Vec<String>,
    /// The next command.
    next: String,
}

impl StatusAnswer {
    fn of(outcome: StatusOutcome) -> Self {
        Self {
            environment: outcome.environment,
            version: outcome.version,
            lease: outcome.lease.map(|lease| format!("{} since {}: {}", lease.owner, lease.since, lease.purpose)),
            watch: outcome.watch.as_ref().map(crate::cli::status::watched),
            certificates: outcome.certificates.iter().map(crate::cli::status::certificate).collect(),
            unfinished: outcome.unfinished,
            containers: outcome.containers,
            rollback_to: outcome.rollback_to,
            next: outcome.next,
        }
    }
}

fn passed(outcome: &DeployOutcome) -> usize {
    outcome.checks.iter().filter(|check| check.verdict == Verdict::Pass).count()
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
    let mut lines: Vec<String> = outcome.first.iter().chain(&outcome.images).cloned().collect();
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
    lines.push(format!("{}; {} checks passed", summary(&outcome.plan), passed(outcome)));
    lines.extend(outcome.warnings.first().map(|warning| format!("warning: {warning}")));
    lines.push(format!("next: {}", outcome.next));
    lines.join("\n")
}

fn resumed_words(outcome: &ResumeOutcome) -> String {
    let steps: String = outcome.steps.iter().map(|step| format!("{step}\n")).collect();
    format!("{} in {}\n{steps}next: {}", outcome.message, outcome.environment, outcome.next)
}

fn status_words(outcome: &StatusOutcome) -> String {
    let active = outcome.containers.iter().filter(|container| container.role == "active").count();
    let live = outcome.version.as_deref().map_or_else(|| "nothing is live".to_owned(), |version| format!("{version} is live"));
    let mut lines = vec![format!("{live} in {}, {active} containers", outcome.environment)];
    lines.extend(outcome.lease.iter().map(|lease| format!("changed now by {}: {}", lease.owner, lease.purpose)));
    lines.extend(outcome.certificates.iter().map(|line| format!("certificate: {}", crate::cli::status::certificate(line))));
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
