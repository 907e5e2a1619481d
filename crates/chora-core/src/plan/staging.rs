//! Staging networks: where candidates live before their gate, so that nobody finds them under a service's name.
//!
//! A staging network stands beside one of the project's networks. The services that do not change are connected to it
//! under their own names; the candidate joins the project's network only when its gate has passed.

use std::collections::BTreeMap;

use super::definition::network_spec;
use super::deploy::DeployInput;
use super::labels;
use crate::compose::{Ipam, Network};
use crate::model::network::NetworkSpec;

/// Staging network names by network key.
pub(super) type Staging = BTreeMap<String, String>;

/// Names the staging networks that candidates of these services need.
pub(super) fn staging_for<'a>(input: &DeployInput<'_>, candidates: impl Iterator<Item = &'a str>) -> Staging {
    let stack = &input.release.stack;
    let keys = candidates.filter_map(|name| stack.services.get(name)).flat_map(|service| service.networks.keys());
    let own = keys.filter_map(|key| stack.networks.get(key).filter(|network| !network.external).map(|network| (key, network)));
    own.map(|(key, network)| (key.clone(), format!("{}_{}", network.name, input.deployment.short()))).collect()
}

/// Names what is kept warm beside a network of the project.
pub(super) fn warm_name(input: &DeployInput<'_>, network: &str) -> String {
    format!("{network}_{}-warm", input.deployment.short())
}

/// The network of what is kept warm; the project's own one may have another definition by now.
pub(super) fn warm_spec(input: &DeployInput<'_>, key: &str, name: &str, members: &[String]) -> NetworkSpec {
    beside(input, key, name, (labels::WARM, members))
}

/// A staging network: same driver and isolation, addresses of its own.
pub(super) fn staging_spec(input: &DeployInput<'_>, key: &str, name: &str, members: &[String]) -> NetworkSpec {
    beside(input, key, name, (labels::STAGING, members))
}

fn beside(input: &DeployInput<'_>, key: &str, name: &str, (kind, members): (&str, &[String])) -> NetworkSpec {
    let base = input.release.stack.networks.get(key).cloned().unwrap_or_default();
    let network = Network { name: name.to_owned(), ipam: Ipam::default(), ..base };
    let members = members.join(",");
    let own = [(kind, key), (labels::DEPLOYMENT, input.deployment.as_str()), (labels::MEMBERS, &members)];
    let mut spec = network_spec(input, key, &network);
    spec.labels.extend(own.map(|(key, value)| (key.to_owned(), value.to_owned())));
    name.clone_into(&mut spec.name);
    // Compose takes a network with its network label for the project's own; this one must not be mistaken for it.
    spec.labels.shift_remove(labels::NETWORK);
    spec.labels.shift_remove(labels::FINGERPRINT);
    spec
}
