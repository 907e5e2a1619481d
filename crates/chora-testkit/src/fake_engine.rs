//! An engine in memory, stricter than a real one: it refuses what a real engine would only suffer.
//!
//! Stricter: a container may only join networks that exist, start only when its ports are free, be removed only when asked
//! for by a name that exists or existed; a network with members cannot be removed; images must be there before containers,
//! and carry the very tag that is pushed;
//! what was started with pipes counts as left behind until it was finished, and says nothing more after its input ended.

mod containers;
mod images;
mod objects;
mod piped;
mod state;
mod world;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use chora_core::model::container::{
    Container, ContainerFilter, ContainerSpec, ContainerSummary, ExecOutcome, ExecSpec, LogChunk, LogQuery,
};
use chora_core::model::ids::{ContainerId, ImageId};
use chora_core::model::image::{Image, ImageBuild, PublishedImage, PublishedIndex};
use chora_core::model::network::{Attachment, NetworkFacts, NetworkSpec, VolumeFacts, VolumeSpec};
use chora_core::ports::Engine;
use chora_core::ports::engine::{EngineError, EngineEvent, EngineFacts, Piped, ProgressSink};
use futures_core::stream::BoxStream;
use indexmap::IndexMap;
use jiff::Timestamp;

pub use piped::Program;
pub use state::{Behaviour, FakeContainer, FakeState};

use crate::faults::{Fault, Faults, Kind};

/// The engine. Clones share their world.
#[derive(Clone, Default)]
pub struct FakeEngine {
    state: Arc<Mutex<FakeState>>,
    faults: Faults,
}

impl From<Fault> for EngineError {
    fn from(fault: Fault) -> Self {
        match fault.kind {
            Kind::Timeout => Self::TimedOut { what: fault.name, limit: Duration::from_secs(10) },
            Kind::Error | Kind::Death => Self::Failed { reason: fault.to_string() },
        }
    }
}

impl FakeEngine {
    /// An empty engine whose calls are counted by `faults`.
    #[must_use]
    pub fn new(faults: Faults) -> Self {
        Self { state: Arc::default(), faults }
    }

    /// Another engine with a world that is the same so far, whose calls are counted by `faults`. Its programs are the very ones
    /// of this engine.
    #[must_use]
    pub fn fork(&self, faults: Faults) -> Self {
        Self { state: Arc::new(Mutex::new(self.world().clone())), faults }
    }

    /// Looks at, or changes, the world behind the engine's back.
    pub fn world(&self) -> MutexGuard<'_, FakeState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn call<T>(&self, name: &str, work: impl FnOnce(&mut FakeState) -> Result<T, EngineError> + Send) -> Result<T, EngineError> {
        let work = || {
            let mut world = self.world();
            if world.away {
                return Err(EngineError::Unreachable { endpoint: "fake".into(), reason: "it is away".into() });
            }
            work(&mut world)
        };
        self.faults.apply(&format!("engine.{name}"), work).await
    }
}

#[async_trait]
impl Engine for FakeEngine {
    async fn facts(&self) -> Result<EngineFacts, EngineError> {
        self.call("facts", |_| Ok(world::facts())).await
    }

    async fn image(&self, reference: &str) -> Result<Option<Image>, EngineError> {
        self.call("image", |state| Ok(images::find(state, reference))).await
    }

    async fn images(&self, labels: &IndexMap<String, String>) -> Result<Vec<Image>, EngineError> {
        self.call("images", |state| Ok(images::list(state, labels))).await
    }

    async fn pull_image(&self, reference: &str, platform: Option<&str>, _progress: ProgressSink<'_>) -> Result<(), EngineError> {
        self.call("pull_image", |state| images::pull(state, reference, platform)).await
    }

    async fn build_image(&self, build: &ImageBuild, _progress: ProgressSink<'_>) -> Result<ImageId, EngineError> {
        self.call("build_image", |state| images::build(state, build)).await
    }

    async fn load_image(&self, archive: bytes::Bytes) -> Result<(), EngineError> {
        self.call("load_image", |state| images::load(state, &archive)).await
    }

