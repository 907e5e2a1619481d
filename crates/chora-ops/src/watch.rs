//! A release under watch: what the gateway found out while nobody was there, made true everywhere else.

use std::time::Duration;

use chora_core::model::deployment::{Deployment, DeploymentAction};
use chora_core::model::event::ProgressState;
use chora_core::model::ids::DeploymentId;
use chora_core::plan::gateway::GATEWAY;
use chora_core::plan::{Action, Observed};
use jiff::Timestamp;

use crate::context::Context;
use crate::deploy::DeployOutcome;
use crate::failure::{Failure, FailureKind};
use crate::gateway::{WatchState, Watched};
use crate::project::{Project, Selection, load_or_recall};
use crate::release;
use crate::roll_back;
use crate::rollout::holding::holding;
use crate::rollout::observe::observe;
use crate::rollout::patience::patiently;
use crate::rollout::settle::{Settlement, settle};

/// How often the gateway is asked while somebody waits for the end.
const LOOK: Duration = Duration::from_millis(500);

/// A release under watch.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
pub struct WatchLine {
    /// Its version.
    pub version: String,
    /// Version that is ready to serve again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub back_to: Option<String>,
    /// Until when; absent once ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub until: Option<Timestamp>,
    /// Why that one serves again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub switched_back: Option<String>,
}

/// What there is to know.
struct Found {
    gateway: String,
    observed: Observed,
    watched: Option<Watched>,
}

/// What was collected.
#[derive(Debug, Default)]
pub(crate) struct Collected {
    /// In words, for whoever asked for something else.
    pub(crate) words: Vec<String>,
    /// The rollback that the gateway had done before anybody knew.
    pub(crate) went_back: Option<DeployOutcome>,
}

/// Asks the gateway, where something is kept warm.
async fn find(cx: &Context, project: &Project) -> Result<Option<Found>, Failure> {
    let observed = observe(cx, &project.environment.project, &project.stack).await?;
    if observed.networks.values().all(|network| !network.warm) {
        return Ok(None);
    }
    let Some(gateway) = observed.up(GATEWAY).next().map(|container| container.name.clone()) else { return Ok(None) };
    let watched = cx.gateways.watched(&gateway).await;
    let watched =
        watched.map_err(|error| Failure::new(FailureKind::Unavailable, error.to_string()).hint("see `chora logs chora-gateway`"))?;
    Ok(Some(Found { gateway, observed, watched }))
}

/// The deployment that is watched, where its release is live.
async fn deployment_of(cx: &Context, project: &Project, name: &str) -> Result<Option<Deployment>, Failure> {
    let environment = &project.environment.name;
    let live = cx.store.live_release(environment).await?;
    let deployment = cx.store.deployment(&DeploymentId::new(name)).await?;
    Ok(deployment.filter(|deployment| live.as_ref() == Some(&deployment.release)))
}

/// Takes in how a watch ended, under a lease: what went back is recorded, what is not needed any more is stopped. A gateway that does not
/// answer is named, and stops nobody.
pub(crate) async fn collect(cx: &Context, project: &Project) -> Result<Collected, Failure> {
    let found = match find(cx, project).await {
        Ok(Some(found)) => found,
        Ok(None) => return Ok(Collected::default()),
        Err(failure) if failure.kind == FailureKind::Unavailable => {
            let words = vec![format!("what the gateway watched is not known: {}", failure.message)];
            return Ok(Collected { words, went_back: None });
        }
        Err(failure) => return Err(failure),
    };
    let (name, state) = match &found.watched {
        Some(watched) => (watched.name.as_str(), watched.state()),
        // Another table was put in its place.
        None => ("", WatchState::Passed),
    };
    match state {
        WatchState::Watching(_) => Ok(Collected::default()),
        WatchState::Passed => {
            let words = retire(cx, project, &found).await?;
            Ok(Collected { words, went_back: None })
        }
        WatchState::SwitchedBack { at, why } => {
            let Some(deployment) = deployment_of(cx, project, name).await? else {
                return Ok(Collected { words: retire(cx, project, &found).await?, went_back: None });
            };
            let why = cx.redactor.clean(&format!("the gateway switched back at {at:.0}: {why}"));
            cx.note(ProgressState::Note, &deployment.version, &why, (0, 0));
            let outcome = Box::pin(roll_back::because(cx, project, &deployment, &why)).await?;
            if let Err(error) = cx.gateways.end_watch(&found.gateway).await {
                tracing::warn!(%error, "the gateway still has the watch that ended");
            }
            let back = &outcome.version;
            let words = vec![format!("{} had failed while it was watched ({why}); {back} is the live release again", deployment.version)];
            Ok(Collected { words, went_back: Some(outcome) })
        }
    }
}

