//! Deployments, their owners, leases, journals and outcomes.

use std::time::Duration;

use jiff::Timestamp;

use super::canary::{CanaryFigures, Judgement};
use super::environment::Environment;
use super::event::DeployedBy;
use super::ids::{DeploymentId, EnvironmentName, ReleaseId};
use crate::plan::Plan;

/// A process that owns a lease.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
pub struct Owner {
    /// Host name.
    pub host: String,
    /// Process id.
    pub pid: u32,
    /// When the process started, in clock ticks since the host's boot, with the boot id; distinguishes re-used process ids.
    pub started: String,
}

impl std::fmt::Display for Owner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "process {} on {}", self.pid, self.host)
    }
}

/// The right to change an environment.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
pub struct Lease {
    /// The environment.
    pub environment: EnvironmentName,
    /// Who holds it.
    pub owner: Owner,
    /// What for, such as `deploy v2`.
    pub purpose: String,
    /// Since when.
    #[schemars(with = "String")]
    pub since: Timestamp,
    /// Last sign of life.
    #[schemars(with = "String")]
    pub heartbeat: Timestamp,
}

/// What a deployment does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeploymentAction {
    /// Makes a new release live.
    Deploy,
    /// Makes an earlier release live again.
    Rollback,
}

/// How a deployment ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OutcomeKind {
    /// The release is live and healthy.
    Deployed,
    /// There was nothing to do.
    Unchanged,
    /// Refused; the old release kept serving throughout.
    Kept,
    /// Failed after the switch began; the old release serves again and is healthy.
    Restored,
    /// The old release could not be restored to health, or there was none.
    Degraded,
}

/// A deployment's end, with its cause when it failed.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
pub struct Outcome {
    /// Which.
    pub kind: OutcomeKind,
    /// Why it failed; of a rollback that nobody asked for, why it was done; else empty. Never a secret.
    pub cause: String,
    /// The last log lines of the failed container.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub log: Vec<String>,
    /// Services that did not answer for a while, with how long in milliseconds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gaps: Vec<Gap>,
    /// What became of requests while the release was switched; absent where no gateway was told anything.
    #[serde(default, skip_serializing_if = "Traffic::is_quiet")]
    pub traffic: Traffic,
}

/// What became of requests while a release was switched.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
pub struct Traffic {
    /// Requests, streams and sessions that were under way on the release before when it got nothing new any more.
    #[serde(default)]
    pub drained: u64,
    /// Requests and streams among them that the drain time did not suffice for.
    #[serde(default)]
    pub cut: u64,
    /// Sessions that the drain time did not suffice for.
    #[serde(default)]
    pub cut_sessions: u64,
    /// Requests that waited while a service was swapped.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub held: Vec<HeldRequests>,
    /// How canaries went.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub canaries: Vec<CanaryResult>,
}

impl Traffic {
    /// Whether there is nothing to tell.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        *self == Self::default()
    }
}

/// Requests that waited at the gateway while a stop-first service was swapped.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
pub struct HeldRequests {
    /// Service.
    pub service: String,
    /// How many waited.
    pub requests: u64,
    /// How many of them waited in vain.
    pub refused: u64,
    /// The longest wait, in milliseconds.
    pub longest_wait_ms: u64,
}

/// How the canary of a service went.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
pub struct CanaryResult {
    /// Service.
    pub service: String,
    /// What the comparison says.
    pub judgement: Judgement,
    /// What the new release did with its requests.
    pub new: CanarySide,
    /// What the old release did with the others meanwhile.
    pub old: CanarySide,
}

/// One side of a canary.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
pub struct CanarySide {
    /// Requests that it got.
    pub requests: u64,
    /// Those that failed or were not answered in time.
    pub failed: u64,
    /// The time in which half of the answers came, in microseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p50_us: Option<u64>,
    /// The time in which 95 of 100 answers came, in microseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p95_us: Option<u64>,
}

impl From<&CanaryFigures> for CanarySide {
    fn from(figures: &CanaryFigures) -> Self {
        let (p50_us, p95_us) = (figures.within(50), figures.within(95));
        Self { requests: figures.requests, failed: figures.failed(), p50_us, p95_us }
    }
}

impl std::fmt::Display for CanarySide {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let per_mille = (self.failed * 1000).checked_div(self.requests).unwrap_or(0);
        write!(f, "{} requests, {} failed ({}.{} %)", self.requests, self.failed, per_mille / 10, per_mille % 10)?;
        match (self.p50_us, self.p95_us) {
            (Some(half), Some(most)) => write!(f, ", p50 {}, p95 {}", time(half), time(most)),
            _ => Ok(()),
        }
    }
}

impl std::fmt::Display for CanaryResult {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "canary of {}: {} (new: {}; old: {})", self.service, self.judgement, self.new, self.old)
    }
}

fn time(microseconds: u64) -> String {
    match microseconds {
        0..=9_999 => format!("{}.{} ms", microseconds / 1_000, microseconds % 1_000 / 100),
        10_000..=999_999 => format!("{} ms", microseconds / 1_000),
        _ => format!("{}.{} s", microseconds / 1_000_000, microseconds % 1_000_000 / 100_000),
    }
}

/// Time during which a stop-first service did not serve.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
pub struct Gap {
    /// Service.
    pub service: String,
    /// From the stop of the old container to the passed gate of the one that serves, in milliseconds.
    pub milliseconds: u64,
}

/// One attempt to make a release live.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
pub struct Deployment {
    /// Identifier.
    pub id: DeploymentId,
    /// Trace id in the log.
    pub trace_id: String,
    /// What it does.
    pub action: DeploymentAction,
    /// Repository or project name, as events state it.
    pub repository: String,
    /// Who asked for it.
    pub deployed_by: DeployedBy,
    /// Environment as resolved at the beginning.
    pub environment: Environment,
    /// The release that is to become live.
    pub release: ReleaseId,
    /// Its version.
    pub version: String,
    /// The release that was live.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<ReleaseId>,
    /// The version of that release.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous_version: Option<String>,
    /// Who runs it.
    pub owner: Owner,
    /// Beginning.
    #[schemars(with = "String")]
    pub started_at: Timestamp,
    /// The plan, once it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<Plan>,
    /// End; absent while it runs, or when its process was killed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub ended_at: Option<Timestamp>,
    /// How long it took.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub took: Option<Duration>,
    /// How it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
}

/// A deployment that made a release live.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MadeLive {
    /// The deployment.
    pub deployment: DeploymentId,
    /// What it did.
    pub action: DeploymentAction,
    /// The release.
    pub release: ReleaseId,
    /// Its version.
    pub version: String,
}

/// What happened to a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum JournalMark {
    /// About to be done; durable before it starts.
    Begun,
    /// Done; durable before the next one starts.
    Done,
    /// Failed.
    Failed,
    /// About to be undone.
    UndoBegun,
    /// Undone.
    Undone,
    /// Its undo failed.
    UndoFailed,
}

/// One line of a deployment's journal.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
pub struct JournalEntry {
    /// Index of the step in the plan.
    pub step: u32,
    /// What happened.
    pub mark: JournalMark,
    /// When.
    #[schemars(with = "String")]
    pub at: Timestamp,
    /// Evidence or reason; never a secret.
    pub note: String,
}
