//! Makes one MCP server on standard streams reachable for many clients: who uses which process, and whose is what it says.

mod care;
mod children;
mod room;
mod routing;
mod silence;
mod tools;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, watch};

pub(crate) use self::care::Condition;
use self::children::Slot;
pub(crate) use self::children::Vitals;
pub(crate) use self::room::{OpenSession, Place, Room};
use crate::message::Fault;
use crate::metrics::Metrics;
use crate::revision::Revision;
use crate::server::Server;
use crate::session::{Session, SessionKey};
use crate::translate::to_legacy::Parked;
use crate::transport::link::Arrival;
use crate::transport::stdio::Gone;
use crate::upstream::{Outbound, Started, Upstream};

/// Whose a process is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChildSharing {
    /// One process serves all clients.
    Shared,
    /// Every session with a handshake has a process of its own.
    Session,
    /// Every request without a session has a process of its own, and every session too.
    Request,
}

/// What a bridge does and within which limits.
#[derive(Debug, Clone)]
pub struct BridgeSettings {
    /// The server.
    pub server: Server,
    /// Whose a process is.
    pub sharing: ChildSharing,
    /// Most sessions at once, and most processes of sessions where they are not shared. Requests that stand alone have the same limit,
    /// counted apart.
    pub max_sessions: usize,
    /// How long a session may be idle before it is ended.
    pub idle: Duration,
}

/// A bridge. It ends its processes when it is stopped.
#[derive(Debug)]
pub struct Bridge {
    pub(crate) settings: BridgeSettings,
    pub(crate) metrics: Metrics,
    sessions: Mutex<HashMap<Box<str>, Arc<Session>>>,
    pub(crate) room: Room,
    next_session: AtomicU64,
    /// The shared conversation with a handshake.
    legacy: Slot,
    /// The shared conversation without one.
    modern: Slot,
    era: tokio::sync::Mutex<Option<Era>>,
    tools: tools::Tools,
    pub(crate) parked: Parked,
    /// The server refuses a handshake.
    modern_only: AtomicBool,
    condition: watch::Sender<Condition>,
    started: Instant,
    me: Weak<Self>,
}

/// What the server speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Era {
    /// Only revisions with a handshake.
    Legacy,
    /// The revision 2026-07-28; perhaps the older ones as well.
    Modern,
}

impl Bridge {
    /// A bridge that has not started its server yet.
    #[must_use]
    pub fn new(settings: BridgeSettings) -> Arc<Self> {
        Arc::new_cyclic(|me| Self {
            room: Room::new(settings.max_sessions),
            settings,
            metrics: Metrics::default(),
            sessions: Mutex::default(),
            next_session: AtomicU64::new(1),
            legacy: Slot::new(Era::Legacy),
            modern: Slot::new(Era::Modern),
            era: tokio::sync::Mutex::default(),
            tools: tools::Tools::default(),
            parked: Parked::default(),
            modern_only: AtomicBool::new(false),
            condition: watch::Sender::new(Condition::Unknown),
            started: Instant::now(),
            me: me.clone(),
        })
    }

    /// Starts the server and learns what it speaks, so that the first client need not wait.
    ///
    /// # Errors
    ///
    /// The server cannot be started, or answers neither handshake.
    pub async fn warm(&self) -> Result<(), String> {
        self.era().await.map(|_| ()).map_err(|gone| gone.to_string())
    }

    /// Ends idle sessions, until the bridge is dropped.
    pub async fn tend(self: Arc<Self>) {
        let pause = (self.settings.idle / 4).clamp(Duration::from_millis(50), Duration::from_secs(30));
        let me = Arc::downgrade(&self);
        drop(self);
        loop {
            tokio::time::sleep(pause).await;
            let Some(bridge) = me.upgrade() else { return };
            let idle: Vec<_> = bridge.sessions().values().filter(|session| session.idle() >= bridge.settings.idle).cloned().collect();
            for session in idle {
                tracing::debug!(session = session.key.0, "an idle session is ended");
                // Each by itself: a process may take seconds to end, and the others should not wait for it.
                let bridge = Arc::clone(&bridge);
                tokio::spawn(async move { bridge.expire(&session).await });
            }
        }
    }

    async fn expire(&self, session: &Session) {
        if self.sessions().contains_key(&session.id) {
            self.metrics.sessions_expired.add(1);
            self.end_session(&session.id).await;
        }
    }

