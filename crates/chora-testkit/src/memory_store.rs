//! `Store` in memory, with faults on demand; stricter than a real one about what belongs together.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use chora_core::model::deployment::{Deployment, JournalEntry, Lease, MadeLive, Outcome, OutcomeKind, Owner};
use chora_core::model::ids::{DeploymentId, EnvironmentName, ReleaseId};
use chora_core::model::release::Release;
use chora_core::ports::store::{Store, StoreError};
use jiff::Timestamp;

use crate::faults::Faults;

/// A store that is gone with its last clone; calls are counted under `store.<method>`.
#[derive(Debug, Clone, Default)]
pub struct MemoryStore {
    faults: Faults,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Clone, Default)]
struct State {
    leases: BTreeMap<EnvironmentName, Lease>,
    releases: BTreeMap<ReleaseId, Release>,
    deployments: Vec<Deployment>,
    journals: BTreeMap<DeploymentId, Vec<JournalEntry>>,
    live: BTreeMap<EnvironmentName, ReleaseId>,
}

impl MemoryStore {
    /// Holds nothing yet.
    #[must_use]
    pub fn new(faults: Faults) -> Self {
        Self { faults, state: Arc::default() }
    }

    /// Another store that holds the same so far, whose calls are counted by `faults`.
    #[must_use]
    pub fn fork(&self, faults: Faults) -> Self {
        Self { faults, state: Arc::new(Mutex::new(self.state().clone())) }
    }

    async fn run<T>(&self, name: &str, work: impl FnOnce(&mut State) -> Result<T, StoreError> + Send) -> Result<T, StoreError> {
        self.faults.apply(name, || work(&mut self.state())).await
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn deployment(&mut self, id: &DeploymentId) -> Option<&mut Deployment> {
        self.deployments.iter_mut().find(|deployment| deployment.id == *id)
    }

    fn set_live(&mut self, environment: &EnvironmentName, release: &ReleaseId) -> Result<(), StoreError> {
        if !self.releases.contains_key(release) {
            return Err(StoreError::NotFound(format!("release {release}")));
        }
        self.live.insert(environment.clone(), release.clone());
        Ok(())
    }

    fn acquire(&mut self, lease: &Lease, steal_from: Option<&Owner>) -> Result<(), StoreError> {
        match self.leases.get(&lease.environment) {
            Some(held) if Some(&held.owner) != steal_from => {
                Err(StoreError::LeaseHeld { environment: held.environment.clone(), holder: held.owner.clone(), since: held.since })
            }
            _ => {
                self.leases.insert(lease.environment.clone(), lease.clone());
                Ok(())
            }
        }
    }

    fn put_release(&mut self, release: &Release) -> Result<(), StoreError> {
        match self.releases.get(&release.id) {
            Some(known) if known == release => Ok(()),
            Some(_) => Err(StoreError::Exists(format!("release {}", release.id))),
            None => {
                self.releases.insert(release.id.clone(), release.clone());
                Ok(())
            }
        }
    }

    fn put_deployment(&mut self, deployment: &Deployment) -> Result<(), StoreError> {
        match self.deployment(&deployment.id) {
            Some(known) if known.ended_at.is_some() => Err(ended(&deployment.id)),
            Some(known) => {
                *known = deployment.clone();
                Ok(())
            }
            None => {
                self.deployments.push(deployment.clone());
                Ok(())
            }
        }
    }

    fn finish(&mut self, id: &DeploymentId, outcome: &Outcome, at: Timestamp, took: Duration) -> Result<EnvironmentName, StoreError> {
        let deployment = self.deployment(id).ok_or_else(|| unknown(id))?;
        match &deployment.outcome {
            Some(known) if known == outcome => {}
            Some(_) => return Err(ended(id)),
            None => {
                deployment.outcome = Some(outcome.clone());
                deployment.ended_at = Some(at);
                deployment.took = Some(took);
            }
        }
        Ok(deployment.environment.name.clone())
    }
}

fn ended(id: &DeploymentId) -> StoreError {
    StoreError::Exists(format!("the end of deployment {id}"))
}

fn unknown(id: &DeploymentId) -> StoreError {
    StoreError::NotFound(format!("deployment {id}"))
}

#[async_trait]
impl Store for MemoryStore {
    async fn acquire_lease(&self, lease: &Lease, steal_from: Option<&Owner>) -> Result<(), StoreError> {
        self.run("store.acquire_lease", |state| state.acquire(lease, steal_from)).await
    }

    async fn renew_lease(&self, environment: &EnvironmentName, owner: &Owner, at: Timestamp) -> Result<(), StoreError> {
        self.run("store.renew_lease", |state| match state.leases.get_mut(environment).filter(|held| held.owner == *owner) {
            Some(held) => {
                held.heartbeat = at;
                Ok(())
            }
            None => Err(StoreError::LeaseLost { environment: environment.clone() }),
        })
        .await
    }

    async fn release_lease(&self, environment: &EnvironmentName, owner: &Owner) -> Result<(), StoreError> {
        self.run("store.release_lease", |state| {
            if state.leases.get(environment).is_some_and(|held| held.owner == *owner) {
                state.leases.remove(environment);
            }
            Ok(())
        })
        .await
    }

    async fn lease(&self, environment: &EnvironmentName) -> Result<Option<Lease>, StoreError> {
        self.run("store.lease", |state| Ok(state.leases.get(environment).cloned())).await
    }

    async fn put_release(&self, release: &Release) -> Result<(), StoreError> {
        self.run("store.put_release", |state| state.put_release(release)).await
    }

    async fn release(&self, id: &ReleaseId) -> Result<Option<Release>, StoreError> {
        self.run("store.release", |state| Ok(state.releases.get(id).cloned())).await
    }

