//! Where releases go.

use serde::de::Visitor;
use serde::{Deserialize, Deserializer, Serialize};

use super::{PublicPort, Tls, Watch};
use crate::compose::model::GoDuration;

/// How careful a deployment has to be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum EnvironmentClass {
    /// Recreated in place, ports published directly.
    #[default]
    Development,
    /// As production, for trying a release.
    Staging,
    /// The real thing.
    Production,
}

impl EnvironmentClass {
    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Development => "development",
            Self::Staging => "staging",
            Self::Production => "production",
        }
    }
}

/// Whether a person must approve a release.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Approval {
    /// Nobody needs to.
    #[default]
    NotRequired,
    /// Somebody must, before anything changes.
    Required,
}

impl<'de> Deserialize<'de> for Approval {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Words;
        impl Visitor<'_> for Words {
            type Value = Approval;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("`true`, `false` or `required`")
            }

            fn visit_bool<E>(self, value: bool) -> Result<Approval, E> {
                Ok(if value { Approval::Required } else { Approval::NotRequired })
            }

            fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<Approval, E> {
                match value {
                    "required" => Ok(Approval::Required),
                    "not_required" => Ok(Approval::NotRequired),
                    _ => Err(E::unknown_variant(value, &["required", "not_required"])),
                }
            }
        }
        deserializer.deserialize_any(Words)
    }
}

impl schemars::JsonSchema for Approval {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Approval".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "Whether a person must approve a release.",
            "enum": [true, false, "required", "not_required"],
        })
    }
}

/// A named target of deployments.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Environment {
    /// How careful to be; without it the name decides: `production`, `staging`, anything else is development.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub class: Option<EnvironmentClass>,
    /// Compose files in order, relative to the project; empty: the default ones.
    pub compose_files: Vec<String>,
    /// Files with variables for interpolation; empty: `.env`.
    pub env_files: Vec<String>,
    /// Active profiles.
    pub profiles: Vec<String>,
    /// The engine's address: `unix://`, `ssh://` or `tcp://`; without it the one that Docker's own client uses.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub engine: Option<String>,
    /// The Compose project name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub project_name: Option<String>,
    /// The environment whose live release `promote` takes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub promote_from: Option<String>,
    /// Whether a person must approve.
    pub approval: Approval,
    /// How long a new release is watched, the old one kept warm, and by which rules.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub watch: Option<Watch>,
    /// How many releases can be rolled back to.
    pub releases_kept: u32,
    /// Whether services with a backup command are backed up before a deployment.
    pub backup: bool,
    /// The time budget of the health gate.
    pub gate_timeout: GoDuration,
    /// The same for a service that is down until its gate has passed; 30s by default, or its `start_period` where that is longer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gap_timeout: Option<GoDuration>,
    /// How long requests in flight and sessions may take to end; 30s by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drain: Option<GoDuration>,
    /// Whether a gateway owns the published ports, so that releases are switched without a gap; never in development.
    pub gateway: bool,
    /// Where the gateway takes requests for services that name hosts or paths; 80 on every address by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http_port: Option<PublicPort>,
    /// The same with TLS; 443 on every address by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub https_port: Option<PublicPort>,
    /// TLS for the hosts that services name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<Tls>,
}

impl Default for Environment {
    fn default() -> Self {
        Self {
            class: None,
            compose_files: Vec::new(),
            env_files: Vec::new(),
            profiles: Vec::new(),
            engine: None,
            project_name: None,
            promote_from: None,
            approval: Approval::NotRequired,
            watch: None,
            releases_kept: 5,
            backup: false,
            gate_timeout: GoDuration(std::time::Duration::from_secs(120)),
            gap_timeout: None,
            drain: None,
            gateway: true,
            http_port: None,
            https_port: None,
            tls: None,
        }
    }
}

impl Environment {
    /// The class: as given, else by the environment's name.
    #[must_use]
    pub fn class_of(&self, name: &str) -> EnvironmentClass {
        self.class.unwrap_or(match name {
            "production" => EnvironmentClass::Production,
            "staging" => EnvironmentClass::Staging,
            _ => EnvironmentClass::Development,
        })
    }
}
