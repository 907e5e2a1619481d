//! Whether a service's new container can run beside its old one.

use crate::compose::{MountKind, Port, Service, Stack};
use crate::plan::Rollout;
use crate::plan::gateway::is_direct;
use crate::plan::order::shared_with;

/// A rollout and its reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// The order.
    pub rollout: Rollout,
    /// Why, for people.
    pub why: String,
}

/// Decides how a service is replaced; `asked` comes from `chora.yaml` and wins where it is possible at all.
#[must_use]
pub fn decide(stack: &Stack, service: &Service, asked: Option<Rollout>) -> Decision {
    if let Some(why) = impossible(stack, service) {
        return Decision { rollout: Rollout::StopFirst, why };
    }
    if let Some(rollout) = asked {
        return Decision { rollout, why: "asked for in chora.yaml".to_owned() };
    }
    match single_writer(service) {
        Some(why) => Decision { rollout: Rollout::StopFirst, why },
        None => Decision { rollout: Rollout::StartFirst, why: "old and new can run side by side".to_owned() },
    }
}

/// Reasons that make two running copies impossible.
fn impossible(stack: &Stack, service: &Service) -> Option<String> {
    let published = |port: &&Port| port.published.as_deref().is_some_and(|published| !published.is_empty());
    if let Some(port) = service.ports.iter().filter(|port| is_direct(stack, service, port)).find(published) {
        return Some(format!("port {} is published by one container at a time", port.published.as_deref().unwrap_or_default()));
    }
    if let Some(name) = &service.container_name {
        return Some(format!("the fixed name `{name}` belongs to one container at a time"));
    }
    if let Some(mode) = service.network_mode.as_deref().filter(|mode| *mode != "none" && *mode != "bridge") {
        return Some(format!("network_mode {mode} is shared by both copies"));
    }
    if let Some(other) = shared_with(service).first() {
        return Some(format!("it shares namespaces, volumes or links with `{other}`"));
    }
    let fixed = service.networks.iter().find(|(_, options)| {
        options
            .as_ref()
            .is_some_and(|options| options.ipv4_address.is_some() || options.ipv6_address.is_some() || options.mac_address.is_some())
    });
    if let Some((network, _)) = fixed {
        return Some(format!("its address on network `{network}` is fixed"));
    }
    let external = service.networks.keys().find(|key| stack.networks.get(*key).is_some_and(|network| network.external));
    if let Some(network) = external {
        return Some(format!("a second copy on the external network `{network}` would answer before its gate"));
    }
    (!service.devices.is_empty()).then(|| "its devices are used by one container at a time".to_owned())
}

/// A writable mount that two copies would write at once.
fn single_writer(service: &Service) -> Option<String> {
    let mount = service.volumes.iter().find(|mount| {
        !mount.read_only && mount.source.is_some() && matches!(mount.kind, MountKind::Volume | MountKind::Bind | MountKind::Cluster)
    })?;
    Some(format!("`{}` would have two writers", mount.source.as_deref().unwrap_or(&mount.target)))
}

#[cfg(test)]
mod tests {
    use super::decide;
    use crate::compose::{Mount, Network, Port, Service, ServiceNetwork, Stack};
    use crate::plan::Rollout::{StartFirst, StopFirst};

    #[test]
    fn only_services_without_anything_exclusive_start_first() {
        let external = Stack {
            networks: [("edge".to_owned(), Network { external: true, ..Network::default() })].into_iter().collect(),
            ..Stack::default()
        };
        let on = |network: &str, options| Service { networks: [(network.to_owned(), options)].into_iter().collect(), ..Service::default() };
        let fixed = ServiceNetwork { ipv4_address: Some("10.0.0.2".into()), ..ServiceNetwork::default() };
        let volume = |read_only| Mount { source: Some("data".into()), target: "/data".into(), read_only, ..Mount::default() };
        let cases = [
            (Service::default(), StartFirst, "side by side"),
            (
                Service { ports: vec![Port { target: 80, published: Some("8080".into()), ..Port::default() }], ..Service::default() },
                StopFirst,
                "8080",
            ),
            (Service { ports: vec![Port { target: 80, ..Port::default() }], ..Service::default() }, StartFirst, "side by side"),
            (Service { container_name: Some("one".into()), ..Service::default() }, StopFirst, "`one`"),
            (Service { volumes: vec![volume(false)], ..Service::default() }, StopFirst, "two writers"),
            (Service { volumes: vec![volume(true)], ..Service::default() }, StartFirst, "side by side"),
            (on("edge", None), StopFirst, "external"),
            (on("own", None), StartFirst, "side by side"),
            (on("own", Some(fixed)), StopFirst, "fixed"),
            (Service { network_mode: Some("host".into()), ..Service::default() }, StopFirst, "host"),
        ];
        for (service, rollout, word) in cases {
            let decision = decide(&external, &service, None);
            assert_eq!(decision.rollout, rollout, "{service:?}");
            assert!(decision.why.contains(word), "{}", decision.why);
        }
    }

    #[test]
    fn what_is_asked_for_wins_only_where_it_is_possible() {
        let port = Service { ports: vec![Port { target: 80, published: Some("80".into()), ..Port::default() }], ..Service::default() };
        assert_eq!(decide(&Stack::default(), &port, Some(StartFirst)).rollout, StopFirst);
        assert_eq!(decide(&Stack::default(), &Service::default(), Some(StopFirst)).rollout, StopFirst);
    }
}
