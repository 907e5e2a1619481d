//! One call of a client and its answer: plain JSON where the answer is all there is, events where the server has more to say.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use hyper::StatusCode;

use super::Front;
use super::answer::{Answer, empty, json};
use super::events::{Held, Telling, tell};
use crate::session::{Connected, Session};
use crate::stream::Stream;
use crate::upstream::Upstream;

/// After so long without a word the answer begins anyway, so that it can be kept alive.
const SILENCE: Duration = Duration::from_secs(15);

/// What is asked, once the call is on its way.
pub(super) struct Exchange<H> {
    pub(super) stream: Arc<Stream>,
    /// Name of the stream in event ids.
    pub(super) name: Option<u64>,
    /// What events begin with.
    pub(super) opening: Bytes,
    /// The HTTP status of an answer that is an error with this code.
    pub(super) status: fn(Option<i64>) -> StatusCode,
    pub(super) held: H,
}

/// Waits for the answer.
pub(super) async fn exchange<H: Held>(front: &Front, mut exchange: Exchange<H>) -> Answer {
    let reader = exchange.stream.read();
    let first = tokio::select! {
        event = exchange.stream.next(reader) => event,
        () = tokio::time::sleep(SILENCE) => return events(front, exchange, reader, None),
        () = front.stopping.cancelled() => None,
    };
    match first {
        Some(event) if event.is_last => {
            exchange.held.finished();
            json((exchange.status)(event.error), event.message)
        }
        Some(event) => events(front, exchange, reader, Some(event)),
        // Cancelled, or read by a connection that came later.
        None => empty(StatusCode::ACCEPTED),
    }
}

fn events<H: Held>(front: &Front, exchange: Exchange<H>, reader: u64, first: Option<crate::stream::Event>) -> Answer {
    let Exchange { stream, name, opening, held, .. } = exchange;
    let telling = Telling { stream, reader, name, opening, stopping: front.stopping.clone() };
    tell(telling, first, held)
}

/// A call of a session: it goes on when the connection breaks, and can be asked for again.
pub(super) struct SessionCall {
    pub(super) session: Arc<Session>,
    pub(super) name: u64,
    pub(super) took: Took,
    pub(super) _connected: Connected,
}

impl Held for SessionCall {
    fn finished(&mut self) {
        self.session.close_stream(self.name);
        self.took.observe();
    }
}

/// A call that stands alone: it is cancelled when nobody waits for it any more.
pub(super) struct LoneCall {
    pub(super) upstream: Arc<Upstream>,
    pub(super) number: u64,
    /// The process is this call's own.
    pub(super) own_process: bool,
    pub(super) took: Took,
    pub(super) is_over: bool,
}

impl Held for LoneCall {
    fn finished(&mut self) {
        self.is_over = true;
        self.took.observe();
    }
}

impl Drop for LoneCall {
    fn drop(&mut self) {
        if self.is_over && !self.own_process {
            return;
        }
        let (upstream, number, cancel, stop) = (Arc::clone(&self.upstream), self.number, !self.is_over, self.own_process);
        tokio::spawn(async move {
            if cancel {
                upstream.cancel(number, Some("the client has left")).await;
            }
            if stop {
                upstream.stop().await;
            }
        });
    }
}

/// A call that stands alone before a server that wants sessions: its session ends with it, unless it waits for input.
pub(super) struct PassingCall {
    pub(super) session: Arc<Session>,
    pub(super) took: Took,
    pub(super) is_over: bool,
    pub(super) _connected: Connected,
}

impl Held for PassingCall {
    fn finished(&mut self) {
        self.is_over = true;
        self.took.observe();
    }
}

impl Drop for PassingCall {
    fn drop(&mut self) {
        if !self.is_over {
            let (bridge, session) = (Arc::clone(&self.took.bridge), Arc::clone(&self.session));
            tokio::spawn(async move { bridge.end_session(&session.id).await });
        }
    }
}

/// Measures how long an answer took.
pub(super) struct Took {
    pub(super) bridge: Arc<crate::bridge::Bridge>,
    pub(super) since: Instant,
}

impl Took {
    pub(super) fn new(front: &Front) -> Self {
        Self { bridge: Arc::clone(&front.bridge), since: Instant::now() }
    }

    fn observe(&self) {
        self.bridge.metrics.calls.observe(self.since.elapsed());
    }
}
