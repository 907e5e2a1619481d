//! A hold: how long requests wait, how many did, and its end where nobody else ends it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use serde::Serialize;
use tokio::sync::watch;
use tokio::time::Instant;

use super::service::Service;

/// No hold lasts longer: what is beyond it a clock may not be able to add.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 3600);

/// New requests wait.
pub(super) struct Hold {
    limit_ms: AtomicU64,
    /// When it ends by itself: whoever began it may be gone.
    until: watch::Sender<Instant>,
    first: OnceLock<Instant>,
    held: AtomicU64,
    refused: AtomicU64,
}

/// What a hold has done so far.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub(super) struct HoldFigures {
    /// Requests that had to wait.
    pub(super) held: u64,
    /// Requests that got 503 instead.
    pub(super) refused: u64,
    /// How long the first one waited, at most the hold's limit.
    pub(super) longest_wait_ms: u64,
}

impl Hold {
    pub(super) fn begin(service: &Arc<Service>, limit_ms: u64) -> Arc<Self> {
        let (until, watched) = watch::channel(Instant::now() + limit(limit_ms));
        tokio::spawn(end(Arc::downgrade(service), watched));
        Arc::new(Self {
            limit_ms: AtomicU64::new(limit_ms),
            until,
            first: OnceLock::new(),
            held: AtomicU64::new(0),
            refused: AtomicU64::new(0),
        })
    }

    pub(super) fn renew(&self, limit_ms: u64) {
        self.limit_ms.store(limit_ms, Ordering::Relaxed);
        self.until.send_replace(Instant::now() + limit(limit_ms));
    }

    /// Whoever began it is there, and needs so much longer.
    pub(super) fn prolong(&self, by: Duration) {
        self.until.send_replace(Instant::now() + self.limit() + by.min(LONGEST));
    }

    pub(super) fn is_over(&self) -> bool {
        *self.until.borrow() <= Instant::now()
    }

    /// How long a request may wait.
    pub(super) fn limit(&self) -> Duration {
        limit(self.limit_ms.load(Ordering::Relaxed))
    }

    /// Counts a request that waits.
    pub(super) fn wait(&self) {
        _ = self.first.get_or_init(Instant::now);
        self.held.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a request that is not let through.
    pub(super) fn refuse(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn figures(&self) -> HoldFigures {
        let longest = self.first.get().map_or(Duration::ZERO, |first| first.elapsed().min(self.limit()));
        HoldFigures {
            held: self.held.load(Ordering::Relaxed),
            refused: self.refused.load(Ordering::Relaxed),
            longest_wait_ms: u64::try_from(longest.as_millis()).unwrap_or(u64::MAX),
        }
    }
}

impl HoldFigures {
    /// Of both holds.
    pub(super) fn and(self, other: Self) -> Self {
        Self {
            held: self.held + other.held,
            refused: self.refused + other.refused,
            longest_wait_ms: self.longest_wait_ms.max(other.longest_wait_ms),
        }
    }
}

fn limit(limit_ms: u64) -> Duration {
    Duration::from_millis(limit_ms).min(LONGEST)
}

/// Ends the hold of a service when its time is over.
async fn end(service: Weak<Service>, mut until: watch::Receiver<Instant>) {
    loop {
        let due = *until.borrow_and_update();
        tokio::select! {
            () = tokio::time::sleep_until(due) => {
                if let Some(service) = service.upgrade() {
                    service.expire_hold();
                }
                // Otherwise it was renewed at the last moment.
                if *until.borrow() == due {
                    return;
                }
            }
            // An error says that the hold was let go.
            changed = until.changed() => if changed.is_err() { return },
        }
    }
}
