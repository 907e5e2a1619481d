//! Networks and volumes as the engine is asked for them.

use indexmap::IndexMap;

use crate::compose;

/// A network to create.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
pub struct NetworkSpec {
    /// Name on the engine.
    pub name: String,
    /// Driver, addresses and flags as the Compose file states them.
    pub network: compose::Network,
    /// Labels, `com.docker.compose.*` included.
    pub labels: IndexMap<String, String>,
}

/// A network that the engine has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkFacts {
    /// Id on the engine.
    pub id: String,
    /// Name on the engine.
    pub name: String,
    /// Labels.
    pub labels: IndexMap<String, String>,
    /// Names of the running containers that are connected (inspection only; empty in lists).
    pub containers: Vec<String>,
}

/// A container's place in a network.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
pub struct Attachment {
    /// Network name on the engine.
    pub network: String,
    /// Names it answers to, in this order.
    pub aliases: Vec<String>,
    /// Addresses and driver options as the Compose file states them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub options: Option<compose::ServiceNetwork>,
}

/// A named volume to create.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
pub struct VolumeSpec {
    /// Name on the engine.
    pub name: String,
    /// Driver and options as the Compose file states them.
    pub volume: compose::Volume,
    /// Labels, `com.docker.compose.*` included.
    pub labels: IndexMap<String, String>,
}

/// A volume that the engine has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VolumeFacts {
    /// Name on the engine.
    pub name: String,
    /// Driver.
    pub driver: String,
    /// Labels.
    pub labels: IndexMap<String, String>,
}
