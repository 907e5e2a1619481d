//! A release as traffic sees it: its replicas, what is under way on it, and the end of both.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::pool::Upstream;
use super::table::ReleaseEntry;
use crate::metrics::Counter;

/// One release of a service.
pub(super) struct Release {
    pub(super) entry: ReleaseEntry,
    pub(super) requests: Counter,
    /// Requests that it answered with 5xx, or not at all.
    pub(super) errors: Counter,
    upstreams: Vec<Arc<Upstream>>,
    next: AtomicUsize,
    in_flight: AtomicUsize,
    streams: AtomicUsize,
    sessions: AtomicUsize,
    fewer: Notify,
    cut: CancellationToken,
    /// The same, to be looked at without a lock.
    is_cut: AtomicBool,
}

/// Something under way on a release; it counts until it is dropped.
pub(super) struct Visit(Arc<Release>);

/// A visit that lasts: an event stream, an upgraded or a passed-through connection.
pub(super) struct StreamMark(Arc<Release>);

impl Release {
    pub(super) fn new(entry: &ReleaseEntry) -> Arc<Self> {
        Arc::new(Self {
            entry: entry.clone(),
            requests: Counter::default(),
            errors: Counter::default(),
            upstreams: entry.addresses.iter().map(|address| Upstream::new(address)).collect(),
            next: AtomicUsize::new(0),
            in_flight: AtomicUsize::new(0),
            streams: AtomicUsize::new(0),
            sessions: AtomicUsize::new(0),
            fewer: Notify::new(),
            cut: CancellationToken::new(),
            is_cut: AtomicBool::new(false),
        })
    }

    /// Requests so far, and how many of them failed.
    pub(super) fn tally(&self) -> (u64, u64) {
        (self.requests.get(), self.errors.get())
    }

    pub(super) fn enter(self: &Arc<Self>) -> Visit {
        self.in_flight.fetch_add(1, Ordering::SeqCst);
        Visit(Arc::clone(self))
    }

    /// The number of the replica whose turn it is.
    pub(super) fn turn(&self) -> usize {
        self.next.fetch_add(1, Ordering::Relaxed).checked_rem(self.upstreams.len()).unwrap_or(0)
    }

    pub(super) fn upstream(&self, replica: usize) -> Option<&Arc<Upstream>> {
        self.upstreams.get(replica)
    }

    pub(super) fn replicas(&self) -> usize {
        self.upstreams.len()
    }

    /// Whether one of its replicas accepts a connection.
    pub(super) async fn accepts(&self, limit: Duration) -> bool {
        let mut attempts: FuturesUnordered<_> = self.upstreams.iter().map(|upstream| upstream.dial(limit)).collect();
        while let Some(attempt) = attempts.next().await {
            if attempt.is_ok() {
                return true;
            }
        }
        false
    }

    /// Requests and connections under way, streams included.
    pub(super) fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::SeqCst)
    }

    pub(super) fn streams(&self) -> usize {
        self.streams.load(Ordering::SeqCst)
    }

    pub(super) fn sessions(&self) -> usize {
        self.sessions.load(Ordering::SeqCst)
    }

    pub(super) fn session_opened(&self) {
        self.sessions.fetch_add(1, Ordering::SeqCst);
    }

    pub(super) fn session_ended(&self) {
        if self.sessions.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.fewer.notify_waiters();
        }
    }

    /// Waits until something holds that can come true only by something ending.
    pub(super) async fn until(&self, holds: impl Fn(&Self) -> bool) {
        loop {
            let fewer = self.fewer.notified();
            tokio::pin!(fewer);
            // Enabled before looking: an end between the look and the wait is not missed.
            fewer.as_mut().enable();
            if holds(self) {
                return;
            }
            fewer.await;
        }
    }

    /// Ends all that is still under way.
    pub(super) fn cut(&self) {
        self.is_cut.store(true, Ordering::Release);
        self.cut.cancel();
    }

    /// Whether what is still under way must end.
    pub(super) fn is_cut(&self) -> bool {
        self.is_cut.load(Ordering::Acquire)
    }

    /// Cancelled when what is still under way must end.
    pub(super) fn cut_token(&self) -> &CancellationToken {
        &self.cut
    }

    /// Closes the connections to its replicas that have waited for too long.
    pub(super) fn tend(&self) {
        self.upstreams.iter().for_each(|upstream| upstream.tend());
    }

    /// Closes the connections to its replicas that wait for a request, and keeps none from now on.
    pub(super) fn close(&self) {
        for upstream in &self.upstreams {
            upstream.close();
        }
    }

    /// Keeps connections again.
    pub(super) fn reopen(&self) {
        for upstream in &self.upstreams {
            upstream.reopen();
        }
    }
}

impl Visit {
    pub(super) fn release(&self) -> &Arc<Release> {
        &self.0
    }

    pub(super) fn stream(&self) -> StreamMark {
        self.0.streams.fetch_add(1, Ordering::SeqCst);
        StreamMark(Arc::clone(&self.0))
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        if self.0.in_flight.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.0.fewer.notify_waiters();
        }
    }
}

impl Drop for StreamMark {
    fn drop(&mut self) {
        self.0.streams.fetch_sub(1, Ordering::SeqCst);
    }
}
