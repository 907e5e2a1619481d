//! What is live, what happened, and who is at it.

mod roles;

use std::collections::BTreeMap;

use chora_core::model::container::{ContainerFilter, ContainerState, PublishedPort};
use chora_core::model::deployment::{Deployment, DeploymentAction, JournalMark, Lease, OutcomeKind};
use chora_core::model::ids::{DeploymentId, EnvironmentName, ReleaseId};
use chora_core::plan::labels;
use indexmap::IndexMap;
use jiff::Timestamp;

use crate::certificates::{CertificateLine, certificates};
use crate::context::Context;
use crate::failure::Failure;
use crate::project::{Project, Selection, load_or_recall};
use crate::rollout::canary;
use crate::rollout::settle::open_deployments;
use crate::watch::{self, WatchLine};
use crate::{preflight, release};
use roles::Roles;

/// Which environment.
#[derive(Debug, Clone, Default, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct StatusRequest {
    /// Environment; `production` unless named.
    pub environment: Option<String>,
}

/// An environment at a glance.
#[derive(Debug, Clone, serde::Serialize, schemars::JsonSchema)]
pub struct StatusOutcome {
    /// Environment.
    pub environment: EnvironmentName,
    /// Version that is live.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Release that is live.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub release: Option<ReleaseId>,
    /// Who changes it now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lease: Option<Lease>,
    /// The release under watch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub watch: Option<WatchLine>,
    /// Certificates that the gateway gets by itself.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub certificates: Vec<CertificateLine>,
    /// Deployments that a killed process left unfinished, in words.
    pub unfinished: Vec<String>,
    /// Containers of the project.
    pub containers: Vec<ContainerLine>,
    /// Versions that `rollback` could go back to, newest first.
    pub rollback_to: Vec<String>,
    /// The next command.
    pub next: String,
}

/// One container in a table.
#[derive(Debug, Clone, serde::Serialize, schemars::JsonSchema)]
pub struct ContainerLine {
    /// Service.
    pub service: String,
    /// Name on the engine.
    pub name: String,
    /// Whose it is: `active`, of the live release; `candidate`, of a deployment that did not record its release yet; `warm`,
    /// ready to serve again; `retired`, stopped and kept for rollback.
    pub role: String,
    /// What it is doing.
    pub state: ContainerState,
    /// The engine's words.
    pub status: String,
    /// Published ports.
    pub published: Vec<PublishedPort>,
}

/// Tells what is live in an environment.
///
/// # Errors
/// Unavailable when store or engine do not answer.
pub async fn status(cx: &Context, request: &StatusRequest) -> Result<StatusOutcome, Failure> {
    let project = load_or_recall(cx, &Selection { environment: request.environment.clone() }).await?;
    let environment = project.environment.name.clone();
    let live = release::live(cx, &environment).await?;
    // A dead owner is at nothing any more; what it left is named as unfinished.
    let lease = cx.store.lease(&environment).await?.filter(|lease| cx.host.liveness(&lease.owner) != chora_core::ports::Liveness::Dead);
    let ours = lease.as_ref().map(|lease| lease.owner.clone());
    let open = open_deployments(cx, &environment).await?;
    let is_left = |deployment: &Deployment| {
        ours.as_ref() != Some(&deployment.owner) || cx.host.liveness(&deployment.owner) == chora_core::ports::Liveness::Dead
    };
    let mut unfinished = Vec::new();
    for deployment in open.iter().filter(|deployment| is_left(deployment)) {
        unfinished.push(left(cx, deployment).await?);
    }
    let retained = release::good(cx, &environment, project.environment.releases_kept as usize).await?;
    let gone = preflight::gone(cx, &retained).await?;
    let rollback_to = retained
        .iter()
        .filter(|release| live.as_ref().is_none_or(|live| live.id != release.id))
        .filter(|release| release.images.values().all(|pin| !gone.contains(&pin.id)))
        .map(|release| release.version.clone());
    let watch = watch::line(cx, &project).await;
    let certificates = match &live {
        Some(live) => certificates(cx, &project.environment.project, &live.stack).await,
        None => Vec::new(),
    };
    let next = if !unfinished.is_empty() {
        "chora resume, or chora abort"
    } else if watch.as_ref().is_some_and(|watch| watch.switched_back.is_some()) {
        "chora events"
    } else if live.is_some() {
        "chora health"
    } else {
        "chora deploy"
    };
    Ok(StatusOutcome {
        version: live.as_ref().map(|live| live.version.clone()),
        release: live.as_ref().map(|live| live.id.clone()),
        lease,
        watch,
        certificates,
        containers: containers(cx, &project).await?,
        rollback_to: rollback_to.collect(),
        unfinished,
        environment,
        next: next.to_owned(),
    })
}

