//! What each step of a plan waits for. Steps that do not wait for each other may be under way at once.
//!
//! The order of the list stays the order of undoing; this says how much of it is needed on the way forward.

use std::collections::{BTreeMap, BTreeSet};

use super::gateway::GATEWAY;
use super::order::shared_with;
use super::step::{Action, Plan, Step, StepPhase};
use crate::compose::{Condition, Stack};

/// Gives, for each step, the indices of the earlier steps that must be done before it begins.
///
/// The stack is that of the release that becomes live: a service starts when what it depends on is as it asked for.
#[must_use]
pub fn needs(plan: &Plan, stack: &Stack) -> Vec<BTreeSet<usize>> {
    let candidates: BTreeSet<&str> = plan.steps.iter().filter_map(|step| started(&step.action)).map(|(_, container)| container).collect();
    let gateways = plan.steps.iter().filter_map(|step| drained_by(&step.action)).collect();
    let order = Order { stack, candidates, gateways };
    let steps = plan.steps.iter().enumerate();
    let needed = |index: usize, later: &Step| {
        let before = plan.steps.iter().enumerate().take(index);
        let awaited = service_of(&later.action).map(|service| order.awaited(service)).unwrap_or_default();
        before.filter(|(_, earlier)| order.is_before(earlier, later, &awaited)).map(|(index, _)| index).collect()
    };
    steps.map(|(index, step)| needed(index, step)).collect()
}

/// Services that must have started, with whether they must have passed their gate as well.
type Awaited<'a> = BTreeMap<&'a str, bool>;

struct Order<'a> {
    stack: &'a Stack,
    /// Containers that the plan starts.
    candidates: BTreeSet<&'a str>,
    /// Containers that tell when what is retired is at nothing any more.
    gateways: BTreeSet<&'a str>,
}

impl<'a> Order<'a> {
    fn is_before(&self, earlier: &Step, later: &Step, awaited: &Awaited<'_>) -> bool {
        let is_barrier = |step: &Step| matches!(step.action, Action::Record { .. });
        is_barrier(earlier)
            || is_barrier(later)
            // What clients can notice waits until everything they cannot notice has gone well.
            || later.phase == StepPhase::Switch && earlier.phase < StepPhase::Switch
            || collide(&earlier.action, &later.action)
            || self.prepares(earlier, later)
            || is_created_first(earlier, later, awaited)
            || self.lets_start(earlier, later, awaited)
            || self.stops_first(&earlier.action, &later.action)
            || self.empties(earlier, later)
            || self.moves_traffic(earlier, later)
    }

    /// A container starts in surroundings that are complete; only what belongs to another candidate may still be missing.
    fn prepares(&self, earlier: &Step, later: &Step) -> bool {
        let Some((_, container)) = started(&later.action) else {
            return matches!((&earlier.action, &later.action), (Action::CreateVolume { .. }, Action::CreateContainer { .. }));
        };
        let of_another = subject(&earlier.action).is_some_and(|subject| subject != container && self.candidates.contains(subject));
        earlier.phase == StepPhase::Prepare && !of_another
    }

    /// Whether a start waits for the earlier step: what its service depends on, and the old container in its place.
    fn lets_start(&self, earlier: &Step, later: &Step, awaited: &Awaited<'_>) -> bool {
        let Some((service, _)) = started(&later.action) else { return false };
        match &earlier.action {
            Action::StartContainer { service: other, .. } | Action::RunToCompletion { service: other, .. } => {
                awaited.contains_key(other.as_str())
            }
            Action::Gate { targets } => targets.iter().any(|target| awaited.get(target.service.as_str()) == Some(&true)),
            Action::StopContainer { service: other, .. } => {
                let ports_change_hands = service == GATEWAY || other == GATEWAY;
                other == service || ports_change_hands && earlier.phase == StepPhase::Switch
            }
            _ => false,
        }
    }