/// Stops what was kept warm, and removes its networks. Each action may be repeated, so nothing of it is journaled.
async fn retire(cx: &Context, project: &Project, found: &Found) -> Result<Vec<String>, Failure> {
    let Some(live) = release::live(cx, &project.environment.name).await? else { return Ok(Vec::new()) };
    let Found { gateway, observed, watched } = found;
    let mut actions = Vec::new();
    for container in observed.containers.iter().filter(|container| observed.is_warm(container)) {
        let (service, container) = (container.service.clone(), container.name.clone());
        actions.push(Action::StopContainer { service, container, grace_seconds: None });
    }
    // What is warm no more is in the project's networks as well, and needs none of its own.
    for (name, _) in observed.networks.iter().filter(|(_, network)| network.warm) {
        for container in observed.containers.iter().filter(|container| container.networks.contains(name)) {
            actions.push(Action::Disconnect { container: container.name.clone(), network: name.clone() });
        }
        actions.push(Action::RemoveNetwork { name: name.clone() });
    }
    let mut words = Vec::new();
    for action in &actions {
        if let Err(error) = patiently(cx, action, &live, false).await {
            words.push(format!("what was kept warm is still there ({action}: {error}); the next command tries again"));
            return Ok(words);
        }
    }
    if watched.is_some()
        && let Err(error) = cx.gateways.end_watch(gateway).await
    {
        tracing::warn!(%error, "the gateway still has the watch that ended");
    }
    Ok(words)
}

/// Takes in what the gateway found out while no command ran, so that the log has it; whoever holds the environment does it otherwise.
///
/// # Errors
/// As `rollback`, where the release before cannot be made live in the records.
pub async fn catch_up(cx: &Context, environment: Option<&str>) -> Result<Vec<String>, Failure> {
    let project = load_or_recall(cx, &Selection { environment: environment.map(str::to_owned) }).await?;
    if watched_by(cx, &project).await?.is_none() || find(cx, &project).await?.is_none() {
        return Ok(Vec::new());
    }
    let collected = holding(cx, &project, "collecting what the gateway watched", async {
        settle(cx, &project, &project.environment.name, Settlement::Safe).await?;
        collect(cx, &project).await
    });
    match Box::pin(collected).await {
        Err(failure) if failure.kind == FailureKind::Conflict => Ok(Vec::new()),
        collected => collected.map(|collected| collected.words),
    }
}

/// The gateway that watched for the last deployment that made a release live: only then there may be something to ask an engine for.
async fn watched_by(cx: &Context, project: &Project) -> Result<Option<String>, Failure> {
    let good = cx.store.made_live(&project.environment.name).await?;
    let Some(last) = good.first().filter(|last| last.action == DeploymentAction::Deploy) else { return Ok(None) };
    let plan = cx.store.deployment(&last.deployment).await?.and_then(|deployment| deployment.plan);
    let steps = plan.map(|plan| plan.steps).unwrap_or_default();
    Ok(steps.into_iter().find_map(|step| if let Action::Watch { gateway, .. } = step.action { Some(gateway) } else { None }))
}

/// Begins to speak with the gateway that may be watching, before it is known whether it does: that takes its time. One that is not there
/// is found out by whoever asks it something.
pub(crate) async fn prepare(cx: &Context, project: &Project) {
    if let Ok(Some(gateway)) = watched_by(cx, project).await {
        cx.gateways.prepare(&gateway);
    }
}

/// How the release under watch fares; `None` where nothing is kept warm.
pub(crate) async fn line(cx: &Context, project: &Project) -> Option<WatchLine> {
    watched_by(cx, project).await.ok()??;
    let watched = find(cx, project).await.ok()??.watched?;
    let deployment = deployment_of(cx, project, &watched.name).await.ok()??;
    let (until, switched_back) = match watched.state() {
        WatchState::Watching(until) => (Some(until), None),
        WatchState::Passed => (None, None),
        WatchState::SwitchedBack { at, why } => (None, Some(cx.redactor.clean(&format!("{why} (at {at:.0})")))),
    };
    Some(WatchLine { version: deployment.version, back_to: deployment.previous_version, until, switched_back })
}

/// How long somebody waits for the end of a watch, and what comes of it.
pub(crate) enum Waited {
    Passed(Vec<String>),
    /// Why, and what serves again.
    WentBack(String, Box<DeployOutcome>),
    /// Whoever waited gave up.
    Interrupted(Timestamp),
}

/// Waits until a deployment's watch has ended, and takes in how; `None` where there is none.
pub(crate) async fn wait(cx: &Context, project: &Project, deployment: &DeploymentId) -> Result<Option<Waited>, Failure> {
    let mut told = false;
    loop {
        let Some(found) = find(cx, project).await? else { return Ok(None) };
        let Some(watched) = found.watched.filter(|watched| watched.name == deployment.as_str()) else { return Ok(None) };
        match watched.state() {
            WatchState::Watching(until) => {
                if !told {
                    cx.note(ProgressState::Note, "watch", &format!("until {until:.0}"), (0, 0));
                    told = true;
                }
                tokio::select! {
                    () = cx.clock.sleep(LOOK) => {}
                    () = cx.cancel.cancelled() => return Ok(Some(Waited::Interrupted(until))),
                }
            }
            WatchState::Passed => return Ok(Some(Waited::Passed(collect(cx, project).await?.words))),
            WatchState::SwitchedBack { why, .. } => {
                let went_back = collect(cx, project).await?.went_back;
                return Ok(went_back.map(|outcome| Waited::WentBack(cx.redactor.clean(&why), Box::new(outcome))));
            }
        }
    }
}
