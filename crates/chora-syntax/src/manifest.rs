//! `chora.yaml`: what a Compose file cannot say. Every key has a default, so an empty file is a valid one.

mod bridge;
mod checks;
mod edge;
mod environment;
mod health;
mod read;
mod rollout;
mod service;
mod watch;

pub use bridge::{Bridge, BridgeChild, BridgeOptions};
pub use edge::{Acme, CertificateFiles, Challenge, PublicPort, Tls, is_for};
pub use environment::{Approval, Environment, EnvironmentClass};
pub use health::{
    ConfigurationCheck, ContainerCheck, EndpointCheck, Expectation, FunctionCheck, Health, HttpCheck, McpCheck, McpTransport, ProcessCheck,
    ToolCall,
};
pub use read::{fault, parse};
pub use rollout::{Canary, Percent, Rollout};
pub use service::{Backup, ServiceSettings};
pub use watch::Watch;

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use crate::compose::model::GoDuration;

/// A program and its arguments; never a shell line.
pub type Command = Vec<String>;

/// The whole of `chora.yaml`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Manifest {
    /// The project's name; the Compose project name stays what Compose says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The repository as events and labels name it, such as `owner/name`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repository: Option<String>,
    /// Environments by name.
    pub environments: IndexMap<String, Environment>,
    /// Services by the names that the Compose files give them.
    pub services: IndexMap<String, ServiceSettings>,
    /// Where the values of secrets come from, by the names of the Compose files.
    pub secrets: IndexMap<String, SecretSource>,
    /// The inbox of requests.
    pub inbox: Inbox,
    /// Commands run around a deployment.
    pub hooks: Hooks,
}

/// Where the value of a secret comes from: at most one of the keys. With none: `NAME_FILE`, `/run/secrets/name`, `NAME`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SecretSource {
    /// A file, relative to the project.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// An environment variable of the machine that deploys.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    /// A command whose output is the value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<Command>,
    /// The name in the encrypted file of the environment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub age: Option<String>,
}

/// How the inbox works.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Inbox {
    /// Its folder; `inbox` by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// How often it is looked at where the file system gives no notice.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub poll: Option<GoDuration>,
    /// What to run for a type of request.
    pub commands: IndexMap<String, Command>,
}

/// Commands run around a deployment, in order; one that fails before a step stops it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Hooks {
    /// Before anything changes.
    pub before_deploy: Vec<Command>,
    /// After the release is live.
    pub after_deploy: Vec<Command>,
    /// Before a rollback.
    pub before_rollback: Vec<Command>,
    /// After a rollback.
    pub after_rollback: Vec<Command>,
    /// After a deployment that did not succeed.
    pub on_failure: Vec<Command>,
}

impl Manifest {
    /// The JSON Schema of the file, for editors.
    #[must_use]
    pub fn json_schema() -> serde_json::Value {
        schemars::schema_for!(Self).to_value()
    }
}
