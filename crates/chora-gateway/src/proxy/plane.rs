//! The gateway's state and every change to it: checked, written to the state file, done, and only then acknowledged.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tokio::sync::{Mutex, Notify, mpsc};
use tokio_util::sync::CancellationToken;

use super::acme::{Acme, Challenges};
use super::drain::{self, Switched};
use super::files::{FileError, Files};
use super::listener::{Bound, Listener};
use super::routes::Routes;
use super::service::Service;
use super::shards::Shards;
use super::state_file::StateFileError;
use super::table::{AcmeEntry, CanaryEntry, ListenerEntry, Maintenance, ReleaseEntry, ServiceEntry, Table};
use super::tls::{CertificateError, Reading, Tls};
use super::watch::{Inquiry, WatchEnd, WatchEntry, WatchState, now_ms};

/// How often sessions are tended.
const TENDING: Duration = Duration::from_secs(1);

/// The services by name, as one value that is swapped.
pub(super) type Services = Arc<BTreeMap<String, Arc<Service>>>;

/// Everything that traffic and control share.
pub(super) struct Plane {
    state_file: PathBuf,
    acme: Acme,
    pub(super) files: Files,
    pub(super) shards: Arc<Shards>,
    services: RwLock<Services>,
    /// Held through a change, so that there is one at a time.
    current: Mutex<Current>,
    pub(super) ask: Inquiry,
    /// Told when there is something else to watch.
    pub(super) watch_set: Notify,
    stop: CancellationToken,
}

struct Current {
    /// Kept by every connection; gone once the gateway stops.
    open: Option<mpsc::Sender<()>>,
    table: Table,
    listeners: Vec<Port>,
}

struct Port {
    entry: ListenerEntry,
    tls: Option<Arc<Tls>>,
    listener: Arc<Listener>,
}

/// What a table needs of the world, got before anything is different.
struct Prepared {
    fresh: Vec<Bound>,
    /// For each listener of the table.
    tls: Vec<Option<Arc<Tls>>>,
}

/// Why a change was not made. Nothing is different after it.
#[derive(Debug, thiserror::Error)]
pub(super) enum ChangeError {
    #[error("there is no service {0}")]
    NoService(String),
    #[error("{0}")]
    BadRelease(String),
    #[error("{bind} cannot be listened on: {source}")]
    Bind { bind: SocketAddr, source: std::io::Error },
    #[error("{bind} cannot have its TLS: {source}")]
    Certificate { bind: SocketAddr, source: CertificateError },
    #[error(transparent)]
    StateFile(#[from] StateFileError),
    #[error("the files could not be read or written: their task ended")]
    Interrupted,
}

impl Plane {
    /// An empty plane with its state file and its files; each connection keeps a clone of `open`.
    pub(super) fn new(
        (state_file, files): (PathBuf, Files),
        shards: Arc<Shards>,
        ask: Inquiry,
        stop: CancellationToken,
        open: mpsc::Sender<()>,
    ) -> Self {
        let current = Current { open: Some(open), table: Table::empty(), listeners: Vec::new() };
        let acme = Acme::new(&state_file.with_file_name("acme"));
        let (services, current, watch_set) = (RwLock::default(), Mutex::new(current), Notify::new());
        Self { state_file, acme, files, shards, services, current, ask, watch_set, stop }
    }

    /// Begins with the table of the state file.
    pub(super) async fn restore(&self, table: Table) -> Result<(), ChangeError> {
        let mut current = self.current.lock().await;
        let tls = self.certificates(table.listeners.clone(), None).await?;
        let fresh = bind(&current, &table).await?;
        self.apply(&mut current, table, Prepared { fresh, tls }, Duration::ZERO);
        Ok(())
    }

