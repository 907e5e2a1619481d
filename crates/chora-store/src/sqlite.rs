//! The `Store` port on one `SQLite` file: one connection behind a lock, used off the runtime's threads.

mod codec;
mod deployments;
mod error;
mod journal;
mod leases;
mod migrations;
mod open;
mod releases;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use chora_core::model::deployment::{Deployment, JournalEntry, Lease, MadeLive, Outcome, Owner};
use chora_core::model::ids::{DeploymentId, EnvironmentName, ReleaseId};
use chora_core::model::release::Release;
use chora_core::ports::store::{Store, StoreError};
use jiff::Timestamp;
use rusqlite::{Connection, Transaction, TransactionBehavior};

use error::store_error;

/// The state of one project in `.chora/storage.db`; several processes may have it open.
#[derive(Debug, Clone)]
pub struct SqliteStore {
    file: Arc<Mutex<StoreFile>>,
}

/// A store file; it is opened when it is needed.
#[derive(Debug)]
struct StoreFile {
    path: PathBuf,
    connection: Option<Connection>,
}

impl StoreFile {
    fn is_there(&self) -> bool {
        self.connection.is_some() || self.path.exists()
    }

    fn open(&mut self) -> Result<&mut Connection, StoreError> {
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => open::open(&self.path)?,
        };
        Ok(self.connection.insert(connection))
    }
}

impl SqliteStore {
    /// Opens the store file, makes it and its directory (mode 0700) when there is none, and brings its schema up to date.
    ///
    /// # Errors
    /// `NewerSchema` when a newer program wrote it (nothing is written then), `ReadOnly`, `DiskFull`, `Failed`.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let connection = Some(open::open(path)?);
        Ok(Self { file: Arc::new(Mutex::new(StoreFile { path: path.to_owned(), connection })) })
    }

    /// Uses a store file that need not be there: reading finds nothing then, and the first write makes it.
    ///
    /// # Errors
    /// `NewerSchema` when a newer program wrote it.
    pub fn lazily(path: &Path) -> Result<Self, StoreError> {
        open::refuse_newer_files(path)?;
        Ok(Self { file: Arc::new(Mutex::new(StoreFile { path: path.to_owned(), connection: None })) })
    }

    /// Looks something up; nothing is there when there is no file.
    async fn read<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Default + Send + 'static,
        F: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        let file = Arc::clone(&self.file);
        off_runtime(move || {
            let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
            if file.is_there() { work(file.open()?) } else { Ok(T::default()) }
        })
        .await
    }

    /// Runs work in one durable transaction.
    async fn write<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Transaction<'_>) -> Result<T, StoreError> + Send + 'static,
    {
        let file = Arc::clone(&self.file);
        off_runtime(move || transact(file.lock().unwrap_or_else(PoisonError::into_inner).open()?, work)).await
    }

    /// Runs work in one transaction that other programs see at once and that a crash of the machine may lose: nobody who holds
    /// a lease outlives that.
    async fn write_lightly<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Transaction<'_>) -> Result<T, StoreError> + Send + 'static,
    {
        let file = Arc::clone(&self.file);
        off_runtime(move || {
            let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
            let connection = file.open()?;
            let done = open::synchronous(connection, "NORMAL").and_then(|()| transact(connection, work));
            open::synchronous(connection, "FULL").and(done)
        })
        .await
    }
}

