//! Containers: what to create and what the engine reports.

use std::net::IpAddr;

use indexmap::IndexMap;
use jiff::Timestamp;

use super::ids::{ContainerId, ImageId};
use super::network::Attachment;
use super::secret::Secret;
use crate::compose;

/// Everything one container needs, resolved: the engine adapter looks nothing up.
#[derive(Debug, Clone)]
pub struct ContainerSpec {
    /// Name on the engine.
    pub name: String,
    /// Image id to run, never a floating tag.
    pub image: ImageId,
    /// The service with typed Compose values: command, environment, limits, health check, ports, devices, …
    ///
    /// `networks`, `configs`, `secrets`, `volumes`, `labels` and `image` are ignored here: the fields below replace them.
    pub service: compose::Service,
    /// All labels.
    pub labels: IndexMap<String, String>,
    /// Networks to join before the start; empty with a `network_mode`.
    pub attachments: Vec<Attachment>,
    /// `network_mode` as the engine takes it (`host`, `none`, `container:<id>`), when there is one.
    pub network_mode: Option<String>,
    /// Mounts whose volume sources are names on the engine.
    pub mounts: Vec<compose::Mount>,
    /// Configs and secrets to write into the container between creation and start.
    pub files: Vec<FileContent>,
    /// Whether published ports are bound.
    pub publish: bool,
}

/// A file written into a container before it starts.
#[derive(Debug, Clone)]
pub struct FileContent {
    /// Absolute path in the container.
    pub path: String,
    /// Content.
    pub content: Secret<Vec<u8>>,
    /// Owner.
    pub uid: u64,
    /// Group.
    pub gid: u64,
    /// Permission bits, such as `0o444`.
    pub mode: u32,
}

/// What a container is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ContainerState {
    /// Never started.
    Created,
    /// Running.
    Running,
    /// Paused.
    Paused,
    /// Between two runs of its restart policy.
    Restarting,
    /// Being removed.
    Removing,
    /// Ended.
    Exited,
    /// Cannot be used any more.
    Dead,
}

/// The engine's verdict on a HEALTHCHECK.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum EngineHealth {
    /// There is no check.
    None,
    /// Not decided yet.
    Starting,
    /// The last check passed.
    Healthy,
    /// `retries` checks in a row failed.
    Unhealthy,
}

/// A container as the engine reports it.
#[derive(Debug, Clone, PartialEq)]
pub struct Container {
    /// Id on the engine.
    pub id: ContainerId,
    /// Name without the leading slash.
    pub name: String,
    /// Image id it was created from.
    pub image: ImageId,
    /// Labels.
    pub labels: IndexMap<String, String>,
    /// State.
    pub state: ContainerState,
    /// Exit code of the last run, when it has ended.
    pub exit_code: Option<i64>,
    /// Killed for memory in its last run.
    pub oom_killed: bool,
    /// Restarts by the engine since its creation.
    pub restarts: u64,
    /// Engine's health verdict.
    pub health: EngineHealth,
    /// Effective health check test, empty when there is none.
    pub healthcheck: Vec<String>,
    /// When it was created.
    pub created_at: Option<Timestamp>,
    /// When it last started.
    pub started_at: Option<Timestamp>,
    /// When it last ended.
    pub finished_at: Option<Timestamp>,
    /// Process id of its main process on the engine's host; 0 when not running.
    pub pid: i64,
    /// Address per network name.
    pub addresses: IndexMap<String, IpAddr>,
    /// Published ports: (container port and protocol, host address, host port).
    pub published: Vec<PublishedPort>,
    /// Ports that image or file expose, such as `8000/tcp`.
    pub exposed: Vec<String>,
    /// Why the engine could not start it, where it says so.
    pub error: String,
    /// Program and arguments of its main process; only the program may be shown.
    pub command: Vec<String>,
    /// Environment as `KEY=value`; only names may ever be shown.
    pub environment: Secret<Vec<String>>,
}

/// One published port.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
pub struct PublishedPort {
    /// Port and protocol in the container, such as `8000/tcp`.
    pub target: String,
    /// Address on the host.
    pub host_ip: String,
    /// Port on the host.
    pub host_port: u16,
}

/// A container in a list: less than an inspection, one call for all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerSummary {
    /// Id on the engine.
    pub id: ContainerId,
    /// Name without the leading slash.
    pub name: String,
    /// Image id.
    pub image: ImageId,
    /// Labels.
    pub labels: IndexMap<String, String>,
    /// State.
    pub state: ContainerState,
    /// Human words of the engine, such as `Up 3 minutes (healthy)`.
    pub status: String,
    /// Published ports.
    pub published: Vec<PublishedPort>,
    /// Names of the networks it is connected to.
    pub networks: Vec<String>,
    /// Creation time.
    pub created_at: Option<Timestamp>,
}

/// Which containers to list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ContainerFilter {
    /// Every one of these labels must be there with this value.
    pub labels: IndexMap<String, String>,
    /// Stopped ones too.
    pub all: bool,
}

/// A command run in a container.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExecSpec {
    /// Argument vector.
    pub command: Vec<String>,
    /// User, the container's when absent.
    pub user: Option<String>,
    /// Working directory, the container's when absent.
    pub working_dir: Option<String>,
    /// Extra environment as `KEY=value`.
    pub environment: Vec<String>,
    /// Run with all privileges.
    pub privileged: bool,
}

/// How a command in a container ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExecOutcome {
    /// Exit code.
    pub exit_code: i64,
    /// Standard output and error in order of arrival, at most 64 KiB.
    pub output: String,
}

/// Which of a container's log lines are wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogQuery {
    /// Keep following.
    pub follow: bool,
    /// The last N lines only.
    pub tail: Option<u64>,
    /// Lines since then.
    pub since: Option<Timestamp>,
    /// Prefix each line with the engine's time stamp.
    pub timestamps: bool,
}

/// Where a log line was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogStream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// A piece of container output, split as the engine split it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogChunk {
    /// Which stream.
    pub stream: LogStream,
    /// Bytes as written.
    pub bytes: bytes::Bytes,
}
