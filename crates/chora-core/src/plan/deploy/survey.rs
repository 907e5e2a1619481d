//! What has to change, service by service.

use std::collections::BTreeSet;

use super::{DeployInput, Reuse};
use crate::compose::{Service, Stack};
use crate::model::container::ContainerState;
use crate::model::environment::EnvironmentClass;
use crate::plan::gateway::{GATEWAY, edge_ports, fixed, is_direct, sent_files};
use crate::plan::observed::ObservedContainer;
use crate::plan::order::{self, OrderError, is_one_shot, waves};
use crate::plan::rollout::{Decision, decide};
use crate::plan::step::{Change, Rollout};

/// One service's present and future.
#[derive(Debug)]
pub(super) struct ServiceSurvey<'a> {
    pub(super) name: &'a str,
    pub(super) service: &'a Service,
    pub(super) one_shot: bool,
    pub(super) change: Change,
    pub(super) decision: Decision,
    pub(super) why: String,
    /// Up and interchangeable with what is wanted.
    pub(super) kept: Vec<&'a ObservedContainer>,
    /// Up and not wanted any more.
    pub(super) stale: Vec<&'a ObservedContainer>,
    /// Up to serve again should what is live fail, and not wanted now.
    pub(super) warm: Vec<&'a ObservedContainer>,
    /// Kept ones that were warm.
    pub(super) returning: Vec<&'a ObservedContainer>,
    /// Replica numbers that need a container, with a stopped one to start again where there is one.
    pub(super) missing: Vec<(u32, Option<&'a ObservedContainer>)>,
    /// Containers of other services that hold its host ports and are not wanted any more.
    pub(super) yielding: Vec<&'a ObservedContainer>,
}

impl ServiceSurvey<'_> {
    /// Candidates run beside the old containers and join the project's networks only after their gate.
    pub(super) fn is_staged(&self) -> bool {
        !self.one_shot && !self.stale.is_empty() && !self.missing.is_empty() && self.decision.rollout == Rollout::StartFirst
    }

    /// Old containers stop before the new ones start.
    pub(super) fn is_swapped(&self) -> bool {
        let replaced = !self.stale.is_empty() && self.decision.rollout == Rollout::StopFirst;
        !self.one_shot && (replaced || !self.yielding.is_empty())
    }
}

/// All services in waves, and what is to go.
#[derive(Debug)]
pub(super) struct Survey<'a> {
    pub(super) waves: Vec<Vec<ServiceSurvey<'a>>>,
    /// Containers of services that the release does not have.
    pub(super) removed: Vec<&'a ObservedContainer>,
}

impl<'a> Survey<'a> {
    pub(super) fn of(input: &'a DeployInput<'a>) -> Result<Self, OrderError> {
        let stack = &input.release.stack;
        let mut changed = BTreeSet::new();
        let mut surveys = Vec::new();
        for name in waves(stack, &|_| false)?.into_iter().flatten() {
            let Some((name, service)) = stack.services.get_key_value(&name) else { continue };
            let follows = |other: &str| changed.contains(other);
            let restarts = service.depends_on.iter().any(|(on, dependency)| dependency.restart && follows(on));
            let forced = input.recreate || restarts || order::shared_with(service).iter().any(|other| follows(other));
            let survey = survey(input, name, service, forced);
            if survey.change != Change::Keep {
                changed.insert(name.as_str());
            }
            surveys.push(survey);
        }
        let removed: Vec<&ObservedContainer> = input
            .observed
            .containers
            .iter()
            .filter(|container| container.is_up() && !stack.services.contains_key(&container.service))
            .collect();
        let unwanted: Vec<&ObservedContainer> = surveys.iter().flat_map(|survey| &survey.stale).chain(&removed).copied().collect();
        for survey in surveys.iter_mut().filter(|survey| !survey.missing.is_empty()) {
            let ports: BTreeSet<u16> =
                survey.service.ports.iter().filter(|port| is_direct(stack, survey.service, port)).filter_map(fixed).collect();
            let holds = |container: &&&ObservedContainer| container.service != survey.name && !container.published.is_disjoint(&ports);
            survey.yielding = unwanted.iter().filter(holds).copied().collect();
        }
        let swapped: BTreeSet<String> = surveys.iter().filter(|survey| survey.is_swapped()).map(|survey| survey.name.to_owned()).collect();
        let mut ordered = Vec::new();
        for wave in waves(stack, &|name| swapped.contains(name))? {
            let (now, later) = surveys.into_iter().partition(|survey: &ServiceSurvey<'_>| wave.iter().any(|name| name == survey.name));
            surveys = later;
            ordered.push(now);
        }
        Ok(Self { waves: ordered, removed })
    }

    pub(super) fn services(&self) -> impl Iterator<Item = &ServiceSurvey<'a>> {
        self.waves.iter().flatten()
    }
}

