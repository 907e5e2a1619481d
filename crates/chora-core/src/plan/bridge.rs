//! Which services are run under a bridge, and what becomes of their command: a server that speaks MCP over its standard streams is made
//! reachable without a change to its image.

use indexmap::IndexMap;

use crate::compose::{Mount, MountKind, Port, Service, Stack, VolumeOptions};
use crate::model::bridge::{DEFAULT_PORT, MOUNTED_AT};
use crate::model::environment::EnvironmentClass;
use crate::model::image::Image;
use crate::plan::gateway::is_gateway;
use crate::plan::order::is_one_shot;

/// What `chora.yaml` tells of a service that may be run under a bridge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// `bridge: true`, or its options.
    Wanted,
    /// `bridge: false`.
    Unwanted,
    /// Nothing about a bridge; that it is an MCP server, not where it is asked.
    Server,
    /// Nothing about a bridge; it is asked elsewhere, or about something else.
    Elsewhere,
    /// Nothing.
    Unsaid,
}

/// Tells why a service is run under a bridge; `None` when it is not.
///
/// What `chora.yaml` says counts. Where it says nothing, `stdin_open: true` without a terminal marks a server on standard streams in
/// staging and production, when it is known for an MCP server or has a port to be reached at.
#[must_use]
pub fn why_bridged(stack: &Stack, name: &str, class: EnvironmentClass, mark: Mark) -> Option<String> {
    let service = stack.services.get(name).filter(|service| !is_gateway(service))?;
    match mark {
        Mark::Wanted => return Some("asked for in chora.yaml".to_owned()),
        Mark::Unwanted | Mark::Elsewhere => return None,
        Mark::Server | Mark::Unsaid => {}
    }
    let keeps_input = service.stdin_open && !service.tty;
    let alone = service.network_mode.is_some();
    if class == EnvironmentClass::Development || !keeps_input || alone || is_one_shot(stack, name) {
        return None;
    }
    match (mark, first_port(service)) {
        (Mark::Server, _) => Some("`stdin_open: true`, and chora.yaml asks it as an MCP server".to_owned()),
        (_, Some(port)) => Some(format!("`stdin_open: true`, and port {port} is to be reached; `bridge: false` in chora.yaml ends it")),
        _ => None,
    }
}

/// The port that a service's bridge listens on: the one asked for, else where its ports lead.
#[must_use]
pub fn port_of(service: &Service, asked: Option<u16>) -> u16 {
    asked.or_else(|| first_port(service)).unwrap_or(DEFAULT_PORT)
}

