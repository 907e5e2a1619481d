//! A response body beside others on one connection, which must not end with it: taken away from a client that takes nothing.
//!
//! HTTP/2 leaves it to the client how much of each stream is sent. The body of one that takes nothing is not asked for more, so
//! that it cannot see by itself that its time is over; and the kernel, which watches connections, sees nothing of streams.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use tokio::task::AbortHandle;
use tokio_util::sync::CancellationToken;

use super::cut::FAREWELL;
use super::listener::Occupied;
use super::response_body::{Broken, ResponseBody};

pub(super) struct Revocable {
    shared: Arc<Shared>,
    watching: AbortHandle,
}

struct Shared(Mutex<State>);

struct State {
    body: Option<(ResponseBody, Arc<Occupied>)>,
    /// When the piece was handed on after which nothing was asked for.
    offered: Option<Instant>,
}

impl Revocable {
    /// A body that is taken away when it ignores `cut`, or when its client takes nothing for `unread` (zero is for ever).
    pub(super) fn new(body: ResponseBody, occupied: Arc<Occupied>, cut: CancellationToken, unread: Duration) -> Self {
        let shared = Arc::new(Shared(Mutex::new(State { body: Some((body, occupied)), offered: None })));
        let watched = Arc::clone(&shared);
        let watching = tokio::spawn(async move {
            let cut = async {
                cut.cancelled().await;
                tokio::time::sleep(FAREWELL).await;
            };
            tokio::select! {
                () = cut => {}
                () = watched.stalled(unread) => {}
            }
            watched.take();
        });
        Self { shared, watching: watching.abort_handle() }
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self) {
        let taken = self.state().body.take();
        // After the lock: what ends with a body is others' business.
        drop(taken);
    }

    async fn stalled(&self, limit: Duration) {
        if limit.is_zero() {
            return std::future::pending().await;
        }
        loop {
            let waited = self.state().offered.map(|offered| offered.elapsed()).unwrap_or_default();
            if waited >= limit {
                return;
            }
            tokio::time::sleep(limit.saturating_sub(waited)).await;
        }
    }
}

impl Drop for Revocable {
    fn drop(&mut self) {
        self.watching.abort();
        self.shared.take();
    }
}

impl Body for Revocable {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        let mut state = self.shared.state();
        let Some((body, _)) = &mut state.body else { return Poll::Ready(Some(Err(Broken::Cut))) };
        let polled = Pin::new(body).poll_frame(cx);
        state.offered = polled.is_ready().then(Instant::now);
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.shared.state().body.as_ref().is_some_and(|(body, _)| body.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        self.shared.state().body.as_ref().map(|(body, _)| body.size_hint()).unwrap_or_default()
    }
}
