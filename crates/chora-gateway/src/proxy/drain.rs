//! Switching a service to another release, and letting the one before come to its end.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Serialize;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::canary::Canary;
use super::release::Release;
use super::service::{Live, Service};
use super::table::{CanaryEntry, ReleaseEntry};

/// How long that which was cut has to be gone.
const CUTTING: Duration = Duration::from_secs(2);
/// How often sessions that nobody uses are looked for.
const SWEEP: Duration = Duration::from_secs(1);
/// How many ended drains of a service are remembered.
const REMEMBERED: usize = 8;

/// A release that gets nothing new but requests of its sessions.
pub(super) struct Drain {
    pub(super) release: Arc<Release>,
    resumed: CancellationToken,
    pub(super) ended: watch::Receiver<Option<DrainEnd>>,
}

/// How a drain ended.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct DrainEnd {
    pub(super) state: DrainState,
    pub(super) waited_ms: u64,
    /// Requests, streams and connections that were ended by the time-out.
    pub(super) cut_in_flight: usize,
    /// Sessions that were ended by the time-out.
    pub(super) cut_sessions: usize,
    /// What could not be ended: peers that read nothing.
    pub(super) left: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum DrainState {
    /// Everything ended by itself.
    Drained,
    /// The time-out ended what was left.
    Cut,
    /// It became the active release again.
    Resumed,
}

/// What a switch found.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Switched {
    pub(super) switched: bool,
    pub(super) from: String,
    pub(super) to: String,
    /// What the release before had under way when the switch was done.
    pub(super) in_flight: usize,
    pub(super) streams: usize,
    pub(super) sessions: usize,
}

impl Drain {
    pub(super) fn is_over(&self) -> bool {
        self.ended.borrow().is_some()
    }
}

/// Makes a release the active one. When this returns, no request that begins goes to the one before, which is given
/// `limit` to end what it has.
pub(super) fn switch(service: &Arc<Service>, entry: &ReleaseEntry, limit: Duration) -> Switched {
    let mut live = service.live_mut();
    // Whatever is switched to, a canary is over: it has become the active release, or gets nothing new.
    let promoted = end_canary(service, &mut live, entry, limit);
    let before = Arc::clone(&live.active);
    if before.entry == *entry {
        return figures(&before, &before.entry.name, false);
    }
    live.active = promoted.or_else(|| resumed(&mut live, entry)).unwrap_or_else(|| Release::new(entry));
    service.counters.switches.add(1);
    let figures = figures(&before, &entry.name, true);
    tracing::info!(service = service.name, from = figures.from, to = figures.to, in_flight = figures.in_flight, "switched");
    drain(service, &mut live, before, limit);
    figures
}

/// Lets a release come to its end; of the many that have, the oldest is forgotten.
fn drain(service: &Arc<Service>, live: &mut Live, release: Arc<Release>, limit: Duration) {
    let over = live.draining.iter().filter(|drain| drain.is_over()).count();
    if over >= REMEMBERED
        && let Some(oldest) = live.draining.iter().position(Drain::is_over)
    {
        live.draining.remove(oldest);
    }
    live.draining.push(begin(service, release, limit));
}

/// Sends some requests to a release from now on, or to none beside the active one. The same again goes on with the same release, and
/// is counted anew.
pub(super) fn try_out(service: &Arc<Service>, entry: Option<&CanaryEntry>, limit: Duration) {
    let mut live = service.live_mut();
    let known = match entry {
        Some(entry) => end_canary(service, &mut live, &entry.release, limit).or_else(|| resumed(&mut live, &entry.release)),
        None => {
            if let Some(canary) = live.canary.take() {
                drain(service, &mut live, Arc::clone(&canary.release), limit);
            }
            None
        }
    };
    live.canary = entry.map(|entry| Canary::new(entry, known.unwrap_or_else(|| Release::new(&entry.release))));
}

/// Takes the canary out; gives its release where it is the wanted one, else drains it.
fn end_canary(service: &Arc<Service>, live: &mut Live, wanted: &ReleaseEntry, limit: Duration) -> Option<Arc<Release>> {
    let release = Arc::clone(&live.canary.take()?.release);
    if release.entry == *wanted {
        return Some(release);
    }
    drain(service, live, release, limit);
    None
}

/// Drains the releases of a service that is no longer there.
pub(super) fn retire(service: &Arc<Service>, limit: Duration) {
    try_out(service, None, limit);
    let active = Arc::clone(&service.live().active);
    let drain = begin(service, active, limit);
    service.live_mut().draining.push(drain);
}

/// The very release when it is still there: what it has under way and its sessions stay.
fn resumed(live: &mut Live, entry: &ReleaseEntry) -> Option<Arc<Release>> {
    let usable = |drain: &Drain| drain.release.entry == *entry && !drain.is_over() && !drain.release.is_cut();
    let at = live.draining.iter().position(usable)?;
    let drain = live.draining.remove(at);
    drain.resumed.cancel();
    drain.release.reopen();
    Some(drain.release)
}

fn figures(before: &Release, to: &str, switched: bool) -> Switched {
    Switched {
        switched,
        from: before.entry.name.clone(),
        to: to.to_owned(),
        in_flight: before.in_flight(),
        streams: before.streams(),
        sessions: before.sessions(),
    }
}

fn begin(service: &Arc<Service>, release: Arc<Release>, limit: Duration) -> Drain {
    let resumed = CancellationToken::new();
    let (told, ended) = watch::channel(None);
    let drain = Drain { release: Arc::clone(&release), resumed: resumed.clone(), ended };
    let service = Arc::clone(service);
    tokio::spawn(async move {
        let end = run(&service, &release, limit, (&resumed, &told)).await;
        if end.state != DrainState::Resumed {
            service.counters.drains.add(1);
            service.counters.cut.add(u64::try_from(end.cut_in_flight).unwrap_or(u64::MAX));
        }
        tracing::info!(service = service.name, release = release.entry.name, ?end, "a drain ended");
    });
    drain
}

type Told = watch::Sender<Option<DrainEnd>>;

async fn run(service: &Service, release: &Arc<Release>, limit: Duration, (resumed, told): (&CancellationToken, &Told)) -> DrainEnd {
    let begun = Instant::now();
    let tell = |state, cut_in_flight, cut_sessions, left| {
        let waited_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        let end = DrainEnd { state, waited_ms, cut_in_flight, cut_sessions, left };
        told.send_replace(Some(end));
        end
    };
    let sweeping = async {
        loop {
            tokio::time::sleep(SWEEP).await;
            service.sessions.sweep(Duration::from_millis(service.limits().session_idle_ms));
        }
    };
    let drained = release.until(|release| release.in_flight() == 0 && release.sessions() == 0);
    let timed_out = tokio::select! {
        biased;
        () = resumed.cancelled() => false,
        () = drained => false,
        () = tokio::time::sleep(limit) => true,
        () = sweeping => false,
    };
    // Under the lock that a switch back takes: it either came before, or finds a drain that is over or a release that is
    // cut. Nobody is told that a release may be stopped that is active again.
    let live = service.live_mut();
    if resumed.is_cancelled() {
        return tell(DrainState::Resumed, 0, 0, 0);
    }
    release.close();
    if !timed_out {
        return tell(DrainState::Drained, 0, 0, 0);
    }
    let cut_in_flight = release.in_flight();
    release.cut();
    let cut_sessions = service.sessions.cut(release);
    drop(live);
    _ = tokio::time::timeout(CUTTING, release.until(|release| release.in_flight() == 0)).await;
    tell(DrainState::Cut, cut_in_flight, cut_sessions, release.in_flight())
}
