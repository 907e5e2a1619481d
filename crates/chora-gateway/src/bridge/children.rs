//! The processes that clients share: started when needed, greeted, and started again when they end.

use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use serde_json::value::{RawValue, to_raw_value};

use super::{Bridge, Era};
use crate::message::{Outcome, params};
use crate::revision::Revision;
use crate::transport::stdio::Gone;
use crate::upstream::Upstream;

/// How long a server may take to greet.
const GREETING: Duration = Duration::from_secs(30);
/// How long a server may leave the question for the newest revision unanswered before the older handshake is tried beside it.
const SILENCE: Duration = Duration::from_secs(3);
/// The pause before the second start in a row; it doubles.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
/// The longest pause between two starts.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// A process that lived so long did not fail at its start.
const STABLE: Duration = Duration::from_secs(10);

/// A place for one shared process.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) era: Era,
    present: tokio::sync::Mutex<Present>,
    /// The last process, for those who only look.
    last: std::sync::Mutex<Option<Last>>,
}

#[derive(Debug, Default)]
struct Present {
    upstream: Option<Arc<Upstream>>,
    greeting: Option<Arc<RawValue>>,
    started: Option<Instant>,
    /// Ends in a row of processes that did not live long.
    failures: u32,
    stopped: bool,
}

/// The last process of a place. How it fares is asked of the process itself, so that nobody who was told of its end is
/// told here that it lives.
#[derive(Debug)]
struct Last {
    upstream: Arc<Upstream>,
    greeting: Arc<RawValue>,
    started: Instant,
    restarts: u64,
}

/// What can be said of a process from outside.
#[derive(Debug, Clone)]
pub(crate) struct Vitals {
    pub(crate) pid: Option<i32>,
    pub(crate) started: Instant,
    pub(crate) restarts: u64,
    /// How it ended, where it has.
    pub(crate) end: Option<String>,
}

impl Slot {
    pub(super) fn new(era: Era) -> Self {
        Self { era, present: tokio::sync::Mutex::default(), last: std::sync::Mutex::default() }
    }

    /// The process, where it is there.
    pub(super) async fn present(&self) -> Option<Arc<Upstream>> {
        self.present.lock().await.upstream.clone().filter(|upstream| upstream.end().is_none())
    }

    /// The process, started and greeted where it is not there. A caller that stops waiting stops nothing.
    pub(super) async fn get(&self, bridge: &Bridge) -> Result<Arc<Upstream>, Gone> {
        if let Some(upstream) = self.present().await {
            return Ok(upstream);
        }
        let (Some(bridge), era) = (bridge.me.upgrade(), self.era) else { return Err(Gone("is being stopped".to_owned())) };
        let starting = tokio::spawn(async move {
            let slot = bridge.slot(era);
            let mut present = slot.present.lock().await;
            match present.upstream.clone().filter(|upstream| upstream.end().is_none()) {
                Some(upstream) => Ok(upstream),
                None => slot.start(&bridge, &mut present).await,
            }
        });
        starting.await.unwrap_or_else(|_| Err(Gone("could not be started".to_owned())))
    }

    pub(super) async fn greeting(&self) -> Option<Arc<RawValue>> {
        self.present.lock().await.greeting.clone()
    }

    async fn start(&self, bridge: &Bridge, present: &mut Present) -> Result<Arc<Upstream>, Gone> {
        let started = self.try_start(bridge, present).await;
        bridge.note(&started);
        started
    }

    async fn try_start(&self, bridge: &Bridge, present: &mut Present) -> Result<Arc<Upstream>, Gone> {
        if present.stopped {
            return Err(Gone("is being stopped".to_owned()));
        }
        if let Some(started) = present.started {
            let lived_long = started.elapsed() >= STABLE;
            present.failures = if lived_long { 0 } else { present.failures.saturating_add(1) };
            if present.failures > 1 {
                let pause = FIRST_PAUSE.saturating_mul(1 << present.failures.min(7).saturating_sub(2)).min(LONGEST_PAUSE);
                tokio::time::sleep(pause).await;
            }
        }
        present.started = Some(Instant::now());
        let upstream = bridge.start_child(None, None)?;
        match greet_in_time(&upstream, self.era).await {
            Ok(greeting) => {
                self.adopt(present, &upstream, greeting);
                Ok(upstream)
            }
            Err(gone) => {
                if self.era == Era::Legacy && upstream.end().is_none() && bridge.modern.vitals().is_some() {
                    // It answered the newer question and says no to the older.
                    bridge.modern_only.store(true, std::sync::atomic::Ordering::Relaxed);
                }
                upstream.stop().await;
                Err(gone)
            }
        }
    }

