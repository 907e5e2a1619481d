//! The container engine, shaped by what a deployment asks of it.
//!
//! Every call is safe to repeat where it says so; recovery after a killed process depends on that.

use std::time::Duration;

use async_trait::async_trait;
use futures_core::stream::BoxStream;
use indexmap::IndexMap;
use jiff::Timestamp;

use crate::model::container::{Container, ContainerFilter, ContainerSpec, ContainerSummary, ExecOutcome, ExecSpec, LogChunk, LogQuery};
use crate::model::ids::{ContainerId, ImageId};
use crate::model::image::{Image, ImageBuild, PublishedImage, PublishedIndex};
use crate::model::network::{Attachment, NetworkFacts, NetworkSpec, VolumeFacts, VolumeSpec};

/// Why the engine did not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EngineError {
    /// No answer at the endpoint.
    #[error("no container engine answers at {endpoint}: {reason}")]
    Unreachable {
        /// Where it was looked for, such as `unix:///var/run/docker.sock`.
        endpoint: String,
        /// What the operating system said.
        reason: String,
    },
    /// The endpoint exists and may not be used.
    #[error("no permission to use the container engine at {endpoint}")]
    PermissionDenied {
        /// Where it is.
        endpoint: String,
    },
    /// The engine's newest API version is older than 1.41, or its oldest newer than ours.
    #[error("the engine speaks API {offered}, Chora needs {needed}")]
    ApiVersion {
        /// What it offers.
        offered: String,
        /// What we need.
        needed: String,
    },
    /// The object is not there.
    #[error("{what} not found")]
    NotFound {
        /// Kind and name, such as ``container `web` ``.
        what: String,
    },
    /// The object is there already, in use, or in the wrong state.
    #[error("{reason}")]
    Conflict {
        /// The engine's words.
        reason: String,
    },
    /// The request makes no sense to the engine.
    #[error("{reason}")]
    Invalid {
        /// The engine's words.
        reason: String,
    },
    /// A published port is held by something else.
    #[error("port is already taken: {reason}")]
    PortTaken {
        /// The engine's words, with address and port.
        reason: String,
    },
    /// No space left.
    #[error("no space left on the engine's disk: {reason}")]
    DiskFull {
        /// The engine's words.
        reason: String,
    },
    /// The registry does not have the image, or refuses it.
    #[error("image `{image}` cannot be pulled: {reason}")]
    ImageUnavailable {
        /// Reference asked for.
        image: String,
        /// The registry's words.
        reason: String,
    },
    /// The registry could not be asked; trying again may help.
    #[error("registry of `{image}` cannot be reached: {reason}")]
    RegistryUnreachable {
        /// Reference asked for.
        image: String,
        /// What went wrong.
        reason: String,
    },
    /// The registry knows neither who asks nor whether they may.
    #[error("registry `{registry}` refuses: {reason}")]
    LoginNeeded {
        /// Host of the registry, `docker.io` for Docker's own.
        registry: String,
        /// The registry's words.
        reason: String,
    },
    /// The registry does not take the image.
    #[error("image `{image}` cannot be pushed: {reason}")]
    PushRefused {
        /// Reference pushed to.
        image: String,
        /// The registry's words.
        reason: String,
    },
    /// The build ran and failed.
    #[error("build of `{service}` failed: {reason}")]
    BuildFailed {
        /// The service.
        service: String,
        /// The failing instruction or message.
        reason: String,
        /// The last lines of build output.
        log: Vec<String>,
    },
    /// Nothing came back in time.
    #[error("{what} did not end within {limit:?}")]
    TimedOut {
        /// What was waited for.
        what: String,
        /// How long.
        limit: Duration,
    },
    /// Anything else the engine said.
    #[error("the engine failed: {reason}")]
    Failed {
        /// The engine's words.
        reason: String,
    },
}

impl EngineError {
    /// Tells whether the world is bad (engine, registry, disk, time), not the image or its configuration.
    #[must_use]
    pub const fn is_bad_world(&self) -> bool {
        matches!(
            self,
            Self::Unreachable { .. }
                | Self::PermissionDenied { .. }
                | Self::ApiVersion { .. }
                | Self::DiskFull { .. }
                | Self::RegistryUnreachable { .. }
                | Self::TimedOut { .. }
                | Self::PortTaken { .. }
        )
    }
}

