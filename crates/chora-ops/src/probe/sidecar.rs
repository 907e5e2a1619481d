//! Asks a container from inside its own namespaces, where its addresses cannot be reached from this machine.
//!
//! An image of the static `chora` binary is put on the engine once. A container of it stays beside the one that is asked and
//! answers question after question over its standard streams: headers may hold tokens, and arguments show in `docker
//! inspect`. It ends with its input, so with this process at the latest, and the engine removes it.

mod image;
mod session;

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use chora_core::compose::Service;
use chora_core::model::container::{Container, ContainerFilter, ContainerSpec, ContainerState};
use chora_core::model::health::{McpTransport, Probe, ProbeAnswer};
use chora_core::model::ids::{ContainerId, ImageId};
use chora_core::ports::{Engine, EngineError, Prober};
use indexmap::IndexMap;
use jiff::Timestamp;
use tokio::sync::OnceCell;
use tokio::time::Instant;

use self::session::Session;
use super::answer::{Trouble, answer};
use super::request::{ProbeOutcome, ProbeRequest, Question};

/// Marks the image and its containers.
pub(super) const LABEL: &str = "chora.probe";
/// The label's value: one for all versions, so that each finds what the others left.
pub(super) const LABEL_VALUE: &str = "sidecar";
/// What ending a server that stays may take, its two signals included.
const ENDING: Duration = Duration::from_secs(5);

/// Asks through sidecar containers. Clones share them.
#[derive(Clone)]
pub struct SidecarProber {
    inner: Arc<Inner>,
}

struct Inner {
    engine: Arc<dyn Engine>,
    executable: PathBuf,
    /// The image's tag, which names its content.
    reference: OnceCell<String>,
    /// Held while the image is loaded, so that it is loaded once.
    loading: tokio::sync::Mutex<()>,
    slots: Mutex<HashMap<ContainerId, Arc<Slot>>>,
}

/// The sidecar of one container, when it has one.
type Slot = tokio::sync::Mutex<Option<Session>>;

/// Why a sidecar gave no answer.
#[derive(Debug, thiserror::Error)]
enum SidecarError {
    #[error("the engine runs {engine} containers and this program is built for {own}, so it cannot ask from inside")]
    Foreign { engine: String, own: String },
    #[error("{executable} cannot be put into the probe image: {source}")]
    Image { executable: String, source: std::io::Error },
    #[error("the probe image is not on the engine after it was loaded")]
    NotLoaded,
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error("the sidecar gave no answer: {output}")]
    Garbled { output: String },
    #[error("the sidecar did not answer within {limit:?}")]
    Late { limit: Duration },
}

/// What a sidecar shares with the container that it is for.
#[derive(Debug, Clone, Copy)]
enum Share {
    Network,
    Processes,
}

impl SidecarProber {
    /// `executable` is the static `chora` binary for the engine's platform.
    #[must_use]
    pub fn new(engine: Arc<dyn Engine>, executable: PathBuf) -> Self {
        let (reference, loading, slots) = (OnceCell::new(), tokio::sync::Mutex::default(), Mutex::default());
        Self { inner: Arc::new(Inner { engine, executable, reference, loading, slots }) }
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
                Err(late @ SidecarError::Late { .. }) => return Err(late),
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
        let image = self.provide_image().await?;
        let pipes = match self.engine.run_piped(&specification(image, share, target)).await {
            // Another command may have pruned the image in between.
            Err(EngineError::NotFound { .. }) => {
                let image = self.provide_image().await?;
                self.engine.run_piped(&specification(image, share, target)).await?
            }
            outcome => outcome?,
        };
        Ok(Session::new(pipes, since))
    }

    /// Loads the image unless the engine has it; its tag names the content, so an old one is never taken for it.
    async fn provide_image(&self) -> Result<ImageId, SidecarError> {
        let _one_at_a_time = self.loading.lock().await;
        let reference = self.reference.get_or_try_init(|| self.find_reference()).await?;
        if let Some(id) = self.engine.image(reference).await?.and_then(|image| image.id) {
            return Ok(id);
        }
        let source = self.source().await?;
        let packed = tokio::task::spawn_blocking(move || source.archive(own_architecture())).await.map_err(std::io::Error::other);
        let archive = packed.and_then(|archive| archive).map_err(|source| self.unusable(source))?;
        self.engine.load_image(archive.into()).await?;
        self.engine.image(reference).await?.and_then(|image| image.id).ok_or(SidecarError::NotLoaded)
    }

    async fn find_reference(&self) -> Result<String, SidecarError> {
        let own = format!("linux/{}", own_architecture());
        let facts = self.engine.facts().await?;
        let engine = format!("{}/{}", facts.os, facts.arch);
        if engine == own { Ok(self.source().await?.reference()) } else { Err(SidecarError::Foreign { engine, own }) }
    }

    async fn source(&self) -> Result<image::Source, SidecarError> {
        let executable = self.executable.clone();
        let opened = tokio::task::spawn_blocking(move || image::Source::open(&executable)).await.map_err(std::io::Error::other);
        opened.and_then(|source| source).map_err(|source| self.unusable(source))
    }

    fn unusable(&self, source: std::io::Error) -> SidecarError {
        SidecarError::Image { executable: self.executable.display().to_string(), source }
    }
}

/// This program's architecture as engines name it.
const fn own_architecture() -> &'static str {
    if cfg!(target_arch = "x86_64") {
        "amd64"
    } else if cfg!(target_arch = "aarch64") {
        "arm64"
    } else {
        std::env::consts::ARCH
    }
}

fn labels() -> IndexMap<String, String> {
    IndexMap::from([(LABEL.to_owned(), LABEL_VALUE.to_owned())])
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

/// Removes the probe images that no container uses; gives their tags.
///
/// A sidecar goes with its process, but for one whose process was killed between creating and starting it. Should somebody be
/// about to start it, it is made once more.
///
/// # Errors
/// What the engine says; an image that is taken into use meanwhile is left alone.
pub(crate) async fn remove_unused_images(engine: &dyn Engine) -> Result<Vec<String>, EngineError> {
    let mut used = Vec::new();
    for sidecar in engine.containers(&ContainerFilter { labels: labels(), all: true }).await? {
        if sidecar.state == ContainerState::Created {
            engine.remove_container(sidecar.id.as_str(), true).await?;
        } else {
            used.push(sidecar.image);
        }
    }
    let mut removed = Vec::new();
    for image in engine.images(&labels()).await? {
        let Some(id) = image.id.as_ref().filter(|id| !used.contains(id)) else { continue };
        let names = if image.tags.is_empty() { vec![id.to_string()] } else { image.tags.clone() };
        for name in names {
            match engine.remove_image(&name).await {
                Ok(()) => removed.push(name),
                Err(EngineError::Conflict { .. }) => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok(removed)
}
