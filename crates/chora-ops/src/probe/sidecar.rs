//! Asks a container from inside its own network namespace, where its addresses cannot be reached from this machine.
//!
//! An image of the static `chora` binary is put on the engine once; each question is a container of it that lives as long
//! as the question. The request travels as a file: headers may hold tokens, and arguments show in `docker inspect`.

mod image;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chora_core::compose::Service;
use chora_core::model::container::{Container, ContainerSpec, FileContent, LogQuery, LogStream};
use chora_core::model::health::{McpTransport, Probe, ProbeAnswer};
use chora_core::model::ids::{ContainerId, ImageId};
use chora_core::model::secret::Secret;
use chora_core::ports::engine::EngineFacts;
use chora_core::ports::{Clock, Engine, EngineError, Prober};
use futures_util::StreamExt;
use indexmap::IndexMap;
use tokio::sync::OnceCell;

use super::answer::{Trouble, answer, excerpt};
use super::request::{ProbeOutcome, ProbeRequest, Question};

/// Marks the image and its containers.
pub(super) const LABEL: &str = "chora.probe";
/// Where the sidecar finds its request.
const REQUEST: &str = "/request.json";
/// What creating, starting and removing a container may cost beside the question itself.
const OVERHEAD: Duration = Duration::from_secs(20);
/// More than this of a sidecar's output is not an answer.
const OUTPUT_LIMIT: usize = 4 << 20;

/// Asks through sidecar containers.
pub struct SidecarProber {
    inner: Arc<Inner>,
}

struct Inner {
    engine: Arc<dyn Engine>,
    facts: EngineFacts,
    executable: PathBuf,
    clock: Arc<dyn Clock>,
    image: OnceCell<ImageId>,
}

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
    #[error("the sidecar did not end within {limit:?}")]
    Late { limit: Duration },
}

impl SidecarProber {
    /// `executable` is the static `chora` binary for the engine's platform.
    #[must_use]
    pub fn new(engine: Arc<dyn Engine>, facts: EngineFacts, executable: PathBuf, clock: Arc<dyn Clock>) -> Self {
        Self { inner: Arc::new(Inner { engine, facts, executable, clock, image: OnceCell::new() }) }
    }
}

