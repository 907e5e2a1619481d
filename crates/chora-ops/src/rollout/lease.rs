//! The lease of an environment: taken, kept alive, given back; a dead owner is found out.

use std::sync::Arc;
use std::time::Duration;

use chora_core::model::deployment::Lease;
use chora_core::model::event::ProgressState;
use chora_core::model::ids::EnvironmentName;
use chora_core::ports::{Liveness, StoreError};

use crate::context::Context;
use crate::failure::Failure;

/// How often a heartbeat is written.
const HEARTBEAT: Duration = Duration::from_secs(5);
/// How long an owner on another machine may be silent before it counts as dead.
const SILENCE: Duration = Duration::from_secs(60);
/// How long a silent owner is listened to: clocks differ and are set, a heartbeat that changes does not lie.
const LISTENING: Duration = Duration::from_secs(15);

/// Tries to give a lease back.
const GIVE_BACK_TRIES: u32 = 3;
/// The pause between two of them.
const GIVE_BACK_PAUSE: Duration = Duration::from_millis(200);

/// A held lease with its heartbeat.
pub(crate) struct HeldLease {
    environment: EnvironmentName,
    heartbeat: tokio::task::JoinHandle<()>,
}

/// Takes the lease; from a dead owner too.
pub(crate) async fn take(cx: &Context, environment: &EnvironmentName, purpose: &str) -> Result<HeldLease, Failure> {
    let now = cx.clock.now();
    let lease = Lease { environment: environment.clone(), owner: cx.host.owner(), purpose: purpose.to_owned(), since: now, heartbeat: now };
    let untouched = |error: StoreError| Failure::from(error).state("nothing was changed");
    let held = cx.store.lease(environment).await.map_err(untouched)?.filter(|held| held.owner != lease.owner);
    let dead = match held {
        Some(held) if is_dead(cx, &held).await? => Some(held),
        _ => None,
    };
    match cx.store.acquire_lease(&lease, dead.as_ref().map(|dead| &dead.owner)).await {
        Ok(()) => {}
        Err(StoreError::LeaseHeld { environment, holder, since }) => {
            let held = cx.store.lease(&environment).await.ok().flatten().map_or_else(String::new, |lease| lease.purpose);
            let failure = Failure::from(StoreError::LeaseHeld { environment, holder, since });
            return Err(failure.state(format!("{held} is running; nothing was changed by this command")));
        }
        // The answer may have been lost after the work was done.
        Err(error) if !is_ours(cx, &lease).await => return Err(untouched(error)),
        Err(_) => {}
    }
    Ok(HeldLease { environment: environment.clone(), heartbeat: beat(cx, environment) })
}

async fn is_ours(cx: &Context, lease: &Lease) -> bool {
    matches!(cx.store.lease(&lease.environment).await, Ok(Some(held)) if held.owner == lease.owner && held.since == lease.since)
}

async fn is_dead(cx: &Context, held: &Lease) -> Result<bool, StoreError> {
    match cx.host.liveness(&held.owner) {
        Liveness::Dead => Ok(true),
        Liveness::Alive => Ok(false),
        Liveness::Unknown if cx.clock.now().duration_since(held.heartbeat).unsigned_abs() <= SILENCE => Ok(false),
        Liveness::Unknown => is_silent(cx, held).await,
    }
}

/// Listens for a heartbeat of an owner whose last one is long ago, or yet to come.
async fn is_silent(cx: &Context, held: &Lease) -> Result<bool, StoreError> {
    let words = format!("the lease of {}", held.environment);
    cx.note(ProgressState::Note, &words, &format!("{} seems to be gone, listening for it", held.owner), (0, 0));
    let began = cx.clock.elapsed();
    while cx.clock.elapsed().saturating_sub(began) < LISTENING {
        cx.clock.sleep(Duration::from_secs(1)).await;
        if cx.store.lease(&held.environment).await?.as_ref() != Some(held) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Writes heartbeats until aborted; a lost lease interrupts the work.
fn beat(cx: &Context, environment: &EnvironmentName) -> tokio::task::JoinHandle<()> {
    let (store, clock, owner) = (Arc::clone(&cx.store), Arc::clone(&cx.clock), cx.host.owner());
    let (environment, cancel) = (environment.clone(), cx.cancel.clone());
    tokio::spawn(async move {
        let mut ticks = tokio::time::interval(HEARTBEAT);
        ticks.tick().await;
        loop {
            ticks.tick().await;
            if matches!(store.renew_lease(&environment, &owner, clock.now()).await, Err(StoreError::LeaseLost { .. })) {
                cancel.cancel();
                return;
            }
        }
    })
}

impl HeldLease {
    /// Gives the lease back. A failure is not fatal: this process's end frees it as well.
    pub(crate) async fn give_back(self, cx: &Context) {
        self.heartbeat.abort();
        for attempt in 1..=GIVE_BACK_TRIES {
            match cx.store.release_lease(&self.environment, &cx.host.owner()).await {
                Ok(()) => return,
                Err(error) if attempt == GIVE_BACK_TRIES => {
                    tracing::warn!(%error, environment = %self.environment, "the lease could not be given back; it ends with this process");
                }
                Err(_) => cx.clock.sleep(GIVE_BACK_PAUSE).await,
            }
        }
    }
}

impl Drop for HeldLease {
    fn drop(&mut self) {
        self.heartbeat.abort();
    }
}