fn survey<'a>(input: &'a DeployInput<'a>, name: &'a str, service: &'a Service, forced: bool) -> ServiceSurvey<'a> {
    let stack: &Stack = &input.release.stack;
    let one_shot = is_one_shot(stack, name);
    let wanted = if one_shot { 1 } else { replicas(service) };
    let fingerprint = input.release.fingerprints.get(name);
    let matches = |container: &ObservedContainer| !forced && fingerprint.is_some() && container.fingerprint.as_ref() == fingerprint;
    let mut kept: Vec<&ObservedContainer> = Vec::new();
    let mut stale: Vec<&ObservedContainer> = Vec::new();
    let mut warm: Vec<&ObservedContainer> = Vec::new();
    // What serves is kept before what could.
    let (ready, serving): (Vec<_>, Vec<_>) = input.observed.up(name).partition(|container| input.observed.is_warm(container));
    for container in serving.into_iter().chain(ready.iter().copied()) {
        let free = kept.iter().all(|other| other.number != container.number);
        if matches(container) && container.number <= wanted && free {
            kept.push(container);
        } else if ready.iter().any(|one| one.name == container.name) {
            warm.push(container);
        } else {
            stale.push(container);
        }
    }
    let stopped = |number: u32| {
        let reusable = input.observed.containers.iter().filter(|container| {
            container.service == name && container.number == number && matches(container) && may_start_again(input, container)
        });
        reusable.max_by(|a, b| a.deployment.cmp(&b.deployment))
    };
    let done = one_shot
        && input.observed.containers.iter().any(|container| container.service == name && matches(container) && container.succeeded);
    let missing: Vec<_> = (1..=wanted)
        .filter(|number| !done && kept.iter().all(|container| container.number != *number))
        .map(|number| (number, if one_shot { None } else { stopped(number) }))
        .collect();
    let returning: Vec<_> = kept.iter().filter(|container| ready.iter().any(|one| one.name == container.name)).copied().collect();
    let change = match (one_shot, missing.is_empty(), stale.is_empty() && returning.is_empty()) {
        (_, true, true) => Change::Keep,
        (true, _, _) => Change::Run,
        (false, false, true) => Change::Create,
        (false, _, false) => Change::Replace,
    };
    let decision = if input.environment.class == EnvironmentClass::Development {
        Decision { rollout: Rollout::StopFirst, why: "development recreates in place".to_owned() }
    } else {
        decide(stack, service, input.rollouts.get(name).copied())
    };
    let why = reason(input, name, change, forced, &missing);
    ServiceSurvey { name, service, one_shot, change, decision, why, kept, stale, warm, returning, missing, yielding: Vec::new() }
}

fn may_start_again(input: &DeployInput<'_>, container: &ObservedContainer) -> bool {
    let stopped = matches!(container.state, ContainerState::Exited | ContainerState::Created);
    let of_live = || {
        input.live.is_some_and(|live| {
            live.fingerprints.get(&container.service).is_some_and(|digest| container.fingerprint.as_ref() == Some(digest))
        })
    };
    stopped && (input.reuse == Reuse::Retained || of_live())
}

