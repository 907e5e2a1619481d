//! What networks and volumes are made of. The engine cannot change either once it is there: a network whose definition changed gets a
//! successor beside it, to which candidates go; a volume holds data and is never made anew.

use std::net::IpAddr;

use super::deploy::DeployInput;
use super::labels;
use crate::compose::{Network, Volume};
use crate::model::digest::Digest;
use crate::model::network::{NetworkSpec, VolumeSpec};

/// Why the networks and volumes of a release cannot be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DefinitionError {
    /// A volume's definition changed.
    #[error("volume `{name}` is on the engine with another definition ({differs}); it may hold data and is never made anew")]
    Volume {
        /// Name on the engine.
        name: String,
        /// What differs, as far as it is known.
        differs: String,
    },
    /// The definition of a network with a name of its own changed.
    #[error("network `{name}` is on the engine with another definition, and a successor beside it cannot have the same name")]
    NetworkName {
        /// Name on the engine.
        name: String,
    },
    /// The definition of a network changed, but not its addresses.
    #[error(
        "network `{name}` is on the engine with another definition, and a successor beside it cannot have the same addresses ({subnet})"
    )]
    NetworkAddresses {
        /// Name on the engine.
        name: String,
        /// Addresses that both have.
        subnet: String,
    },
}

impl DefinitionError {
    /// What a person can do about it.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            Self::Volume { .. } => {
                "keep the old definition, or give the volume another `name:` and move the data; only when all data of this \
                                    environment may go: `chora down --volumes`"
                    .to_owned()
            }
            Self::NetworkName { .. } => {
                "give the network another `name:`, so that containers can move over; or `chora down`, then deploy again".to_owned()
            }
            Self::NetworkAddresses { .. } => {
                "give the network another subnet as well, so that containers can move over; or `chora down`, then deploy again".to_owned()
            }
        }
    }
}

/// Hash of what a network is made of, its name apart.
fn network_fingerprint(network: &Network) -> Digest {
    let mut own = Network { name: String::new(), external: false, ..network.clone() };
    own.labels.sort_keys();
    own.driver_opts.sort_keys();
    own.ipam.options.sort_keys();
    Digest::of_json(&own).unwrap_or_else(|_| Digest::of(b""))
}

/// Hash of what a volume is made of, its name apart.
fn volume_fingerprint(volume: &Volume) -> Digest {
    let mut own = Volume { name: String::new(), external: false, ..volume.clone() };
    own.labels.sort_keys();
    own.driver_opts.sort_keys();
    Digest::of_json(&own).unwrap_or_else(|_| Digest::of(b""))
}

fn successor(network: &Network) -> String {
    format!("{}_{}", network.name, network_fingerprint(network).short())
}

/// The engine's name for a network: the file's own, or that of a successor where the file's belongs to another definition.
pub(super) fn network_name(input: &DeployInput<'_>, network: &Network) -> String {
    let there = &input.observed.networks;
    if network.external {
        return network.name.clone();
    }
    let (wanted, beside) = (network_fingerprint(network), successor(network));
    if there.contains_key(&beside) {
        return beside;
    }
    let same = match there.get(&network.name) {
        None => true,
        Some(known) => match &known.fingerprint {
            Some(fingerprint) => *fingerprint == wanted,
            // Somebody else made it: as long as nothing else is known, it is what the live release asked for.
            None => live_network(input, &network.name)
                .is_none_or(|live| network_fingerprint(live) == wanted || there.contains_key(&successor(live))),
        },
    };
    if same { network.name.clone() } else { beside }
}

fn live_network<'a>(input: &DeployInput<'a>, name: &str) -> Option<&'a Network> {
    input.live?.stack.networks.values().find(|network| network.name == name && !network.external)
}

/// Refuses definitions that the engine cannot be brought to without loss.
pub(super) fn check_definitions(input: &DeployInput<'_>) -> Result<(), DefinitionError> {
    let stack = &input.release.stack;
    for (key, network) in stack.networks.iter().filter(|(_, network)| !network.external) {
        let name = network_name(input, network);
        if name == network.name || input.observed.networks.contains_key(&name) {
            continue;
        }
        if network.name != format!("{}_{key}", stack.name) {
            return Err(DefinitionError::NetworkName { name: network.name.clone() });
        }
        if let Some(subnet) = live_network(input, &network.name).and_then(|live| common_addresses(live, network)) {
            return Err(DefinitionError::NetworkAddresses { name: network.name.clone(), subnet });
        }
    }
    for volume in stack.volumes.values().filter(|volume| !volume.external) {
        if let Some(differs) = volume_differs(input, volume) {
            return Err(DefinitionError::Volume { name: volume.name.clone(), differs });
        }
    }
    Ok(())
}