    /// Dependents stop before what they depend on. What a service that is gone depended on is not known.
    fn stops_first(&self, earlier: &Action, later: &Action) -> bool {
        let (Action::StopContainer { service: one, .. }, Action::StopContainer { service: other, .. }) = (earlier, later) else {
            return false;
        };
        let known = |service: &String| self.stack.services.contains_key(service);
        !known(one) || !known(other) || self.awaited(one).contains_key(other.as_str())
    }

    /// Requests go elsewhere when everything before has gone well; a container stops when it is at nothing any more. A gateway
    /// that was there before reaches candidates where they are. They join the project's networks meanwhile, and on the way back
    /// leave them only when they get nothing any more: what is under way would be cut.
    fn moves_traffic(&self, earlier: &Step, later: &Step) -> bool {
        match &later.action {
            Action::Route { gateway, .. } => {
                let joins = earlier.phase == StepPhase::Switch && matches!(earlier.action, Action::Connect { .. });
                !joins || self.candidates.contains(gateway.as_str())
            }
            Action::Verify { .. } | Action::Rehearse { .. } | Action::Canary { .. } => true,
            Action::StopContainer { service, .. } => {
                matches!(&earlier.action, Action::Hold { service: held, .. } | Action::Drain { service: held, .. } if held == service)
            }
            _ => false,
        }
    }

    /// Networks are left and removed when what is retired has stopped, and removed when what is pruned has gone. A gateway that
    /// has nothing to do there any more leaves meanwhile.
    fn empties(&self, earlier: &Step, later: &Step) -> bool {
        let stops = earlier.phase == StepPhase::Retire && matches!(earlier.action, Action::StopContainer { .. });
        // What is kept warm leaves the project's networks when it is at nothing any more, and can be reached elsewhere.
        let ready = earlier.phase == StepPhase::Retire && matches!(earlier.action, Action::Drain { .. } | Action::Connect { .. });
        match &later.action {
            Action::Disconnect { container, .. } => ready || stops && !self.gateways.contains(container.as_str()),
            Action::RemoveNetwork { .. } => stops || matches!(earlier.action, Action::RemoveContainer { .. }),
            _ => false,
        }
    }

    /// Everything that a service depends on, directly or through others.
    fn awaited(&self, service: &str) -> Awaited<'a> {
        let mut awaited = Awaited::new();
        self.collect(service, &mut awaited);
        awaited
    }

    fn collect(&self, service: &str, awaited: &mut Awaited<'a>) {
        let Some(definition) = self.stack.services.get(service) else { return };
        let declared = definition.depends_on.iter().map(|(name, dependency)| (name.as_str(), dependency.condition != Condition::Started));
        for (name, gated) in declared.chain(shared_with(definition).into_iter().map(|name| (name, false))) {
            // Met again, only a stricter condition is news; that also ends cycles.
            if awaited.get(name).is_none_or(|known| gated && !known) {
                awaited.insert(name, gated);
                self.collect(name, awaited);
            }
        }
    }
}

/// What starts first is created first: its start need not wait for the others, which are created meanwhile.
fn is_created_first(earlier: &Step, later: &Step, awaited: &Awaited<'_>) -> bool {
    let (Action::CreateContainer { instance: one }, Action::CreateContainer { instance: other }) = (&earlier.action, &later.action) else {
        return false;
    };
    one.service != other.service && awaited.contains_key(one.service.as_str())
}

/// The gateway that a drain asks.
fn drained_by(action: &Action) -> Option<&str> {
    if let Action::Drain { gateway, .. } = action { Some(gateway) } else { None }
}

/// Service and container of an action that starts something.
fn started(action: &Action) -> Option<(&str, &str)> {
    match action {
        Action::StartContainer { service, container } | Action::RunToCompletion { service, container } => Some((service, container)),
        _ => None,
    }
}

/// The service of an action that brings a container up.
fn service_of(action: &Action) -> Option<&str> {
    match action {
        Action::CreateContainer { instance } => Some(&instance.service),
        action => started(action).map(|(service, _)| service),
    }
}

