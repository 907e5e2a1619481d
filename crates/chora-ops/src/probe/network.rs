//! Which way a container is asked: by its address, through a published port, or from a sidecar in its network namespace.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chora_core::model::container::Container;
use chora_core::model::health::{McpTransport, Probe, ProbeAnswer, ProbeVerdict};
use chora_core::ports::engine::EngineFacts;
use chora_core::ports::{Engine, EngineError, Prober};
use tokio::sync::OnceCell;

use super::route;
use super::sidecar::SidecarProber;
use super::stdio::StdioProber;
use crate::main_process::MainProcess;
use crate::own_image::OwnImage;

/// Asks containers the nearest way that tells the truth.
pub struct NetworkProber {
    engine: Arc<dyn Engine>,
    /// Asked for where the nearest way does not show without them; an engine starts two programs to tell them.
    facts: OnceCell<EngineFacts>,
    sidecar: SidecarProber,
    stdio: StdioProber,
}

/// A way to a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// Straight to this address.
    Direct(SocketAddr),
    /// To a port that the engine forwards.
    Published(SocketAddr),
    /// From inside its network namespace.
    Sidecar,
}

/// Where a container is, seen from this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// On a network that this process has an interface in.
    Neighbour,
    /// In this very network.
    Host,
    /// Neither.
    Elsewhere,
}

impl Place {
    fn of(container: &Container) -> Self {
        match container.addresses.values().next() {
            Some(address) if route::is_neighbour(*address) => Self::Neighbour,
            None if on_host_network(container) => Self::Host,
            _ => Self::Elsewhere,
        }
    }
}

impl NetworkProber {
    /// `image` is the image that sidecars are containers of.
    #[must_use]
    pub fn new(engine: Arc<dyn Engine>, image: OwnImage) -> Self {
        let sidecar = SidecarProber::new(Arc::clone(&engine), image);
        let stdio = StdioProber::new(Arc::clone(&engine), sidecar.clone());
        Self { engine, facts: OnceCell::new(), sidecar, stdio }
    }

    async fn way(&self, container: &Container, port: u16, is_tcp: bool) -> Result<Way, EngineError> {
        let place = Place::of(container);
        // A neighbour whose process this kernel runs, and not for a rootless engine, is reached for certain.
        let is_here = place == Place::Neighbour && MainProcess::of(container).is_some_and(|process| process.shares("user"));
        if let (true, Some(address)) = (is_here, container.addresses.values().next()) {
            return Ok(Way::Direct(SocketAddr::new(*address, port)));
        }
        let facts = self.facts.get_or_try_init(|| self.engine.facts()).await?;
        Ok(way(facts, container, port, is_tcp, place))
    }
}

#[async_trait]
impl Prober for NetworkProber {
    async fn probe(&self, container: &Container, probe: &Probe, limit: Duration) -> ProbeAnswer {
        let port = match probe {
            Probe::Tcp { port } => *port,
            Probe::Http(http) => http.port,
            Probe::Mcp(mcp) if mcp.transport == McpTransport::Stdio => {
                return self.stdio.probe(container, mcp, limit).await;
            }
            Probe::Mcp(mcp) => mcp.port,
        };
        let is_tcp = matches!(probe, Probe::Tcp { .. });
        match self.way(container, port, is_tcp).await {
            Ok(Way::Direct(address)) => super::ask(address, probe, limit).await,
            Ok(Way::Published(address)) => {
                let answer = super::ask(address, probe, limit).await;
                ProbeAnswer { asked: format!("{} (published port of {})", answer.asked, container.name), ..answer }
            }
            Ok(Way::Sidecar) => self.sidecar.probe(container, probe, limit).await,
            Err(error) => ProbeAnswer {
                verdict: ProbeVerdict::NoAnswer,
                asked: format!("the engine, about {}", container.name),
                answered: error.to_string(),
                took: Duration::ZERO,
                contract: None,
            },
        }
    }
}

fn way(facts: &EngineFacts, container: &Container, port: u16, is_tcp: bool, place: Place) -> Way {
    if facts.direct_network {
        return match (container.addresses.values().next(), place) {
            (Some(address), Place::Neighbour) => Way::Direct(SocketAddr::new(*address, port)),
            (None, Place::Host) => Way::Direct(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port)),
            // This process is on the engine's machine and not in its network: published ports are not here either.
            _ => Way::Sidecar,
        };
    }
    // An engine's forwarder accepts connections that nobody in the container would accept, so it cannot answer for TCP.
    match published(facts, container, port) {
        Some(address) if !is_tcp => Way::Published(address),
        _ => Way::Sidecar,
    }
}