    /// Replaces the table. Services whose active release differs are switched, with `limit` for their drains.
    pub(super) async fn put(&self, mut table: Table, limit: Duration) -> Result<Vec<Switched>, ChangeError> {
        let mut current = self.current.lock().await;
        let served = current.listeners.iter().filter_map(|port| port.tls.clone()).collect();
        let tls = self.certificates(table.listeners.clone(), Some(served)).await?;
        let fresh = bind(&current, &table).await?;
        for service in table.services.values_mut() {
            service.draining.clear();
        }
        // Whoever routes need not know of it; it has a call of its own.
        table.maintenance = table.maintenance.or_else(|| current.table.maintenance.clone());
        self.save(&table).await?;
        let switched = self.apply(&mut current, table, Prepared { fresh, tls }, limit);
        self.watch_set.notify_one();
        Ok(switched)
    }

    /// Makes a release of a service the active one.
    pub(super) async fn switch(&self, service: &str, release: ReleaseEntry, limit: Duration) -> Result<Switched, ChangeError> {
        release.check().map_err(ChangeError::BadRelease)?;
        let mut current = self.current.lock().await;
        let live = self.service(service)?;
        let mut table = current.table.clone();
        let mut entry = live.entry();
        entry.canary = None;
        if entry.active != release {
            entry.draining.retain(|draining| *draining != release);
            entry.draining.push(std::mem::replace(&mut entry.active, release.clone()));
        }
        table.services.insert(service.to_owned(), entry);
        self.save(&table).await?;
        current.table = table;
        Ok(drain::switch(&live, &release, limit))
    }

    /// Begins or ends maintenance.
    pub(super) async fn set_maintenance(&self, maintenance: Option<Maintenance>) -> Result<(), ChangeError> {
        let mut current = self.current.lock().await;
        let mut table = current.table.clone();
        table.maintenance = maintenance;
        self.save(&table).await?;
        current.table = table;
        self.route(&current);
        Ok(())
    }

    /// Sends some requests of these services to other releases from now on, those of all others to the active ones only.
    pub(super) async fn set_canaries(&self, canaries: BTreeMap<String, CanaryEntry>, limit: Duration) -> Result<(), ChangeError> {
        for (name, canary) in &canaries {
            self.service(name)?;
            canary.check().map_err(ChangeError::BadRelease)?;
        }
        let mut current = self.current.lock().await;
        let mut table = current.table.clone();
        for (name, service) in &mut table.services {
            service.canary = canaries.get(name).cloned();
        }
        self.save(&table).await?;
        current.table = table;
        for (name, service) in self.services().iter() {
            drain::try_out(service, canaries.get(name), limit);
        }
        Ok(())
    }

    /// Watches releases from now on, or nothing any more. What was watched before is forgotten.
    pub(super) async fn set_watch(&self, watch: Option<WatchEntry>) -> Result<(), ChangeError> {
        for (name, back) in watch.iter().flat_map(|watch| &watch.back) {
            self.service(name)?;
            back.check().map_err(ChangeError::BadRelease)?;
        }
        let mut current = self.current.lock().await;
        let mut table = current.table.clone();
        table.watch = watch;
        self.save(&table).await?;
        current.table = table;
        self.watch_set.notify_one();
        Ok(())
    }

    /// What is watched, ended or not.
    pub(super) async fn watch(&self) -> Option<WatchEntry> {
        self.current.lock().await.table.watch.clone()
    }

    /// What is being watched.
    pub(super) async fn watched(&self) -> Option<WatchEntry> {
        self.watch().await.filter(|watch| watch.end.is_none())
    }

    /// Ends a watch that is still the same one; where it failed, everything goes back in one change.
    pub(super) async fn end_watch(&self, name: &str, state: WatchState, why: &str) {
        let mut current = self.current.lock().await;
        let Some(mut watch) = current.table.watch.clone().filter(|watch| watch.name == name && watch.end.is_none()) else { return };
        let end = WatchEnd { state, at_ms: now_ms(), why: why.to_owned() };
        tracing::warn!(watch = name, ?state, why, "a watch ended");
        watch.end = Some(end);
        let mut table = current.table.clone();
        let mut back = Vec::new();
        if state == WatchState::SwitchedBack {
            back = watch.back.iter().filter_map(|(name, release)| Some((self.service(name).ok()?, release.clone()))).collect();
        }
        for (service, release) in &back {
            let mut entry = service.entry();
            entry.active = release.clone();
            entry.canary = None;
            table.services.insert(service.name.clone(), entry);
        }
        let limit = Duration::from_millis(watch.drain_ms);
        table.watch = Some(watch);
        // Serving matters more than being remembered: after a restart it is watched, and sent back, once more.
        if let Err(error) = self.save(&table).await {
            tracing::error!(%error, "the end of a watch is not in the state file");
        }
        current.table = table;
        for (service, release) in &back {
            drain::switch(service, release, limit);
        }
    }

