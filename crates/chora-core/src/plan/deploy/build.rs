//! From a survey to steps with their undo.

use std::collections::{BTreeMap, BTreeSet};

use indexmap::IndexMap;

use super::DeployInput;
use super::survey::{ServiceSurvey, Survey};
use crate::model::network::{Attachment, VolumeSpec};
use crate::plan::instance::{attachment, base_attachments, instance};
use crate::plan::labels;
use crate::plan::observed::ObservedContainer;
use crate::plan::retention::beyond_retention;
use crate::plan::staging::{Staging, network_spec, staging_for, staging_spec};
use crate::plan::step::{Action, Change, GateTarget, Plan, Rollout, ServicePlan, Step, StepPhase};

/// Collects steps in the order of their phases.
pub(super) struct Builder<'a> {
    input: &'a DeployInput<'a>,
    survey: &'a Survey<'a>,
    staging: Staging,
    steps: Vec<Step>,
    /// Container that stands for a service's first replica, for `service:` references.
    peers: IndexMap<String, String>,
    /// New containers' names by service, in order of replica number.
    fresh: BTreeMap<&'a str, Vec<String>>,
}

impl<'a> Builder<'a> {
    pub(super) fn new(input: &'a DeployInput<'a>, survey: &'a Survey<'a>) -> Self {
        let staging = staging_for(input, survey.services().filter(|service| service.is_staged()).map(|service| service.name));
        Self { input, survey, staging, steps: Vec::new(), peers: IndexMap::new(), fresh: BTreeMap::new() }
    }

    pub(super) fn finish(mut self) -> Plan {
        let survey = self.survey;
        let changes = survey.services().any(|service| service.change != Change::Keep) || !survey.removed.is_empty();
        if changes {
            self.networks_and_volumes();
            self.staging_networks();
            self.containers();
            for wave in &survey.waves {
                self.run_wave(wave);
            }
            self.admit();
        }
        let another_release = self.input.live.is_none_or(|live| live.id != self.input.release.id);
        if another_release && (changes || !self.is_same_as_live()) {
            self.push(
                StepPhase::Record,
                Action::Record { release: self.input.release.id.clone() },
                None,
                "from here on this release is the live one",
            );
        }
        if changes {
            self.retire();
            self.drop_staging_networks();
            self.prune();
        }
        Plan { services: self.service_plans(), steps: self.steps }
    }

    /// Two releases that would run the very same containers.
    fn is_same_as_live(&self) -> bool {
        self.input.live.is_some_and(|live| live.fingerprints == self.input.release.fingerprints)
    }

    fn push(&mut self, phase: StepPhase, action: Action, undo: Option<Action>, why: impl Into<String>) {
        self.steps.push(Step { phase, action, undo, why: why.into() });
    }

    fn networks_and_volumes(&mut self) {
        let stack = &self.input.release.stack;
        let used: BTreeSet<&str> = stack.services.values().flat_map(|service| service.networks.keys().map(String::as_str)).collect();
        for (key, network) in &stack.networks {
            if network.external || !used.contains(key.as_str()) || self.input.observed.networks.contains_key(&network.name) {
                continue;
            }
            let undo = Some(Action::RemoveNetwork { name: network.name.clone() });
            self.push(StepPhase::Prepare, Action::CreateNetwork { spec: network_spec(self.input, key, network) }, undo, "not there yet");
        }
        for (key, volume) in &stack.volumes {
            if volume.external || self.input.observed.volumes.contains(&volume.name) {
                continue;
            }
            let mut all = volume.labels.clone();
            let own = [(labels::PROJECT, self.input.environment.project.clone()), (labels::VOLUME, key.clone())];
            all.extend(own.map(|(key, value)| (key.to_owned(), value)));
            let spec = VolumeSpec { name: volume.name.clone(), volume: volume.clone(), labels: all };
            self.push(StepPhase::Prepare, Action::CreateVolume { spec }, None, "not there yet");
        }
    }