    fn adopt(&self, present: &mut Present, upstream: &Arc<Upstream>, greeting: Box<RawValue>) {
        present.upstream = Some(Arc::clone(upstream));
        let greeting: Arc<RawValue> = greeting.into();
        present.greeting = Some(Arc::clone(&greeting));
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let restarts = last.as_ref().map_or(0, |last| last.restarts + 1);
        *last = Some(Last { upstream: Arc::clone(upstream), greeting, started: Instant::now(), restarts });
    }

    /// Takes a process that was started to find out what it speaks.
    pub(super) async fn take(&self, upstream: &Arc<Upstream>, greeting: Box<RawValue>) {
        let mut present = self.present.lock().await;
        present.started = Some(Instant::now());
        self.adopt(&mut present, upstream, greeting);
    }

    /// What was said in the last greeting, also when whoever said it has ended since.
    pub(super) fn last_greeting(&self) -> Option<Arc<RawValue>> {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.as_ref().map(|last| Arc::clone(&last.greeting))
    }

    /// Whether this was its last process.
    fn had(&self, upstream: &Arc<Upstream>) -> bool {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.as_ref().is_some_and(|last| Arc::ptr_eq(&last.upstream, upstream))
    }

    pub(super) fn vitals(&self) -> Option<Vitals> {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.as_ref().map(|Last { upstream, started, restarts, .. }| Vitals {
            pid: upstream.pid(),
            started: *started,
            restarts: *restarts,
            end: upstream.end(),
        })
    }

    pub(super) async fn stop(&self) {
        let mut present = self.present.lock().await;
        present.stopped = true;
        if let Some(upstream) = present.upstream.take() {
            upstream.stop().await;
        }
    }
}

/// Greets, within the time that a server has for it.
pub(super) async fn greet_in_time(upstream: &Upstream, era: Era) -> Result<Box<RawValue>, Gone> {
    let greeting = tokio::time::timeout(GREETING, greet(upstream, era)).await;
    greeting.unwrap_or_else(|_| Err(Gone(format!("did not greet within {GREETING:?}"))))
}

async fn greet(upstream: &Upstream, era: Era) -> Result<Box<RawValue>, Gone> {
    match era {
        Era::Legacy => initialize(upstream).await,
        Era::Modern => discover(upstream).await?.ok_or_else(|| Gone("does not speak the revision 2026-07-28".to_owned())),
    }
}

/// The handshake of the older revisions. The bridge can pass on whatever a server may ask of a client.
async fn initialize(upstream: &Upstream) -> Result<Box<RawValue>, Gone> {
    let params = serde_json::json!({
        "protocolVersion": Revision::NEWEST_LEGACY.as_str(),
        "capabilities": { "roots": { "listChanged": true }, "sampling": {}, "elicitation": { "form": {}, "url": {} } },
        "clientInfo": { "name": "chora-bridge", "version": env!("CARGO_PKG_VERSION") },
    });
    match upstream.ask("initialize", to_raw_value(&params).ok()).await? {
        Outcome::Result(result) => {
            upstream.notify("notifications/initialized", None).await?;
            Ok(result)
        }
        Outcome::Error(error) => {
            let told = params::text(Some(&error), "message").unwrap_or_else(|| error.get().to_owned());
            Err(Gone(format!("refuses to initialize: {told}")))
        }
    }
}

/// Asks for the newest revision; `None` where the server does not speak it.
async fn discover(upstream: &Upstream) -> Result<Option<Box<RawValue>>, Gone> {
    let meta = serde_json::json!({ "_meta": {
        params::REVISION: Revision::MODERN.as_str(),
        params::CAPABILITIES: {},
        "io.modelcontextprotocol/clientInfo": { "name": "chora-bridge", "version": env!("CARGO_PKG_VERSION") },
    }});
    Ok(match upstream.ask("server/discover", to_raw_value(&meta).ok()).await? {
        Outcome::Result(result) => speaks_modern(&result).then_some(result),
        Outcome::Error(_) => None,
    })
}

