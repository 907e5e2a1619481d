//! A service: which of its releases gets a request, and whether it has to wait.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use tokio::sync::Notify;

use super::canary::{Asker, Canary, Trial};
use super::counters::Counters;
use super::drain::Drain;
use super::hold::{Hold, HoldFigures};
use super::release::{Release, Visit};
use super::sessions::{Owner, Sessions, UseMark};
use super::table::{Limits, ReleaseEntry, ServiceEntry};

/// A service that traffic goes to.
pub(super) struct Service {
    pub(super) name: String,
    pub(super) counters: Counters,
    pub(super) sessions: Sessions,
    live: RwLock<Live>,
    released: Notify,
    waiting: AtomicUsize,
}

/// What a switch or a hold changes, all at once.
pub(super) struct Live {
    pub(super) active: Arc<Release>,
    /// What gets some of the requests.
    pub(super) canary: Option<Arc<Canary>>,
    pub(super) draining: Vec<Drain>,
    pub(super) hold: Option<Arc<Hold>>,
    pub(super) limits: Limits,
}

/// Why a request does not get to a release.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turned {
    /// The hold lasted longer than requests may wait.
    HoldLimit,
    /// Too many wait already.
    HoldFull,
    /// The session's release is gone.
    SessionCut,
}

/// A request's right to a release.
pub(super) struct Admission {
    pub(super) visit: Visit,
    /// The replica of the release: its session's, or the one whose turn it is.
    pub(super) replica: usize,
    /// Its place in a canary's comparison.
    pub(super) trial: Option<Trial>,
    pub(super) _session: Option<UseMark>,
}

impl Service {
    pub(super) fn new(name: &str, entry: &ServiceEntry) -> Arc<Self> {
        let canary = entry.canary.as_ref().map(|canary| Canary::new(canary, Release::new(&canary.release)));
        let live = Live { active: Release::new(&entry.active), canary, draining: Vec::new(), hold: None, limits: entry.limits };
        Arc::new(Self {
            name: name.to_owned(),
            counters: Counters::default(),
            sessions: Sessions::default(),
            live: RwLock::new(live),
            released: Notify::new(),
            waiting: AtomicUsize::new(0),
        })
    }

    pub(super) fn live(&self) -> RwLockReadGuard<'_, Live> {
        self.live.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn live_mut(&self) -> RwLockWriteGuard<'_, Live> {
        self.live.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn limits(&self) -> Limits {
        self.live().limits
    }

    /// The release that gets a request: its session's, or the active one. Waits while the service is held.
    pub(super) async fn admit(&self, asker: &Asker<'_>) -> Result<Admission, Turned> {
        let hold = match self.admit_now(asker) {
            Ok(admitted) => return admitted,
            Err(hold) => hold,
        };
        let Some(_place) = self.wait_place() else {
            hold.refuse();
            self.counters.hold_refused.add(1);
            return Err(Turned::HoldFull);
        };
        hold.wait();
        self.counters.held.add(1);
        match tokio::time::timeout(hold.limit(), self.admit_later(asker)).await {
            Ok(admitted) => admitted,
            Err(_) => {
                hold.refuse();
                self.counters.hold_refused.add(1);
                Err(Turned::HoldLimit)
            }
        }
    }

    async fn admit_later(&self, asker: &Asker<'_>) -> Result<Admission, Turned> {
        loop {
            let released = self.released.notified();
            tokio::pin!(released);
            // Enabled before looking: a release between the look and the wait is not missed.
            released.as_mut().enable();
            if let Ok(admitted) = self.admit_now(asker) {
                return admitted;
            }
            released.await;
        }
    }