    async fn export_image(&self, image: &str) -> Result<BoxStream<'static, Result<bytes::Bytes, EngineError>>, EngineError> {
        if self.world().holds_exports {
            futures_util::future::pending::<()>().await;
        }
        self.call("export_image", |state| images::export(state, image)).await
    }

    async fn push_image(&self, reference: &str, _progress: ProgressSink<'_>) -> Result<String, EngineError> {
        self.call("push_image", |state| images::push(state, reference)).await
    }

    async fn published(&self, reference: &str) -> Result<Option<String>, EngineError> {
        self.call("published", |state| Ok(state.published.get(reference).cloned())).await
    }

    async fn published_images(&self, reference: &str) -> Result<Vec<PublishedImage>, EngineError> {
        self.call("published_images", |state| images::published(state, reference)).await
    }

    async fn tag_published(&self, reference: &str, tag: &str) -> Result<(), EngineError> {
        self.call("tag_published", |state| images::tag_published(state, reference, tag)).await
    }

    async fn publish_index(&self, reference: &str, manifests: &[(String, String)]) -> Result<String, EngineError> {
        self.call("publish_index", |state| images::publish_index(state, reference, manifests)).await
    }

    async fn published_index(&self, reference: &str) -> Result<Option<PublishedIndex>, EngineError> {
        self.call("published_index", |state| Ok(images::published_index(state, reference))).await
    }

    async fn tag_image(&self, image: &ImageId, reference: &str) -> Result<(), EngineError> {
        self.call("tag_image", |state| images::tag(state, image, reference)).await
    }

    async fn remove_image(&self, reference: &str) -> Result<(), EngineError> {
        self.call("remove_image", |state| images::remove(state, reference)).await
    }

    async fn create_container(&self, spec: &ContainerSpec) -> Result<ContainerId, EngineError> {
        self.call("create_container", |state| containers::create(state, spec)).await
    }

    async fn start_container(&self, container: &str) -> Result<(), EngineError> {
        self.call("start_container", |state| containers::start(state, container)).await
    }

    async fn stop_container(&self, container: &str, _grace: Option<Duration>) -> Result<(), EngineError> {
        self.call("stop_container", |state| containers::stop(state, container)).await
    }

    async fn kill_container(&self, container: &str, _signal: &str) -> Result<(), EngineError> {
        self.call("kill_container", |state| containers::stop(state, container)).await
    }

    async fn rename_container(&self, container: &str, name: &str) -> Result<(), EngineError> {
        self.call("rename_container", |state| containers::rename(state, container, name)).await
    }

    async fn remove_container(&self, container: &str, _anonymous_volumes: bool) -> Result<(), EngineError> {
        self.call("remove_container", |state| {
            containers::remove(state, container);
            Ok(())
        })
        .await
    }

    async fn container(&self, container: &str) -> Result<Option<Container>, EngineError> {
        self.call("container", |state| Ok(containers::inspect(state, container))).await
    }

    async fn containers(&self, filter: &ContainerFilter) -> Result<Vec<ContainerSummary>, EngineError> {
        self.call("containers", |state| Ok(containers::list(state, filter))).await
    }

    async fn logs(&self, container: &str, _query: &LogQuery) -> Result<BoxStream<'static, Result<LogChunk, EngineError>>, EngineError> {
        self.call("logs", |state| containers::logs(state, container)).await
    }

    async fn exec(&self, container: &str, exec: &ExecSpec, _limit: Duration) -> Result<ExecOutcome, EngineError> {
        self.call("exec", |state| containers::exec(state, container, exec)).await
    }

    async fn exec_attached(&self, container: &str, exec: &ExecSpec, _tty: bool) -> Result<i64, EngineError> {
        self.call("exec_attached", |state| containers::exec(state, container, exec).map(|outcome| outcome.exit_code)).await
    }

    async fn exec_piped(&self, container: &str, exec: &ExecSpec) -> Result<Box<dyn Piped>, EngineError> {
        let opened = self.call("exec_piped", |state| piped::exec(state, container, exec)).await?;
        Ok(Box::new(opened.held_by(self.clone())))
    }

    async fn run_piped(&self, spec: &ContainerSpec) -> Result<Box<dyn Piped>, EngineError> {
        let opened = self.call("run_piped", |state| piped::run(state, spec)).await?;
        Ok(Box::new(opened.held_by(self.clone())))
    }

    async fn wait_container(&self, container: &str) -> Result<i64, EngineError> {
        self.call("wait_container", |state| containers::wait(state, container)).await
    }

    async fn processes(&self, container: &str) -> Result<Vec<String>, EngineError> {
        self.call("processes", |state| containers::processes(state, container)).await
    }

    async fn read_file(&self, container: &str, path: &str, limit: usize) -> Result<Option<Vec<u8>>, EngineError> {
        self.call("read_file", |state| containers::read_file(state, container, path, limit)).await
    }

    async fn networks(&self, labels: &IndexMap<String, String>) -> Result<Vec<NetworkFacts>, EngineError> {
        self.call("networks", |state| Ok(objects::networks(state, labels))).await
    }

    async fn network(&self, name: &str) -> Result<Option<NetworkFacts>, EngineError> {
        self.call("network", |state| Ok(objects::network(state, name))).await
    }

    async fn create_network(&self, spec: &NetworkSpec) -> Result<(), EngineError> {
        self.call("create_network", |state| objects::create_network(state, spec)).await
    }

    async fn remove_network(&self, name: &str) -> Result<(), EngineError> {
        self.call("remove_network", |state| objects::remove_network(state, name)).await
    }

    async fn connect(&self, container: &str, attachment: &Attachment) -> Result<(), EngineError> {
        self.call("connect", |state| objects::connect(state, container, attachment)).await
    }

    async fn disconnect(&self, container: &str, network: &str) -> Result<(), EngineError> {
        self.call("disconnect", |state| {
            objects::disconnect(state, container, network);
            Ok(())
        })
        .await
    }

    async fn volumes(&self, labels: &IndexMap<String, String>) -> Result<Vec<VolumeFacts>, EngineError> {
        self.call("volumes", |state| Ok(objects::volumes(state, labels))).await
    }

    async fn volume(&self, name: &str) -> Result<Option<VolumeFacts>, EngineError> {
        self.call("volume", |state| Ok(objects::volume(state, name))).await
    }

    async fn create_volume(&self, spec: &VolumeSpec) -> Result<(), EngineError> {
        self.call("create_volume", |state| {
            objects::create_volume(state, spec);
            Ok(())
        })
        .await
    }

    async fn remove_volume(&self, name: &str) -> Result<(), EngineError> {
        self.call("remove_volume", |state| objects::remove_volume(state, name)).await
    }

    async fn events(
        &self,
        _labels: &IndexMap<String, String>,
        _since: Option<Timestamp>,
    ) -> Result<BoxStream<'static, Result<EngineEvent, EngineError>>, EngineError> {
        self.call("events", |_| Ok(world::silence())).await
    }
}