/// The published address of a port, when the engine's host is this machine.
fn published(facts: &EngineFacts, container: &Container, port: u16) -> Option<SocketAddr> {
    if !facts.endpoint.starts_with("unix://") && !facts.endpoint.starts_with("npipe://") {
        return None;
    }
    let target = format!("{port}/tcp");
    let found = container.published.iter().find(|published| published.target == target && published.host_port != 0)?;
    let address = found.host_ip.parse::<IpAddr>().ok().filter(|address| !address.is_unspecified());
    Some(SocketAddr::new(address.unwrap_or(Ipv4Addr::LOCALHOST.into()), found.host_port))
}

/// Tells whether a container without addresses shares this machine's network: its process is one of ours to see, and in
/// the same network namespace.
fn on_host_network(container: &Container) -> bool {
    container.addresses.is_empty() && MainProcess::of(container).is_some_and(|process| process.shares("net"))
}

#[cfg(test)]
mod tests {
    use chora_core::model::container::{Container, ContainerState, EngineHealth, PublishedPort};
    use chora_core::model::ids::{ContainerId, ImageId};
    use chora_core::model::secret::Secret;
    use chora_core::ports::engine::EngineFacts;
    use indexmap::IndexMap;

    use super::{Place, Way, way};

    fn facts(endpoint: &str, direct_network: bool) -> EngineFacts {
        let text = String::new;
        EngineFacts {
            endpoint: endpoint.to_owned(),
            api_version: text(),
            server_version: text(),
            os: text(),
            arch: text(),
            host: text(),
            buildkit: false,
            direct_network,
            same_files: false,
        }
    }

    fn container(address: Option<&str>, published: Option<&str>) -> Container {
        let port = |ip: &str| PublishedPort { target: "80/tcp".to_owned(), host_ip: ip.to_owned(), host_port: 8080 };
        Container {
            id: ContainerId::new("c"),
            name: "web".to_owned(),
            image: ImageId::new("i"),
            labels: IndexMap::new(),
            state: ContainerState::Running,
            exit_code: None,
            oom_killed: false,
            restarts: 0,
            health: EngineHealth::None,
            healthcheck: Vec::new(),
            created_at: None,
            started_at: None,
            finished_at: None,
            pid: 0,
            addresses: address.map(|address| ("net".to_owned(), address.parse().unwrap())).into_iter().collect(),
            published: published.map(port).into_iter().collect(),
            exposed: Vec::new(),
            error: String::new(),
            command: Vec::new(),
            environment: Secret::new(Vec::new()),
        }
    }

    #[test]
    fn the_nearest_way_that_tells_the_truth() {
        let (here, desktop, remote) = (facts("unix:///s", true), facts("unix:///s", false), facts("ssh://h", false));
        let direct = |text: &str| Way::Direct(text.parse().unwrap());
        let published = |text: &str| Way::Published(text.parse().unwrap());
        let (http, tcp) = (false, true);
        let (near, host, far) = (Place::Neighbour, Place::Host, Place::Elsewhere);
        let cases = [
            (&here, container(Some("10.0.0.2"), Some("0.0.0.0")), http, near, direct("10.0.0.2:80")),
            (&here, container(Some("fd00::2"), None), tcp, near, direct("[fd00::2]:80")),
            (&here, container(Some("10.0.0.2"), Some("0.0.0.0")), http, far, Way::Sidecar),
            (&here, container(None, None), tcp, host, direct("127.0.0.1:80")),
            (&here, container(None, None), http, far, Way::Sidecar),
            (&desktop, container(Some("10.0.0.2"), Some("0.0.0.0")), http, far, published("127.0.0.1:8080")),
            (&desktop, container(Some("10.0.0.2"), Some("127.0.0.9")), http, far, published("127.0.0.9:8080")),
            (&desktop, container(Some("10.0.0.2"), Some("0.0.0.0")), tcp, far, Way::Sidecar),
            (&desktop, container(Some("10.0.0.2"), None), http, host, Way::Sidecar),
            (&remote, container(Some("10.0.0.2"), Some("0.0.0.0")), http, near, Way::Sidecar),
        ];
        for (facts, container, is_tcp, place, expected) in cases {
            assert_eq!(way(facts, &container, 80, is_tcp, place), expected, "{} {container:?} {is_tcp}", facts.endpoint);
        }
    }
}