/// Replicas asked for: `scale`, else `deploy.replicas`, else one.
fn replicas(service: &Service) -> u32 {
    service.scale.or_else(|| service.deploy.as_ref().and_then(|deploy| deploy.replicas)).unwrap_or(1)
}

fn reason(input: &DeployInput<'_>, name: &str, change: Change, forced: bool, missing: &[(u32, Option<&ObservedContainer>)]) -> String {
    let again = missing.iter().any(|(_, stopped)| stopped.is_some());
    match change {
        Change::Keep if name == GATEWAY && sends_other_files(input) => {
            "its certificates changed; it takes them up as it runs, without a gap".to_owned()
        }
        Change::Keep => "image, configuration and files are the same".to_owned(),
        Change::Run => "runs to completion before what depends on it".to_owned(),
        Change::Create | Change::Replace if name == GATEWAY => publishes(input),
        Change::Create if again => "its container is stopped".to_owned(),
        Change::Create => "does not run yet".to_owned(),
        Change::Remove => "not in the release".to_owned(),
        Change::Replace if forced && input.recreate => "asked to recreate everything".to_owned(),
        Change::Replace if forced => "a service that it is bound to is replaced".to_owned(),
        Change::Replace => differs(input, name),
    }
}

/// Whether a gateway that stays is sent other certificates than the live release has.
fn sends_other_files(input: &DeployInput<'_>) -> bool {
    let content =
        |files: &indexmap::IndexMap<String, crate::model::digest::Digest>, key: &str| files.get(&format!("secret:{key}")).cloned();
    input
        .live
        .is_some_and(|live| sent_files(&input.release.stack).any(|key| content(&live.files, key) != content(&input.release.files, key)))
}

/// What the gateway is for.
fn publishes(input: &DeployInput<'_>) -> String {
    let stack = &input.release.stack;
    let mut ports: Vec<String> = edge_ports(stack)
        .iter()
        .filter(|edge| !edge.shared)
        .map(|edge| format!("{} for {}", edge.port.published.as_deref().unwrap_or("a free port"), edge.service))
        .collect();
    if let Some(edge) = &stack.edge {
        let doors = edge.https.iter().chain([&edge.http]);
        ports.extend(doors.map(|port| format!("{} for hosts and paths", port.published.as_deref().unwrap_or_default())));
    }
    format!("publishes {}", ports.join(", "))
}

/// What differs from the live release, as far as both are known.
fn differs(input: &DeployInput<'_>, name: &str) -> String {
    let Some(live) = input.live else { return "its container was not made by a recorded release".to_owned() };
    let mut parts = Vec::new();
    if live.images.get(name).map(|pin| &pin.id) != input.release.images.get(name).map(|pin| &pin.id) {
        parts.push("image");
    }
    let (before, after) = (live.stack.services.get(name), input.release.stack.services.get(name));
    let without_image = |service: Option<&Service>| {
        service.map(|service| Service { image: None, build: None, depends_on: indexmap::IndexMap::new(), scale: None, ..service.clone() })
    };
    if without_image(before) != without_image(after) {
        parts.push("configuration");
    }
    let same_bridge = match (live.bridges.get(name), input.release.bridges.get(name)) {
        (Some(before), Some(after)) => before.does_the_same(after),
        (before, after) => before.is_none() && after.is_none(),
    };
    if !same_bridge {
        parts.push("bridge");
    }
    let used = after.map(|service| {
        let configs = service.configs.iter().map(|reference| format!("config:{}", reference.source));
        configs.chain(service.secrets.iter().map(|reference| format!("secret:{}", reference.source))).collect::<Vec<_>>()
    });
    if used.unwrap_or_default().iter().any(|key| live.files.get(key) != input.release.files.get(key)) {
        parts.push("files");
    }
    if parts.is_empty() {
        "number of containers, networks or volumes changed".to_owned()
    } else {
        format!("{} changed", parts.join(" and "))
    }
}
