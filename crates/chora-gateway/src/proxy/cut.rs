//! When a connection ends: with the release that is cut, by its body where the client reads and as a whole where it does not; and
//! when its client sends no request.
//!
//! Requests do not each wait for that sign: nearly none of them meets it. Their connection does, once for a release, and wakes
//! them; they look whether the release is cut.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::Poll;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::release::Release;

/// How long a client has to read the end of a response.
pub(super) const FAREWELL: Duration = Duration::from_secs(1);

/// What `awaited` holds while a request is under way.
const BUSY: u64 = u64::MAX;

/// A connection's part: the release of what it carried last, whether it still does, and since when it has waited for a request.
pub(super) struct Cut {
    release: watch::Sender<Option<Arc<Release>>>,
    carries: AtomicBool,
    /// Whether a request has no answer yet.
    owes: AtomicBool,
    /// Whether its client has yet to take what was written to it.
    unread: AtomicBool,
    begun: Instant,
    /// Since when the next request is waited for, in milliseconds since it began.
    awaited: AtomicU64,
}

/// A request and its response on a connection, until this is dropped.
pub(super) struct Carried {
    release: Arc<Release>,
    /// None where others are on the same connection.
    connection: Option<Arc<Cut>>,
}

impl Carried {
    /// A request beside others.
    pub(super) fn beside(release: &Arc<Release>) -> Self {
        Self { release: Arc::clone(release), connection: None }
    }

    pub(super) fn release(&self) -> &Arc<Release> {
        &self.release
    }

    /// Whether whoever waits here is woken when the release is cut.
    pub(super) const fn is_woken(&self) -> bool {
        self.connection.is_some()
    }

    /// Does something; `None` when the release is cut before that is done.
    pub(super) async fn unless_cut<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        if !self.is_woken() {
            return tokio::select! {
                biased;
                () = self.release.cut_token().cancelled() => None,
                done = work => Some(done),
            };
        }
        let mut work = pin!(work);
        poll_fn(|cx| if self.release.is_cut() { Poll::Ready(None) } else { work.as_mut().poll(cx).map(Some) }).await
    }
}

impl Cut {
    pub(super) fn new() -> Arc<Self> {
        let no = || AtomicBool::new(false);
        let (release, begun) = (watch::Sender::new(None), Instant::now());
        Arc::new(Self { release, carries: no(), owes: no(), unread: no(), begun, awaited: AtomicU64::new(0) })
    }

    /// A request has come.
    pub(super) fn asked(&self) {
        self.owes.store(true, Ordering::Relaxed);
        self.awaited.store(BUSY, Ordering::Relaxed);
    }

    /// It has its answer, whose body may still come.
    pub(super) fn answered(&self) {
        self.owes.store(false, Ordering::Relaxed);
        if !self.carries.load(Ordering::Relaxed) {
            self.wait();
        }
    }

    /// Something was written to the client, or could not be because it takes nothing now.
    pub(super) fn wrote(&self, taken: bool) {
        self.unread.store(!taken, Ordering::Relaxed);
        // The end of an answer may take its time: who reads it cannot ask yet.
        if taken {
            self.heard();
        }
    }

    /// All that was written is on its way, or is not yet; of use where a write ends in a buffer, as over TLS.
    pub(super) fn flushed(&self, all: bool) {
        if !all || self.unread.load(Ordering::Relaxed) {
            self.wrote(all);
        }
    }

    /// A piece of a request's body has come, perhaps after the answer.
    pub(super) fn heard(&self) {
        if self.awaited.load(Ordering::Relaxed) != BUSY {
            self.wait();
        }
    }

    fn wait(&self) {
        let since = u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(BUSY - 1);
        self.awaited.store(since, Ordering::Relaxed);
    }

