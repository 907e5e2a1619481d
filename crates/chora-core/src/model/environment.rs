//! Environments and their classes.

use std::time::Duration;

use super::ids::EnvironmentName;

/// How careful Chora is with an environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum EnvironmentClass {
    /// Recreated in place, ports published directly.
    Development,
    /// As production, for rehearsal.
    Staging,
    /// Serves users.
    Production,
}

impl EnvironmentClass {
    /// The word used in files and events.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Development => "development",
            Self::Staging => "staging",
            Self::Production => "production",
        }
    }
}

/// An environment with every default filled in.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
pub struct Environment {
    /// Its name.
    pub name: EnvironmentName,
    /// Its class.
    pub class: EnvironmentClass,
    /// The `com.docker.compose.project` of everything it owns on the engine.
    pub project: String,
    /// How many releases stay ready for rollback, the live one included.
    pub releases_kept: u32,
    /// The longest a gate may take, all services together.
    pub gate_timeout: Duration,
}
