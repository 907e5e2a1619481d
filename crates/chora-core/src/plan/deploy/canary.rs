//! Which services have a canary between their gate and the switch, and why others have none.

use super::Reuse;
use super::build::Builder;
use super::survey::ServiceSurvey;
use crate::model::canary::{CanaryRules, span};
use crate::plan::gateway::Route;
use crate::plan::step::{Action, Change, StepPhase, Trial};

impl Builder<'_> {
    /// Sends some requests to candidates and compares, before everybody is sent there.
    pub(super) fn try_out(&mut self) {
        let survey = self.survey;
        let mut trials = Vec::new();
        for service in survey.services() {
            let Some(rules) = self.asked_canary(service).cloned() else { continue };
            match self.tried_routes(service) {
                Ok(routes) => trials.push((service.name, Trial { service: service.name.to_owned(), rules, routes })),
                Err(why) => drop(self.canaries.insert(service.name, format!("no canary: {why}"))),
            }
        }
        // They are one step, and it ends for all of them at once.
        let longest = trials.iter().map(|(_, trial)| trial.rules.seconds).max().unwrap_or_default();
        for (service, trial) in &mut trials {
            let asked = std::mem::replace(&mut trial.rules.seconds, longest);
            let longer = if asked < longest { format!(" ({} asked for, as long as the longest)", span(asked)) } else { String::new() };
            self.canaries.insert(service, format!("first {}{longer}, then everything unless it is worse", trial.rules));
        }
        let trials: Vec<Trial> = trials.into_iter().map(|(_, trial)| trial).collect();
        let Some(gateway) = self.gateway().filter(|_| !trials.is_empty()) else { return };
        let backends = trials.iter().flat_map(|trial| &trial.routes).map(Route::backend).collect();
        let drain = |trial: &Trial| self.input.environment.drain_of(&trial.service).as_secs();
        let limit_seconds = trials.iter().map(drain).max().unwrap_or_default();
        let undo = Action::EndCanary { gateway: gateway.clone(), backends, limit_seconds };
        let why = "it goes on by itself when it is not worse than the release before";
        self.push(StepPhase::Gate, Action::Canary { gateway, trials }, Some(undo), why);
    }

    /// What was asked for a service that is replaced. A rollback must be quick, and goes to what has served before.
    fn asked_canary(&self, service: &ServiceSurvey<'_>) -> Option<&CanaryRules> {
        let replaced = service.change == Change::Replace && self.input.reuse == Reuse::LiveOnly;
        self.input.canaries.get(service.name).filter(|_| replaced)
    }

    /// Where the canary's requests go, or why there is none.
    fn tried_routes(&self, service: &ServiceSurvey<'_>) -> Result<Vec<Route>, &'static str> {
        if !service.is_staged() {
            return Err("old and new do not run side by side");
        }
        let (Some(gateway), Some(present)) = (self.gateway(), &self.traffic.present) else {
            return Err("no gateway sends requests to it");
        };
        if &gateway != present {
            return Err("the gateway is a new one");
        }
        let mut routes = self.wanted_routes();
        routes.retain(|route| route.service == service.name && route.protocol.as_deref() != Some("tcp"));
        if routes.is_empty() {
            return Err("none of its ports speaks HTTP through the gateway");
        }
        // A port that is new has no old release to compare with.
        let known = |route: &Route| self.traffic.now.iter().any(|now| now.backend() == route.backend() && now.release != route.release);
        routes.retain(known);
        if routes.is_empty() { Err("the gateway has no release of it to compare with") } else { Ok(routes) }
    }
}

#[cfg(test)]
mod tests {
    use indexmap::IndexMap;

    use super::super::tests::{V1, after_v1, environment, release};
    use super::super::{DeployInput, Reuse, plan_deploy};
    use crate::compose::Port;
    use crate::model::canary::CanaryRules;
    use crate::model::environment::EnvironmentClass;
    use crate::model::ids::DeploymentId;
    use crate::model::release::Release;
    use crate::plan::gateway::{GATEWAY, add_gateway};
    use crate::plan::{Action, Observed, Plan, Rollout, StepPhase, needs};

    /// A release whose `web` is behind a gateway.
    fn behind(id: &str, web: &str, protocol: Option<&str>) -> Release {
        let mut made = release(id, &[V1[1], V1[2], V1[3], ("web", web), (GATEWAY, "gateway")]);
        for port in made.stack.services.get_mut("web").into_iter().flat_map(|web| &mut web.ports) {
            *port = Port { app_protocol: protocol.map(str::to_owned), ..port.clone() };
        }
        add_gateway(&mut made.stack, EnvironmentClass::Production);
        made
    }

    /// The same with an `api` that is behind it as well.
    fn both_behind(id: &str, web: &str, api: &str) -> Release {
        let mut made = release(id, &[("api", api), V1[2], V1[3], ("web", web), (GATEWAY, "gateway")]);
        let port = Port { target: 80, published: Some("8081".into()), ..Port::default() };
        made.stack.services.get_mut("api").into_iter().for_each(|api| api.ports.push(port.clone()));
        add_gateway(&mut made.stack, EnvironmentClass::Production);
        made
    }