#[async_trait]
impl Prober for SidecarProber {
    async fn probe(&self, container: &Container, probe: &Probe, limit: Duration) -> ProbeAnswer {
        let started = self.inner.clock.elapsed();
        let inner = Arc::clone(&self.inner);
        let (id, address, probe) = (container.id.clone(), address_of(container, probe), probe.clone());
        let asked = super::describe(address, &probe);
        // On a task of its own, so that the sidecar is removed also when nobody waits for the answer any more.
        let answered = tokio::spawn(async move { inner.ask(&id, address, probe, limit).await }).await;
        let took = || self.inner.clock.elapsed().saturating_sub(started);
        match answered {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => answer(asked, Err(Trouble::Silent(error.to_string())), took()),
            Err(error) => answer(asked, Err(Trouble::Silent(format!("the sidecar was given up: {error}"))), took()),
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
    async fn ask(&self, target: &ContainerId, address: SocketAddr, probe: Probe, limit: Duration) -> Result<ProbeAnswer, SidecarError> {
        let image = self.image.get_or_try_init(|| self.provide_image()).await?.clone();
        let request = ProbeRequest { question: Question::Address { address, probe: Box::new(probe) }, limit };
        let content = serde_json::to_vec(&request).map_err(|error| SidecarError::Garbled { output: error.to_string() })?;
        let sidecar = self.engine.create_container(&specification(image, target, content)).await?;
        let outcome = self.converse(&sidecar, limit).await;
        // An answer counts even when its sidecar is left behind; its label says whose it is.
        if let Err(error) = self.engine.remove_container(sidecar.as_str(), true).await {
            tracing::warn!(%error, sidecar = %sidecar, "the probe sidecar could not be removed");
        }
        outcome
    }

    async fn converse(&self, sidecar: &ContainerId, limit: Duration) -> Result<ProbeAnswer, SidecarError> {
        let patience = limit + OVERHEAD;
        let work = async {
            self.engine.start_container(sidecar.as_str()).await?;
            self.engine.wait_container(sidecar.as_str()).await?;
            self.output(sidecar).await
        };
        let output = tokio::select! {
            output = work => output?,
            () = self.clock.sleep(patience) => return Err(SidecarError::Late { limit: patience }),
        };
        let (stdout, stderr) = (String::from_utf8_lossy(&output.0), String::from_utf8_lossy(&output.1));
        match serde_json::from_str::<ProbeOutcome>(&stdout) {
            Ok(outcome) => Ok(outcome.answer),
            Err(_) => Err(SidecarError::Garbled { output: excerpt(&format!("{stdout} {stderr}"), 200) }),
        }
    }

    async fn output(&self, sidecar: &ContainerId) -> Result<(Vec<u8>, Vec<u8>), EngineError> {
        let mut chunks = self.engine.logs(sidecar.as_str(), &LogQuery::default()).await?;
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        while let Some(chunk) = chunks.next().await {
            let chunk = chunk?;
            match chunk.stream {
                LogStream::Stdout => stdout.extend_from_slice(&chunk.bytes),
                LogStream::Stderr => stderr.extend_from_slice(&chunk.bytes),
            }
            if stdout.len() + stderr.len() > OUTPUT_LIMIT {
                break;
            }
        }
        Ok((stdout, stderr))
    }

    /// Loads the image unless the engine has it; its tag names the content, so an old one is never taken for it.
    async fn provide_image(&self) -> Result<ImageId, SidecarError> {
        let own = own_platform();
        let engine = format!("{}/{}", self.facts.os, self.facts.arch);
        if engine != own {
            return Err(SidecarError::Foreign { engine, own });
        }
        let executable = self.executable.clone();
        let unusable = |source| SidecarError::Image { executable: self.executable.display().to_string(), source };
        let prepared = tokio::task::spawn_blocking(move || image::Source::open(&executable)).await.map_err(std::io::Error::other);
        let source = prepared.and_then(|source| source).map_err(unusable)?;
        let reference = source.reference();
        if let Some(id) = self.engine.image(&reference).await?.and_then(|image| image.id) {
            return Ok(id);
        }
        let architecture = self.facts.arch.clone();
        let packed = tokio::task::spawn_blocking(move || source.archive(&architecture)).await.map_err(std::io::Error::other);
        let archive = packed.and_then(|archive| archive).map_err(unusable)?;
        self.engine.load_image(archive.into()).await?;
        self.engine.image(&reference).await?.and_then(|image| image.id).ok_or(SidecarError::NotLoaded)
    }
}

/// This program's platform as engines name it.
fn own_platform() -> String {
    let architecture = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    format!("linux/{architecture}")
}

fn specification(image: ImageId, target: &ContainerId, request: Vec<u8>) -> ContainerSpec {
    let command = ["/chora", "probe", "request", REQUEST, "--json"];
    let service = Service {
        entrypoint: Some(Vec::new()),
        command: Some(command.map(str::to_owned).to_vec()),
        cap_drop: vec!["ALL".to_owned()],
        security_opt: vec!["no-new-privileges:true".to_owned()],
        ..Service::default()
    };
    ContainerSpec {
        name: format!("chora-probe-{}", uuid::Uuid::now_v7().simple()),
        image,
        service,
        labels: IndexMap::from([(LABEL.to_owned(), env!("CARGO_PKG_VERSION").to_owned())]),
        attachments: Vec::new(),
        network_mode: Some(format!("container:{target}")),
        mounts: Vec::new(),
        files: vec![FileContent { path: REQUEST.to_owned(), content: Secret::new(request), uid: 0, gid: 0, mode: 0o400 }],
        publish: false,
    }
}