    /// Returns when the head of a request has not come for `limit`. One timer lasts for as long as that, whatever comes meanwhile.
    pub(super) async fn forgotten(&self, limit: Duration) {
        loop {
            let until = match self.awaited.load(Ordering::Relaxed) {
                BUSY => Instant::now() + limit,
                // Whoever takes nothing at all is the kernel's to end.
                _ if self.unread.load(Ordering::Relaxed) => Instant::now() + limit,
                since => self.begun + Duration::from_millis(since) + limit,
            };
            if until > Instant::now() {
                tokio::time::sleep_until(until).await;
                continue;
            }
            let awaited = self.awaited.load(Ordering::Relaxed);
            // A request that is here already is looked at first.
            tokio::task::yield_now().await;
            if self.awaited.load(Ordering::Relaxed) == awaited {
                return;
            }
        }
    }

    pub(super) fn carry(self: &Arc<Self>, release: &Arc<Release>) -> Carried {
        self.carries.store(true, Ordering::Release);
        let known = self.release.borrow().as_ref().is_some_and(|known| Arc::ptr_eq(known, release));
        if !known {
            self.release.send_replace(Some(Arc::clone(release)));
        }
        Carried { release: Arc::clone(release), connection: Some(Arc::clone(self)) }
    }

    /// Returns when a release was cut and the client does not take the end of what it had from it. It has to be polled before the
    /// connection itself is, so that nothing is cut between the two unseen.
    pub(super) async fn overdue(&self) {
        let mut carried = self.release.subscribe();
        loop {
            let release = carried.borrow_and_update().clone();
            let due = async {
                match release {
                    Some(release) => release.cut_token().cancelled().await,
                    None => std::future::pending().await,
                }
                tokio::time::sleep(FAREWELL).await;
                if !self.carries.load(Ordering::Acquire) {
                    // What comes next is of another release.
                    std::future::pending().await
                }
            };
            tokio::select! {
                biased;
                changed = carried.changed() => if changed.is_err() { return },
                () = due => return,
            }
        }
    }
}

impl Drop for Carried {
    fn drop(&mut self) {
        if let Some(connection) = &self.connection {
            connection.carries.store(false, Ordering::Release);
            // What failed may be tried again.
            if !connection.owes.load(Ordering::Relaxed) {
                connection.wait();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::{Instant, timeout};

    use super::Cut;

    const LIMIT: Duration = Duration::from_secs(60);

    #[tokio::test(start_paused = true)]
    async fn who_sends_no_request_is_forgotten_and_who_waits_for_an_answer_is_not() {
        let cut = Cut::new();
        let begun = Instant::now();
        cut.forgotten(LIMIT).await;
        assert_eq!(begun.elapsed(), LIMIT);
        cut.asked();
        timeout(LIMIT * 5, cut.forgotten(LIMIT)).await.expect_err("it is under way");
        cut.answered();
        let begun = Instant::now();
        cut.forgotten(LIMIT).await;
        assert_eq!(begun.elapsed(), LIMIT);
    }

    #[tokio::test(start_paused = true)]
    async fn who_sends_on_after_an_early_answer_is_not_forgotten() {
        let cut = Cut::new();
        cut.asked();
        cut.answered();
        let sending = async {
            for _ in 0..10 {
                tokio::time::sleep(LIMIT / 2).await;
                cut.heard();
            }
        };
        let begun = Instant::now();
        tokio::join!(sending, cut.forgotten(LIMIT));
        assert_eq!(begun.elapsed(), LIMIT * 6);
    }

    #[tokio::test(start_paused = true)]
    async fn what_waits_in_a_buffer_has_not_been_taken() {
        let cut = Cut::new();
        cut.asked();
        cut.answered();
        cut.flushed(false);
        timeout(LIMIT * 5, cut.forgotten(LIMIT)).await.expect_err("it has not taken all");
        cut.flushed(true);
        tokio::time::sleep(LIMIT / 2).await;
        // Nothing was waiting: a head that comes bit by bit is none the later for it.
        cut.flushed(true);
        let begun = Instant::now();
        cut.forgotten(LIMIT).await;
        assert_eq!(begun.elapsed(), LIMIT / 2);
    }
}