/// The container that an action is about.
fn subject(action: &Action) -> Option<&str> {
    match action {
        Action::CreateContainer { instance } => Some(&instance.name),
        Action::RemoveContainer { container }
        | Action::StartContainer { container, .. }
        | Action::StopContainer { container, .. }
        | Action::Connect { container, .. }
        | Action::Disconnect { container, .. }
        | Action::RunToCompletion { container, .. } => Some(container),
        Action::RenameContainer { from, .. } => Some(from),
        Action::Route { gateway, .. }
        | Action::Hold { gateway, .. }
        | Action::ReleaseHold { gateway, .. }
        | Action::Canary { gateway, .. }
        | Action::EndCanary { gateway, .. }
        | Action::Watch { gateway, .. } => Some(gateway),
        Action::Drain { .. }
        | Action::Verify { .. }
        | Action::Rehearse { .. }
        | Action::CreateNetwork { .. }
        | Action::RemoveNetwork { .. }
        | Action::CreateVolume { .. }
        | Action::Gate { .. }
        | Action::Record { .. } => None,
    }
}

/// A thing on the engine, by name.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Object<'a> {
    Container(&'a str),
    Network(&'a str),
}

/// What an action changes on the engine, and what must stay as it is meanwhile.
struct Touch<'a> {
    changed: Vec<Object<'a>>,
    used: Vec<Object<'a>>,
}

fn touch(action: &Action) -> Touch<'_> {
    let mut touch = Touch { changed: subject(action).map(Object::Container).into_iter().collect(), used: Vec::new() };
    match action {
        Action::CreateNetwork { spec } => touch.changed.push(Object::Network(&spec.name)),
        Action::RemoveNetwork { name } => touch.changed.push(Object::Network(name)),
        Action::CreateContainer { instance } => {
            touch.used.extend(instance.attachments.iter().map(|place| Object::Network(&place.network)));
            touch.used.extend(instance.peers.values().map(|peer| Object::Container(peer)));
        }
        Action::RenameContainer { to, .. } => touch.changed.push(Object::Container(to)),
        Action::Connect { attachment, .. } => touch.used.push(Object::Network(&attachment.network)),
        Action::Disconnect { network, .. } => touch.used.push(Object::Network(network)),
        Action::Gate { targets } => touch.used.extend(targets.iter().map(|target| Object::Container(&target.container))),
        Action::Drain { gateway, .. } | Action::Verify { gateway, .. } | Action::Rehearse { gateway, .. } => {
            touch.used.push(Object::Container(gateway))
        }
        Action::CreateVolume { .. }
        | Action::Route { .. }
        | Action::Hold { .. }
        | Action::ReleaseHold { .. }
        | Action::Watch { .. }
        | Action::Canary { .. }
        | Action::EndCanary { .. }
        | Action::RemoveContainer { .. }
        | Action::StartContainer { .. }
        | Action::StopContainer { .. }
        | Action::RunToCompletion { .. }
        | Action::Record { .. } => {}
    }
    touch
}