/// What the engine is.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
pub struct EngineFacts {
    /// Where it is reached, such as `unix:///var/run/docker.sock`.
    pub endpoint: String,
    /// API version in use, such as `1.41`.
    pub api_version: String,
    /// Version as reported; never decide by it.
    pub server_version: String,
    /// `linux` or `windows`.
    pub os: String,
    /// Architecture as OCI names it, such as `amd64`.
    pub arch: String,
    /// Host name of the engine.
    pub host: String,
    /// BuildKit can be used.
    pub buildkit: bool,
    /// Whether containers' addresses can be expected to answer from this machine (same Linux host, no virtual machine).
    pub direct_network: bool,
    /// Whether bind mount sources are paths of this machine.
    pub same_files: bool,
}

/// Something that happened to a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineEvent {
    /// Action without details, such as `start`, `die`, `health_status`, `oom`.
    pub action: String,
    /// What followed the colon, such as `healthy`.
    pub detail: Option<String>,
    /// The container.
    pub container: ContainerId,
    /// Name and labels.
    pub attributes: IndexMap<String, String>,
    /// When.
    pub at: Option<Timestamp>,
}

/// A command, or a container, whose standard streams are pipes to this process. Dropping it ends its input.
#[async_trait]
pub trait Piped: Send {
    /// Writes to its standard input.
    async fn send(&mut self, bytes: bytes::Bytes) -> Result<(), EngineError>;
    /// Gives the next piece of output, `None` once there is no more. A call that is given up half-way loses nothing.
    async fn receive(&mut self) -> Result<Option<LogChunk>, EngineError>;
    /// Ends its input and waits for its end: its exit code, or `TimedOut` when `patience` was not enough.
    async fn finish(self: Box<Self>, patience: Duration) -> Result<i64, EngineError>;
}

/// A line of progress of a build or a pull, for people.
pub type ProgressSink<'a> = &'a (dyn Fn(&str) + Send + Sync);

/// The container engine.
#[async_trait]
pub trait Engine: Send + Sync {
    /// Connects, negotiates the API version and tells what is there.
    async fn facts(&self) -> Result<EngineFacts, EngineError>;

