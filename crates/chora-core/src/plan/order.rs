//! The order of services: dependencies first.

use std::collections::BTreeSet;

use indexmap::IndexMap;

use crate::compose::{Condition, Service, Stack};

/// Why services cannot be ordered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OrderError {
    /// Services wait for each other.
    #[error("these services wait for each other: {}", .0.join(", "))]
    Cycle(Vec<String>),
}

/// Groups services into waves: a service is in a later wave than what it needs healthy or completed, and after what it
/// needs started. `late` services (those whose start a client can notice) come as late as their dependents allow; what
/// depends on one of them comes after it.
///
/// # Errors
/// `Cycle` names the services that cannot be ordered.
pub fn waves(stack: &Stack, late: &dyn Fn(&str) -> bool) -> Result<Vec<Vec<String>>, OrderError> {
    let mut done = BTreeSet::new();
    let mut waves = Vec::new();
    while done.len() < stack.services.len() {
        let early = ready(&stack.services, &done, &|name| !late(name));
        let wave = if early.is_empty() { ready(&stack.services, &done, &|_| true) } else { early };
        if wave.is_empty() {
            return Err(OrderError::Cycle(stack.services.keys().filter(|name| !done.contains(*name)).cloned().collect()));
        }
        done.extend(wave.iter().cloned());
        waves.push(wave);
    }
    Ok(waves)
}

/// Services that may come now and whose dependencies are all done; services that only wait for a start may follow in the
/// same wave.
fn ready(services: &IndexMap<String, Service>, done: &BTreeSet<String>, may_come: &dyn Fn(&str) -> bool) -> Vec<String> {
    let mut wave: Vec<String> = Vec::new();
    loop {
        let next = services.iter().find(|(name, service)| {
            !done.contains(*name) && !wave.contains(*name) && may_come(name) && can_start(service, services, done, &wave)
        });
        match next {
            Some((name, _)) => wave.push(name.clone()),
            None => return wave,
        }
    }
}

fn can_start(service: &Service, services: &IndexMap<String, Service>, done: &BTreeSet<String>, wave: &[String]) -> bool {
    let waits = service.depends_on.iter().filter(|(name, _)| services.contains_key(*name));
    let declared = waits
        .into_iter()
        .all(|(name, dependency)| done.contains(name) || (dependency.condition == Condition::Started && wave.contains(name)));
    declared
        && shared_with(service)
            .iter()
            .all(|name| done.contains(*name) || wave.iter().any(|other| other == name) || !services.contains_key(*name))
}

/// Services whose namespaces or volumes this one uses.
pub(crate) fn shared_with(service: &Service) -> Vec<&str> {
    let modes = [&service.network_mode, &service.ipc, &service.pid].into_iter().flatten().filter_map(|mode| mode.strip_prefix("service:"));
    let volumes = service.volumes_from.iter().filter(|from| !from.starts_with("container:")).filter_map(|from| from.split(':').next());
    let links = service.links.iter().filter_map(|link| link.split(':').next());
    modes.chain(volumes).chain(links).collect()
}

/// Whether some other service waits for this one's successful end.
#[must_use]
pub fn is_one_shot(stack: &Stack, service: &str) -> bool {
    stack
        .services
        .values()
        .any(|other| other.depends_on.get(service).is_some_and(|dependency| dependency.condition == Condition::CompletedSuccessfully))
}

#[cfg(test)]
mod tests {
    use super::{OrderError, waves};
    use crate::compose::{Condition, Dependency, Service, Stack};

    fn stack(edges: &[(&str, &[(&str, Condition)])]) -> Stack {
        let services = edges.iter().map(|(name, needs)| {
            let depends_on = needs
                .iter()
                .map(|(on, condition)| ((*on).to_owned(), Dependency { condition: *condition, restart: false, required: true }))
                .collect();
            ((*name).to_owned(), Service { depends_on, ..Service::default() })
        });
        Stack { services: services.collect(), ..Stack::default() }
    }

    #[test]
    fn dependencies_come_first_and_starts_share_a_wave() {
        use Condition::{CompletedSuccessfully, Healthy, Started};
        let stack = stack(&[
            ("web", &[("api", Healthy)]),
            ("api", &[("db", Healthy), ("migrate", CompletedSuccessfully)]),
            ("migrate", &[("db", Healthy)]),
            ("db", &[]),
            ("tail", &[("db", Started)]),
        ]);
        let order = waves(&stack, &|_| false).unwrap();
        assert_eq!(order, [vec!["db", "tail"], vec!["migrate"], vec!["api"], vec!["web"]]);
    }

    #[test]
    fn noticeable_services_wait_for_the_others() {
        let stack = stack(&[("web", &[]), ("worker", &[]), ("cron", &[("web", Condition::Healthy)])]);
        let order = waves(&stack, &|name| name == "web").unwrap();
        assert_eq!(order, [vec!["worker"], vec!["web"], vec!["cron"]]);
    }

    #[test]
    fn what_depends_on_a_noticeable_service_comes_after_it() {
        let stack =
            stack(&[("app", &[("db", Condition::Started)]), ("tail", &[("app", Condition::Started)]), ("db", &[]), ("worker", &[])]);
        let order = waves(&stack, &|name| name == "db").unwrap();
        assert_eq!(order, [vec!["worker"], vec!["db", "app", "tail"]]);
        let order = waves(&stack, &|name| name == "db" || name == "tail").unwrap();
        assert_eq!(order, [vec!["worker"], vec!["db", "app", "tail"]], "both are noticeable, and app is between them");
    }

    #[test]
    fn what_lives_in_another_services_namespace_comes_after_it() {
        let b = Service { network_mode: Some("service:web".into()), ..Service::default() };
        let services = [("b".to_owned(), b), ("web".to_owned(), Service::default())];
        let stack = Stack { services: services.into_iter().collect(), ..Stack::default() };
        assert_eq!(waves(&stack, &|name| name == "web").unwrap(), [vec!["web", "b"]]);
    }

    #[test]
    fn a_cycle_is_named() {
        let stack = stack(&[("a", &[("b", Condition::Healthy)]), ("b", &[("a", Condition::Healthy)]), ("c", &[])]);
        assert_eq!(waves(&stack, &|_| false), Err(OrderError::Cycle(vec!["a".into(), "b".into()])));
    }
}