/// The first TCP port that is published, else the first that is exposed.
fn first_port(service: &Service) -> Option<u16> {
    let is_tcp = |port: &&Port| port.protocol.as_deref().is_none_or(|protocol| protocol == "tcp");
    let exposed = service.expose.iter().filter_map(|text| {
        let (port, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
        port.parse().ok().filter(|_| protocol == "tcp")
    });
    service.ports.iter().filter(is_tcp).map(|port| port.target).chain(exposed).next()
}

/// What a container of the service would run without a bridge; empty when neither the service nor its image says it.
///
/// An entry point of the service takes the image's command away as well, as the engine does it.
#[must_use]
pub fn own_command(service: &Service, image: &Image) -> Vec<String> {
    let (entrypoint, command) = match (&service.entrypoint, &service.command) {
        (None, None) => (&image.entrypoint, Some(&image.command)),
        (None, command) => (&image.entrypoint, command.as_ref()),
        (Some(entrypoint), command) => (entrypoint, command.as_ref()),
    };
    entrypoint.iter().chain(command.into_iter().flatten()).cloned().collect()
}

/// The mount that brings the program into a container, from the volume that holds it. Should the volume be removed before the container
/// has it, the engine makes it anew with these labels.
#[must_use]
pub fn program_mount(volume: &str, labels: IndexMap<String, String>) -> Mount {
    Mount {
        kind: MountKind::Volume,
        source: Some(volume.to_owned()),
        target: MOUNTED_AT.to_owned(),
        read_only: true,
        volume: Some(VolumeOptions { nocopy: true, labels, ..VolumeOptions::default() }),
        ..Mount::default()
    }
}

#[cfg(test)]
mod tests {
    use super::{Mark, own_command, port_of, why_bridged};
    use crate::compose::{Condition, Dependency, Port, Service, Stack};
    use crate::model::environment::EnvironmentClass::{Development, Production, Staging};
    use crate::model::image::Image;
    use crate::plan::gateway::GATEWAY;

    fn stack(service: Service) -> Stack {
        Stack { services: [("tools".to_owned(), service)].into_iter().collect(), ..Stack::default() }
    }

    fn port(target: u16, protocol: Option<&str>) -> Port {
        Port { target, protocol: protocol.map(str::to_owned), ..Port::default() }
    }

    #[test]
    fn chora_yaml_decides_then_an_open_input_and_something_to_reach() {
        let plain = Service::default();
        let open = Service { stdin_open: true, ..Service::default() };
        let reached = Service { ports: vec![port(8000, None)], ..open.clone() };
        let exposed = Service { expose: vec!["8000".into()], ..open.clone() };
        let shell = Service { tty: true, ..reached.clone() };
        let alone = Service { network_mode: Some("none".into()), ..reached.clone() };
        let datagrams = Service { ports: vec![port(8000, Some("udp"))], ..open.clone() };
        let cases = [
            (&plain, Production, Mark::Wanted, true),
            (&plain, Development, Mark::Wanted, true),
            (&plain, Production, Mark::Server, false),
            (&open, Production, Mark::Unsaid, false),
            (&open, Production, Mark::Server, true),
            (&open, Staging, Mark::Server, true),
            (&open, Development, Mark::Server, false),
            (&reached, Production, Mark::Unsaid, true),
            (&exposed, Production, Mark::Unsaid, true),
            (&datagrams, Production, Mark::Unsaid, false),
            (&reached, Production, Mark::Unwanted, false),
            (&reached, Production, Mark::Elsewhere, false),
            (&shell, Production, Mark::Unsaid, false),
            (&shell, Production, Mark::Server, false),
            (&alone, Production, Mark::Unsaid, false),
        ];
        for (service, class, mark, expected) in cases {
            let why = why_bridged(&stack(service.clone()), "tools", class, mark);
            assert_eq!(why.is_some(), expected, "{mark:?} {class:?} {service:?}: {why:?}");
        }
    }

    #[test]
    fn jobs_and_the_gateway_stay_what_they_are() {
        let reached = Service { stdin_open: true, ports: vec![port(8000, None)], ..Service::default() };
        let mut with_job = stack(reached.clone());
        let waits = Dependency { condition: Condition::CompletedSuccessfully, restart: false, required: true };
        let depends_on = [("tools".to_owned(), waits)].into_iter().collect();
        with_job.services.insert("web".to_owned(), Service { depends_on, ..Service::default() });
        assert_eq!(why_bridged(&with_job, "tools", Production, Mark::Unsaid), None);
        let gateway = Service { image: Some(GATEWAY.to_owned()), ..reached };
        assert_eq!(why_bridged(&stack(gateway), "tools", Production, Mark::Wanted), None);
    }

    #[test]
    fn it_listens_where_the_ports_lead() {
        let published = Service { ports: vec![port(53, Some("udp")), port(3000, None)], expose: vec!["9".into()], ..Service::default() };
        assert_eq!((port_of(&published, None), port_of(&published, Some(7))), (3000, 7));
        let exposed = Service { expose: vec!["53/udp".into(), "9000/tcp".into()], ..Service::default() };
        assert_eq!((port_of(&exposed, None), port_of(&Service::default(), None)), (9000, 8000));
    }

    #[test]
    fn the_command_is_what_the_engine_would_run() {
        let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        let image = Image { entrypoint: words("/run.sh"), command: words("serve --all"), ..Image::default() };
        let cases = [
            (None, None, "/run.sh serve --all"),
            (None, Some("check"), "/run.sh check"),
            (None, Some(""), "/run.sh"),
            (Some("uvx"), None, "uvx"),
            (Some("uvx"), Some("tools"), "uvx tools"),
            (Some(""), Some("tools"), "tools"),
            (Some(""), None, ""),
        ];
        for (entrypoint, command, expected) in cases {
            let service = Service { entrypoint: entrypoint.map(words), command: command.map(words), ..Service::default() };
            assert_eq!(own_command(&service, &image).join(" "), expected, "{entrypoint:?} {command:?}");
        }
    }
}