    fn rules(seconds: u64) -> CanaryRules {
        CanaryRules { share: 10, seconds, header: None, cookie: None, requests: 20, errors: 5, slower: 50 }
    }

    fn up(gateway: bool) -> Observed {
        let mut observed = after_v1();
        if gateway {
            let running = crate::model::container::ContainerState::Running;
            observed.containers.push(super::super::tests::container(GATEWAY, "gateway", "d1", running));
        }
        observed
    }

    fn plan(observed: &Observed, protocol: Option<&str>, reuse: Reuse, rollout: Option<Rollout>) -> Plan {
        let releases = (behind("r1", "web:1", protocol), behind("r2", "web:2", protocol));
        plan_with(observed, &releases, (reuse, rollout), &[("web", 300)])
    }

    fn plan_with(observed: &Observed, releases: &(Release, Release), how: (Reuse, Option<Rollout>), asked: &[(&str, u64)]) -> Plan {
        let ((old, new), (reuse, rollout)) = (releases, how);
        let environment = environment();
        let input = DeployInput {
            deployment: &DeploymentId::new("000000000000000-d2"),
            environment: &environment,
            release: new,
            live: Some(old),
            retained: vec![old, new],
            observed,
            reuse,
            rollouts: &rollout.map(|rollout| ("web".to_owned(), rollout)).into_iter().collect(),
            canaries: &asked.iter().map(|(service, seconds)| ((*service).to_owned(), rules(*seconds))).collect(),
            labels: &IndexMap::new(),
            recreate: false,
        };
        plan_deploy(&input).unwrap()
    }

    fn why(plan: &Plan) -> String {
        why_of(plan, "web")
    }

    fn why_of(plan: &Plan, service: &str) -> String {
        plan.services.iter().find(|plan| plan.service == service).unwrap().why.clone()
    }

    #[test]
    fn it_stands_between_rehearsal_and_switch_and_can_be_undone() {
        let plan = plan(&up(true), None, Reuse::LiveOnly, None);
        let at = |wanted: fn(&Action) -> bool| plan.steps.iter().position(|step| wanted(&step.action)).unwrap();
        let canary = at(|action| matches!(action, Action::Canary { .. }));
        assert_eq!(plan.steps[canary].action.to_string(), "canary of web with 10 % of the requests for 5 min");
        assert_eq!(plan.steps[canary].phase, StepPhase::Gate);
        assert!(matches!(&plan.steps[canary].undo, Some(Action::EndCanary { limit_seconds: 30, .. })));
        let (rehearsed, routed) =
            (at(|action| matches!(action, Action::Rehearse { .. })), at(|action| matches!(action, Action::Route { .. })));
        let needs = needs(&plan, &behind("r2", "web:2", None).stack);
        assert!(needs[canary].contains(&rehearsed) && needs[routed].contains(&canary));
        assert!(why(&plan).ends_with("; first 10 % of the requests for 5 min, then everything unless it is worse"), "{}", why(&plan));
    }

    #[test]
    fn several_last_as_long_as_the_longest_and_the_plan_says_so() {
        let releases = (both_behind("r1", "web:1", "api:1"), both_behind("r2", "web:2", "api:2"));
        let plan = plan_with(&up(true), &releases, (Reuse::LiveOnly, None), &[("web", 300), ("api", 45)]);
        let canaries: Vec<String> =
            plan.steps.iter().map(|step| step.action.to_string()).filter(|words| words.starts_with("canary of ")).collect();
        assert_eq!(canaries, ["canary of api with 10 % of the requests for 5 min, web with 10 % of the requests for 5 min"]);
        let longer = "; first 10 % of the requests for 5 min (45 s asked for, as long as the longest), then everything unless it is worse";
        assert!(why_of(&plan, "api").ends_with(longer), "{}", why_of(&plan, "api"));
        assert!(why(&plan).ends_with("; first 10 % of the requests for 5 min, then everything unless it is worse"), "{}", why(&plan));
    }

    #[test]
    fn where_there_is_none_the_plan_says_why() {
        let none = |plan: &Plan| plan.steps.iter().all(|step| !matches!(step.action, Action::Canary { .. }));
        let table = [
            (plan(&up(true), None, Reuse::LiveOnly, Some(Rollout::StopFirst)), "no canary: old and new do not run side by side"),
            (plan(&up(true), Some("tcp"), Reuse::LiveOnly, None), "no canary: none of its ports speaks HTTP through the gateway"),
            (plan(&up(false), None, Reuse::LiveOnly, None), "no canary: no gateway sends requests to it"),
        ];
        for (plan, wanted) in &table {
            assert!(none(plan) && why(plan).contains(wanted), "{}", why(plan));
        }
        let back = plan(&up(true), None, Reuse::Retained, None);
        assert!(none(&back) && !why(&back).contains("canary"), "a rollback must be quick: {}", why(&back));
    }
}
