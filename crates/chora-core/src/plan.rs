//! What to do next, as data. Steps know nothing of colours; each knows its undo when it is planned.

mod step;

pub use step::{Action, FileRef, Instance, Plan, Step, StepPhase};

/// What happens to a service and why.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
pub struct ServicePlan {
    /// Service.
    pub service: String,
    /// What happens.
    pub change: Change,
    /// How a replaced service is replaced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollout: Option<Rollout>,
    /// Why, for people.
    pub why: String,
}

/// What happens to a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// It did not run before.
    Create,
    /// Image, configuration and files are the same: not touched.
    Keep,
    /// Something differs.
    Replace,
    /// It is not in the new release.
    Remove,
    /// A one-shot service runs to completion.
    Run,
}

/// The order of a replacement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Rollout {
    /// The new container starts and passes its gate before the old one stops.
    StartFirst,
    /// The old container stops before the new one starts.
    StopFirst,
}
