//! Server-sent events: messages as they come, with ids where a client may ask for what it missed.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::stream::unfold;
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::Frame;
use tokio_util::sync::CancellationToken;

use super::answer::{Answer, events};
use crate::stream::{Event, Stream};

/// How often a stream says that it is alive, so that no proxy on the way thinks it is not.
const ALIVE: Duration = Duration::from_secs(15);

/// How a stream is told.
pub(super) struct Telling {
    pub(super) stream: Arc<Stream>,
    /// The reader that this is, of [`Stream::read`].
    pub(super) reader: u64,
    /// Name of the stream in event ids; `None` where nothing can be asked for again.
    pub(super) name: Option<u64>,
    /// What is sent before the first message.
    pub(super) opening: Bytes,
    pub(super) stopping: CancellationToken,
}

/// An id that a client may give back: stream and number.
pub(super) fn parse_id(id: &str) -> Option<(u64, u64)> {
    let (stream, number) = id.split_once('-')?;
    Some((stream.parse().ok()?, number.parse().ok()?))
}

/// An event without a message: it gives the client an id to come back with, and says how soon.
pub(super) fn priming(name: u64, number: u64) -> Bytes {
    format!("id: {name}-{number}\nretry: 1000\ndata: \n\n").into()
}

/// One message as an event.
pub(super) fn event(event: &Event, name: Option<u64>) -> Bytes {
    let mut out = BytesMut::with_capacity(event.message.len() + 48);
    if let Some(name) = name {
        out.extend_from_slice(format!("id: {name}-{}\n", event.number).as_bytes());
    }
    out.extend_from_slice(b"event: message\ndata: ");
    out.extend_from_slice(&event.message);
    out.extend_from_slice(b"\n\n");
    out.freeze()
}

/// An answer of events: `first`, then what comes, until the stream ends or the client leaves. `held` lives as long as the
/// answer does and learns of each event.
pub(super) fn tell<H: Held>(telling: Telling, first: Option<Event>, held: H) -> Answer {
    let state = State { telling, first, held, is_over: false, is_open: false };
    let frames = unfold(state, |mut state| async move {
        let bytes = state.next().await?;
        Some((Ok::<_, Infallible>(Frame::data(bytes)), state))
    });
    events(StreamBody::new(frames).boxed_unsync())
}

/// What an answer keeps alive.
pub(super) trait Held: Send + 'static {
    /// The last message is on its way.
    fn finished(&mut self) {}
}

struct State<H> {
    telling: Telling,
    first: Option<Event>,
    held: H,
    is_over: bool,
    is_open: bool,
}

impl<H: Held> State<H> {
    async fn next(&mut self) -> Option<Bytes> {
        if !self.is_open {
            self.is_open = true;
            if !self.telling.opening.is_empty() {
                return Some(self.telling.opening.clone());
            }
        }
        if self.is_over {
            return None;
        }
        let next = match self.first.take() {
            Some(event) => Some(event),
            None => tokio::select! {
                event = self.telling.stream.next(self.telling.reader) => event,
                () = tokio::time::sleep(ALIVE) => return Some(Bytes::from_static(b": alive\n\n")),
                () = self.telling.stopping.cancelled() => None,
            },
        }?;
        if next.is_last {
            self.is_over = true;
            self.held.finished();
        }
        Some(event(&next, self.telling.name))
    }
}

#[cfg(test)]
mod tests {
    use super::parse_id;

    #[test]
    fn ids_name_a_stream_and_a_place_in_it() {
        assert_eq!(parse_id("3-14"), Some((3, 14)));
        for id in ["", "3", "-1", "a-1", "1-", "1-2-3"] {
            assert_eq!(parse_id(id), None, "{id}");
        }
    }
}