    /// Picks and enters a release under one lock, so that a switch knows everyone who came before it.
    fn admit_now(&self, asker: &Asker<'_>) -> Result<Result<Admission, Turned>, Arc<Hold>> {
        let live = self.live();
        if let Some(hold) = &live.hold {
            return Err(Arc::clone(hold));
        }
        Ok(match asker.session.and_then(|id| self.sessions.owner(id)) {
            Some((Owner::Release(release, replica), mark)) => {
                let trial = live.canary.as_ref().and_then(|canary| canary.of_session(&release, &live.active));
                Ok(Admission { visit: release.enter(), replica, trial, _session: Some(mark) })
            }
            Some((Owner::Cut, _)) => Err(Turned::SessionCut),
            None => {
                let chosen = live.canary.as_ref().map(|canary| canary.choose(&live.active, asker));
                let (release, trial) = chosen.unwrap_or((&live.active, None));
                Ok(Admission { visit: release.enter(), replica: release.turn(), trial, _session: None })
            }
        })
    }

    /// Remembers a session that the release of an admission has opened.
    pub(super) fn open_session(&self, id: &str, admission: &Admission) -> Option<UseMark> {
        let limits = self.limits();
        let owner = (admission.visit.release(), admission.replica);
        self.sessions.open(id, owner, limits.sessions, Duration::from_millis(limits.session_idle_ms))
    }

    fn wait_place(&self) -> Option<WaitPlace<'_>> {
        let most = self.limits().waiting;
        let place = WaitPlace(&self.waiting);
        (self.waiting.fetch_add(1, Ordering::SeqCst) < most).then_some(place)
    }

    /// Lets new requests wait, each at most `limit_ms`. Gives back how many are under way on the active release. Held
    /// again, a service has the new limit for those that come then. Ends by itself `limit_ms` after the last call.
    pub(super) fn hold(self: &Arc<Self>, limit_ms: u64) -> usize {
        let mut live = self.live_mut();
        match &live.hold {
            Some(hold) => hold.renew(limit_ms),
            None => live.hold = Some(Hold::begin(self, limit_ms)),
        }
        live.active.in_flight()
    }

    /// Puts off the end that a hold comes to by itself.
    pub(super) fn prolong_hold(&self, by: Duration) {
        if let Some(hold) = &self.live().hold {
            hold.prolong(by);
        }
    }

    /// Lets those through that wait. `None` when nothing was held.
    pub(super) fn release_hold(&self) -> Option<HoldFigures> {
        let hold = self.live_mut().hold.take()?;
        self.released.notify_waiters();
        Some(hold.figures())
    }

    /// Ends a hold whose time is over.
    pub(super) fn expire_hold(&self) {
        let expired = self.live_mut().hold.take_if(|hold| hold.is_over());
        let Some(hold) = expired else { return };
        self.released.notify_waiters();
        self.counters.holds_expired.add(1);
        let HoldFigures { held, refused, .. } = hold.figures();
        tracing::warn!(service = self.name, held, refused, "nobody let a hold go; requests are no longer held");
    }

    pub(super) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::SeqCst)
    }

    /// Its releases that have traffic, the active one first.
    pub(super) fn releases(&self) -> Vec<Arc<Release>> {
        let live = self.live();
        std::iter::once(&live.active).chain(live.draining.iter().map(|drain| &drain.release)).cloned().collect()
    }

    /// What is under way on all its releases.
    pub(super) fn in_flight(&self) -> usize {
        let live = self.live();
        let tried = live.canary.as_ref().map_or(0, |canary| canary.release.in_flight());
        tried + live.active.in_flight() + live.draining.iter().map(|drain| drain.release.in_flight()).sum::<usize>()
    }

    /// The service as the table has it.
    pub(super) fn entry(&self) -> ServiceEntry {
        let live = self.live();
        let draining: Vec<ReleaseEntry> =
            live.draining.iter().filter(|drain| !drain.is_over()).map(|drain| drain.release.entry.clone()).collect();
        let canary = live.canary.as_ref().map(|canary| canary.entry.clone());
        ServiceEntry { active: live.active.entry.clone(), canary, draining, limits: live.limits, drain_ms: None }
    }
}

struct WaitPlace<'a>(&'a AtomicUsize);

impl Drop for WaitPlace<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}
