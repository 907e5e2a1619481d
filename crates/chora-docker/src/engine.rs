//! The adapter itself: each method of the port goes to the module of its object.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use chora_core::model::container::{
    Container, ContainerFilter, ContainerSpec, ContainerSummary, ExecOutcome, ExecSpec, LogChunk, LogQuery,
};
use chora_core::model::ids::{ContainerId, ImageId};
use chora_core::model::image::{Image, ImageBuild, PublishedImage, PublishedIndex};
use chora_core::model::network::{Attachment, NetworkFacts, NetworkSpec, VolumeFacts, VolumeSpec};
use chora_core::ports::engine::{EngineEvent, EngineFacts, Piped, ProgressSink};
use chora_core::ports::{Engine, EngineError};
use futures_core::stream::BoxStream;
use indexmap::IndexMap;
use jiff::Timestamp;
use serde::Deserialize;

use crate::client::{Call, Client};
use crate::endpoint::{Endpoint, EndpointRequest};
use crate::login::Logins;
use crate::registry::Registry;
use crate::{containers, events, images, networks, volumes};

/// A Docker Engine, found as Docker's own client finds it.
pub struct DockerEngine {
    client: Arc<Client>,
    logins: Logins,
    is_local: bool,
}

impl DockerEngine {
    /// Finds the engine; nothing is sent before the first call.
    ///
    /// # Errors
    /// `Invalid` when an address, a context or a TLS file cannot be used.
    pub fn connect(request: &EndpointRequest) -> Result<Self, EngineError> {
        let endpoint = Endpoint::find(request)?;
        let is_local = endpoint.is_local();
        let (transport, name) = endpoint.into_transport()?;
        Ok(Self {
            client: Arc::new(Client::new(transport, name, request.refuses_buildkit())),
            logins: Logins::new(request.configuration_directory()),
            is_local,
        })
    }
}

/// The parts of `/info` that matter here.
#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct SystemSummary {
    name: String,
    server_version: String,
    operating_system: String,
    security_options: Option<Vec<String>>,
    #[serde(rename = "OSType")]
    os_type: String,
    architecture: String,
}

#[async_trait]
impl Engine for DockerEngine {
    async fn facts(&self) -> Result<EngineFacts, EngineError> {
        let handshake = self.client.greet().await?;
        let system: SystemSummary = self.client.document(Call::get("/info", "the engine")).await?;
        let (major, minor) = handshake.api;
        let is_here = self.is_local && cfg!(target_os = "linux") && !system.operating_system.contains("Docker Desktop");
        // A rootless engine has its networks in a namespace of its own, where this machine may have others of the same addresses.
        let is_rootless = system.security_options.unwrap_or_default().iter().any(|option| option.contains("name=rootless"));
        Ok(EngineFacts {
            endpoint: self.client.endpoint().to_owned(),
            api_version: format!("{major}.{minor}"),
            server_version: system.server_version,
            os: system.os_type,
            arch: oci_architecture(&system.architecture),
            host: system.name,
            buildkit: handshake.buildkit,
            direct_network: is_here && !is_rootless,
            same_files: is_here,
        })
    }

    async fn image(&self, reference: &str) -> Result<Option<Image>, EngineError> {
        images::inspect(&self.client, reference).await
    }

    async fn images(&self, labels: &IndexMap<String, String>) -> Result<Vec<Image>, EngineError> {
        images::list(&self.client, labels).await
    }

    async fn pull_image(&self, reference: &str, platform: Option<&str>, progress: ProgressSink<'_>) -> Result<(), EngineError> {
        images::pull(&self.client, &self.logins, (reference, platform), progress).await
    }

    async fn build_image(&self, build: &ImageBuild, progress: ProgressSink<'_>) -> Result<ImageId, EngineError> {
        images::build(&self.client, &self.logins, build, progress).await
    }

    async fn load_image(&self, archive: Bytes) -> Result<(), EngineError> {
        images::load(&self.client, archive).await
    }