    /// Ends the server's processes.
    pub async fn stop(&self) {
        let sessions: Vec<_> = self.sessions().drain().map(|(_, session)| session).collect();
        // All at once: each may take as long as it is given.
        let own = sessions.iter().filter_map(|session| {
            session.standing.close();
            let upstream = session.upstream();
            upstream.owner.is_some().then_some(upstream)
        });
        let own: Vec<_> = own.collect();
        let own = futures_util::future::join_all(own.iter().map(|upstream| upstream.stop()));
        tokio::join!(own, self.legacy.stop(), self.modern.stop());
    }

    pub(crate) fn uptime(&self) -> Duration {
        self.started.elapsed()
    }

    pub(crate) fn sessions(&self) -> MutexGuard<'_, HashMap<Box<str>, Arc<Session>>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn session(&self, id: &str) -> Option<Arc<Session>> {
        let session = self.sessions().get(id).cloned()?;
        session.touch();
        Some(session)
    }

    fn session_by_key(&self, key: SessionKey) -> Option<Arc<Session>> {
        self.sessions().values().find(|session| session.key == key).cloned()
    }

    /// Opens a session of a client.
    pub(crate) async fn open_session(&self, revision: Revision) -> Result<Arc<Session>, Fault> {
        let place = self.room.for_session()?;
        let key = SessionKey(self.next_session.fetch_add(1, Ordering::Relaxed));
        let upstream = self.session_upstream(key, &place).await.map_err(|gone| crate::upstream::unavailable(&gone))?;
        self.metrics.sessions_opened.add(1);
        Ok(self.enter(Session::new(key, revision, upstream, place)))
    }

    async fn session_upstream(&self, key: SessionKey, place: &Place) -> Result<Arc<Upstream>, Gone> {
        if self.is_modern_only() {
            return self.modern.get(self).await;
        }
        if self.settings.sharing != ChildSharing::Shared && !self.may_be_modern_only().await {
            return self.start_child(Some(key), Some(place.clone()));
        }
        match self.legacy.get(self).await {
            Err(_) if self.is_modern_only() => self.modern.get(self).await,
            Ok(_) if self.settings.sharing != ChildSharing::Shared => self.start_child(Some(key), Some(place.clone())),
            shared => shared,
        }
    }

    /// Opens a session for one call of a client that has none, before a server that wants one.
    pub(crate) async fn open_passing_session(self: &Arc<Self>) -> Result<OpenSession, Fault> {
        let place = self.room.for_lone_call()?;
        let key = SessionKey(self.next_session.fetch_add(1, Ordering::Relaxed));
        let has_own = self.settings.sharing == ChildSharing::Request;
        let upstream = if has_own { self.start_child(Some(key), Some(place.clone())) } else { self.legacy.get(self).await };
        let upstream = upstream.map_err(|gone| crate::upstream::unavailable(&gone))?;
        let session = Session::new(key, Revision::NEWEST_LEGACY, Arc::clone(&upstream), place);
        let open = OpenSession::new(self, self.enter(session));
        if has_own {
            let _connected = open.session.connected();
            children::greet_in_time(&upstream, Era::Legacy).await.map_err(|gone| crate::upstream::unavailable(&gone))?;
        }
        Ok(open)
    }

    fn enter(&self, session: Session) -> Arc<Session> {
        let session = Arc::new(session);
        self.sessions().insert(session.id.clone(), Arc::clone(&session));
        session
    }

    /// Whether the server is known to refuse a handshake.
    pub(crate) fn is_modern_only(&self) -> bool {
        self.modern_only.load(Ordering::Relaxed)
    }

    /// Ends a session: what it waits for is cancelled, a process of its own is ended.
    pub(crate) async fn end_session(&self, id: &str) -> bool {
        let Some(session) = self.sessions().remove(id) else { return false };
        session.standing.close();
        session.give_up_place();
        let upstream = session.upstream();
        if upstream.owner.is_some() {
            upstream.stop().await;
            return true;
        }
        for number in upstream.numbers_of(session.key) {
            if let Some(stream) = upstream.stream_of(number) {
                stream.close();
            }
            upstream.cancel(number, Some("the session has ended")).await;
        }
        for uri in session.subscriptions() {
            self.unsubscribe_if_last(&session, &uri).await;
        }
        true
    }

    /// Sends a call of a session. A process that is gone before it got the call is replaced, where it is shared.
    pub(crate) async fn call(&self, session: &Session, call: Outbound) -> Result<(), Gone> {
        let upstream = session.upstream();
        let Err(unsent) = upstream.call(call).await else { return Ok(()) };
        if upstream.owner.is_some() {
            return Err(unsent.gone);
        }
        let again = self.legacy.get(self).await?;
        if session.uses(&upstream) {
            session.move_to(&again);
        }
        again.call(unsent.call).await.map(|_| ()).map_err(|unsent| unsent.gone)
    }

    /// Sends a call of a session to a server without a handshake. It keeps nothing of a session, so that all share a process.
    pub(crate) async fn modern_call(&self, call: Outbound) -> Result<(), Gone> {
        let Err(unsent) = self.modern_shared().await?.call(call).await else { return Ok(()) };
        self.modern_shared().await?.call(unsent.call).await.map(drop).map_err(|unsent| unsent.gone)
    }

    /// The shared process of the revision without a handshake.
    pub(crate) async fn modern_shared(&self) -> Result<Arc<Upstream>, Gone> {
        self.modern.get(self).await
    }

    /// Which process answers a request that stands alone.
    pub(crate) async fn modern_upstream(&self, place: &Place) -> Result<Arc<Upstream>, Gone> {
        match self.settings.sharing {
            ChildSharing::Request => self.start_child(None, Some(place.clone())),
            ChildSharing::Shared | ChildSharing::Session => self.modern_shared().await,
        }
    }

    /// The shared conversation of revisions with a handshake, as it was answered.
    pub(crate) async fn legacy_greeting(&self) -> Result<Arc<serde_json::value::RawValue>, Gone> {
        self.legacy.get(self).await?;
        self.legacy.greeting().await.ok_or_else(|| Gone("did not greet".to_owned()))
    }

    /// The shared conversation of the revision without a handshake, as it was answered.
    pub(crate) async fn modern_greeting(&self) -> Result<Arc<serde_json::value::RawValue>, Gone> {
        self.modern.get(self).await?;
        self.modern.greeting().await.ok_or_else(|| Gone("did not greet".to_owned()))
    }

    /// What the server said when it was greeted last; `None` where it never was.
    pub(crate) fn last_greeting(&self) -> Option<Arc<serde_json::value::RawValue>> {
        self.modern.last_greeting().or_else(|| self.legacy.last_greeting())
    }

    /// Starts a process and listens to it. One that is not shared has the place of whoever it is for.
    fn start_child(&self, owner: Option<SessionKey>, place: Option<Place>) -> Result<Arc<Upstream>, Gone> {
        let Started { upstream, arriving } =
            Upstream::start(&self.settings.server, owner).map_err(|error| Gone(format!("cannot be started: {error}")))?;
        self.metrics.children_started.add(1);
        tokio::spawn(silence::watch(Arc::downgrade(&upstream)));
        tokio::spawn(converse(self.me.clone(), Arc::clone(&upstream), arriving, place));
        Ok(upstream)
    }

    /// What the shared processes are doing, for health.
    pub(crate) fn children(&self) -> Vec<Vitals> {
        [self.legacy.vitals(), self.modern.vitals()].into_iter().flatten().collect()
    }
}

/// Routes what a server says until it ends.
async fn converse(bridge: Weak<Bridge>, upstream: Arc<Upstream>, mut arriving: mpsc::Receiver<Arrival>, place: Option<Place>) {
    while let Some(arrival) = arriving.recv().await {
        let Some(bridge) = bridge.upgrade() else { break };
        bridge.route(&upstream, arrival).await;
    }
    upstream.fell_silent();
    let gone = Gone(upstream.end().unwrap_or_else(|| "ended".to_owned()));
    let mut failed = upstream.fail_all(&gone);
    upstream.stop().await;
    failed += upstream.fail_all(&Gone(upstream.end().unwrap_or_else(|| "ended".to_owned())));
    drop(place);
    if let Some(bridge) = bridge.upgrade() {
        bridge.metrics.calls_failed.add(u64::try_from(failed).unwrap_or(u64::MAX));
        bridge.metrics.children_ended.add(1);
        bridge.mourn(&upstream).await;
    }
}
