//! The body of a request on its way to a replica: streamed, and taken back whole when nothing of it was read.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};

use super::cut::Cut;

/// A client's body that more than one attempt may try to send.
pub(super) struct Source {
    body: Mutex<Incoming>,
    /// The connection that it comes on, where that carries nothing else.
    connection: Option<Arc<Cut>>,
    touched: AtomicBool,
    /// Whether the next piece is up to the client.
    awaited: AtomicBool,
    broken: AtomicBool,
    ended: AtomicBool,
    begun: Instant,
    /// When the last piece came, in milliseconds since `begun`.
    progress: AtomicU64,
}

/// One attempt's view of it.
pub(super) struct RequestBody(Arc<Source>);

impl Source {
    pub(super) fn new(body: Incoming, connection: Option<&Arc<Cut>>) -> Arc<Self> {
        let connection = connection.filter(|_| !body.is_end_stream()).cloned();
        let no = || AtomicBool::new(false);
        let (touched, awaited, broken, ended) = (no(), no(), no(), AtomicBool::new(body.is_end_stream()));
        let (body, begun, progress) = (Mutex::new(body), Instant::now(), AtomicU64::new(0));
        Arc::new(Self { body, connection, touched, awaited, broken, ended, begun, progress })
    }

    pub(super) fn attempt(self: &Arc<Self>) -> RequestBody {
        RequestBody(Arc::clone(self))
    }

    /// Whether nothing of it has been handed on.
    pub(super) fn is_untouched(&self) -> bool {
        !self.touched.load(Ordering::Acquire)
    }

    /// Whether there is nothing in it.
    pub(super) fn is_empty(&self) -> bool {
        self.is_untouched() && self.body.lock().unwrap_or_else(PoisonError::into_inner).is_end_stream()
    }

    /// Whether all of it has been handed on.
    pub(super) fn is_ended(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }

    /// Whether the client broke it off, or sent what is none.
    pub(super) fn is_broken(&self) -> bool {
        self.broken.load(Ordering::Acquire)
    }

    /// Whether the client owes the next piece.
    pub(super) fn is_awaited(&self) -> bool {
        self.awaited.load(Ordering::Acquire)
    }

    /// How long ago the last piece came, or the request.
    pub(super) fn quiet_for(&self) -> Duration {
        self.begun.elapsed().saturating_sub(Duration::from_millis(self.progress.load(Ordering::Relaxed)))
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let source = &self.0;
        let mut body = source.body.lock().unwrap_or_else(PoisonError::into_inner);
        let polled = Pin::new(&mut *body).poll_frame(cx);
        source.awaited.store(polled.is_pending(), Ordering::Release);
        let frame = ready!(polled);
        source.connection.iter().for_each(|connection| connection.heard());
        source.broken.fetch_or(matches!(frame, Some(Err(_))), Ordering::AcqRel);
        source.ended.store(frame.is_none() || body.is_end_stream(), Ordering::Release);
        if frame.is_some() {
            source.touched.store(true, Ordering::Release);
            let since = u64::try_from(source.begun.elapsed().as_millis()).unwrap_or(u64::MAX);
            source.progress.store(since, Ordering::Relaxed);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.0.body.lock().unwrap_or_else(PoisonError::into_inner).is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.body.lock().unwrap_or_else(PoisonError::into_inner).size_hint()
    }
}