    /// Creates staging networks and brings the services that stay into them.
    fn staging_networks(&mut self) {
        for (key, name) in self.staging.clone() {
            let undo = Some(Action::RemoveNetwork { name: name.clone() });
            let spec = staging_spec(self.input, &key, &name);
            self.push(StepPhase::Prepare, Action::CreateNetwork { spec }, undo, "candidates stay out of sight until their gate has passed");
            for service in self.survey.services().filter(|service| !service.is_staged()) {
                let Some(options) = service.service.networks.get(&key) else { continue };
                let present = service.kept.iter().chain(if service.is_swapped() { service.stale.as_slice() } else { &[] });
                for container in present {
                    let place = attachment(name.clone(), service.name, options.as_ref());
                    self.connect(StepPhase::Prepare, &container.name, without_fixed_address(place), "candidates need it");
                }
            }
        }
    }

    fn connect(&mut self, phase: StepPhase, container: &str, place: Attachment, why: &str) {
        let undo = Some(Action::Disconnect { container: container.to_owned(), network: place.network.clone() });
        self.push(phase, Action::Connect { container: container.to_owned(), attachment: place }, undo, why);
    }

    /// Staging places of a service, or nothing.
    fn staged_places(&self, service: &ServiceSurvey<'_>) -> Vec<Attachment> {
        let places = service.service.networks.iter().filter_map(|(key, options)| {
            self.staging.get(key).map(|name| without_fixed_address(attachment(name.clone(), service.name, options.as_ref())))
        });
        places.collect()
    }

    /// Where a new container is at its creation.
    fn places(&self, service: &ServiceSurvey<'_>) -> Vec<Attachment> {
        let stack = &self.input.release.stack;
        if service.is_staged() {
            let outside = base_attachments(stack, service.name, service.service)
                .into_iter()
                .filter(|place| stack.networks.values().any(|network| network.external && network.name == place.network));
            return self.staged_places(service).into_iter().chain(outside).collect();
        }
        base_attachments(stack, service.name, service.service).into_iter().chain(self.staged_places(service)).collect()
    }

    /// Creates every new container while the old ones serve; only a fixed name has to wait for its swap.
    fn containers(&mut self) {
        for service in self.survey.services() {
            for (number, stopped) in service.missing.clone() {
                let name = match stopped {
                    Some(container) => self.prepare_stopped(service, container),
                    None if service.service.container_name.is_some() && service.is_swapped() => {
                        instance(self.input, (service.name, service.service), number, Vec::new(), &self.peers).name
                    }
                    None => self.create(service, number, StepPhase::Prepare),
                };
                self.fresh.entry(service.name).or_default().push(name);
            }
            let first = service.kept.first().map(|container| container.name.clone());
            let first = first.or_else(|| self.fresh.get(service.name).and_then(|names| names.first().cloned()));
            if let Some(first) = first {
                self.peers.insert(service.name.to_owned(), first);
            }
        }
    }

    fn create(&mut self, service: &ServiceSurvey<'_>, number: u32, phase: StepPhase) -> String {
        // The engine starts a container only while the network of its creation exists: that must not be a staging network.
        let staged = service.is_staged();
        let home = base_attachments(&self.input.release.stack, service.name, service.service);
        let places = if staged { home.clone() } else { self.places(service) };
        let instance = instance(self.input, (service.name, service.service), number, places, &self.peers);
        let name = instance.name.clone();
        let undo = Some(Action::RemoveContainer { container: name.clone() });
        self.push(phase, Action::CreateContainer { instance: Box::new(instance) }, undo, service.why.clone());
        if staged {
            self.step_aside(service, &name, &home);
        }
        name
    }

    /// Moves a container that does not run yet from the project's networks into the staging ones.
    fn step_aside(&mut self, service: &ServiceSurvey<'_>, container: &str, home: &[Attachment]) {
        let wanted = self.places(service);
        let why = "out of sight until its gate has passed";
        for place in wanted.iter().filter(|place| home.iter().all(|own| own.network != place.network)) {
            let action = Action::Connect { container: container.to_owned(), attachment: place.clone() };
            self.push(StepPhase::Prepare, action, None, why);
        }
        for place in home.iter().filter(|place| wanted.iter().all(|other| other.network != place.network)) {
            let action = Action::Disconnect { container: container.to_owned(), network: place.network.clone() };
            self.push(StepPhase::Prepare, action, None, why);
        }
    }