/// Whether one changes what the other changes or uses.
fn collide(one: &Action, other: &Action) -> bool {
    let (one, other) = (touch(one), touch(other));
    let meets = |changed: &[Object<'_>], touch: &Touch<'_>| {
        changed.iter().any(|object| touch.changed.contains(object) || touch.used.contains(object))
    };
    meets(&one.changed, &other) || meets(&other.changed, &one)
}

#[cfg(test)]
mod tests {
    use super::needs;
    use crate::compose::{Condition, Dependency, Service, Stack, Volume};
    use crate::model::digest::Digest;
    use crate::model::ids::{ImageId, ReleaseId};
    use crate::model::network::{Attachment, NetworkSpec, VolumeSpec};
    use crate::plan::{Action, GateTarget, Instance, Plan, Step, StepPhase};

    /// `web` needs `api` healthy, `api` needs `db` healthy and `cache` started; `worker` needs nothing.
    fn stack() -> Stack {
        let on = |needs: &[(&str, Condition)]| Service {
            depends_on: needs
                .iter()
                .map(|(name, condition)| ((*name).to_owned(), Dependency { condition: *condition, restart: false, required: true }))
                .collect(),
            ..Service::default()
        };
        let services = [
            ("web", on(&[("api", Condition::Healthy)])),
            ("api", on(&[("db", Condition::Healthy), ("cache", Condition::Started)])),
            ("db", on(&[])),
            ("cache", on(&[])),
            ("worker", on(&[])),
        ];
        Stack { services: services.into_iter().map(|(name, service)| (name.to_owned(), service)).collect(), ..Stack::default() }
    }

    fn place(network: &str) -> Attachment {
        Attachment { network: network.to_owned(), aliases: Vec::new(), options: None }
    }

    fn create(service: &str, network: &str) -> Action {
        let instance = Instance {
            service: service.to_owned(),
            number: 1,
            name: service.to_owned(),
            image: ImageId::new("i"),
            fingerprint: Digest::of(b""),
            attachments: vec![place(network)],
            peers: indexmap::IndexMap::new(),
            labels: indexmap::IndexMap::new(),
            files: Vec::new(),
        };
        Action::CreateContainer { instance: Box::new(instance) }
    }

    fn network(name: &str) -> Action {
        Action::CreateNetwork {
            spec: NetworkSpec { name: name.to_owned(), network: crate::compose::Network::default(), labels: indexmap::IndexMap::new() },
        }
    }

    fn start(service: &str, container: &str) -> Action {
        Action::StartContainer { service: service.to_owned(), container: container.to_owned() }
    }

    fn stop(service: &str, container: &str) -> Action {
        Action::StopContainer { service: service.to_owned(), container: container.to_owned(), grace_seconds: None }
    }

    fn gate(service: &str) -> Action {
        Action::Gate { targets: vec![GateTarget { service: service.to_owned(), container: service.to_owned() }] }
    }

    fn connect(container: &str, network: &str) -> Action {
        Action::Connect { container: container.to_owned(), attachment: place(network) }
    }

    /// Each step with the words of what it waits for beyond what those wait for already.
    fn waits(steps: Vec<(StepPhase, Action)>) -> Vec<String> {
        let steps: Vec<Step> = steps.into_iter().map(|(phase, action)| Step { phase, action, undo: None, why: String::new() }).collect();
        let plan = Plan { steps, services: Vec::new() };
        let needs = needs(&plan, &stack());
        let line = |(index, step): (usize, &Step)| {
            let direct = needs[index].iter().filter(|one| !needs[index].iter().any(|other| needs[*other].contains(one)));
            let words: Vec<String> = direct.map(|one| plan.steps[*one].action.to_string()).collect();
            format!("{}: {}", step.action, words.join(", "))
        };
        plan.steps.iter().enumerate().map(line).collect()
    }

    #[test]
    fn a_service_starts_as_soon_as_what_it_depends_on_is_as_it_asked() {
        use StepPhase::{Gate, Prepare, Start};
        let volume = VolumeSpec { name: "data".to_owned(), volume: Volume::default(), labels: indexmap::IndexMap::new() };
        let mut steps = vec![(Prepare, network("net")), (Prepare, Action::CreateVolume { spec: volume })];
        steps.extend(["db", "cache", "worker", "api", "web"].map(|name| (Prepare, create(name, "net"))));
        steps.extend(["db", "cache", "worker"].map(|name| (Start, start(name, name))));
        steps.extend(["db", "cache", "worker"].map(|name| (Gate, gate(name))));
        steps.extend([(Start, start("api", "api")), (Gate, gate("api")), (Start, start("web", "web")), (Gate, gate("web"))]);
        assert_eq!(
            waits(steps),
            [
                "create network net: ",
                "create volume data: ",
                "create db: create network net, create volume data",
                "create cache: create network net, create volume data",
                "create worker: create network net, create volume data",
                "create api: create db, create cache",
                "create web: create api",
                "start db: create db",
                "start cache: create cache",
                "start worker: create worker",
                "gate db: start db",
                "gate cache: start cache",
                "gate worker: start worker",
                "start api: create api, start cache, gate db",
                "gate api: start api",
                "start web: create web, gate api",
                "gate web: start web",
            ]
        );
    }

    #[test]
    fn what_clients_notice_waits_for_everything_else_and_the_record_for_all() {
        use StepPhase::{Gate, Prepare, Prune, Record, Retire, Start, Switch};
        let steps = vec![
            (Prepare, network("staging")),
            (Prepare, connect("db-old", "staging")),
            (Prepare, create("worker", "net")),
            (Prepare, connect("worker", "staging")),
            (Prepare, create("web", "net")),
            (Start, start("worker", "worker")),
            (Gate, gate("worker")),
            (Switch, stop("web", "web-old")),
            (Switch, start("web", "web")),
            (Gate, gate("web")),
            (Switch, connect("worker", "net")),
            (Record, Action::Record { release: ReleaseId::new("r") }),
            (Retire, stop("api", "api-old")),
            (Retire, stop("worker", "worker-old")),
            (Retire, stop("db", "db-old")),
            (Retire, Action::Disconnect { container: "worker-old".to_owned(), network: "before".to_owned() }),
            (Retire, Action::RemoveNetwork { name: "before".to_owned() }),
            (Prune, Action::RemoveContainer { container: "older".to_owned() }),
            (Prune, Action::RemoveNetwork { name: "older".to_owned() }),
        ];
        assert_eq!(
            waits(steps),
            [
                "create network staging: ",
                "connect db-old to staging: create network staging",
                "create worker: ",
                "connect worker to staging: create network staging, create worker",
                "create web: ",
                "start worker: connect db-old to staging, connect worker to staging",
                "gate worker: start worker",
                "stop web-old: create web, gate worker",
                "start web: stop web-old",
                "gate web: start web",
                "connect worker to net: gate worker, gate web",
                "record release r as live: connect worker to net",
                "stop api-old: record release r as live",
                "stop worker-old: record release r as live",
                "stop db-old: stop api-old",
                "disconnect worker-old from before: stop worker-old, stop db-old",
                "remove network before: disconnect worker-old from before",
                "remove older: record release r as live",
                "remove network older: stop worker-old, stop db-old, remove older",
            ]
        );
    }

    #[test]
    fn a_gateway_leaves_what_is_retired_while_that_stops() {
        use StepPhase::{Record, Retire};
        let leaves = |container: &str| Action::Disconnect { container: container.to_owned(), network: "before".to_owned() };
        let drain = Action::Drain { gateway: "gateway".to_owned(), service: "web".to_owned(), backends: Vec::new(), limit_seconds: 1 };
        let steps = vec![
            (Record, Action::Record { release: ReleaseId::new("r") }),
            (Retire, drain),
            (Retire, stop("web", "web-old")),
            (Retire, leaves("gateway")),
            (Retire, leaves("web-old")),
            (Retire, Action::RemoveNetwork { name: "before".to_owned() }),
        ];
        let expected = [
            "record release r as live: ",
            "drain web: record release r as live",
            "stop web-old: drain web",
            "disconnect gateway from before: drain web",
            "disconnect web-old from before: stop web-old",
            "remove network before: disconnect gateway from before, disconnect web-old from before",
        ];
        assert_eq!(waits(steps), expected);
    }

    #[test]
    fn services_that_are_gone_stop_one_after_the_other_before_the_rest() {
        use StepPhase::{Record, Retire};
        let steps = vec![
            (Record, Action::Record { release: ReleaseId::new("r") }),
            (Retire, stop("gone", "gone-1")),
            (Retire, stop("lost", "lost-1")),
            (Retire, stop("worker", "worker-old")),
        ];
        let expected = [
            "record release r as live: ",
            "stop gone-1: record release r as live",
            "stop lost-1: stop gone-1",
            "stop worker-old: stop lost-1",
        ];
        assert_eq!(waits(steps), expected);
    }
}
