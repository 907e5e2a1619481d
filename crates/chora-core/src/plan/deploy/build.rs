//! From a survey to steps with their undo.

use std::collections::{BTreeMap, BTreeSet};

use indexmap::IndexMap;

use super::DeployInput;
use super::survey::{ServiceSurvey, Survey};
use super::traffic::Traffic;
use crate::model::network::Attachment;
use crate::plan::definition::{network_name, network_spec, volume_spec};
use crate::plan::gateway::GATEWAY;
use crate::plan::instance::{attachment, base_attachments, container_name, instance};
use crate::plan::observed::ObservedContainer;
use crate::plan::order::shared_with;
use crate::plan::retention::beyond_retention;
use crate::plan::staging::{Staging, staging_for, staging_spec};
use crate::plan::step::{Action, Change, GateTarget, Plan, Rollout, ServicePlan, Step, StepPhase};

/// What becomes of requests to a service that the gateway holds while it is swapped.
const HELD: &str = "; requests wait meanwhile, at most 30 s each";

/// Collects steps in the order of their phases.
pub(super) struct Builder<'a> {
    pub(super) input: &'a DeployInput<'a>,
    pub(super) survey: &'a Survey<'a>,
    pub(super) traffic: Traffic,
    staging: Staging,
    steps: Vec<Step>,
    /// Container that stands for a service's first replica, for `service:` references.
    peers: IndexMap<String, String>,
    /// New containers' names by service, in order of replica number.
    pub(super) fresh: BTreeMap<&'a str, Vec<String>>,
    /// What becomes of the canaries that were asked for, in words.
    pub(super) canaries: BTreeMap<&'a str, String>,
}

impl<'a> Builder<'a> {
    pub(super) fn new(input: &'a DeployInput<'a>, survey: &'a Survey<'a>) -> Self {
        let staging = staging_for(input, survey.services().filter(|service| service.is_staged()).map(|service| service.name));
        let traffic = Traffic::at_first(input);
        Self {
            input,
            survey,
            traffic,
            staging,
            steps: Vec::new(),
            peers: IndexMap::new(),
            fresh: BTreeMap::new(),
            canaries: BTreeMap::new(),
        }
    }

    pub(super) fn finish(mut self) -> Plan {
        let survey = self.survey;
        let changes = survey.services().any(|service| service.change != Change::Keep) || !survey.removed.is_empty() || self.is_rerouted();
        if changes {
            self.networks_and_volumes();
            self.staging_networks();
            self.extend_gateway();
            self.containers();
            for wave in &survey.waves {
                self.run_wave(wave);
            }
            self.rehearse();
            self.try_out();
            self.admit();
            self.late_gateway();
            self.switch_over();
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
            let warm = self.kept_warm();
            if let (Some(watch), false) = (self.input.environment.watch, warm.is_empty()) {
                self.watch(watch.as_secs());
            }
            self.drain();
            self.set_aside(&warm);
            self.retire(&warm);
            // Back to what is still ready is a switch: what networks it leaves empty, the next plan removes.
            if survey.services().all(|service| service.returning.is_empty()) {
                self.drop_staging_networks(&warm);
            }
            self.prune();
        }
        Plan { services: self.service_plans(), steps: self.steps }
    }

    /// Two releases that would run the very same containers.
    fn is_same_as_live(&self) -> bool {
        self.input.live.is_some_and(|live| live.fingerprints == self.input.release.fingerprints)
    }

    pub(super) fn push(&mut self, phase: StepPhase, action: Action, undo: Option<Action>, why: impl Into<String>) {
        self.steps.push(Step { phase, action, undo, why: why.into() });
    }

    fn networks_and_volumes(&mut self) {
        let stack = &self.input.release.stack;
        let used: BTreeSet<&str> = stack.services.values().flat_map(|service| service.networks.keys().map(String::as_str)).collect();
        for (key, network) in &stack.networks {
            let name = network_name(self.input, network);
            if network.external || !used.contains(key.as_str()) || self.input.observed.networks.contains_key(&name) {
                continue;
            }
            let why = if name == network.name {
                "not there yet".to_owned()
            } else {
                format!("the definition of {} changed; candidates go to this one beside it", network.name)
            };
            let action = Action::CreateNetwork { spec: network_spec(self.input, key, network) };
            self.push(StepPhase::Prepare, action, Some(Action::RemoveNetwork { name }), why);
        }
        for (key, volume) in &stack.volumes {
            if volume.external || self.input.observed.volumes.contains_key(&volume.name) {
                continue;
            }
            let action = Action::CreateVolume { spec: volume_spec(self.input, key, volume) };
            self.push(StepPhase::Prepare, action, None, "not there yet");
        }
    }

