//! Environments and their classes.

use std::collections::BTreeMap;
use std::time::Duration;

use super::ids::EnvironmentName;
use crate::compose::Service;

/// The longest gate of a service that is down until it has passed. An answer that has not come by then seldom comes.
const GAP_TIMEOUT: Duration = Duration::from_secs(30);

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
    /// The longest gate of a service that is down until it has passed; by default 30 s, or its `start_period` where that is longer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gap_timeout: Option<Duration>,
    /// How long a replaced release has to end the requests, streams and sessions that it is at.
    #[serde(default = "drain")]
    pub drain: Duration,
    /// The same of services that need another time.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub drains: BTreeMap<String, Duration>,
    /// How long a new release is watched by the gateway, the one before kept ready to serve again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub watch: Option<Duration>,
    /// By which rules it is watched.
    #[serde(default, skip_serializing_if = "WatchRules::are_usual")]
    pub watch_rules: WatchRules,
}

/// When a new release has failed that a gateway watches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
pub struct WatchRules {
    /// How often it is asked, in milliseconds.
    pub every_ms: u64,
    /// How many failures in a row send everything back.
    pub failures: u32,
    /// How many percent more of its requests than of the release before may fail with 5xx.
    pub errors: u8,
}

impl Default for WatchRules {
    fn default() -> Self {
        Self { every_ms: 2_000, failures: 3, errors: 5 }
    }
}

impl WatchRules {
    /// Whether nobody asked for others.
    #[must_use]
    pub fn are_usual(&self) -> bool {
        *self == Self::default()
    }
}

/// The drain time of environments that name none.
const fn drain() -> Duration {
    Duration::from_secs(30)
}

impl Environment {
    /// How long a replaced container of a service has.
    #[must_use]
    pub fn drain_of(&self, service: &str) -> Duration {
        self.drains.get(service).copied().unwrap_or(self.drain)
    }

    /// How long the gate of a service that went stop-first may take.
    #[must_use]
    pub fn gate_while_down(&self, service: &Service) -> Duration {
        let start = service.healthcheck.as_ref().and_then(|check| check.start_period).unwrap_or_default().0;
        self.gap_timeout.unwrap_or_else(|| GAP_TIMEOUT.max(start)).min(self.gate_timeout)
    }
}
