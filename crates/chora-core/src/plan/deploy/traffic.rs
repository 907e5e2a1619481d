//! What the gateway does in a deployment: hold, route, drain.

use std::collections::BTreeSet;

use super::build::Builder;
use super::survey::ServiceSurvey;
use crate::plan::gateway::{GATEWAY, Route, Serving, contents_of, edge_ports, routes};
use crate::plan::observed::ObservedContainer;
use crate::plan::step::{Action, StepPhase, VerifyTarget};

/// The longest that a request waits for a service that is swapped, in seconds.
const HOLD_LIMIT: u64 = 30;
/// How long requests under way may keep a service from being swapped while others wait, in seconds.
const SWAP_DRAIN: u64 = 10;

/// What is known of the gateway while a plan is made.
pub(super) struct Traffic {
    /// The gateway's container before anything is done, where it is up.
    pub(super) present: Option<String>,
    /// What it routes at this point of the plan.
    pub(super) now: Vec<Route>,
    /// Services that get nothing new any more on the release before.
    drained: Vec<(String, Vec<String>)>,
    /// Where those went before.
    before: Vec<Route>,
}

impl Traffic {
    /// As things are: what of the live release's ports leads to containers that are up.
    pub(super) fn at_first(input: &super::DeployInput<'_>) -> Self {
        let present = input.observed.up(GATEWAY).next().map(|container| container.name.clone());
        let up = |service: &str| input.observed.up(service).filter(|container| !input.observed.is_warm(container)).map(serving).collect();
        let now = input.live.filter(|_| present.is_some()).map(|live| routes(live, input.environment, up)).unwrap_or_default();
        Self { present, now, drained: Vec::new(), before: Vec::new() }
    }
}

fn serving(container: &ObservedContainer) -> Serving {
    let deployment = container.deployment.clone().unwrap_or_else(|| container.name.clone());
    Serving { container: container.name.clone(), deployment }
}

