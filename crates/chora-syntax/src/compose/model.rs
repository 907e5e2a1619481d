//! The resolved stack: what a project's Compose files mean after merge, interpolation and normalisation.
//!
//! Field names and forms are those that `docker compose config --format json` (v5) prints, so one serde type reads
//! our canonical tree and serialises back to the same document. Unknown keys are refused here as a second net.

mod build;
mod edge;
mod network;
mod runtime;
mod service;
mod units;
mod volume;

pub use build::{Build, BuildSecret};
pub use edge::{Edge, EdgeAcme, EdgeCertificate, EdgeService, EdgeTls};
pub use network::{Ipam, IpamPool, Network, ServiceNetwork};
pub use runtime::{
    BlkioConfig, Deploy, DeployResources, Device, Healthcheck, LimitResources, Logging, ReservedResources, RestartPolicy, ThrottleDevice,
    Ulimit, WeightDevice,
};
pub use service::{Condition, Dependency, Develop, FileReference, Hook, Port, Service, Watch};
pub use units::{ByteSize, GoDuration, UnitError};
pub use volume::{BindOptions, ImageOptions, Mount, MountKind, TmpfsOptions, Volume, VolumeOptions};

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

/// A project's resolved services, networks, volumes, configs and secrets.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Stack {
    /// Project name: lower-case letters, digits, dashes and underscores.
    pub name: String,
    /// Services by name.
    pub services: IndexMap<String, Service>,
    /// Networks by key; `name` holds the name on the engine.
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    pub networks: IndexMap<String, Network>,
    /// Named volumes by key; `name` holds the name on the engine.
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    pub volumes: IndexMap<String, Volume>,
    /// Configs by key.
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    pub configs: IndexMap<String, FileObject>,
    /// Secrets by key.
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    pub secrets: IndexMap<String, FileObject>,
    /// What the gateway serves by host and path; never part of a Compose file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub edge: Option<Edge>,
}

/// A top-level config or secret: exactly one of `file`, `content`, `environment` or `external`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct FileObject {
    /// Name on the engine (`<project>_<key>` unless given).
    pub name: String,
    /// Absolute path of the file that holds the value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// The value itself (configs only).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
    /// Name of the environment variable that holds the value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    /// Kept outside this project.
    #[serde(skip_serializing_if = "is_false")]
    pub external: bool,
    /// Labels on the engine object.
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    pub labels: IndexMap<String, String>,
    /// Secret driver.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub driver: Option<String>,
    /// Options of the driver.
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    pub driver_opts: IndexMap<String, String>,
    /// Template engine applied to the content.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub template_driver: Option<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature serde's skip_serializing_if asks for")]
pub(crate) const fn is_false(value: &bool) -> bool {
    !*value
}
