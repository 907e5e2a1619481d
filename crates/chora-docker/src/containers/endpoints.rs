//! A container's place in networks, and its ports.

use std::collections::HashMap;

use bollard_stubs::models::{EndpointIpamConfig, EndpointSettings, PortBinding, PortMap};
use chora_core::model::container::ContainerSpec;
use chora_core::model::network::Attachment;
use chora_core::ports::EngineError;

use super::request::ordered_attachments;
use crate::client::Handshake;
use crate::networks::table;

/// Translates names, addresses and options of one attachment.
pub(crate) fn endpoint_settings(attachment: &Attachment, handshake: Handshake) -> Result<EndpointSettings, EngineError> {
    let mut settings =
        EndpointSettings { aliases: (!attachment.aliases.is_empty()).then(|| attachment.aliases.clone()), ..EndpointSettings::default() };
    let Some(options) = &attachment.options else { return Ok(settings) };
    let needs = |key: &str, version: &str| EngineError::Invalid {
        reason: format!("network `{}`: `{key}` needs engine API {version}", attachment.network),
    };
    let mut driver_options = table(&options.driver_opts);
    if let Some(name) = &options.interface_name {
        if !handshake.has(1, 49) {
            return Err(needs("interface_name", "1.49"));
        }
        driver_options.insert("com.docker.network.endpoint.ifname".to_owned(), name.clone());
    }
    if options.gw_priority.is_some() && !handshake.has(1, 48) {
        return Err(needs("gw_priority", "1.48"));
    }
    settings.gw_priority = options.gw_priority;
    settings.driver_opts = (!driver_options.is_empty()).then_some(driver_options);
    settings.mac_address.clone_from(&options.mac_address);
    let has_address = options.ipv4_address.is_some() || options.ipv6_address.is_some() || !options.link_local_ips.is_empty();
    settings.ipam_config = has_address.then(|| EndpointIpamConfig {
        ipv4_address: options.ipv4_address.clone(),
        ipv6_address: options.ipv6_address.clone(),
        link_local_ips: (!options.link_local_ips.is_empty()).then(|| options.link_local_ips.clone()),
    });
    Ok(settings)
}

/// The service's hardware address, or the one of its first network.
pub(super) fn mac_address(spec: &ContainerSpec) -> Option<String> {
    let of_network = || ordered_attachments(spec).first().and_then(|first| first.options.as_ref()?.mac_address.clone());
    spec.service.mac_address.clone().or_else(of_network)
}

/// Exposed ports and what they are bound to on the host.
pub(super) struct Ports {
    pub(super) exposed: Vec<String>,
    pub(super) bindings: PortMap,
}

pub(super) fn ports(spec: &ContainerSpec) -> Ports {
    let mut bindings: PortMap = HashMap::new();
    let mut exposed: Vec<String> = Vec::new();
    for entry in &spec.service.expose {
        exposed.extend(expand(entry));
    }
    for port in &spec.service.ports {
        let target = format!("{}/{}", port.target, port.protocol.as_deref().unwrap_or("tcp"));
        exposed.push(target.clone());
        if spec.publish {
            let binding = PortBinding { host_ip: port.host_ip.clone(), host_port: Some(port.published.clone().unwrap_or_default()) };
            bindings.entry(target).or_default().get_or_insert_default().push(binding);
        }
    }
    exposed.sort();
    exposed.dedup();
    Ports { exposed, bindings }
}

/// Writes `8000-8002/udp` as single ports, which is how the engine takes them.
fn expand(entry: &str) -> Vec<String> {
    let (range, protocol) = entry.split_once('/').unwrap_or((entry, "tcp"));
    let (first, last) = range.split_once('-').unwrap_or((range, range));
    match (first.parse::<u16>(), last.parse::<u16>()) {
        (Ok(first), Ok(last)) => (first..=last).map(|port| format!("{port}/{protocol}")).collect(),
        _ => vec![format!("{range}/{protocol}")],
    }
}

#[cfg(test)]
mod tests {
    use super::expand;

    #[test]
    fn ranges_become_single_ports() {
        assert_eq!(expand("80"), ["80/tcp"]);
        assert_eq!(expand("53/udp"), ["53/udp"]);
        assert_eq!(expand("1-3"), ["1/tcp", "2/tcp", "3/tcp"]);
    }
}
