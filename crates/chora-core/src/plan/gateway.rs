//! The gateway of an environment: a service that Chora adds to the stack. It owns the published TCP ports and sends what comes in to
//! the containers that serve, so that those can be replaced without being missed.

mod files;
mod names;

use std::collections::BTreeSet;

use indexmap::IndexMap;

use crate::compose::{EdgeTls, Mount, MountKind, Network, Port, Service, Stack, Volume};
use crate::model::digest::Digest;
use crate::model::environment::{Environment, EnvironmentClass};
use crate::model::release::Release;

use self::files::{FILES, TAKES_FILES, with_paths};
pub use self::files::{contents_of, gateway_file, keep_certificates, named_by_tls, sent_files};
pub use self::names::{LONGEST_LABEL, unresolvable};

/// Its service name.
pub const GATEWAY: &str = "chora-gateway";
/// Key of the network that its published ports belong to.
const EDGE: &str = "chora-edge";
/// The first of the ports inside its container for published ports whose number is taken there, or chosen by the engine.
const FIRST_SPARE: u16 = 40_000;
/// Where its volume is mounted.
const STATE: &str = "/state";
/// Its control socket, inside its container.
pub const CONTROL: &str = "/state/control.sock";
/// The program in its image.
pub const PROGRAM: &str = "/chora";

/// A port that the gateway publishes for a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EdgePort<'a> {
    /// The service that it is for.
    pub service: &'a str,
    /// As the Compose file states it.
    pub port: &'a Port,
    /// Where the gateway listens, inside its container.
    pub inner: u16,
    /// What is served by host and path: the port itself is not published, so that only Chora asks there.
    pub shared: bool,
}

/// Where the gateway listens for everything that is served by host and path, inside its container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Doors {
    http: u16,
    https: Option<u16>,
}

/// Whether a stack has a gateway.
#[must_use]
pub fn has_gateway(stack: &Stack) -> bool {
    stack.services.get(GATEWAY).is_some_and(is_gateway)
}

/// Whether a service is the gateway that Chora added, not one that happens to have its name.
#[must_use]
pub fn is_gateway(service: &Service) -> bool {
    service.image.as_deref() == Some(GATEWAY)
}

/// Whether the engine publishes a port of a service's own container: in stacks without a gateway, and what a gateway cannot pass on.
#[must_use]
pub fn is_direct(stack: &Stack, service: &Service, port: &Port) -> bool {
    !has_gateway(stack) || !can_be_routed(service, port)
}

fn can_be_routed(service: &Service, port: &Port) -> bool {
    let tcp = port.protocol.as_deref().is_none_or(|protocol| protocol == "tcp");
    tcp && !is_gateway(service) && !service.networks.is_empty() && service.network_mode.is_none()
}

/// The ports of a stack that its gateway listens at for one service each, or would.
#[must_use]
pub fn edge_ports(stack: &Stack) -> Vec<EdgePort<'_>> {
    listening(stack).0
}

fn listening(stack: &Stack) -> (Vec<EdgePort<'_>>, Option<Doors>) {
    let mut ports: Vec<(&str, &Port)> = stack
        .services
        .iter()
        .flat_map(|(name, service)| service.ports.iter().map(move |port| (name.as_str(), service, port)))
        .filter(|(_, service, port)| can_be_routed(service, port))
        .map(|(name, _, port)| (name, port))
        .collect();
    ports.sort_by_key(|(service, port)| (fixed(port).is_none(), fixed(port), port.host_ip.clone(), *service, port.target));
    let mut taken = BTreeSet::new();
    let mut spare = FIRST_SPARE;
    let mut inner = |port: &Port| {
        let wanted = fixed(port).filter(|number| !taken.contains(number));
        let number = wanted.unwrap_or_else(|| {
            while taken.contains(&spare) {
                spare += 1;
            }
            spare
        });
        taken.insert(number);
        number
    };
    let mut all: Vec<EdgePort<'_>> =
        ports.into_iter().map(|(service, port)| EdgePort { service, port, inner: inner(port), shared: false }).collect();
    let Some(edge) = &stack.edge else { return (all, None) };
    let doors = Doors { http: inner(&edge.http), https: edge.https.as_ref().map(&mut inner) };
    // They come last: a service that gets a host must not move the ports of others.
    all.extend(edge.services.iter().map(|one| EdgePort { service: &one.service, port: &one.port, inner: inner(&one.port), shared: true }));
    (all, Some(doors))
}