/// What a dead process left, in words.
async fn left(cx: &Context, deployment: &Deployment) -> Result<String, Failure> {
    let Deployment { action, version, owner, started_at, .. } = deployment;
    let journal = cx.store.journal(&deployment.id).await?;
    let marks: BTreeMap<usize, JournalMark> = journal.iter().map(|entry| (entry.step as usize, entry.mark)).collect();
    let begun = |index: usize| marks.get(&index).is_some_and(|mark| *mark != JournalMark::Undone);
    let is_tried = deployment.plan.as_ref().is_some_and(|plan| canary::is_open(plan, begun));
    let share = if is_tried { format!(", its canary goes on: some requests are answered by {version}") } else { String::new() };
    Ok(format!("{} of {version} by {owner}, begun {started_at:.0}{share}", word(*action)))
}

/// The project's containers: active ones first.
pub(crate) async fn containers(cx: &Context, project: &Project) -> Result<Vec<ContainerLine>, Failure> {
    let filter = ContainerFilter { labels: IndexMap::from([(labels::PROJECT.to_owned(), project.environment.project.clone())]), all: true };
    let mut lines: Vec<ContainerLine> = Vec::new();
    let containers = cx.engine.containers(&filter).await?;
    let roles = Roles::find(cx, &project.environment.name, &containers).await?;
    for container in containers {
        let role = roles.of(&container.name);
        let service = container.labels.get(labels::SERVICE).cloned().unwrap_or_default();
        lines.push(ContainerLine {
            service,
            name: container.name,
            role: role.to_owned(),
            state: container.state,
            status: container.status,
            published: container.published,
        });
    }
    lines.sort_by(|a, b| (&a.role, &a.service, &a.name).cmp(&(&b.role, &b.service, &b.name)));
    Ok(lines)
}

const fn word(action: DeploymentAction) -> &'static str {
    match action {
        DeploymentAction::Deploy => "deploy",
        DeploymentAction::Rollback => "rollback",
    }
}

/// Which deployments.
#[derive(Debug, Clone, Default, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct HistoryRequest {
    /// Environment; `production` unless named.
    pub environment: Option<String>,
    /// How many at most; 20 unless given.
    pub limit: Option<u32>,
}

/// Deployments of an environment, newest first.
#[derive(Debug, Clone, serde::Serialize, schemars::JsonSchema)]
pub struct HistoryOutcome {
    /// Environment.
    pub environment: EnvironmentName,
    /// Deployments, newest first.
    pub deployments: Vec<HistoryLine>,
    /// The next command.
    pub next: String,
}

/// One deployment in a table.
#[derive(Debug, Clone, serde::Serialize, schemars::JsonSchema)]
pub struct HistoryLine {
    /// Identifier.
    pub deployment: DeploymentId,
    /// Deploy or rollback.
    pub action: DeploymentAction,
    /// Version.
    pub version: String,
    /// Release.
    pub release: ReleaseId,
    /// Beginning.
    #[schemars(with = "String")]
    pub started_at: Timestamp,
    /// How long it took, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration_seconds: Option<f64>,
    /// How it ended; absent while it is unfinished.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<OutcomeKind>,
    /// Why it failed.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub cause: String,
    /// It is the live one.
    pub live: bool,
}

/// Lists an environment's deployments.
///
/// # Errors
/// Unavailable when the store does not answer.
pub async fn history(cx: &Context, request: &HistoryRequest) -> Result<HistoryOutcome, Failure> {
    let project = load_or_recall(cx, &Selection { environment: request.environment.clone() }).await?;
    let environment = project.environment.name;
    let live = cx.store.live_release(&environment).await?;
    let deployments = cx.store.deployments(&environment, request.limit.unwrap_or(20)).await?;
    let next = if deployments.is_empty() { "chora deploy" } else { "chora rollback VERSION" };
    let newest_live = deployments
        .iter()
        .find(|deployment| is_deployed(deployment) && live.as_ref() == Some(&deployment.release))
        .map(|deployment| deployment.id.clone());
    let lines = deployments.into_iter().map(|deployment| {
        let is_live = newest_live.as_ref() == Some(&deployment.id);
        line(deployment, is_live)
    });
    Ok(HistoryOutcome { environment, deployments: lines.collect(), next: next.to_owned() })
}

fn is_deployed(deployment: &Deployment) -> bool {
    deployment.outcome.as_ref().is_some_and(|outcome| outcome.kind == OutcomeKind::Deployed)
}

fn line(deployment: Deployment, live: bool) -> HistoryLine {
    HistoryLine {
        deployment: deployment.id,
        action: deployment.action,
        version: deployment.version,
        release: deployment.release,
        started_at: deployment.started_at,
        duration_seconds: deployment.took.map(|took| took.as_secs_f64()),
        outcome: deployment.outcome.as_ref().map(|outcome| outcome.kind),
        cause: deployment.outcome.map(|outcome| outcome.cause).unwrap_or_default(),
        live,
    }
}
