//! The image of this very program: one static binary on nothing, put on the engine once from its own executable.

mod archive;
mod volume;

use std::path::PathBuf;
use std::sync::Arc;

use chora_core::model::container::{ContainerFilter, ContainerState};
use chora_core::model::ids::ImageId;
use chora_core::ports::{Engine, EngineError};
use indexmap::IndexMap;
use tokio::sync::OnceCell;

use self::archive::Source;
pub(crate) use self::volume::remove_unused_volumes;
use crate::failure::{Failure, FailureKind};
use crate::probe::sidecar;

/// Marks the image, and with it every container of it. Its value is one for all versions, so that each finds what the others left.
const LABEL: (&str, &str) = ("dev.chora.image", "program");

/// Why the image is not on the engine.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OwnImageError {
    #[error("the engine runs {engine} containers and this program is built for {own}, so it cannot run in them")]
    Foreign { engine: String, own: String },
    #[error("{executable} cannot be put into an image: {source}")]
    Unusable { executable: String, source: std::io::Error },
    #[error("the image of this program is not on the engine after it was loaded")]
    NotLoaded,
    #[error("this program could not be written to volume {volume}: exit code {code}")]
    NotWritten { volume: String, code: i64 },
    #[error(transparent)]
    Engine(#[from] EngineError),
}

impl From<OwnImageError> for Failure {
    fn from(error: OwnImageError) -> Self {
        match error {
            OwnImageError::Engine(error) => error.into(),
            error @ OwnImageError::Foreign { .. } => Self::new(FailureKind::Invalid, format!("no gateway and no bridge: {error}"))
                .state("nothing was changed")
                .hint("use the chora of the engine's platform, or set `gateway: false` for the environment and `bridge: false` for its services in chora.yaml"),
            error => Self::new(FailureKind::Internal, error.to_string()).hint("make chora's own file readable"),
        }
    }
}

/// This program as an image. Clones share what is known of it.
#[derive(Clone)]
pub struct OwnImage {
    inner: Arc<Inner>,
}

struct Inner {
    engine: Arc<dyn Engine>,
    executable: PathBuf,
    /// The image's tag, which names its content.
    reference: OnceCell<String>,
    /// Held while the image is loaded, so that it is loaded once.
    loading: tokio::sync::Mutex<()>,
}

impl OwnImage {
    /// `executable` is the static `chora` binary for the engine's platform.
    #[must_use]
    pub fn new(engine: Arc<dyn Engine>, executable: PathBuf) -> Self {
        let (reference, loading) = (OnceCell::new(), tokio::sync::Mutex::default());
        Self { inner: Arc::new(Inner { engine, executable, reference, loading }) }
    }

    /// Loads the image unless the engine has it; its tag names the content, so an old one is never taken for it.
    pub(crate) async fn provide(&self) -> Result<ImageId, OwnImageError> {
        let inner = &self.inner;
        let _one_at_a_time = inner.loading.lock().await;
        let reference = self.reference().await?;
        if let Some(id) = inner.engine.image(reference).await?.and_then(|image| image.id) {
            return Ok(id);
        }
        let source = self.source().await?;
        let packed = tokio::task::spawn_blocking(move || source.archive(own_architecture())).await.map_err(std::io::Error::other);
        let archive = packed.and_then(|archive| archive).map_err(|source| self.unusable(source))?;
        inner.engine.load_image(archive.into()).await?;
        inner.engine.image(reference).await?.and_then(|image| image.id).ok_or(OwnImageError::NotLoaded)
    }

    /// The image, where the engine has it.
    pub(crate) async fn here(&self) -> Result<Option<ImageId>, OwnImageError> {
        let reference = self.reference().await?;
        Ok(self.inner.engine.image(reference).await?.and_then(|image| image.id))
    }

    /// Its tag.
    pub(crate) async fn reference(&self) -> Result<&str, OwnImageError> {
        self.inner.reference.get_or_try_init(|| self.find_reference()).await.map(String::as_str)
    }

    async fn find_reference(&self) -> Result<String, OwnImageError> {
        let own = format!("linux/{}", own_architecture());
        let facts = self.inner.engine.facts().await?;
        let engine = format!("{}/{}", facts.os, facts.arch);
        if engine == own { Ok(self.source().await?.reference()) } else { Err(OwnImageError::Foreign { engine, own }) }
    }

    async fn source(&self) -> Result<Source, OwnImageError> {
        let executable = self.inner.executable.clone();
        let opened = tokio::task::spawn_blocking(move || Source::open(&executable)).await.map_err(std::io::Error::other);
        opened.and_then(|source| source).map_err(|source| self.unusable(source))
    }

    fn unusable(&self, source: std::io::Error) -> OwnImageError {
        OwnImageError::Unusable { executable: self.inner.executable.display().to_string(), source }
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

pub(crate) fn labels() -> IndexMap<String, String> {
    IndexMap::from([(LABEL.0.to_owned(), LABEL.1.to_owned())])
}

/// Removes the images of this program that no container uses; gives their tags.
///
/// A sidecar goes with its process, but for one whose process was killed between creating and starting it. Should somebody be
/// about to start it, it is made once more.
///
/// # Errors
/// What the engine says; an image that is taken into use meanwhile is left alone.
pub(crate) async fn remove_unused_images(engine: &dyn Engine) -> Result<Vec<String>, EngineError> {
    let mut used = Vec::new();
    for container in engine.containers(&ContainerFilter { labels: labels(), all: true }).await? {
        if container.state == ContainerState::Created && sidecar::is_one(&container.labels) {
            engine.remove_container(container.id.as_str(), true).await?;
        } else {
            used.push(container.image);
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