/// The number of a published port, where the file fixes it.
pub(super) fn fixed(port: &Port) -> Option<u16> {
    port.published.as_deref()?.parse().ok().filter(|number| *number != 0)
}

/// Adds the gateway to a stack that publishes ports it can pass on, unless the environment is for development.
pub fn add_gateway(stack: &mut Stack, class: EnvironmentClass) {
    if class == EnvironmentClass::Development || stack.services.contains_key(GATEWAY) {
        return;
    }
    let (edges, doors) = listening(stack);
    let published =
        |port: &Port, inner: u16| Port { target: inner, name: None, app_protocol: None, protocol: Some("tcp".to_owned()), ..port.clone() };
    let mut ports: Vec<Port> = edges.iter().filter(|edge| !edge.shared).map(|edge| published(edge.port, edge.inner)).collect();
    if let (Some(edge), Some(doors)) = (&stack.edge, doors) {
        ports.push(published(&edge.http, doors.http));
        ports.extend(edge.https.as_ref().zip(doors.https).map(|(port, inner)| published(port, inner)));
    }
    if ports.is_empty() {
        return;
    }
    let served: BTreeSet<&str> = edges.iter().map(|edge| edge.service).collect();
    let networks =
        stack.services.iter().filter(|(name, _)| served.contains(name.as_str())).flat_map(|(_, service)| service.networks.keys());
    let mut networks: IndexMap<String, Option<_>> = networks.map(|key| (key.clone(), None)).collect();
    networks.insert(EDGE.to_owned(), None);
    let ends_tls = stack.edge.as_ref().is_some_and(|edge| edge.tls.is_some());
    stack.services.insert(GATEWAY.to_owned(), service(ports, networks, ends_tls));
    // Engines publish ports through the network whose name sorts first. Were that one of the others, a candidate's network could take
    // its place, and every connection would be cut.
    let edge = Network { name: format!("0-{}-edge", stack.name), ..Network::default() };
    stack.networks.insert(EDGE.to_owned(), edge);
    let volume = Volume { name: format!("{}_{GATEWAY}", stack.name), ..Volume::default() };
    stack.volumes.insert(GATEWAY.to_owned(), volume);
}

fn service(ports: Vec<Port>, networks: IndexMap<String, Option<crate::compose::ServiceNetwork>>, ends_tls: bool) -> Service {
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    // A table for other ports must not be taken up: it could send what comes in at one to the service of another.
    let state = Digest::of_json(&ports).unwrap_or_else(|_| Digest::of(b""));
    let state = format!("{STATE}/{}.json", state.short());
    let mut command = words(&[PROGRAM, "gateway", "--new", "--state", &state, "--control", CONTROL]);
    if ends_tls {
        command.extend(words(&[TAKES_FILES, FILES]));
    }
    Service {
        image: Some(GATEWAY.to_owned()),
        entrypoint: Some(Vec::new()),
        command: Some(command),
        ports,
        networks,
        volumes: vec![Mount { kind: MountKind::Volume, source: Some(GATEWAY.to_owned()), target: STATE.to_owned(), ..Mount::default() }],
        restart: Some("unless-stopped".to_owned()),
        read_only: true,
        cap_drop: words(&["ALL"]),
        cap_add: words(&["NET_BIND_SERVICE"]),
        security_opt: words(&["no-new-privileges:true"]),
        ..Service::default()
    }
}

