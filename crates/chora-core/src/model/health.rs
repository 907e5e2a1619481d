//! Health: five levels, their checks and verdicts (SPEC §6).

use std::time::Duration;

use indexmap::IndexMap;
use serde_json::Value;

use super::contract::Contract;

/// What a check asks; ordered, the first failing level is the exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Is it running, and healthy where it has a HEALTHCHECK?
    Container = 1,
    /// Does it accept traffic?
    Endpoint = 2,
    /// Is what it was given what it should have?
    Configuration = 3,
    /// Is the right process alive and stable? Absent is a warning unless asked.
    Process = 4,
    /// Does it do its work?
    Function = 5,
}

impl Level {
    /// All levels in order.
    pub const ALL: [Self; 5] = [Self::Container, Self::Endpoint, Self::Configuration, Self::Process, Self::Function];

    /// 1–5.
    #[must_use]
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// The word for people.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Container => "container",
            Self::Endpoint => "endpoint",
            Self::Configuration => "configuration",
            Self::Process => "process",
            Self::Function => "function",
        }
    }
}

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// As it should be.
    Pass,
    /// Worth knowing; changes nothing.
    Warning,
    /// Not as it should be.
    Fail,
    /// Nothing to ask at this level.
    Skipped,
}

/// One check with its evidence.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
pub struct Check {
    /// Level.
    pub level: Level,
    /// Service.
    pub service: String,
    /// Container name.
    pub container: String,
    /// Verdict.
    pub verdict: Verdict,
    /// What was asked.
    pub asked: String,
    /// What was answered; never a secret.
    pub answered: String,
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
}

/// What to ask over the network.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Probe {
    /// A TCP connection is accepted.
    Tcp {
        /// Container port.
        port: u16,
    },
    /// An HTTP answer satisfies the conditions.
    Http(HttpProbe),
    /// An MCP server initialises and lists its tools.
    Mcp(McpProbe),
}

impl Probe {
    /// The container port that is asked; 0 where a process is spoken to instead.
    #[must_use]
    pub const fn port(&self) -> u16 {
        match self {
            Self::Tcp { port } | Self::Http(HttpProbe { port, .. }) | Self::Mcp(McpProbe { port, .. }) => *port,
        }
    }
}

/// Conditions on an HTTP answer.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct HttpProbe {
    /// Container port.
    pub port: u16,
    /// Path with query, starting with `/`.
    pub path: String,
    /// Request headers.
    pub headers: IndexMap<String, String>,
    /// Accepted status codes; empty accepts 200–399.
    pub status: Vec<u16>,
    /// Text that the body must contain.
    pub body_contains: Option<String>,
    /// Values that the JSON body must have at these JSON pointers (RFC 6901).
    pub body_json: IndexMap<String, Value>,
}

/// How to ask an MCP server.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct McpProbe {
    /// Transport.
    pub transport: McpTransport,
    /// Container port, for the HTTP transports.
    pub port: u16,
    /// Path, such as `/mcp` or `/sse`.
    pub path: String,
    /// Request headers.
    pub headers: IndexMap<String, String>,
    /// Command to run in the container, for stdio.
    pub command: Vec<String>,
    /// What the server offered when it was recorded.
    pub contract: Option<Contract>,
    /// A call to make.
    pub call: Option<McpCall>,
}

/// MCP transports (specification 2025-11-25, Transports; HTTP+SSE from 2024-11-05).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum McpTransport {
    /// Streamable HTTP.
    #[default]
    StreamableHttp,
    /// HTTP+SSE of revision 2024-11-05.
    Sse,
    /// Standard input and output of a command in the container.
    Stdio,
}

/// A real tool call.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct McpCall {
    /// Tool name.
    pub tool: String,
    /// Arguments.
    pub arguments: Value,
    /// Text that the result must contain.
    pub expect: Option<String>,
}

/// How a probe ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProbeVerdict {
    /// The conditions hold.
    Pass,
    /// The conditions hold and the answer says `degraded`.
    Degraded,
    /// Nobody answers yet (refused, no route, timed out): asking again makes sense.
    NoAnswer,
    /// It answers, and wrongly: asking again makes sense while it starts.
    WrongAnswer,
    /// It can never pass as it is (a broken contract).
    Refused,
}

/// A probe's answer with its evidence.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct ProbeAnswer {
    /// Verdict.
    pub verdict: ProbeVerdict,
    /// What was asked, such as `POST http://172.17.0.3:8000/mcp tools/list`.
    pub asked: String,
    /// What was answered, in one line.
    pub answered: String,
    /// How long it took.
    pub took: Duration,
    /// What an MCP server offers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contract: Option<Contract>,
}

/// The checks of one or more services.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
pub struct HealthReport {
    /// Checks in order of service and level.
    pub checks: Vec<Check>,
}

impl HealthReport {
    /// The lowest level that fails.
    #[must_use]
    pub fn first_failing_level(&self) -> Option<Level> {
        self.checks.iter().filter(|check| check.verdict == Verdict::Fail).map(|check| check.level).min()
    }

    /// The first failing check at the lowest failing level.
    #[must_use]
    pub fn first_failure(&self) -> Option<&Check> {
        let level = self.first_failing_level()?;
        self.checks.iter().find(|check| check.level == level && check.verdict == Verdict::Fail)
    }
}

/// What to check on a service beyond the defaults.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ServiceHealth {
    /// Level 1: restarts that are forgiven.
    pub restarts_allowed: u32,
    /// Level 1: how long it must have been running.
    pub stable_for: Option<Duration>,
    /// Level 2; the default is a TCP connection to the first published or exposed port.
    pub endpoint: Option<Probe>,
    /// Level 3: variables that must be set and not empty.
    pub required_variables: Vec<String>,
    /// Level 3: a command that must exit with 0 in the container.
    pub configuration_command: Vec<String>,
    /// Level 4: a name that one of the processes must have; the default is the main process.
    pub process: Option<String>,
    /// Level 4 fails instead of warning.
    pub process_is_fatal: bool,
    /// Level 4: how long it must have been alive.
    pub process_uptime: Option<Duration>,
    /// Level 5.
    pub function: Option<FunctionCheck>,
    /// The others can do without it: once it is live, what fails is a warning.
    pub dispensable: bool,
}

/// How a service shows that it does its work.
#[derive(Debug, Clone, PartialEq)]
pub enum FunctionCheck {
    /// Over the network (or stdio).
    Probe(Box<Probe>),
    /// A command that must exit with 0 in the container.
    Command(Vec<String>),
}
