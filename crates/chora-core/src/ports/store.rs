//! Durable state: leases, releases, deployments and their journals.

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

use crate::model::deployment::{Deployment, JournalEntry, Lease, MadeLive, Outcome, Owner};
use crate::model::ids::{DeploymentId, EnvironmentName, ReleaseId};
use crate::model::release::Release;

/// Why state could not be read or kept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Somebody else holds the lease.
    #[error("environment `{environment}` is held by {holder} since {since:.0}")]
    LeaseHeld {
        /// The environment.
        environment: EnvironmentName,
        /// Who.
        holder: Owner,
        /// Since when.
        since: Timestamp,
    },
    /// The lease that was ours is not any more.
    #[error("the lease on `{environment}` was lost")]
    LeaseLost {
        /// The environment.
        environment: EnvironmentName,
    },
    /// The store was written by a newer program.
    #[error("the store has schema {found}, this program knows up to {known}")]
    NewerSchema {
        /// What it has.
        found: u32,
        /// What we know.
        known: u32,
    },
    /// An id that must be new is there already.
    #[error("{0} exists already")]
    Exists(String),
    /// The object is not there.
    #[error("{0} not found")]
    NotFound(String),
    /// The store may not be written.
    #[error("the store cannot be written: {0}")]
    ReadOnly(String),
    /// No space left.
    #[error("no space left for the store: {0}")]
    DiskFull(String),
    /// Anything else.
    #[error("the store failed: {0}")]
    Failed(String),
}

/// Durable state of one project. Every write is durable when the call returns, but for leases: they end with the machine.
#[async_trait]
#[expect(clippy::too_many_arguments, reason = "the end of a deployment is one transaction with one caller")]
pub trait Store: Send + Sync {
    /// Takes the lease of an environment when it is free or `steal_from` (a provably dead or silent owner) holds it.
    ///
    /// # Errors
    /// `LeaseHeld` when another owner has it.
    async fn acquire_lease(&self, lease: &Lease, steal_from: Option<&Owner>) -> Result<(), StoreError>;
    /// Writes a heartbeat.
    ///
    /// # Errors
    /// `LeaseLost` when the owner no longer holds it.
    async fn renew_lease(&self, environment: &EnvironmentName, owner: &Owner, at: Timestamp) -> Result<(), StoreError>;
    /// Gives the lease back; not held by this owner is fine.
    async fn release_lease(&self, environment: &EnvironmentName, owner: &Owner) -> Result<(), StoreError>;
    /// Tells who holds the lease.
    async fn lease(&self, environment: &EnvironmentName) -> Result<Option<Lease>, StoreError>;

    /// Records a release; recording the same again is fine, another under the same id is `Exists`.
    async fn put_release(&self, release: &Release) -> Result<(), StoreError>;
    /// Finds a release.
    async fn release(&self, id: &ReleaseId) -> Result<Option<Release>, StoreError>;

    /// Records a deployment at its beginning, together with the release that it is to make live; both or neither.
    async fn begin_deployment(&self, deployment: &Deployment, release: &Release) -> Result<(), StoreError>;
    /// Records a deployment at its beginning, or its plan when that became known.
    async fn put_deployment(&self, deployment: &Deployment) -> Result<(), StoreError>;
    /// Finds a deployment.
    async fn deployment(&self, id: &DeploymentId) -> Result<Option<Deployment>, StoreError>;
    /// Lists deployments of an environment, newest first.
    async fn deployments(&self, environment: &EnvironmentName, limit: u32) -> Result<Vec<Deployment>, StoreError>;
    /// Counts the deployments of an environment.
    async fn deployment_count(&self, environment: &EnvironmentName) -> Result<u32, StoreError>;
    /// Lists the deployments of an environment that made a release live, newest first: quick, however many there have been.
    async fn made_live(&self, environment: &EnvironmentName) -> Result<Vec<MadeLive>, StoreError>;
    /// Ends a deployment; with `live`, the environment's live release changes in the same transaction.
    async fn finish_deployment(
        &self,
        id: &DeploymentId,
        outcome: &Outcome,
        at: Timestamp,
        took: Duration,
        live: Option<&ReleaseId>,
    ) -> Result<(), StoreError>;
    /// The release that is live in an environment.
    async fn live_release(&self, environment: &EnvironmentName) -> Result<Option<ReleaseId>, StoreError>;
    /// Changes the live release on its own.
    async fn set_live_release(&self, environment: &EnvironmentName, release: Option<&ReleaseId>) -> Result<(), StoreError>;

    /// Appends lines to a deployment's journal, all or none; with `live`, the live release of its environment changes with
    /// them (the `record` step).
    async fn append_journal(&self, deployment: &DeploymentId, entries: &[JournalEntry], live: Option<&ReleaseId>)
    -> Result<(), StoreError>;
    /// Reads a deployment's journal, oldest first.
    async fn journal(&self, deployment: &DeploymentId) -> Result<Vec<JournalEntry>, StoreError>;
}