/// Takes the write lock at the beginning, so that two programs cannot deadlock.
fn transact<T>(connection: &mut Connection, work: impl FnOnce(&Transaction<'_>) -> Result<T, StoreError>) -> Result<T, StoreError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(|e| store_error(&e))?;
    let value = work(&transaction)?;
    transaction.commit().map_err(|e| store_error(&e))?;
    Ok(value)
}

async fn off_runtime<T, F>(work: F) -> Result<T, StoreError>
where
    T: Send + 'static,
    F: FnOnce() -> Result<T, StoreError> + Send + 'static,
{
    tokio::task::spawn_blocking(work).await.map_err(|gone| StoreError::Failed(gone.to_string()))?
}

#[async_trait]
impl Store for SqliteStore {
    async fn acquire_lease(&self, lease: &Lease, steal_from: Option<&Owner>) -> Result<(), StoreError> {
        let (lease, steal_from) = (lease.clone(), steal_from.cloned());
        self.write_lightly(move |tx| leases::acquire(tx, &lease, steal_from.as_ref())).await
    }

    async fn renew_lease(&self, environment: &EnvironmentName, owner: &Owner, at: Timestamp) -> Result<(), StoreError> {
        let (environment, owner) = (environment.clone(), owner.clone());
        self.write_lightly(move |tx| leases::renew(tx, &environment, &owner, at)).await
    }

    async fn release_lease(&self, environment: &EnvironmentName, owner: &Owner) -> Result<(), StoreError> {
        let (environment, owner) = (environment.clone(), owner.clone());
        self.write_lightly(move |tx| leases::release(tx, &environment, &owner)).await
    }

    async fn lease(&self, environment: &EnvironmentName) -> Result<Option<Lease>, StoreError> {
        let environment = environment.clone();
        self.read(move |connection| leases::find(connection, &environment)).await
    }

    async fn put_release(&self, release: &Release) -> Result<(), StoreError> {
        let release = release.clone();
        self.write(move |tx| releases::put(tx, &release)).await
    }

    async fn release(&self, id: &ReleaseId) -> Result<Option<Release>, StoreError> {
        let id = id.clone();
        self.read(move |connection| releases::find(connection, &id)).await
    }

    async fn begin_deployment(&self, deployment: &Deployment, release: &Release) -> Result<(), StoreError> {
        let (deployment, release) = (deployment.clone(), release.clone());
        self.write(move |tx| releases::put(tx, &release).and_then(|()| deployments::put(tx, &deployment))).await
    }

    async fn put_deployment(&self, deployment: &Deployment) -> Result<(), StoreError> {
        let deployment = deployment.clone();
        self.write(move |tx| deployments::put(tx, &deployment)).await
    }

    async fn deployment(&self, id: &DeploymentId) -> Result<Option<Deployment>, StoreError> {
        let id = id.clone();
        self.read(move |connection| deployments::find(connection, &id)).await
    }

    async fn deployments(&self, environment: &EnvironmentName, limit: u32) -> Result<Vec<Deployment>, StoreError> {
        let environment = environment.clone();
        self.read(move |connection| deployments::newest(connection, &environment, limit)).await
    }

    async fn deployment_count(&self, environment: &EnvironmentName) -> Result<u32, StoreError> {
        let environment = environment.clone();
        self.read(move |connection| deployments::count(connection, &environment)).await
    }

    async fn made_live(&self, environment: &EnvironmentName) -> Result<Vec<MadeLive>, StoreError> {
        let environment = environment.clone();
        self.read(move |connection| deployments::made_live(connection, &environment)).await
    }

    async fn finish_deployment(
        &self,
        id: &DeploymentId,
        outcome: &Outcome,
        at: Timestamp,
        took: Duration,
        live: Option<&ReleaseId>,
    ) -> Result<(), StoreError> {
        let (id, live) = (id.clone(), live.cloned());
        let end = deployments::End { outcome: outcome.clone(), at, took };
        self.write(move |tx| {
            let environment = deployments::finish(tx, &id, end)?;
            live.map_or(Ok(()), |live| releases::set_live(tx, &environment, Some(&live)))
        })
        .await
    }

    async fn live_release(&self, environment: &EnvironmentName) -> Result<Option<ReleaseId>, StoreError> {
        let environment = environment.clone();
        self.read(move |connection| releases::live(connection, &environment)).await
    }

    async fn set_live_release(&self, environment: &EnvironmentName, release: Option<&ReleaseId>) -> Result<(), StoreError> {
        let (environment, release) = (environment.clone(), release.cloned());
        self.write(move |tx| releases::set_live(tx, &environment, release.as_ref())).await
    }

    async fn append_journal(
        &self,
        deployment: &DeploymentId,
        entries: &[JournalEntry],
        live: Option<&ReleaseId>,
    ) -> Result<(), StoreError> {
        let (deployment, entries, live) = (deployment.clone(), entries.to_vec(), live.cloned());
        self.write(move |tx| {
            let environment = journal::append(tx, &deployment, &entries)?;
            live.map_or(Ok(()), |live| releases::set_live(tx, &environment, Some(&live)))
        })
        .await
    }

    async fn journal(&self, deployment: &DeploymentId) -> Result<Vec<JournalEntry>, StoreError> {
        let deployment = deployment.clone();
        self.read(move |connection| journal::read(connection, &deployment)).await
    }
}
