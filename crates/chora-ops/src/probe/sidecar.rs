//! Asks a container from inside its own namespaces, where its addresses cannot be reached from this machine.
//!
//! An image of the static `chora` binary is put on the engine once. A container of it stays beside the one that is asked and
//! answers question after question over its standard streams: headers may hold tokens, and arguments show in `docker
//! inspect`. It ends with its input, so with this process at the latest, and the engine removes it.

mod session;

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use chora_core::compose::Service;
use chora_core::model::container::{Container, ContainerSpec};
use chora_core::model::health::{McpTransport, Probe, ProbeAnswer};
use chora_core::model::ids::{ContainerId, ImageId};
use chora_core::ports::{Engine, EngineError, Prober};
use indexmap::IndexMap;
use jiff::Timestamp;
use tokio::time::Instant;

use self::session::Session;
use super::answer::{Trouble, answer};
use super::request::{ProbeOutcome, ProbeRequest, Question};
use crate::conversation::ConversationError;
use crate::own_image::{OwnImage, OwnImageError};

/// Marks sidecars.
const LABEL: (&str, &str) = ("chora.probe", "sidecar");
/// What ending a server that stays may take, its two signals included.
const ENDING: Duration = Duration::from_secs(5);

/// Asks through sidecar containers. Clones share them.
#[derive(Clone)]
pub struct SidecarProber {
    inner: Arc<Inner>,
}

struct Inner {
    engine: Arc<dyn Engine>,
    image: OwnImage,
    slots: Mutex<HashMap<ContainerId, Arc<Slot>>>,
}

/// The sidecar of one container, when it has one.
type Slot = tokio::sync::Mutex<Option<Session>>;

/// Why a sidecar gave no answer.
#[derive(Debug, thiserror::Error)]
enum SidecarError {
    #[error(transparent)]
    Image(#[from] OwnImageError),
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error("the sidecar: {0}")]
    Conversation(#[from] ConversationError),
}

/// What a sidecar shares with the container that it is for.
#[derive(Debug, Clone, Copy)]
enum Share {
    Network,
    Processes,
}

impl SidecarProber {
    /// `image` is the image that sidecars are containers of.
    #[must_use]
    pub fn new(engine: Arc<dyn Engine>, image: OwnImage) -> Self {
        Self { inner: Arc::new(Inner { engine, image, slots: Mutex::default() }) }
    }

    /// Ends the processes of a container that carry a mark in their environment.
    pub(super) async fn end(&self, container: &str, mark: &str) -> Result<(), String> {
        let inner = Arc::clone(&self.inner);
        let target = ContainerId::new(container);
        let request = ProbeRequest { question: Question::End { mark: mark.to_owned() }, limit: ENDING };
        let work = async {
            let mut session = inner.open(Share::Processes, &target, None).await?;
            let outcome = session.ask(&request).await?;
            session.finish().await;
            Ok::<_, SidecarError>(outcome)
        };
        let outcome = work.await.map_err(|error| error.to_string())?;
        if outcome.ok { Ok(()) } else { Err(outcome.answer.answered) }
    }
}

#[async_trait]
impl Prober for SidecarProber {
    async fn probe(&self, container: &Container, probe: &Probe, limit: Duration) -> ProbeAnswer {
        let started = Instant::now();
        let inner = Arc::clone(&self.inner);
        let address = address_of(container, probe);
        let asked = super::describe(address, probe);
        let request = ProbeRequest { question: Question::Address { address, probe: Box::new(probe.clone()) }, limit };
        let (id, since) = (container.id.clone(), container.started_at);
        // On a task of its own, so that the sidecar gets to its end, or to the next question, also when nobody waits any more.
        let answered = tokio::spawn(async move { inner.ask(&id, since, request).await }).await;
        match answered {
            Ok(Ok(outcome)) => outcome.answer,
            Ok(Err(error)) => answer(asked, Err(Trouble::Silent(error.to_string())), started.elapsed()),
            Err(error) => answer(asked, Err(Trouble::Silent(format!("the sidecar was given up: {error}"))), started.elapsed()),
        }
    }
}

/// The container's own address, so that a server bound to loopback alone is not taken for one that accepts traffic.
fn address_of(container: &Container, probe: &Probe) -> SocketAddr {
    let port = match probe {
        Probe::Tcp { port } => *port,
        Probe::Http(http) => http.port,
        Probe::Mcp(mcp) if mcp.transport == McpTransport::Stdio => 0,
        Probe::Mcp(mcp) => mcp.port,
    };
    SocketAddr::new(container.addresses.values().next().copied().unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST)), port)
}

impl Inner {
    /// Asks the sidecar that is there, or a new one. A container that was started again has another network.
    async fn ask(&self, target: &ContainerId, since: Option<Timestamp>, request: ProbeRequest) -> Result<ProbeOutcome, SidecarError> {
        let slot = Arc::clone(self.slots.lock().unwrap_or_else(PoisonError::into_inner).entry(target.clone()).or_default());
        let mut kept = slot.lock().await;
        if let Some(mut session) = kept.take().filter(|session| session.since == since) {
            match session.ask(&request).await {
                Ok(outcome) => {
                    *kept = Some(session);
                    return Ok(outcome);
                }
                Err(late @ ConversationError::Late { .. }) => return Err(late.into()),
                // One that nobody asked for long has ended.
                Err(error) => tracing::debug!(%error, "the sidecar is replaced"),
            }
        }
        let mut session = self.open(Share::Network, target, since).await?;
        let outcome = session.ask(&request).await?;
        *kept = Some(session);
        Ok(outcome)
    }

    async fn open(&self, share: Share, target: &ContainerId, since: Option<Timestamp>) -> Result<Session, SidecarError> {
        let image = self.image.provide().await?;
        let pipes = match self.engine.run_piped(&specification(image, share, target)).await {
            // Another command may have pruned the image in between.
            Err(EngineError::NotFound { .. }) => {
                let image = self.image.provide().await?;
                self.engine.run_piped(&specification(image, share, target)).await?
            }
            outcome => outcome?,
        };
        Ok(Session::new(pipes, since))
    }
}

/// The labels of containers that go with the process that made them.
pub(crate) fn labels() -> IndexMap<String, String> {
    IndexMap::from([(LABEL.0.to_owned(), LABEL.1.to_owned())])
}

/// Whether a container with these labels is a sidecar.
pub(crate) fn is_one(labels: &IndexMap<String, String>) -> bool {
    labels.get(LABEL.0).is_some_and(|value| value == LABEL.1)
}

fn specification(image: ImageId, share: Share, target: &ContainerId) -> ContainerSpec {
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let mut service = Service {
        entrypoint: Some(Vec::new()),
        command: Some(words(&["/chora", "probe", "attend"])),
        cap_drop: words(&["ALL"]),
        security_opt: words(&["no-new-privileges:true"]),
        read_only: true,
        ..Service::default()
    };
    let shared = format!("container:{target}");
    let network_mode = match share {
        Share::Network => shared,
        Share::Processes => {
            service.pid = Some(shared);
            // To read the environment of processes that are not its own, and to end them.
            service.cap_add = words(&["DAC_READ_SEARCH", "SYS_PTRACE", "KILL"]);
            "none".to_owned()
        }
    };
    ContainerSpec {
        name: format!("chora-probe-{}", uuid::Uuid::now_v7().simple()),
        image,
        service,
        labels: labels(),
        attachments: Vec::new(),
        network_mode: Some(network_mode),
        mounts: Vec::new(),
        files: Vec::new(),
        publish: false,
    }
}