/// Where a gateway sends what comes in at one of its ports.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
pub struct Route {
    /// Port inside its container.
    pub port: u16,
    /// The service that serves there.
    pub service: String,
    /// Which of its deployments serves: another one is drained when this changes.
    pub release: String,
    /// Containers and ports, as `name:port`.
    pub addresses: Vec<String>,
    /// `http` or `tcp` where the file says so (`app_protocol`); else what a connection begins with decides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<String>,
    /// How long a release before has to end what it is at, in seconds, where the service needs another time than the others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drain_seconds: Option<u64>,
    /// Which requests at the ports that services share go there as well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shared: Option<SharedRoute>,
}

impl Route {
    /// What the gateway calls the service behind this port.
    #[must_use]
    pub fn backend(&self) -> String {
        match &self.shared {
            // Its port moves when another service gets a host.
            Some(_) => self.service.clone(),
            None => format!("{}:{}", self.service, self.port),
        }
    }
}

/// Requests by host and path. What belongs to the ports is the same in every route.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
pub struct SharedRoute {
    /// Hosts; all where there are none.
    pub hosts: Vec<String>,
    /// Path prefixes; all where there are none.
    pub paths: Vec<String>,
    /// Port without TLS, inside the gateway's container.
    pub http: u16,
    /// Port with TLS, inside its container.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub https: Option<u16>,
    /// The same as users see it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_https: Option<u16>,
    /// How TLS ends there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<EdgeTls>,
}

fn shared_route(release: &Release, service: &str, doors: Doors) -> Option<SharedRoute> {
    let edge = release.stack.edge.as_ref()?;
    let one = edge.services.iter().find(|one| one.service == service)?;
    Some(SharedRoute {
        hosts: one.hosts.clone(),
        paths: one.paths.clone(),
        http: doors.http,
        https: doors.https,
        public_https: edge.https.as_ref().and_then(fixed),
        tls: edge.tls.as_ref().map(|tls| with_paths(tls, &release.files)),
    })
}

/// A container that serves, and the deployment that made it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Serving {
    pub(super) container: String,
    pub(super) deployment: String,
}

/// The routes of a release whose services are served by these containers; ports that nobody serves have none.
pub(super) fn routes(release: &Release, environment: &Environment, serving: impl Fn(&str) -> Vec<Serving>) -> Vec<Route> {
    if !has_gateway(&release.stack) {
        return Vec::new();
    }
    let (edges, doors) = listening(&release.stack);
    let route = |edge: EdgePort<'_>| {
        let containers = serving(edge.service);
        let deployment = containers.first()?.deployment.clone();
        let addresses = containers.iter().map(|serving| format!("{}:{}", serving.container, edge.port.target)).collect();
        let protocol = edge.port.app_protocol.clone().filter(|name| ["http", "tcp"].contains(&name.as_str()));
        let drain_seconds = environment.drains.get(edge.service).map(std::time::Duration::as_secs);
        let shared = doors.filter(|_| edge.shared).and_then(|doors| shared_route(release, edge.service, doors));
        Some(Route { port: edge.inner, service: edge.service.to_owned(), release: deployment, addresses, protocol, drain_seconds, shared })
    };
    edges.into_iter().filter_map(route).collect()
}

#[cfg(test)]
mod tests {
    use super::{GATEWAY, add_gateway, edge_ports, is_direct};
    use crate::compose::{Edge, EdgeService, Port, Service, Stack};
    use crate::model::environment::EnvironmentClass::{Development, Production};

    fn port(published: Option<&str>, target: u16, host_ip: Option<&str>) -> Port {
        Port { target, published: published.map(str::to_owned), host_ip: host_ip.map(str::to_owned), ..Port::default() }
    }