    async fn export_image(&self, image: &str) -> Result<BoxStream<'static, Result<Bytes, EngineError>>, EngineError> {
        images::export(&self.client, image).await
    }

    async fn push_image(&self, reference: &str, progress: ProgressSink<'_>) -> Result<String, EngineError> {
        images::push(&self.client, &self.logins, reference, progress).await
    }

    async fn published(&self, reference: &str) -> Result<Option<String>, EngineError> {
        Registry::of(&self.client, &self.logins, reference).await?.digest().await
    }

    async fn published_images(&self, reference: &str) -> Result<Vec<PublishedImage>, EngineError> {
        Registry::of(&self.client, &self.logins, reference).await?.images().await
    }

    async fn tag_published(&self, reference: &str, tag: &str) -> Result<(), EngineError> {
        Registry::of(&self.client, &self.logins, reference).await?.tag(tag).await
    }

    async fn publish_index(&self, reference: &str, manifests: &[(String, String)]) -> Result<String, EngineError> {
        Registry::of(&self.client, &self.logins, reference).await?.put_index(manifests).await
    }

    async fn published_index(&self, reference: &str) -> Result<Option<PublishedIndex>, EngineError> {
        Registry::of(&self.client, &self.logins, reference).await?.index().await
    }

    async fn tag_image(&self, image: &ImageId, reference: &str) -> Result<(), EngineError> {
        images::tag(&self.client, image, reference).await
    }

    async fn remove_image(&self, reference: &str) -> Result<(), EngineError> {
        images::remove(&self.client, reference).await
    }

    async fn create_container(&self, spec: &ContainerSpec) -> Result<ContainerId, EngineError> {
        containers::create(&self.client, spec).await
    }

    async fn start_container(&self, container: &str) -> Result<(), EngineError> {
        containers::start(&self.client, container).await
    }

    async fn stop_container(&self, container: &str, grace: Option<Duration>) -> Result<(), EngineError> {
        containers::stop(&self.client, container, grace).await
    }

    async fn kill_container(&self, container: &str, signal: &str) -> Result<(), EngineError> {
        containers::kill(&self.client, container, signal).await
    }

    async fn rename_container(&self, container: &str, name: &str) -> Result<(), EngineError> {
        containers::rename(&self.client, container, name).await
    }

    async fn remove_container(&self, container: &str, anonymous_volumes: bool) -> Result<(), EngineError> {
        containers::remove(&self.client, container, anonymous_volumes).await
    }

    async fn container(&self, container: &str) -> Result<Option<Container>, EngineError> {
        containers::inspect(&self.client, container).await
    }

    async fn containers(&self, filter: &ContainerFilter) -> Result<Vec<ContainerSummary>, EngineError> {
        containers::list(&self.client, filter).await
    }

    async fn logs(&self, container: &str, query: &LogQuery) -> Result<BoxStream<'static, Result<LogChunk, EngineError>>, EngineError> {
        containers::logs(&self.client, container, query).await
    }

    async fn exec(&self, container: &str, exec: &ExecSpec, limit: Duration) -> Result<ExecOutcome, EngineError> {
        containers::exec(&self.client, container, exec, limit).await
    }

    async fn exec_attached(&self, container: &str, exec: &ExecSpec, tty: bool) -> Result<i64, EngineError> {
        containers::exec_attached(&self.client, container, exec, tty).await
    }

    async fn exec_piped(&self, container: &str, exec: &ExecSpec) -> Result<Box<dyn Piped>, EngineError> {
        containers::exec_piped(&self.client, container, exec).await
    }

    async fn run_piped(&self, spec: &ContainerSpec) -> Result<Box<dyn Piped>, EngineError> {
        containers::run_piped(&self.client, spec).await
    }

    async fn wait_container(&self, container: &str) -> Result<i64, EngineError> {
        containers::wait(&self.client, container).await
    }

    async fn processes(&self, container: &str) -> Result<Vec<String>, EngineError> {
        containers::processes(&self.client, container).await
    }

    async fn read_file(&self, container: &str, path: &str, limit: usize) -> Result<Option<Vec<u8>>, EngineError> {
        containers::read_file(&self.client, container, path, limit).await
    }

    async fn networks(&self, labels: &IndexMap<String, String>) -> Result<Vec<NetworkFacts>, EngineError> {
        networks::list(&self.client, labels).await
    }

    async fn network(&self, name: &str) -> Result<Option<NetworkFacts>, EngineError> {
        networks::inspect(&self.client, name).await
    }

    async fn create_network(&self, spec: &NetworkSpec) -> Result<(), EngineError> {
        networks::create(&self.client, spec).await
    }

    async fn remove_network(&self, name: &str) -> Result<(), EngineError> {
        networks::remove(&self.client, name).await
    }

    async fn connect(&self, container: &str, attachment: &Attachment) -> Result<(), EngineError> {
        networks::connect(&self.client, container, attachment).await
    }

    async fn disconnect(&self, container: &str, network: &str) -> Result<(), EngineError> {
        networks::disconnect(&self.client, container, network).await
    }

    async fn volumes(&self, labels: &IndexMap<String, String>) -> Result<Vec<VolumeFacts>, EngineError> {
        volumes::list(&self.client, labels).await
    }

    async fn volume(&self, name: &str) -> Result<Option<VolumeFacts>, EngineError> {
        volumes::inspect(&self.client, name).await
    }

    async fn create_volume(&self, spec: &VolumeSpec) -> Result<(), EngineError> {
        volumes::create(&self.client, spec).await
    }

    async fn remove_volume(&self, name: &str) -> Result<(), EngineError> {
        volumes::remove(&self.client, name).await
    }

    async fn events(
        &self,
        labels: &IndexMap<String, String>,
        since: Option<Timestamp>,
    ) -> Result<BoxStream<'static, Result<EngineEvent, EngineError>>, EngineError> {
        events::stream(&self.client, labels, since).await
    }
}

/// The kernel's name of a machine as OCI writes it.
fn oci_architecture(machine: &str) -> String {
    match machine {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "armv7l" | "armv6l" => "arm",
        "i386" | "i686" => "386",
        other => other,
    }
    .to_owned()
}