    /// The candidates that a staging network is for.
    fn candidates_in(&self, key: &str) -> Vec<String> {
        let services = self.survey.services().filter(|service| service.is_staged() && service.service.networks.contains_key(key));
        let names = services.flat_map(|service| {
            service.missing.iter().map(|(number, stopped)| {
                stopped.map_or_else(|| container_name(self.input, service.name, *number), |container| container.name.clone())
            })
        });
        names.collect()
    }

    /// Creates staging networks and brings the services that stay into them.
    fn staging_networks(&mut self) {
        for (key, name) in self.staging.clone() {
            let undo = Some(Action::RemoveNetwork { name: name.clone() });
            let spec = staging_spec(self.input, &key, &name, &self.candidates_in(&key));
            self.push(StepPhase::Prepare, Action::CreateNetwork { spec }, undo, "candidates stay out of sight until their gate has passed");
            for service in self.survey.services().filter(|service| !service.is_staged()) {
                let Some(options) = service.service.networks.get(&key) else { continue };
                let why = if service.name == GATEWAY { "it will send requests to candidates" } else { "candidates need it" };
                let present = service.kept.iter().chain(if service.is_swapped() { service.stale.as_slice() } else { &[] });
                for container in present {
                    let place = attachment(name.clone(), service.name, options.as_ref());
                    self.connect(StepPhase::Prepare, &container.name, without_fixed_address(place), why);
                }
            }
        }
    }