    /// Brings a retained container to where a new one would be.
    fn prepare_stopped(&mut self, service: &ServiceSurvey<'_>, container: &ObservedContainer) -> String {
        let wanted = self.places(service);
        let stack = &self.input.release.stack;
        let known = base_attachments(stack, service.name, service.service);
        for network in &container.networks {
            if wanted.iter().all(|place| &place.network != network) {
                let back = known.iter().find(|place| &place.network == network).cloned();
                let undo = back.map(|place| Action::Connect { container: container.name.clone(), attachment: place });
                let action = Action::Disconnect { container: container.name.clone(), network: network.clone() };
                self.push(StepPhase::Prepare, action, undo, "retained; out of sight until its gate has passed");
            }
        }
        for place in wanted {
            if !container.networks.contains(&place.network) {
                self.connect(StepPhase::Prepare, &container.name, place, "retained");
            }
        }
        container.name.clone()
    }

    /// One wave: one-shots to their end, new containers started, old ones of stop-first services swapped, all gated.
    fn run_wave(&mut self, wave: &[ServiceSurvey<'_>]) {
        for service in wave.iter().filter(|service| service.one_shot && service.change == Change::Run) {
            for container in self.fresh.get(service.name).cloned().unwrap_or_default() {
                let action = Action::RunToCompletion { service: service.name.to_owned(), container };
                self.push(StepPhase::Start, action, None, service.why.clone());
            }
        }
        let mut targets = Vec::new();
        for service in wave.iter().filter(|service| !service.one_shot) {
            let names = self.fresh.get(service.name).cloned().unwrap_or_default();
            let phase = if service.is_swapped() { StepPhase::Switch } else { StepPhase::Start };
            if service.is_swapped() {
                self.swap_out(service);
            }
            for container in &names {
                let undo = Some(stop(service.name, container));
                let action = Action::StartContainer { service: service.name.to_owned(), container: container.clone() };
                self.push(phase, action, undo, service.why.clone());
            }
            targets.extend(names.into_iter().map(|container| GateTarget { service: service.name.to_owned(), container }));
        }
        if !targets.is_empty() {
            self.push(StepPhase::Gate, Action::Gate { targets }, None, "nothing goes on before these are healthy");
        }
    }

    /// Stops a stop-first service's old containers and frees what is theirs alone.
    fn swap_out(&mut self, service: &ServiceSurvey<'_>) {
        for container in &service.stale {
            let undo = Action::StartContainer { service: service.name.to_owned(), container: container.name.clone() };
            self.push(StepPhase::Switch, stop(service.name, &container.name), Some(undo), service.decision.why.clone());
            let fixed = service.service.container_name.as_deref() == Some(container.name.as_str());
            if fixed && !service.missing.is_empty() {
                let to = format!("{}-retired-{}", container.name, self.input.deployment.short());
                let undo = Action::RenameContainer { from: to.clone(), to: container.name.clone() };
                self.push(StepPhase::Switch, Action::RenameContainer { from: container.name.clone(), to }, Some(undo), "its name is fixed");
            }
        }
        let Some(fixed) = &service.service.container_name else { return };
        for (number, stopped) in service.missing.clone() {
            match stopped {
                Some(container) if &container.name != fixed => {
                    let undo = Action::RenameContainer { from: fixed.clone(), to: container.name.clone() };
                    let action = Action::RenameContainer { from: container.name.clone(), to: fixed.clone() };
                    self.push(StepPhase::Switch, action, Some(undo), "its name is fixed");
                    self.fresh.insert(service.name_in(self.survey), vec![fixed.clone()]);
                }
                Some(_) => {}
                None => drop(self.create(service, number, StepPhase::Switch)),
            }
        }
    }

    /// Candidates that passed join the project's networks under their service's name.
    fn admit(&mut self) {
        for service in self.survey.services().filter(|service| service.is_staged()) {
            let stack = &self.input.release.stack;
            let own = base_attachments(stack, service.name, service.service)
                .into_iter()
                .filter(|place| stack.networks.values().any(|network| !network.external && network.name == place.network));
            let places: Vec<_> = own.collect();
            for container in self.fresh.get(service.name).cloned().unwrap_or_default() {
                for place in &places {
                    self.connect(StepPhase::Switch, &container, place.clone(), "its gate has passed");
                }
            }
        }
    }

    /// Stops what the release replaced; dependents before what they depend on.
    fn retire(&mut self) {
        for container in &self.survey.removed {
            self.push(StepPhase::Retire, stop(&container.service, &container.name), None, "its service is not in the release");
        }
        let services: Vec<_> = self.survey.services().collect();
        for service in services.into_iter().rev().filter(|service| !service.is_swapped()) {
            for container in &service.stale {
                self.push(StepPhase::Retire, stop(service.name, &container.name), None, "replaced; kept for rollback");
            }
        }
    }

    /// Removes staging networks whose candidates do not run any more.
    fn drop_staging_networks(&mut self) {
        let still_up: BTreeSet<&str> =
            self.survey.services().flat_map(|service| &service.kept).filter_map(|kept| kept.deployment.as_deref()).collect();
        let revived: BTreeSet<&str> = self
            .survey
            .services()
            .flat_map(|service| service.missing.iter().filter_map(|(_, stopped)| *stopped))
            .map(|container| container.name.as_str())
            .collect();
        for (network, deployment) in &self.input.observed.networks {
            let Some(deployment) = deployment else { continue };
            if still_up.contains(deployment.as_str()) {
                continue;
            }
            let members = self
                .input
                .observed
                .containers
                .iter()
                .filter(|container| container.networks.contains(network) && !revived.contains(container.name.as_str()));
            for container in members {
                let action = Action::Disconnect { container: container.name.clone(), network: network.clone() };
                self.push(StepPhase::Retire, action, None, "its candidates are retired");
            }
            self.push(StepPhase::Retire, Action::RemoveNetwork { name: network.clone() }, None, "its candidates are retired");
        }
    }

    fn prune(&mut self) {
        let used: BTreeSet<&String> = self.fresh.values().flatten().collect();
        let beyond: Vec<String> = beyond_retention(&self.input.observed.containers, &self.input.retained)
            .into_iter()
            .filter(|container| !used.contains(&container.name))
            .map(|container| container.name.clone())
            .collect();
        for container in beyond {
            self.push(StepPhase::Prune, Action::RemoveContainer { container }, None, "no release that can be rolled back to needs it");
        }
    }

    fn service_plans(&self) -> Vec<ServicePlan> {
        let mut plans: Vec<ServicePlan> = Vec::new();
        for service in self.survey.services() {
            let replaced = service.change == Change::Replace && !service.missing.is_empty();
            let rollout: Option<Rollout> = replaced.then_some(service.decision.rollout);
            let why = if replaced { format!("{}; {}", service.why, service.decision.why) } else { service.why.clone() };
            plans.push(ServicePlan { service: service.name.to_owned(), change: service.change, rollout, why });
        }
        let removed: BTreeSet<&str> = self.survey.removed.iter().map(|container| container.service.as_str()).collect();
        plans.extend(removed.into_iter().map(|service| ServicePlan {
            service: service.to_owned(),
            change: Change::Remove,
            rollout: None,
            why: "not in the release".to_owned(),
        }));
        plans
    }
}

impl ServiceSurvey<'_> {
    /// The service's name with the survey's lifetime.
    fn name_in<'s>(&self, survey: &'s Survey<'_>) -> &'s str {
        survey.services().find(|other| other.name == self.name).map_or("", |other| other.name)
    }
}

fn stop(service: &str, container: &str) -> Action {
    Action::StopContainer { service: service.to_owned(), container: container.to_owned(), grace_seconds: None }
}

/// A fixed address belongs to the project's own network; in a staging network any will do.
fn without_fixed_address(mut place: Attachment) -> Attachment {
    if let Some(options) = &mut place.options {
        options.ipv4_address = None;
        options.ipv6_address = None;
        options.mac_address = None;
        options.link_local_ips.clear();
    }
    place
}