    /// Finds an image by id, `name:tag` or `name@digest`; `None` when it is not there.
    async fn image(&self, reference: &str) -> Result<Option<Image>, EngineError>;
    /// Lists images that carry every one of these labels.
    async fn images(&self, labels: &IndexMap<String, String>) -> Result<Vec<Image>, EngineError>;
    /// Pulls an image with the login that Docker's configuration has for its registry. One try; callers repeat.
    async fn pull_image(&self, reference: &str, platform: Option<&str>, progress: ProgressSink<'_>) -> Result<(), EngineError>;
    /// Builds an image through BuildKit where the engine has it, else with the classic builder.
    async fn build_image(&self, build: &ImageBuild, progress: ProgressSink<'_>) -> Result<ImageId, EngineError>;
    /// Loads an image archive (`docker save` format).
    async fn load_image(&self, archive: bytes::Bytes) -> Result<(), EngineError>;
    /// Streams an image as an archive (`docker save` format).
    async fn export_image(&self, image: &str) -> Result<BoxStream<'static, Result<bytes::Bytes, EngineError>>, EngineError>;
    /// Pushes a `name:tag` with the login that Docker's configuration has for its registry; gives the digest of its manifest.
    /// One try; callers repeat.
    async fn push_image(&self, reference: &str, progress: ProgressSink<'_>) -> Result<String, EngineError>;
    /// Asks the registry which manifest (`sha256:…`) stands under a `name:tag`; `None` when there is none.
    async fn published(&self, reference: &str) -> Result<Option<String>, EngineError>;
    /// Asks the registry what stands under a `name:tag` or `name@sha256:…`, an image for each platform.
    async fn published_images(&self, reference: &str) -> Result<Vec<PublishedImage>, EngineError>;
    /// Lets another tag of a repository in a registry stand for the very manifest that a `name@sha256:…` names.
    async fn tag_published(&self, reference: &str, tag: &str) -> Result<(), EngineError>;
    /// Puts an index of manifests that its registry has already, each a platform such as `linux/arm64` and a digest, under a
    /// `name:tag`; gives its digest.
    async fn publish_index(&self, reference: &str, manifests: &[(String, String)]) -> Result<String, EngineError>;
    /// Asks the registry for the index that stands under a `name:tag` or `name@sha256:…`; `None` when nothing does, or no index.
    async fn published_index(&self, reference: &str) -> Result<Option<PublishedIndex>, EngineError>;
    /// Adds a `name:tag` to an image.
    async fn tag_image(&self, image: &ImageId, reference: &str) -> Result<(), EngineError>;
    /// Removes an image or one of its tags; not there is fine.
    async fn remove_image(&self, reference: &str) -> Result<(), EngineError>;

    /// Creates a container, joins its networks and writes its files; it is not started.
    ///
    /// When a step after the creation fails, the container is removed again.
    async fn create_container(&self, spec: &ContainerSpec) -> Result<ContainerId, EngineError>;
    /// Starts a container, under its restart policy; running already is fine.
    async fn start_container(&self, container: &str) -> Result<(), EngineError>;
    /// Stops a container with its stop signal, then kills it after `grace`; stopped already is fine, gone is `NotFound`.
    /// It stays stopped when the engine starts anew, whatever its restart policy.
    async fn stop_container(&self, container: &str, grace: Option<Duration>) -> Result<(), EngineError>;
    /// Sends a signal, such as `SIGTERM`.
    async fn kill_container(&self, container: &str, signal: &str) -> Result<(), EngineError>;
    /// Renames a container.
    async fn rename_container(&self, container: &str, name: &str) -> Result<(), EngineError>;
    /// Removes a container, by force, with its anonymous volumes when asked; gone already is fine.
    async fn remove_container(&self, container: &str, anonymous_volumes: bool) -> Result<(), EngineError>;
    /// Inspects a container by id or name; `None` when it is not there.
    async fn container(&self, container: &str) -> Result<Option<Container>, EngineError>;
    /// Lists containers.
    async fn containers(&self, filter: &ContainerFilter) -> Result<Vec<ContainerSummary>, EngineError>;
    /// Streams a container's output.
    async fn logs(&self, container: &str, query: &LogQuery) -> Result<BoxStream<'static, Result<LogChunk, EngineError>>, EngineError>;
    /// Runs a command in a container to its end, at most for `limit`.
    async fn exec(&self, container: &str, exec: &ExecSpec, limit: Duration) -> Result<ExecOutcome, EngineError>;
    /// Runs a command in a container with this process's standard streams (and its terminal when `tty`); gives its exit code.
    async fn exec_attached(&self, container: &str, exec: &ExecSpec, tty: bool) -> Result<i64, EngineError>;
    /// Runs a command in a container with pipes; one that cannot run is `Invalid`, or ends with 126 or 127 having said why.
    async fn exec_piped(&self, container: &str, exec: &ExecSpec) -> Result<Box<dyn Piped>, EngineError>;
    /// Creates and starts a container with pipes. Its input ends with this process at the latest, and the engine removes it
    /// when it ends.
    async fn run_piped(&self, spec: &ContainerSpec) -> Result<Box<dyn Piped>, EngineError>;
    /// Waits until a container has ended and gives its exit code; ended already answers at once.
    async fn wait_container(&self, container: &str) -> Result<i64, EngineError>;
    /// Lists the processes of a running container, one command line each.
    async fn processes(&self, container: &str) -> Result<Vec<String>, EngineError>;
    /// Reads one file of a container, running or not, at most `limit` bytes; `None` when it is not there.
    async fn read_file(&self, container: &str, path: &str, limit: usize) -> Result<Option<Vec<u8>>, EngineError>;

    /// Lists networks that carry every one of these labels.
    async fn networks(&self, labels: &IndexMap<String, String>) -> Result<Vec<NetworkFacts>, EngineError>;
    /// Inspects a network; `None` when it is not there.
    async fn network(&self, name: &str) -> Result<Option<NetworkFacts>, EngineError>;
    /// Creates a network; there already with the same name is fine.
    async fn create_network(&self, spec: &NetworkSpec) -> Result<(), EngineError>;
    /// Removes a network; gone already is fine, in use is `Conflict`.
    async fn remove_network(&self, name: &str) -> Result<(), EngineError>;
    /// Connects a container to a network; connected already is fine.
    async fn connect(&self, container: &str, attachment: &Attachment) -> Result<(), EngineError>;
    /// Disconnects a container; not connected, or gone, is fine.
    async fn disconnect(&self, container: &str, network: &str) -> Result<(), EngineError>;

    /// Lists volumes that carry every one of these labels.
    async fn volumes(&self, labels: &IndexMap<String, String>) -> Result<Vec<VolumeFacts>, EngineError>;
    /// Inspects a volume; `None` when it is not there.
    async fn volume(&self, name: &str) -> Result<Option<VolumeFacts>, EngineError>;
    /// Creates a named volume; there already is fine.
    async fn create_volume(&self, spec: &VolumeSpec) -> Result<(), EngineError>;
    /// Removes a volume and its data; gone already is fine, in use is `Conflict`.
    async fn remove_volume(&self, name: &str) -> Result<(), EngineError>;

    /// Streams container events that carry every one of these labels, from `since` (or now) on.
    async fn events(
        &self,
        labels: &IndexMap<String, String>,
        since: Option<Timestamp>,
    ) -> Result<BoxStream<'static, Result<EngineEvent, EngineError>>, EngineError>;
}