    pub(super) fn connect(&mut self, phase: StepPhase, container: &str, place: Attachment, why: &str) {
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

    /// A service's places in the networks of the release.
    pub(super) fn places_of(&self, service: &ServiceSurvey<'_>) -> Vec<Attachment> {
        base_attachments(self.input, (service.name, service.service), |_| true)
    }

    /// Where a new container is at its creation.
    fn places(&self, service: &ServiceSurvey<'_>) -> Vec<Attachment> {
        let staged = service.is_staged();
        let base = base_attachments(self.input, (service.name, service.service), |network| network.external || !staged);
        let former = self.former_places(service);
        base.into_iter().chain(self.staged_places(service)).chain(former).collect()
    }

    /// Where a swapped service is still looked for: in the networks whose successors the release has, by what runs on there until it is
    /// retired.
    fn former_places(&self, service: &ServiceSurvey<'_>) -> Vec<Attachment> {
        let mut places = Vec::new();
        for (key, options) in service.service.networks.iter().filter(|_| service.is_swapped()) {
            let Some(network) = self.input.release.stack.networks.get(key) else { continue };
            let own = network_name(self.input, network);
            let used = |name: &String| {
                let staged = self.survey.services().filter(|service| service.is_staged());
                staged.flat_map(|service| &service.stale).any(|container| container.networks.contains(name))
            };
            let former = self
                .input
                .observed
                .networks
                .iter()
                .filter(|(name, known)| known.key.as_ref() == Some(key) && known.staging.is_none() && **name != own && used(name));
            places.extend(former.map(|(name, _)| without_fixed_address(attachment(name.clone(), service.name, options.as_ref()))));
        }
        places
    }

    /// Whether a new container can only be created when its turn has come: its name is fixed and taken until its swap, or it is bound to
    /// such a container.
    fn comes_later(&self, service: &ServiceSurvey<'_>) -> bool {
        let fixed = service.service.container_name.is_some() && service.is_swapped();
        fixed || {
            let bound = shared_with(service.service);
            self.survey.services().any(|other| {
                bound.contains(&other.name) && other.name != service.name && !other.missing.is_empty() && self.comes_later(other)
            })
        }
    }

    /// Creates every new container while the old ones serve, but for those that have to wait for a swap.
    fn containers(&mut self) {
        for service in self.survey.services() {
            for (number, stopped) in service.missing.clone() {
                let name = match stopped {
                    Some(container) => self.prepare_stopped(service, container),
                    None if self.comes_later(service) => container_name(self.input, service.name, number),
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
        let home = base_attachments(self.input, (service.name, service.service), |_| true);
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
        let known = base_attachments(self.input, (service.name, service.service), |_| true);
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

    /// One wave: one-shots to their end, new containers started, old ones of stop-first services swapped, each gated.
    fn run_wave(&mut self, wave: &[ServiceSurvey<'_>]) {
        // A gateway whose ports are taken comes when what it serves is there.
        let wave: Vec<_> = wave.iter().filter(|service| service.name != GATEWAY || !service.is_swapped()).collect();
        for service in &wave {
            if service.one_shot {
                self.run_once(service);
                continue;
            }
            if service.is_swapped() {
                self.hold(service);
                self.swap_out(service);
            }
            self.start(service, if service.is_swapped() { StepPhase::Switch } else { StepPhase::Start });
        }
        for service in &wave {
            self.gate(service);
        }
        for service in wave {
            self.let_through(service);
        }
    }

    /// Starts a service's new containers.
    pub(super) fn start(&mut self, service: &ServiceSurvey<'_>, phase: StepPhase) {
        if self.comes_later(service) {
            self.create_now(service, phase);
        }
        for container in self.fresh.get(service.name).cloned().unwrap_or_default() {
            let undo = Some(stop(service.name, &container));
            let action = Action::StartContainer { service: service.name.to_owned(), container };
            self.push(phase, action, undo, service.why.clone());
        }
    }

    /// A gateway has no gate: it is proven by being told its routes, and by what is asked through it.
    fn gate(&mut self, service: &ServiceSurvey<'_>) {
        let containers = self.fresh.get(service.name).filter(|_| !service.one_shot && service.name != GATEWAY).cloned().unwrap_or_default();
        let returning = service.returning.iter().map(|container| container.name.clone());
        let targets: Vec<GateTarget> =
            containers.into_iter().chain(returning).map(|container| GateTarget { service: service.name.to_owned(), container }).collect();
        if !targets.is_empty() {
            self.push(StepPhase::Gate, Action::Gate { targets }, None, "what depends on it waits until it is healthy");
        }
    }

    fn run_once(&mut self, service: &ServiceSurvey<'_>) {
        if service.change != Change::Run {
            return;
        }
        if self.comes_later(service) {
            self.create_now(service, StepPhase::Start);
        }
        for container in self.fresh.get(service.name).cloned().unwrap_or_default() {
            let action = Action::RunToCompletion { service: service.name.to_owned(), container };
            self.push(StepPhase::Start, action, None, service.why.clone());
        }
    }

    /// Stops a stop-first service's old containers and frees what is theirs alone, and stops what else holds its ports.
    pub(super) fn swap_out(&mut self, service: &ServiceSurvey<'_>) {
        for container in &service.yielding {
            let undo = Action::StartContainer { service: container.service.clone(), container: container.name.clone() };
            let why = format!("{} takes over its ports", service.name);
            self.push(StepPhase::Switch, stop(&container.service, &container.name), Some(undo), why);
        }
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
        for container in service.missing.iter().filter_map(|(_, stopped)| *stopped).filter(|container| &container.name != fixed) {
            let undo = Action::RenameContainer { from: fixed.clone(), to: container.name.clone() };
            let action = Action::RenameContainer { from: container.name.clone(), to: fixed.clone() };
            self.push(StepPhase::Switch, action, Some(undo), "its name is fixed");
            self.fresh.insert(service.name_in(self.survey), vec![fixed.clone()]);
            self.peers.insert(service.name.to_owned(), fixed.clone());
        }
    }

    /// Creates what had to wait for its turn.
    fn create_now(&mut self, service: &ServiceSurvey<'_>, phase: StepPhase) {
        for (number, _) in service.missing.iter().filter(|(_, stopped)| stopped.is_none()) {
            self.create(service, *number, phase);
        }
    }

    /// Candidates that passed join the project's networks under their service's name, and so does what was warm.
    fn admit(&mut self) {
        let survey = self.survey;
        for service in survey.services() {
            for container in &service.returning {
                let places = self.places_of(service).into_iter().filter(|place| !container.networks.contains(&place.network));
                for place in places.collect::<Vec<_>>() {
                    self.connect(StepPhase::Switch, &container.name, place, "its gate has passed");
                }
            }
        }
        for service in self.survey.services().filter(|service| service.is_staged()) {
            let places = base_attachments(self.input, (service.name, service.service), |network| !network.external);
            for container in self.fresh.get(service.name).cloned().unwrap_or_default() {
                for place in &places {
                    self.connect(StepPhase::Switch, &container, place.clone(), "its gate has passed");
                }
            }
        }
    }

    /// Stops what the release replaced; dependents before what they depend on. What is warm from now on stays.
    fn retire(&mut self, warm: &BTreeSet<&str>) {
        let survey = self.survey;
        let yields =
            |container: &ObservedContainer| survey.services().flat_map(|service| &service.yielding).any(|one| one.name == container.name);
        for container in survey.removed.iter().filter(|container| !yields(container)) {
            self.push(StepPhase::Retire, stop(&container.service, &container.name), None, "its service is not in the release");
        }
        let services: Vec<_> = self.survey.services().collect();
        for service in services.into_iter().rev() {
            let stale = service.stale.iter().filter(|container| !service.is_swapped() && !yields(container));
            for container in stale.chain(&service.warm).filter(|container| !warm.contains(container.name.as_str())) {
                self.push(StepPhase::Retire, stop(service.name, &container.name), None, "replaced; kept for rollback");
            }
        }
        for service in self.survey.services() {
            let former = self.former_places(service);
            for container in self.fresh.get(service.name).cloned().unwrap_or_default() {
                for place in &former {
                    let action = Action::Disconnect { container: container.clone(), network: place.network.clone() };
                    self.push(StepPhase::Retire, action, None, "what looked for it there is retired");
                }
            }
        }
    }

    /// Removes staging networks whose candidates do not run any more.
    fn drop_staging_networks(&mut self, warm: &BTreeSet<&str>) {
        let stays = |container: &&ObservedContainer| {
            warm.contains(container.name.as_str())
                || self.survey.services().flat_map(|service| &service.kept).any(|kept| kept.name == container.name)
        };
        let still_up: Vec<&ObservedContainer> = self.input.observed.containers.iter().filter(stays).collect();
        let revived: BTreeSet<&str> = self
            .survey
            .services()
            .flat_map(|service| service.missing.iter().filter_map(|(_, stopped)| *stopped))
            .map(|container| container.name.as_str())
            .collect();
        for (network, known) in &self.input.observed.networks {
            let Some(deployment) = &known.staging else { continue };
            let is_for = |container: &&ObservedContainer| match known.members.is_empty() {
                true => container.deployment.as_ref() == Some(deployment),
                false => known.members.contains(&container.name),
            };
            if still_up.iter().any(is_for) {
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
        let why = "no release that can be rolled back to needs it";
        for container in &beyond {
            self.push(StepPhase::Prune, Action::RemoveContainer { container: container.clone() }, None, why);
        }
        for name in self.networks_beyond(&beyond) {
            self.push(StepPhase::Prune, Action::RemoveNetwork { name }, None, why);
        }
    }

    /// Networks of definitions that no release has any more, when nothing is left in them.
    fn networks_beyond(&self, removed: &[String]) -> Vec<String> {
        let releases = self.input.retained.iter().copied().chain(self.input.live).chain([self.input.release]);
        let wanted: BTreeSet<String> =
            releases.flat_map(|release| release.stack.networks.values()).map(|network| network_name(self.input, network)).collect();
        let empty = |name: &String| {
            let containers = self.input.observed.containers.iter().filter(|container| !removed.contains(&container.name));
            containers.into_iter().all(|container| !container.networks.contains(name))
        };
        let own = self.input.observed.networks.iter().filter(|(_, known)| known.key.is_some() && known.fingerprint.is_some());
        own.map(|(name, _)| name).filter(|name| !wanted.contains(*name) && empty(name)).cloned().collect()
    }

    /// What a refusal costs a service that is down until its gate has passed.
    fn longest_gap(&self, service: &ServiceSurvey<'_>) -> String {
        let gate = self.input.environment.gate_while_down(service.service).as_secs();
        // Ten seconds are the engine's own.
        let stop = service.service.stop_grace_period.map_or(10, |grace| grace.0.as_secs());
        format!("; if refused, it is down for about {} s at most ({stop} to stop, {gate} for its gate)", stop + gate)
    }

    fn service_plans(&self) -> Vec<ServicePlan> {
        let mut plans: Vec<ServicePlan> = Vec::new();
        for service in self.survey.services() {
            let replaced = service.change == Change::Replace && !service.missing.is_empty();
            let rollout: Option<Rollout> = replaced.then_some(service.decision.rollout);
            let mut why = if replaced { format!("{}; {}", service.why, service.decision.why) } else { service.why.clone() };
            if service.is_swapped() && replaced {
                why += &if self.held(service).is_some() { HELD.to_owned() } else { self.longest_gap(service) };
            }
            if let Some(words) = self.canaries.get(service.name) {
                why += &format!("; {words}");
            }
            if let Some(bridge) = self.input.release.bridges.get(service.name).filter(|_| service.change != Change::Keep) {
                why += &format!("; {bridge}");
            }
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
pub(super) fn without_fixed_address(mut place: Attachment) -> Attachment {
    if let Some(options) = &mut place.options {
        options.ipv4_address = None;
        options.ipv6_address = None;
        options.mac_address = None;
        options.link_local_ips.clear();
    }
    place
}
