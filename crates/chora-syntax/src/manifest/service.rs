//! What Chora needs to know about a service beyond its Compose definition.

use serde::{Deserialize, Serialize};

use super::{Bridge, Command, Health, Rollout};
use crate::compose::model::GoDuration;

/// Settings of a service.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ServiceSettings {
    /// Rollout order, or a canary.
    pub rollout: Rollout,
    /// The five levels of health.
    pub health: Health,
    /// The recorded contract of an MCP server; `.chora/contracts/<service>.json` by default, where it exists.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contract: Option<String>,
    /// How its data is backed up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backup: Option<Backup>,
    /// How long its requests in flight may take to end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drain: Option<GoDuration>,
    /// Whether a server on standard streams is run under a bridge, and how; decided from `stdin_open` and ports by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bridge: Option<Bridge>,
    /// Requests for these hosts come here, through the gateway; for every host where there are only `paths`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hosts: Vec<String>,
    /// Only those for these paths and what lies below them; all by default.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub paths: Vec<String>,
    /// The container's port for them; the first published or exposed one by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
}

impl ServiceSettings {
    /// Whether the gateway takes requests for it by host or path.
    #[must_use]
    pub fn is_public(&self) -> bool {
        !self.hosts.is_empty() || !self.paths.is_empty()
    }

    /// Each host (empty: any) with each path.
    pub(super) fn places(&self) -> impl Iterator<Item = (&str, &str)> {
        let any = |list: &[String]| list.is_empty() && self.is_public();
        let hosts = self.hosts.iter().map(String::as_str).chain(any(&self.hosts).then_some(""));
        let root = any(&self.paths).then_some("/");
        hosts.flat_map(move |host| self.paths.iter().map(String::as_str).chain(root).map(move |path| (host, path)))
    }
}

/// How the data of a service is backed up and restored, inside its container.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Backup {
    /// Writes the backup to standard output.
    pub command: Command,
    /// Reads a backup from standard input.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub restore: Command,
    /// Proves that a restored service holds its data.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub verify: Command,
}
