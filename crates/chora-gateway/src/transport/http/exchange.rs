//! One call of a client and its answer: plain JSON where the answer is all there is, events where the server has more to say.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hyper::StatusCode;

use super::Front;
use super::answer::{Answer, empty, json};
use super::events::{Held, Telling, tell};
use crate::calls::{LoneCall, PassingCall, Took};
use crate::session::{Connected, Session};
use crate::stream::Stream;

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

impl Held for LoneCall {
    fn finished(&mut self) {
        self.end();
    }
}

impl Held for PassingCall {
    fn finished(&mut self) {
        self.end();
    }
}
