//! Events: one line of the deployment log each (SPEC §7).

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::environment::EnvironmentClass;

/// What kind of thing happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EventType {
    /// A deployment began or ended.
    Deployment,
    /// A rollback began or ended.
    Rollback,
    /// A health check was made.
    HealthCheck,
    /// A backup was made.
    Backup,
    /// Configuration changed.
    ConfigurationChange,
}

/// How it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EventStatus {
    /// Ended well.
    Success,
    /// Ended badly.
    Failure,
    /// Has begun.
    InProgress,
}

/// Who asked for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeployedBy {
    /// An AI agent, through MCP.
    Agent,
    /// A person, on a command line.
    Human,
    /// A pipeline.
    CiCd,
}

/// One line of the deployment log.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
pub struct Event {
    /// When, in UTC.
    #[schemars(with = "String")]
    pub timestamp: Timestamp,
    /// What kind.
    pub event_type: EventType,
    /// Repository or project name.
    pub repository: String,
    /// Class of the environment; its name is in `metadata.environment_name`.
    pub environment: EnvironmentClass,
    /// Version.
    pub version: String,
    /// How it stands.
    pub status: EventStatus,
    /// How long it took so far, in seconds.
    pub duration_seconds: f64,
    /// What went wrong.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<String>,
    /// Words for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notes: Option<String>,
    /// Who asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deployed_by: Option<DeployedBy>,
    /// Ties lines of one undertaking together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<String>,
    /// Services concerned.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub services: Vec<String>,
    /// `schema_version`, `deployment_id`, `action`, `outcome`, `environment_name`, `previous_version`, `levels`, …
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub metadata: Map<String, Value>,
}

/// How a step of a plan stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ProgressState {
    /// Begins.
    Begun,
    /// Has something to say (build and pull output, a gate's latest answer).
    Note,
    /// Is done.
    Done,
    /// Failed.
    Failed,
}

/// Progress of long work; told to the reporter, kept in the journal, not in the log.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
pub struct Progress {
    /// How it stands.
    pub state: ProgressState,
    /// What is being done, such as `start shop-web-1f2e3d4c-1`.
    pub what: String,
    /// What there is to say; empty at the beginning.
    pub note: String,
    /// Step number from 1, 0 outside a plan.
    pub step: u32,
    /// Steps in all, 0 outside a plan.
    pub steps: u32,
}