impl Builder<'_> {
    /// Where everything goes once the release is live.
    pub(super) fn wanted_routes(&self) -> Vec<Route> {
        let of = |service: &str| {
            let survey = self.survey.services().find(|survey| survey.name == service);
            let kept = survey.map(|survey| survey.kept.iter().map(|container| serving(container)).collect::<Vec<_>>()).unwrap_or_default();
            let fresh = self.fresh.get(service).cloned().unwrap_or_default().into_iter().map(|container| {
                let known = self.input.observed.containers.iter().find(|known| known.name == container);
                known.map_or_else(|| Serving { container: container.clone(), deployment: self.input.deployment.to_string() }, serving)
            });
            kept.into_iter().chain(fresh).collect()
        };
        routes(self.input.release, self.input.environment, of)
    }

    /// Whether what is published goes elsewhere although every container stays.
    pub(super) fn is_rerouted(&self) -> bool {
        self.input.live.is_some() && self.traffic.present.is_some() && {
            let kept = |service: &str| {
                let surveys = self.survey.services().filter(|survey| survey.name == service);
                surveys.flat_map(|survey| &survey.kept).map(|container| serving(container)).collect()
            };
            routes(self.input.release, self.input.environment, kept) != self.traffic.now
        }
    }

    /// The gateway as it will be.
    pub(super) fn gateway(&self) -> Option<String> {
        let survey = self.survey.services().find(|survey| survey.name == GATEWAY)?;
        let kept = survey.kept.first().map(|container| container.name.clone());
        kept.or_else(|| self.fresh.get(GATEWAY).and_then(|names| names.first().cloned()))
    }

    /// Lets requests to a service that is about to be swapped wait, and those under way end.
    pub(super) fn hold(&mut self, service: &ServiceSurvey<'_>) {
        let Some((gateway, backends)) = self.held(service) else { return };
        let name = service.name.to_owned();
        let undo = Action::ReleaseHold { gateway: gateway.clone(), service: name.clone(), backends: backends.clone() };
        let hold = Action::Hold { gateway: gateway.clone(), service: name.clone(), backends: backends.clone(), limit_seconds: HOLD_LIMIT };
        self.push(StepPhase::Switch, hold, Some(undo), "they wait instead of failing");
        let drain = Action::Drain { gateway, service: name, backends, limit_seconds: SWAP_DRAIN };
        self.push(StepPhase::Switch, drain, None, "what is under way ends first");
    }

    /// The gateway that can hold a service, and what it calls the service.
    pub(super) fn held(&self, service: &ServiceSurvey<'_>) -> Option<(String, Vec<String>)> {
        let gateway =
            self.traffic.present.clone().filter(|_| service.is_swapped() && service.name != GATEWAY && !service.stale.is_empty())?;
        let backends: Vec<String> = self.traffic.now.iter().filter(|route| route.service == service.name).map(Route::backend).collect();
        (!backends.is_empty()).then_some((gateway, backends))
    }

    /// Sends requests to the new containers of a swapped service, those that waited first.
    pub(super) fn let_through(&mut self, service: &ServiceSurvey<'_>) {
        let Some((gateway, backends)) = self.held(service) else { return };
        let wanted = self.wanted_routes();
        let renewed = |route: &Route| wanted.iter().find(|other| other.backend() == route.backend()).cloned();
        let after: Vec<Route> = self
            .traffic
            .now
            .iter()
            .map(|route| Some(route).filter(|route| route.service == service.name).and_then(renewed).unwrap_or_else(|| route.clone()))
            .collect();
        // What it was at is gone with its containers: there is nothing to drain.
        self.route(&gateway, after, 0, "its gate has passed");
        let undo = Action::Hold {
            gateway: gateway.clone(),
            service: service.name.to_owned(),
            backends: backends.clone(),
            limit_seconds: HOLD_LIMIT,
        };
        let release = Action::ReleaseHold { gateway, service: service.name.to_owned(), backends };
        self.push(StepPhase::Switch, release, Some(undo), "its new containers serve");
    }

    fn route(&mut self, gateway: &str, after: Vec<Route>, drain_seconds: u64, why: &str) {
        let before = std::mem::replace(&mut self.traffic.now, after.clone());
        // A gateway that is new knows nothing to go back to, and is removed on the way back.
        let undo = self.traffic.present.as_deref().filter(|present| *present == gateway);
        let undo = undo.map(|_| Action::Route { gateway: gateway.to_owned(), routes: before, drain_seconds, waits: drain_seconds > 0 });
        let route = Action::Route { gateway: gateway.to_owned(), routes: after, drain_seconds, waits: false };
        self.push(StepPhase::Switch, route, undo, why);
    }

    /// Brings up a gateway whose ports are held until now, by the gateway before it or by the containers of services.
    pub(super) fn late_gateway(&mut self) {
        let survey = self.survey;
        let Some(service) = survey.services().find(|service| service.name == GATEWAY && service.is_swapped()) else { return };
        self.swap_out(service);
        self.start(service, StepPhase::Switch);
    }

    /// Asks candidates where users will ask them, before anybody is sent there. A gateway that is new has no users yet.
    pub(super) fn rehearse(&mut self) {
        let Some(gateway) = self.gateway().filter(|gateway| self.traffic.present.as_ref() == Some(gateway)) else { return };
        let beside = |service: &ServiceSurvey<'_>| service.is_staged() || !service.returning.is_empty();
        let services: BTreeSet<&str> = self.survey.services().filter(|service| beside(service)).map(|service| service.name).collect();
        let mut routes = self.wanted_routes();
        routes.retain(|route| services.contains(route.service.as_str()) && !self.traffic.now.contains(route));
        let stack = &self.input.release.stack;
        let ports = edge_ports(stack).into_iter().filter(|edge| routes.iter().any(|route| route.port == edge.inner));
        let targets: Vec<VerifyTarget> =
            ports.map(|edge| VerifyTarget { service: edge.service.to_owned(), target: edge.port.target, port: edge.inner }).collect();
        if !targets.is_empty() {
            self.push(StepPhase::Gate, Action::Rehearse { gateway, routes, targets }, None, "nobody is sent there yet");
        }
    }

    /// Sends everything to the release in one change, and asks it there.
    pub(super) fn switch_over(&mut self) {
        let Some(gateway) = self.gateway() else { return };
        let (before, wanted) = (self.traffic.now.clone(), self.wanted_routes());
        let fresh = self.traffic.present.as_deref() != Some(gateway.as_str());
        if before != wanted || fresh {
            let replaced =
                |route: &&Route| wanted.iter().any(|other| other.backend() == route.backend() && other.release != route.release) && !fresh;
            self.traffic.before = before.iter().filter(replaced).cloned().collect();
            for route in before.iter().filter(replaced) {
                match self.traffic.drained.iter_mut().find(|(service, _)| *service == route.service) {
                    Some((_, backends)) => backends.push(route.backend()),
                    None => self.traffic.drained.push((route.service.clone(), vec![route.backend()])),
                }
            }
            let drain = self.input.environment.drain.as_secs();
            let same = fresh || contents_of(&before) == contents_of(&wanted);
            let why = if same { "every gate has passed" } else { "every gate has passed; new connections get the new certificates" };
            self.route(&gateway, wanted.clone(), drain, why);
        }
        self.verify(gateway, &wanted);
    }

    /// Asks what is new, where users ask.
    fn verify(&mut self, gateway: String, wanted: &[Route]) {
        let returning = self.survey.services().filter(|service| !service.returning.is_empty()).map(|service| service.name);
        let new: BTreeSet<&str> = self.fresh.keys().copied().chain(returning).collect();
        let everything = new.contains(GATEWAY);
        let stack = &self.input.release.stack;
        let ports = edge_ports(stack).into_iter().filter(|edge| wanted.iter().any(|route| route.port == edge.inner));
        let targets: Vec<VerifyTarget> = ports
            .filter(|edge| everything || new.contains(edge.service))
            .map(|edge| VerifyTarget { service: edge.service.to_owned(), target: edge.port.target, port: edge.inner })
            .collect();
        if !targets.is_empty() {
            self.push(StepPhase::Switch, Action::Verify { gateway, targets }, None, "what was checked is what users get");
        }
    }

    /// Lets the gateway watch what it was told to route, where it can send everything back to what is kept warm.
    pub(super) fn watch(&mut self, seconds: u64) {
        let Some(gateway) = self.gateway() else { return };
        let back = self.traffic.before.clone();
        let watched = |route: &&Route| back.iter().any(|other| other.backend() == route.backend());
        let routes: Vec<Route> = self.traffic.now.iter().filter(watched).cloned().collect();
        let (deployment, drain_seconds) = (self.input.deployment.clone(), self.input.environment.drain.as_secs());
        let rules = self.input.environment.watch_rules;
        let action = Action::Watch { gateway, deployment, seconds, drain_seconds, rules, routes, back };
        self.push(StepPhase::Retire, action, None, "the release before stays ready to serve again");
    }

    /// Whether requests went from one release to another at a gateway that stays.
    pub(super) fn has_moved(&self) -> bool {
        !self.traffic.before.is_empty()
    }

    /// Waits for what the releases before are still at.
    pub(super) fn drain(&mut self) {
        let Some(gateway) = self.gateway() else { return };
        for (service, backends) in std::mem::take(&mut self.traffic.drained) {
            let limit_seconds = self.input.environment.drain_of(&service).as_secs();
            let action = Action::Drain { gateway: gateway.clone(), service, backends, limit_seconds };
            self.push(StepPhase::Retire, action, None, "what is under way ends first");
        }
    }

    /// Connects a gateway that stays to the networks of services that are new to it.
    pub(super) fn extend_gateway(&mut self) {
        let survey = self.survey;
        let Some(service) = survey.services().find(|service| service.name == GATEWAY) else { return };
        let Some(container) = service.kept.first() else { return };
        for place in self.places_of(service) {
            if !container.networks.contains(&place.network) {
                self.connect(StepPhase::Prepare, &container.name, place, "a service that it serves is there");
            }
        }
    }
}