    async fn begin_deployment(&self, deployment: &Deployment, release: &Release) -> Result<(), StoreError> {
        self.run("store.begin_deployment", |state| {
            if state.deployment(&deployment.id).is_some_and(|known| known.ended_at.is_some()) {
                return Err(ended(&deployment.id));
            }
            state.put_release(release)?;
            state.put_deployment(deployment)
        })
        .await
    }

    async fn put_deployment(&self, deployment: &Deployment) -> Result<(), StoreError> {
        self.run("store.put_deployment", |state| state.put_deployment(deployment)).await
    }

    async fn deployment(&self, id: &DeploymentId) -> Result<Option<Deployment>, StoreError> {
        self.run("store.deployment", |state| Ok(state.deployment(id).cloned())).await
    }

    async fn deployments(&self, environment: &EnvironmentName, limit: u32) -> Result<Vec<Deployment>, StoreError> {
        self.run("store.deployments", |state| {
            let of_it = state.deployments.iter().rev().filter(|deployment| deployment.environment.name == *environment);
            Ok(of_it.take(usize::try_from(limit).unwrap_or(usize::MAX)).cloned().collect())
        })
        .await
    }

    async fn deployment_count(&self, environment: &EnvironmentName) -> Result<u32, StoreError> {
        self.run("store.deployment_count", |state| {
            let of_it = state.deployments.iter().filter(|deployment| deployment.environment.name == *environment);
            Ok(of_it.map(|_| 1).sum())
        })
        .await
    }

    async fn made_live(&self, environment: &EnvironmentName) -> Result<Vec<MadeLive>, StoreError> {
        let is_good = |deployment: &Deployment| deployment.outcome.as_ref().is_some_and(|outcome| outcome.kind == OutcomeKind::Deployed);
        self.run("store.made_live", |state| {
            let of_it =
                state.deployments.iter().rev().filter(|deployment| deployment.environment.name == *environment && is_good(deployment));
            Ok(of_it
                .map(|deployment| MadeLive {
                    deployment: deployment.id.clone(),
                    action: deployment.action,
                    release: deployment.release.clone(),
                    version: deployment.version.clone(),
                })
                .collect())
        })
        .await
    }

    async fn finish_deployment(
        &self,
        id: &DeploymentId,
        outcome: &Outcome,
        at: Timestamp,
        took: Duration,
        live: Option<&ReleaseId>,
    ) -> Result<(), StoreError> {
        self.run("store.finish_deployment", |state| {
            if let Some(release) = live.filter(|release| !state.releases.contains_key(release)) {
                return Err(StoreError::NotFound(format!("release {release}")));
            }
            let environment = state.finish(id, outcome, at, took)?;
            live.map_or(Ok(()), |release| state.set_live(&environment, release))
        })
        .await
    }

    async fn live_release(&self, environment: &EnvironmentName) -> Result<Option<ReleaseId>, StoreError> {
        self.run("store.live_release", |state| Ok(state.live.get(environment).cloned())).await
    }

    async fn set_live_release(&self, environment: &EnvironmentName, release: Option<&ReleaseId>) -> Result<(), StoreError> {
        self.run("store.set_live_release", |state| match release {
            Some(release) => state.set_live(environment, release),
            None => {
                state.live.remove(environment);
                Ok(())
            }
        })
        .await
    }

    async fn append_journal(
        &self,
        deployment: &DeploymentId,
        entries: &[JournalEntry],
        live: Option<&ReleaseId>,
    ) -> Result<(), StoreError> {
        self.run("store.append_journal", |state| {
            let environment = state.deployment(deployment).ok_or_else(|| unknown(deployment))?.environment.name.clone();
            live.map_or(Ok(()), |release| state.set_live(&environment, release))?;
            state.journals.entry(deployment.clone()).or_default().extend_from_slice(entries);
            Ok(())
        })
        .await
    }

    async fn journal(&self, deployment: &DeploymentId) -> Result<Vec<JournalEntry>, StoreError> {
        self.run("store.journal", |state| Ok(state.journals.get(deployment).cloned().unwrap_or_default())).await
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use async_trait::async_trait;
    use chora_core::model::ids::EnvironmentName;
    use chora_core::ports::store::Store;
    use futures_util::FutureExt as _;

    use super::MemoryStore;
    use crate::faults::{Faults, Kind};
    use crate::store_contract::StoreFixture;
    use crate::store_contract::sample::{lease, owner};

    #[derive(Default)]
    struct Fixture(MemoryStore);

    #[async_trait]
    impl StoreFixture for Fixture {
        async fn open(&self) -> Arc<dyn Store> {
            Arc::new(self.0.clone())
        }
    }

    crate::store_contract!(Fixture::default());

    #[tokio::test]
    async fn fails_when_told_to_and_names_its_calls() {
        let faults = Faults::new();
        let store = MemoryStore::new(faults.clone());
        faults.fail_at(0, Kind::Death);
        let shop = EnvironmentName::new("shop");
        assert!(store.acquire_lease(&lease("shop", 1), None).now_or_never().is_none(), "the dead hear nothing");
        assert!(store.lease(&shop).now_or_never().is_none());
        faults.revive();
        assert_eq!(store.lease(&shop).await, Ok(None));
        faults.fail_at(3, Kind::Timeout);
        assert!(store.acquire_lease(&lease("shop", 1), None).await.is_err());
        assert_eq!(store.lease(&shop).await.unwrap().unwrap().owner, owner(1));
        let names: Vec<String> = faults.calls().into_iter().map(|call| call.name).collect();
        assert_eq!(names, ["store.acquire_lease", "store.lease", "store.lease", "store.acquire_lease", "store.lease"]);
    }
}
