//! The five levels of a service's health, as far as they are not what the specification does by default.

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::Command;
use crate::compose::model::GoDuration;

/// Checks by level.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Health {
    /// Level 1: is it running.
    pub container: ContainerCheck,
    /// Level 2: does it accept traffic.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<EndpointCheck>,
    /// Level 3: is what it was given what it should have.
    pub configuration: ConfigurationCheck,
    /// Level 4: is the right process alive.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub process: Option<ProcessCheck>,
    /// Level 5: does it do its work.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub function: Option<FunctionCheck>,
    /// The others can do without it: once it is live, what fails is a warning. A deployment still asks that it is well.
    pub dispensable: bool,
}

/// Level 1.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ContainerCheck {
    /// Restarts that are forgiven.
    pub restarts_allowed: u32,
    /// How long it must have been running without a restart; 3s in the gate by default, where no other check speaks for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stable_for: Option<GoDuration>,
}

/// Level 2: exactly one of `http` and `tcp`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct EndpointCheck {
    /// A whole URL, or a path together with `port`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http: Option<String>,
    /// A port that must accept a connection.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tcp: Option<u16>,
    /// The container port that an `http` path is asked on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// The status; any from 200 to 399 by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Text that the answer holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body_contains: Option<String>,
    /// Values by JSON pointer that the answer holds, such as `/status: ok`.
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    pub body_json: IndexMap<String, Json>,
}

/// Level 3.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ConfigurationCheck {
    /// A check of the service's own, run in its container.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<Command>,
    /// Variables that must be set.
    pub required_variables: Vec<String>,
}

/// Level 4.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ProcessCheck {
    /// The name of the process; the container's main process by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Whether its absence fails the level instead of warning.
    pub fatal: bool,
    /// How long it must have been alive.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uptime: Option<GoDuration>,
}

/// Level 5: exactly one of `mcp`, `http` and `command`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct FunctionCheck {
    /// Speak MCP with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mcp: Option<McpCheck>,
    /// Ask it something over HTTP.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http: Option<HttpCheck>,
    /// Run a command in its container.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<Command>,
}

/// How an MCP server is reached.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum McpTransport {
    /// One endpoint for requests and streams.
    #[default]
    StreamableHttp,
    /// The older HTTP with server-sent events.
    Sse,
    /// Standard input and output of a command in the container.
    Stdio,
}

/// An MCP conversation: handshake, list of tools, contract, optional call.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct McpCheck {
    /// The container port; the first published or exposed one by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// The path; `/mcp` (or `/sse`) by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The transport; `stdio` by default where the service keeps its standard input open and publishes nothing.
    pub transport: McpTransport,
    /// The server's command, for `stdio`; the service's own by default.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub command: Command,
    /// Headers of every request; a value may name a secret as `${secret:NAME}`.
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    pub headers: IndexMap<String, String>,
    /// A real call.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool: Option<ToolCall>,
}

/// A call of a tool and what must come back.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ToolCall {
    /// The tool.
    pub name: String,
    /// Its arguments.
    pub arguments: IndexMap<String, Json>,
    /// What the result must hold; without it, anything but an error.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expect: Option<Expectation>,
}

/// What an answer must hold.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Expectation {
    /// Text within it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contains: Option<String>,
    /// Values by JSON pointer.
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    pub json: IndexMap<String, Json>,
}

/// An HTTP question with a condition on the answer.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct HttpCheck {
    /// A whole URL, or a path together with `port`.
    pub url: String,
    /// The container port that a path is asked on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// The method; `GET` by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// Headers of the request.
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    pub headers: IndexMap<String, String>,
    /// The body of the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// The status; any from 200 to 399 by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Text that the answer holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body_contains: Option<String>,
    /// Values by JSON pointer that the answer holds.
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    pub body_json: IndexMap<String, Json>,
}