    /// Forgets MCP sessions that nobody uses, and connections to replicas, for as long as it is polled.
    pub(super) async fn tend(&self) {
        loop {
            tokio::time::sleep(TENDING).await;
            for service in self.services().values() {
                service.sessions.tend(Duration::from_millis(service.limits().session_idle_ms));
                service.releases().iter().for_each(|release| release.tend());
            }
        }
    }

    /// What authorities are answered.
    pub(super) fn challenges(&self) -> &Arc<Challenges> {
        &self.acme.shared.challenges
    }

    pub(super) fn services(&self) -> Services {
        Arc::clone(&self.services.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn service(&self, name: &str) -> Result<Arc<Service>, ChangeError> {
        self.services().get(name).cloned().ok_or_else(|| ChangeError::NoService(name.to_owned()))
    }

    /// The table as it is now, and its listeners.
    pub(super) async fn table(&self) -> (Table, Vec<Arc<Listener>>) {
        let current = self.current.lock().await;
        let mut table = current.table.clone();
        for (name, service) in self.services().iter() {
            table.services.insert(name.clone(), service.entry());
        }
        (table, current.listeners.iter().map(|port| Arc::clone(&port.listener)).collect())
    }

    /// Until when each certificate is valid that the gateway gets by itself, and null where there is none yet.
    pub(super) fn certificates_until(&self, entry: &AcmeEntry) -> Vec<(String, serde_json::Value)> {
        let until = |to: Option<jiff::Timestamp>| to.map_or(serde_json::Value::Null, |to| to.to_string().into());
        self.acme.shared.report(entry).into_iter().map(|(host, to)| (host, until(to))).collect()
    }

    /// Why the last orders came to nothing, for the hosts whose did.
    pub(super) fn certificate_failures(&self, entry: &AcmeEntry) -> Vec<(String, String)> {
        self.acme.shared.failures(entry)
    }

    /// Removes the files that the table does not name; gives how many those were.
    pub(super) async fn forget_files(&self) -> Result<usize, FileError> {
        // Held until it is done: a table that is put meanwhile may name them.
        let current = self.current.lock().await;
        let tls = current.table.listeners.iter().filter_map(|listener| listener.tls.as_ref());
        let named = tls.flat_map(|tls| {
            let files = tls.certificates.iter().flat_map(|one| [&one.certificate, &one.key]);
            files.chain(tls.acme.iter().filter_map(|acme| acme.ca.as_ref())).cloned()
        });
        let (named, files) = (named.collect(), self.files.clone());
        tokio::task::spawn_blocking(move || files.forget_but(&named)).await.map_err(|_| FileError::Interrupted)?
    }

    /// Leaves the sign that connections are open to those connections.
    pub(super) async fn forget_open(&self) {
        self.current.lock().await.open = None;
    }

    /// Cuts what is still under way everywhere.
    pub(super) fn cut(&self) {
        for service in self.services().values() {
            let live = service.live();
            live.active.cut();
            live.canary.iter().for_each(|canary| canary.release.cut());
            live.draining.iter().for_each(|drain| drain.release.cut());
        }
    }

    /// Reads the certificates of each listener. Without those that are `served` already, the gateway starts.
    async fn certificates(
        &self,
        listeners: Vec<ListenerEntry>,
        served: Option<Vec<Arc<Tls>>>,
    ) -> Result<Vec<Option<Arc<Tls>>>, ChangeError> {
        let acme = Arc::clone(&self.acme.shared);
        let read = move || {
            let reading = served.as_ref().map_or(Reading::Start, |served| Reading::Put { served });
            let of = |entry: &ListenerEntry| {
                let tls = entry.tls.as_ref().map(|tls| Tls::read(tls, &reading, &acme)).transpose();
                tls.map_err(|source| ChangeError::Certificate { bind: entry.bind, source })
            };
            listeners.iter().map(of).collect()
        };
        tokio::task::spawn_blocking(read).await.map_err(|_| ChangeError::Interrupted)?
    }

    async fn save(&self, table: &Table) -> Result<(), ChangeError> {
        let (table, path) = (table.clone(), self.state_file.clone());
        let saved = tokio::task::spawn_blocking(move || table.save(&path)).await;
        Ok(saved.map_err(|_| ChangeError::Interrupted)??)
    }

    /// Cannot fail: what could, was done before the table was written.
    fn apply(&self, current: &mut Current, table: Table, prepared: Prepared, limit: Duration) -> Vec<Switched> {
        let Prepared { mut fresh, tls } = prepared;
        let before = self.services();
        let mut switched = Vec::new();
        let mut services = BTreeMap::new();
        for (name, entry) in &table.services {
            let service = before.get(name).cloned().unwrap_or_else(|| Service::new(name, entry));
            switched.extend(renew(&service, entry, limit));
            services.insert(name.clone(), service);
        }
        let gone = before.iter().filter(|(name, _)| !services.contains_key(*name)).map(|(_, service)| Arc::clone(service));
        let gone: Vec<Arc<Service>> = gone.collect();
        *self.services.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(services);
        current.table = table;
        let mut old = std::mem::take(&mut current.listeners);
        for (entry, tls) in current.table.listeners.clone().into_iter().zip(tls) {
            let kept = old.iter().position(|port| port.entry.bind == entry.bind).map(|at| old.swap_remove(at).listener);
            let listener = kept.or_else(|| {
                let at = fresh.iter().position(|bound| bound.is_for(&entry))?;
                let routes =
                    Routes::new((&entry, tls.as_ref()), &self.services(), (current.table.maintenance.as_ref(), self.challenges()))?;
                let open = current.open.clone()?;
                Some(fresh.swap_remove(at).serve(routes, &self.shards, self.stop.child_token(), open))
            });
            current.listeners.extend(listener.map(|listener| Port { entry, tls, listener }));
        }
        self.route(current);
        self.acme.follow(&current.table.listeners);
        old.iter().for_each(|port| port.listener.stop());
        gone.iter().for_each(|service| drain::retire(service, limit));
        switched
    }

    fn route(&self, current: &Current) {
        let services = self.services();
        for Port { entry, tls, listener } in &current.listeners {
            if let Some(routes) = Routes::new((entry, tls.as_ref()), &services, (current.table.maintenance.as_ref(), self.challenges())) {
                listener.set_routes(routes);
            }
        }
    }
}

/// Binds the ports that a table has and that are not bound yet.
async fn bind(current: &Current, table: &Table) -> Result<Vec<Bound>, ChangeError> {
    let mut old: Vec<SocketAddr> = current.listeners.iter().map(|port| port.entry.bind).collect();
    let mut fresh = Vec::new();
    for entry in &table.listeners {
        if let Some(at) = old.iter().position(|bind| *bind == entry.bind) {
            old.swap_remove(at);
            continue;
        }
        fresh.push(Bound::new(entry).await.map_err(|source| ChangeError::Bind { bind: entry.bind, source })?);
    }
    Ok(fresh)
}

fn renew(service: &Arc<Service>, entry: &ServiceEntry, limit: Duration) -> Option<Switched> {
    service.live_mut().limits = entry.limits;
    let limit = entry.drain_ms.map_or(limit, Duration::from_millis);
    let done = drain::switch(service, &entry.active, limit);
    if entry.canary.is_some() {
        drain::try_out(service, entry.canary.as_ref(), limit);
    }
    Some(done).filter(|done| done.switched)
}