    fn with_hosts() -> Stack {
        let one = |service: &str, host: &str, target| EdgeService {
            service: service.to_owned(),
            hosts: vec![host.to_owned()],
            port: Port { target, app_protocol: Some("http".to_owned()), ..Port::default() },
            ..EdgeService::default()
        };
        let edge = Edge {
            http: port(Some("8080"), 0, None),
            services: vec![one("db", "db.example", 5000), one("web", "web.example", 8000)],
            ..Edge::default()
        };
        Stack { edge: Some(edge), ..stack() }
    }

    #[test]
    fn services_with_hosts_share_a_port_and_have_one_that_only_chora_asks() {
        let mut stack = with_hosts();
        let ports: Vec<_> = edge_ports(&stack).into_iter().filter(|edge| edge.shared).map(|edge| (edge.service, edge.inner)).collect();
        assert_eq!(ports, [("db", 40_002), ("web", 40_003)]);
        add_gateway(&mut stack, Production);
        let published: Vec<_> = stack.services[GATEWAY].ports.iter().map(|port| (port.published.as_deref(), port.target)).collect();
        assert_eq!(published, [(Some("80"), 80), (Some("80"), 40_000), (None, 40_001), (Some("8080"), 8080)]);
        let mut fewer = with_hosts();
        fewer.edge.as_mut().unwrap().services.pop();
        add_gateway(&mut fewer, Production);
        assert_eq!(fewer.services[GATEWAY], stack.services[GATEWAY], "a host more needs no other gateway");
    }

    fn stack() -> Stack {
        let on = |ports: Vec<Port>| Service { ports, networks: [("default".to_owned(), None)].into_iter().collect(), ..Service::default() };
        let udp = Port { protocol: Some("udp".into()), ..port(Some("53"), 53, None) };
        let services = [
            ("web", on(vec![port(Some("80"), 8000, None), port(None, 9000, None)])),
            ("admin", on(vec![port(Some("80"), 9000, Some("127.0.0.1")), udp])),
            ("host", Service { network_mode: Some("host".into()), ..on(vec![port(Some("81"), 81, None)]) }),
            ("db", on(vec![])),
        ];
        Stack {
            name: "shop".into(),
            services: services.into_iter().map(|(name, service)| (name.to_owned(), service)).collect(),
            ..Stack::default()
        }
    }

    #[test]
    fn it_publishes_every_tcp_port_of_a_service_that_it_can_reach() {
        let stack = stack();
        let ports: Vec<_> = edge_ports(&stack).into_iter().map(|edge| (edge.service, edge.port.target, edge.inner)).collect();
        assert_eq!(ports, [("web", 8000, 80), ("admin", 9000, 40_000), ("web", 9000, 40_001)]);
    }

    #[test]
    fn a_stack_gets_one_where_there_is_something_to_publish() {
        let mut with = stack();
        add_gateway(&mut with, Production);
        let gateway = &with.services[GATEWAY];
        assert_eq!(gateway.ports.len(), 3);
        assert_eq!(gateway.ports[1].host_ip.as_deref(), Some("127.0.0.1"));
        assert_eq!(gateway.networks.keys().collect::<Vec<_>>(), ["default", "chora-edge"]);
        let direct = |name: &str, at: usize| is_direct(&with, &with.services[name], &with.services[name].ports[at]);
        assert_eq!((direct("web", 0), direct("admin", 1), direct("host", 0)), (false, true, true));
        let mut without = stack();
        add_gateway(&mut without, Development);
        let mut silent = Stack { services: [("db".to_owned(), Service::default())].into_iter().collect(), ..Stack::default() };
        add_gateway(&mut silent, Production);
        assert!(!without.services.contains_key(GATEWAY) && !silent.services.contains_key(GATEWAY));
    }

    #[test]
    fn another_set_of_ports_has_another_state_file() {
        let command = |stack: &Stack| stack.services[GATEWAY].command.clone();
        let (mut one, mut other) = (stack(), stack());
        other.services.get_mut("web").unwrap().ports.pop();
        add_gateway(&mut one, Production);
        add_gateway(&mut other, Production);
        assert_ne!(command(&one), command(&other));
    }
}