fn speaks_modern(discovered: &RawValue) -> bool {
    params::member(Some(discovered), "supportedVersions")
        .and_then(|versions| serde_json::from_str::<Vec<String>>(versions.get()).ok())
        .is_some_and(|versions| versions.iter().any(|version| version == Revision::MODERN.as_str()))
}

impl Bridge {
    fn slot(&self, era: Era) -> &Slot {
        match era {
            Era::Legacy => &self.legacy,
            Era::Modern => &self.modern,
        }
    }

    /// What the server speaks, found out with the first process, which is kept. A caller that stops waiting stops nothing.
    pub(crate) async fn era(&self) -> Result<Era, Gone> {
        if let Ok(known) = self.era.try_lock()
            && let Some(era) = *known
        {
            return Ok(era);
        }
        let Some(bridge) = self.me.upgrade() else { return Err(Gone("is being stopped".to_owned())) };
        let finding = tokio::spawn(async move { bridge.find_era().await });
        finding.await.unwrap_or_else(|_| Err(Gone("could not be started".to_owned())))
    }

    /// Whether the older handshake has not been tried yet with a server of the newer era.
    pub(super) async fn may_be_modern_only(&self) -> bool {
        matches!(self.era().await, Ok(Era::Modern)) && self.legacy.vitals().is_none()
    }

    async fn find_era(&self) -> Result<Era, Gone> {
        let mut known = self.era.lock().await;
        if let Some(era) = *known {
            return Ok(era);
        }
        let found = self.try_eras().await;
        *known = found.as_ref().ok().copied();
        self.note(&found);
        found
    }

    async fn try_eras(&self) -> Result<Era, Gone> {
        let upstream = self.start_child(None, None)?;
        let found = match tokio::time::timeout(GREETING, negotiate(&upstream)).await {
            Ok(found) => found,
            Err(_) => Err(Gone(format!("did not greet within {GREETING:?}"))),
        };
        match found {
            Ok((era, greeting)) => {
                self.slot(era).take(&upstream, greeting).await;
                Ok(era)
            }
            Err(gone) => {
                upstream.stop().await;
                Err(gone)
            }
        }
    }

    /// A process has ended: where it was shared, it is started again at once, and its sessions go on with the new one.
    pub(super) async fn mourn(&self, upstream: &Arc<Upstream>) {
        let bereaved: Vec<_> = self.sessions().values().filter(|session| session.uses(upstream)).cloned().collect();
        if upstream.owner.is_some() {
            for session in bereaved {
                self.end_session(&session.id).await;
            }
            return;
        }
        let Some(slot) = [&self.legacy, &self.modern].into_iter().find(|slot| slot.had(upstream)) else { return };
        let again = match slot.get(self).await {
            Ok(again) => again,
            // One more try each time somebody asks.
            Err(gone) => return tracing::error!("the server cannot be started again: {gone}"),
        };
        let mut told = std::collections::HashSet::new();
        for session in bereaved {
            session.move_to(&again);
            for uri in session.subscriptions().into_iter().filter(|uri| told.insert(uri.clone())) {
                let params = to_raw_value(&serde_json::json!({ "uri": uri })).ok();
                if let Err(gone) = again.ask("resources/subscribe", params).await {
                    tracing::warn!("a subscription is lost: {gone}");
                }
            }
        }
    }
}

/// Asks for the newest revision first, then for a handshake. A server that is silent may be slow or may not know the
/// question: both are tried, and what is answered first with a yes counts.
async fn negotiate(upstream: &Upstream) -> Result<(Era, Box<RawValue>), Gone> {
    let mut discovering = std::pin::pin!(discover(upstream));
    let first = tokio::time::timeout(SILENCE, &mut discovering).await;
    match first {
        Ok(Ok(Some(greeting))) => return Ok((Era::Modern, greeting)),
        Ok(Ok(None)) => return Ok((Era::Legacy, initialize(upstream).await?)),
        Ok(Err(gone)) => return Err(gone),
        Err(_) => {}
    }
    let mut initializing = std::pin::pin!(initialize(upstream));
    tokio::select! {
        discovered = &mut discovering => match discovered? {
            Some(greeting) => Ok((Era::Modern, greeting)),
            None => Ok((Era::Legacy, initializing.await?)),
        },
        initialized = &mut initializing => match initialized {
            Ok(greeting) => Ok((Era::Legacy, greeting)),
            // A slow server that took the first question for its era refuses the second.
            Err(gone) => discovering.await?.map(|greeting| (Era::Modern, greeting)).ok_or(gone),
        },
    }
}
