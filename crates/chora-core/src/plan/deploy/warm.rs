//! The release before, kept ready to serve again while the gateway watches the new one: it runs on in networks of its own, where it has
//! its own services and those that both releases share under their names, and where nobody but the gateway finds it.

use std::collections::{BTreeMap, BTreeSet};

use super::Reuse;
use super::build::{Builder, without_fixed_address};
use crate::plan::gateway::GATEWAY;
use crate::plan::instance::attachment;
use crate::plan::observed::ObservedContainer;
use crate::plan::staging::{warm_name, warm_spec};
use crate::plan::step::{Action, StepPhase};

/// Why it is done.
const WHY: &str = "it stays ready to serve again";

impl<'a> Builder<'a> {
    /// The containers that are kept warm. All of the release before or nothing: what was stopped for its successor cannot serve again at
    /// once.
    pub(super) fn kept_warm(&self) -> BTreeSet<&'a str> {
        let is_watched = self.input.environment.watch.is_some() && self.input.reuse == Reuse::LiveOnly;
        let is_whole = self.survey.removed.is_empty() && self.survey.services().all(|service| !service.is_swapped());
        if !is_watched || !is_whole || !self.has_moved() {
            return BTreeSet::new();
        }
        self.survey
            .services()
            .filter(|service| service.is_staged())
            .flat_map(|service| &service.stale)
            .map(|one| one.name.as_str())
            .collect()
    }

    /// Moves what is kept warm out of the project's networks.
    pub(super) fn set_aside(&mut self, warm: &BTreeSet<&str>) {
        let survey = self.survey;
        let members: BTreeMap<(&str, &str), Vec<&ObservedContainer>> = self.former_members(warm);
        for ((key, network), containers) in &members {
            let name = warm_name(self.input, network);
            let names: Vec<String> = containers.iter().map(|container| container.name.clone()).collect();
            let action = Action::CreateNetwork { spec: warm_spec(self.input, key, &name, &names) };
            self.push(StepPhase::Retire, action, None, WHY);
            for service in survey.services().filter(|service| service.name == GATEWAY || service.service.networks.contains_key(*key)) {
                let shared = service.kept.iter().filter(|container| service.name == GATEWAY || container.networks.contains(*network));
                for container in shared {
                    self.put_into(&name, key, container);
                }
            }
            for container in containers {
                self.put_into(&name, key, container);
            }
            for container in containers {
                let action = Action::Disconnect { container: container.name.clone(), network: (*network).to_owned() };
                self.push(StepPhase::Retire, action, None, "nobody is to find it under its service's name");
            }
        }
    }

    fn put_into(&mut self, network: &str, key: &str, container: &ObservedContainer) {
        let defined = self.input.release.stack.services.get(&container.service);
        let options = defined.and_then(|service| service.networks.get(key)).and_then(Option::as_ref);
        let attachment = without_fixed_address(attachment(network.to_owned(), &container.service, options));
        let action = Action::Connect { container: container.name.clone(), attachment };
        self.push(StepPhase::Retire, action, None, WHY);
    }

    /// What is kept warm by the network of the project that it is in, as key and name.
    fn former_members(&self, warm: &BTreeSet<&str>) -> BTreeMap<(&'a str, &'a str), Vec<&'a ObservedContainer>> {
        let mut members: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for container in self.input.observed.containers.iter().filter(|container| warm.contains(container.name.as_str())) {
            for network in &container.networks {
                let key = self.input.observed.networks.get(network).and_then(|known| known.key.as_deref());
                if let Some(key) = key {
                    members.entry((key, network.as_str())).or_default().push(container);
                }
            }
        }
        members
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::Reuse;
    use super::super::tests::{V1, after, after_v1, container, environment, plan_in, release, words};
    use crate::model::container::ContainerState;
    use crate::model::digest::Digest;
    use crate::model::environment::{Environment, EnvironmentClass};
    use crate::model::release::Release;
    use crate::plan::gateway::{GATEWAY, add_gateway};
    use crate::plan::observed::Observed;
    use crate::plan::step::{Action, Plan, StepPhase};

    /// A release with a gateway.
    fn served(id: &str, web: &str, api: &str) -> Release {
        let mut made = release(id, &[V1[2], V1[3], ("web", web), ("api", api), (GATEWAY, "gateway")]);
        add_gateway(&mut made.stack, EnvironmentClass::Production);
        made
    }

    fn watched() -> Environment {
        Environment { watch: Some(Duration::from_secs(600)), ..environment() }
    }

    /// The first release, up behind its gateway.
    fn up() -> Observed {
        let mut observed = after_v1();
        let mut gateway = container(GATEWAY, "gateway", "d1", ContainerState::Running);
        gateway.networks.insert("0-shop-edge".into());
        observed.containers.push(gateway);
        observed
            .networks
            .insert("0-shop-edge".into(), crate::plan::ObservedNetwork { key: Some("chora-edge".into()), ..Default::default() });
        observed.volumes.insert("shop_chora-gateway".into(), crate::plan::ObservedVolume { driver: "local".into(), fingerprint: None });
        observed
    }

    fn deploy(release: &Release, live: &Release, observed: &Observed) -> Plan {
        plan_in(&watched(), release, Some(live), observed, Reuse::LiveOnly).unwrap()
    }

    fn after_the_record(plan: &Plan) -> Vec<String> {
        let at = plan.point_of_no_return().unwrap();
        words(plan).into_iter().skip(at + 1).collect()
    }

    #[test]
    fn the_release_before_runs_on_out_of_sight() {
        let (one, two) = (served("r1", "web:1", "api:1"), served("r2", "web:2", "api:2"));
        let plan = deploy(&two, &one, &up());
        assert_eq!(
            after_the_record(&plan),
            [
                "watch web for 600 s",
                "drain web",
                "create network shop_default_new-warm",
                "connect shop-db-d1-1 to shop_default_new-warm",
                "connect shop-chora-gateway-d1-1 to shop_default_new-warm",
                "connect shop-api-d1-1 to shop_default_new-warm",
                "connect shop-web-d1-1 to shop_default_new-warm",
                "disconnect shop-api-d1-1 from shop_default",
                "disconnect shop-web-d1-1 from shop_default",
            ]
        );
        let Some(Action::Watch { routes, back, .. }) =
            plan.steps.iter().map(|step| &step.action).find(|a| matches!(a, Action::Watch { .. }))
        else {
            panic!("no watch");
        };
        assert_eq!((back[0].addresses[0].as_str(), back[0].release.as_str()), ("shop-web-d1-1:80", "d1"));
        assert_eq!((routes[0].addresses[0].as_str(), routes.len()), ("shop-web-00000-d2-1:80", 1));
        let needs = crate::plan::needs(&plan, &two.stack);
        let at = |word: &str| words(&plan).iter().position(|step| step == word).unwrap();
        let leaves = at("disconnect shop-web-d1-1 from shop_default");
        for earlier in
            ["drain web", "connect shop-web-d1-1 to shop_default_new-warm", "connect shop-chora-gateway-d1-1 to shop_default_new-warm"]
        {
            assert!(needs[leaves].contains(&at(earlier)), "{earlier}");
        }
    }

    #[test]
    fn what_is_warm_is_no_reason_to_do_anything() {
        let (one, two) = (served("r1", "web:1", "api:1"), served("r2", "web:2", "api:2"));
        let observed = after(up(), &deploy(&two, &one, &up()));
        assert!(deploy(&two, &two, &observed).is_empty());
    }

    #[test]
    fn a_rollback_to_what_is_warm_starts_nothing() {
        let (one, two) = (served("r1", "web:1", "api:1"), served("r2", "web:2", "api:2"));
        let observed = after(up(), &deploy(&two, &one, &up()));
        let plan = plan_in(&watched(), &one, Some(&two), &observed, Reuse::Retained).unwrap();
        let before: Vec<_> = plan.steps.iter().filter(|step| step.phase < StepPhase::Record).map(|step| step.action.to_string()).collect();
        assert_eq!(
            before,
            [
                "gate shop-api-d1-1",
                "gate shop-web-d1-1",
                "rehearse web through the gateway",
                "connect shop-api-d1-1 to shop_default",
                "connect shop-web-d1-1 to shop_default",
                "route web",
                "verify web through the gateway",
            ]
        );
        assert_eq!(plan.steps.iter().filter(|step| matches!(step.action, Action::Watch { .. })).count(), 0);
        assert_eq!(after_the_record(&plan), ["drain web", "stop shop-web-new-1", "stop shop-api-new-1"]);
        let mut settled = after(observed, &plan);
        settled.containers.sort_by(|a, b| a.name.cmp(&b.name));
        let up: Vec<_> = settled.containers.iter().filter(|one| one.is_up()).map(|one| one.name.as_str()).collect();
        assert_eq!(up, ["shop-api-d1-1", "shop-chora-gateway-d1-1", "shop-db-d1-1", "shop-web-d1-1"]);
        assert!(settled.containers.iter().all(|one| !settled.is_warm(one)));
        let three = served("r3", "web:3", "api:3");
        let next = deploy(&three, &one, &settled);
        assert!(settled.networks.contains_key("shop_default_00000-d2"));
        assert!(words(&next).contains(&"remove network shop_default_new".to_owned()));
    }

    #[test]
    fn the_next_release_takes_the_place_of_what_was_warm() {
        let (one, two, three) = (served("r1", "web:1", "api:1"), served("r2", "web:2", "api:1"), served("r3", "web:3", "api:1"));
        let first = after(up(), &deploy(&two, &one, &up()));
        let second = after(first.clone(), &deploy(&three, &two, &first));
        let mut warm: Vec<_> = second.containers.iter().filter(|one| second.is_warm(one)).map(|one| one.name.as_str()).collect();
        warm.sort_unstable();
        assert_eq!(warm, ["shop-web-00000-d2-1"]);
        let stopped = second.containers.iter().find(|one| one.name == "shop-web-d1-1").map(|one| one.state);
        assert_eq!(stopped, Some(ContainerState::Exited));
        assert_eq!(second.networks.keys().filter(|name| name.ends_with("-warm")).count(), 1, "{:?}", second.networks);
        let fingerprint = Digest::of(b"api:1");
        assert!(second.up("api").all(|api| api.fingerprint.as_ref() == Some(&fingerprint) && api.networks.len() > 1));
    }

    #[test]
    fn nothing_is_kept_warm_where_a_part_of_it_had_to_stop() {
        let (one, mut two) = (served("r1", "web:1", "api:1"), served("r2", "web:2", "api:2"));
        two.stack.services.get_mut("api").unwrap().container_name = Some("the-api".into());
        let plan = deploy(&two, &one, &up());
        assert!(plan.steps.iter().all(|step| !matches!(step.action, Action::Watch { .. })));
    }
}
