//! The plan of a deployment or a rollback: from what is there to a release.

mod build;
mod canary;
mod survey;
#[cfg(test)]
mod tests;
mod traffic;
mod warm;

use indexmap::IndexMap;

use super::definition::{DefinitionError, check_definitions};
use super::observed::Observed;
use super::order::OrderError;
use super::step::{Plan, Rollout};
use crate::model::canary::CanaryRules;
use crate::model::environment::Environment;
use crate::model::ids::DeploymentId;
use crate::model::release::Release;

/// Which stopped containers may be started again instead of creating new ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reuse {
    /// Only those of the live release (they ended by themselves, or the machine restarted).
    LiveOnly,
    /// Every retained one: a rollback.
    Retained,
}

/// Everything that a plan depends on.
#[derive(Debug)]
pub struct DeployInput<'a> {
    /// The deployment, for names and labels.
    pub deployment: &'a DeploymentId,
    /// The environment.
    pub environment: &'a Environment,
    /// The release that is to become live, images and files resolved.
    pub release: &'a Release,
    /// The release that is live.
    pub live: Option<&'a Release>,
    /// Releases that stay ready for rollback after this deployment.
    pub retained: Vec<&'a Release>,
    /// What is on the engine.
    pub observed: &'a Observed,
    /// Which containers may be started again.
    pub reuse: Reuse,
    /// Rollout asked for in `chora.yaml`, by service.
    pub rollouts: &'a IndexMap<String, Rollout>,
    /// Canaries asked for in `chora.yaml`, by service.
    pub canaries: &'a IndexMap<String, CanaryRules>,
    /// Labels for every new container: where the project is.
    pub labels: &'a IndexMap<String, String>,
    /// Everything is replaced, also what is the same.
    pub recreate: bool,
}

/// Why there is no plan.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// The services have no order.
    #[error(transparent)]
    Order(#[from] OrderError),
    /// Networks or volumes are there with another definition.
    #[error(transparent)]
    Definition(#[from] DefinitionError),
}

/// Plans how the release becomes live. The same input gives the same plan.
///
/// # Errors
/// `Order` when services wait for each other; `Definition` when a volume or a network cannot become what is wanted without loss.
pub fn plan_deploy(input: &DeployInput<'_>) -> Result<Plan, PlanError> {
    check_definitions(input)?;
    let survey = survey::Survey::of(input)?;
    Ok(build::Builder::new(input, &survey).finish())
}