/// What of a volume differs from the one that is there.
fn volume_differs(input: &DeployInput<'_>, volume: &Volume) -> Option<String> {
    let there = input.observed.volumes.get(&volume.name)?;
    let live = || input.live.and_then(|live| live.stack.volumes.values().find(|other| other.name == volume.name && !other.external));
    let same = match &there.fingerprint {
        Some(fingerprint) => *fingerprint == volume_fingerprint(volume),
        None => live().is_none_or(|live| volume_fingerprint(live) == volume_fingerprint(volume)),
    };
    let driver = volume.driver.as_deref().unwrap_or("local");
    if !there.driver.is_empty() && there.driver != driver {
        return Some(format!("driver {} there, {driver} in the file", there.driver));
    }
    if same {
        return None;
    }
    let parts = live().map(|live| {
        let parts = [("driver_opts", live.driver_opts != volume.driver_opts), ("labels", live.labels != volume.labels)];
        parts.into_iter().filter(|(_, differs)| *differs).map(|(part, _)| part).collect::<Vec<_>>().join(" and ")
    });
    Some(parts.filter(|parts| !parts.is_empty()).unwrap_or_else(|| "driver_opts or labels".to_owned()))
}

/// The first pool of one network that shares addresses with a pool of another.
fn common_addresses(one: &Network, other: &Network) -> Option<String> {
    let pools = |network: &Network| network.ipam.config.iter().filter_map(|pool| pool.subnet.clone()).collect::<Vec<_>>();
    let taken = pools(one);
    pools(other).into_iter().find(|subnet| taken.iter().any(|taken| overlap(taken, subnet)))
}

fn overlap(one: &str, other: &str) -> bool {
    match (range(one), range(other)) {
        (Some((is_v6, from, to)), Some((other_v6, other_from, other_to))) => is_v6 == other_v6 && from <= other_to && other_from <= to,
        _ => one == other,
    }
}

/// First and last address of a subnet in CIDR notation.
fn range(subnet: &str) -> Option<(bool, u128, u128)> {
    let (address, length) = subnet.split_once('/')?;
    let (is_v6, bits, width) = match address.parse::<IpAddr>().ok()? {
        IpAddr::V4(address) => (false, u128::from(u32::from(address)), 32),
        IpAddr::V6(address) => (true, u128::from(address), 128),
    };
    let host = u32::checked_sub(width, length.parse().ok()?)?;
    let ones = 1_u128.checked_shl(host).map_or(u128::MAX, |size| size - 1);
    Some((is_v6, bits & !ones, bits | ones))
}

/// One of the project's networks with its labels.
pub(super) fn network_spec(input: &DeployInput<'_>, key: &str, network: &Network) -> NetworkSpec {
    let mut all = network.labels.clone();
    let own = [
        (labels::PROJECT, input.environment.project.clone()),
        (labels::NETWORK, key.to_owned()),
        (labels::ENVIRONMENT, input.environment.name.to_string()),
        (labels::FINGERPRINT, network_fingerprint(network).to_string()),
    ];
    all.extend(own.map(|(key, value)| (key.to_owned(), value)));
    NetworkSpec { name: network_name(input, network), network: network.clone(), labels: all }
}

/// One of the project's volumes with its labels.
pub(super) fn volume_spec(input: &DeployInput<'_>, key: &str, volume: &Volume) -> VolumeSpec {
    let mut all = volume.labels.clone();
    let own = [
        (labels::PROJECT, input.environment.project.clone()),
        (labels::VOLUME, key.to_owned()),
        (labels::FINGERPRINT, volume_fingerprint(volume).to_string()),
    ];
    all.extend(own.map(|(key, value)| (key.to_owned(), value)));
    VolumeSpec { name: volume.name.clone(), volume: volume.clone(), labels: all }
}

#[cfg(test)]
mod tests {
    use super::overlap;

    #[test]
    fn subnets_overlap_where_they_share_an_address() {
        let cases = [
            ("10.1.0.0/24", "10.1.0.0/24", true),
            ("10.1.0.0/16", "10.1.7.0/24", true),
            ("10.1.0.0/24", "10.1.1.0/24", false),
            ("fd00::/64", "fd00::/120", true),
            ("fd00::/64", "fd00:0:0:1::/64", false),
            ("0.0.0.0/0", "::/0", false),
            ("weird", "weird", true),
        ];
        for (one, other, expected) in cases {
            assert_eq!((overlap(one, other), overlap(other, one)), (expected, expected), "{one} {other}");
        }
    }
}
