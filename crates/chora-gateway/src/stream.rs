//! What one client is to receive, in order: written by whoever has news, read by the connection that delivers it, and kept
//! for a while where a client may come back and ask for what it missed.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::Notify;

/// Bytes that may wait for a client that does not read.
pub(crate) const LARGEST_BACKLOG: usize = 4 * 1024 * 1024;
/// Bytes kept after delivery, for a client that comes back.
const KEPT: usize = 64 * 1024;

/// One message on its way to a client.
#[derive(Debug, Clone)]
pub(crate) struct Event {
    /// Place in its stream, from 1.
    pub(crate) number: u64,
    pub(crate) message: Bytes,
    /// The answer that the stream was opened for: nothing follows.
    pub(crate) is_last: bool,
    /// The code, where the answer is an error.
    pub(crate) error: Option<i64>,
}

/// The client does not read what it asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the client does not read, and more than {LARGEST_BACKLOG} bytes wait for it")]
pub(crate) struct Overflow;

/// An ordered series of messages for one client.
#[derive(Debug)]
pub(crate) struct Stream {
    /// Whether what was delivered is kept.
    resumable: bool,
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    events: VecDeque<Event>,
    /// Number of the newest event.
    newest: u64,
    /// Number of the newest event that was delivered.
    delivered: u64,
    waiting_bytes: usize,
    kept_bytes: usize,
    ended: bool,
    /// Which reader is the present one; a client that comes back replaces the reader before.
    reader: u64,
}

impl Stream {
    pub(crate) fn new(resumable: bool) -> Self {
        Self { resumable, state: Mutex::default(), changed: Notify::new() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a message.
    pub(crate) fn push(&self, message: Bytes) -> Result<(), Overflow> {
        self.add(message, false, None)
    }

    /// Adds the last message, with its code where it is an error. It has room even beyond the limit: it ends the stream.
    pub(crate) fn finish(&self, message: Bytes, error: Option<i64>) {
        _ = self.add(message, true, error);
    }

    fn add(&self, message: Bytes, is_last: bool, error: Option<i64>) -> Result<(), Overflow> {
        let mut state = self.state();
        if state.ended {
            return Ok(());
        }
        if !is_last && state.waiting_bytes > 0 && state.waiting_bytes + message.len() > LARGEST_BACKLOG {
            return Err(Overflow);
        }
        state.newest += 1;
        state.waiting_bytes += message.len();
        state.ended = is_last;
        let number = state.newest;
        state.events.push_back(Event { number, message, is_last, error });
        drop(state);
        self.changed.notify_waiters();
        Ok(())
    }

    /// Ends the stream where it is; readers get what is there and then the end.
    pub(crate) fn close(&self) {
        self.state().ended = true;
        self.changed.notify_waiters();
    }

    /// Becomes the reader, from the event after number `after` on where it is still kept.
    pub(crate) fn read_after(&self, after: u64) -> u64 {
        let mut state = self.state();
        state.reader += 1;
        state.delivered = after.min(state.newest);
        let reader = state.reader;
        let (kept, waiting) = state.events.iter().fold((0, 0), |(kept, waiting), event| {
            if event.number <= after { (kept + event.message.len(), waiting) } else { (kept, waiting + event.message.len()) }
        });
        (state.kept_bytes, state.waiting_bytes) = (kept, waiting);
        drop(state);
        self.changed.notify_waiters();
        reader
    }

    /// Becomes the reader of what was not delivered yet.
    pub(crate) fn read(&self) -> u64 {
        let delivered = self.state().delivered;
        self.read_after(delivered)
    }

    /// The next event; `None` when the stream has ended or another reader has taken over.
    pub(crate) async fn next(&self, reader: u64) -> Option<Event> {
        loop {
            // Registered before the look, so that nothing is missed between the two.
            let changed = self.changed.notified();
            {
                let mut state = self.state();
                if state.reader != reader {
                    return None;
                }
                if let Some(event) = self.take(&mut state) {
                    return Some(event);
                }
                if state.ended {
                    return None;
                }
            }
            changed.await;
        }
    }

    fn take(&self, state: &mut State) -> Option<Event> {
        let delivered = state.delivered;
        let event = state.events.iter().find(|event| event.number > delivered).cloned()?;
        state.delivered = event.number;
        state.waiting_bytes = state.waiting_bytes.saturating_sub(event.message.len());
        state.kept_bytes += event.message.len();
        let most = if self.resumable { KEPT } else { 0 };
        while state.kept_bytes > most && state.events.front().is_some_and(|first| first.number <= event.number) {
            let Some(first) = state.events.pop_front() else { break };
            state.kept_bytes = state.kept_bytes.saturating_sub(first.message.len());
        }
        Some(event)
    }

    /// Whether nothing will follow.
    pub(crate) fn has_ended(&self) -> bool {
        self.state().ended
    }

    /// Whether everything was delivered and nothing will follow.
    pub(crate) fn is_spent(&self) -> bool {
        let state = self.state();
        state.ended && state.delivered == state.newest
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::{LARGEST_BACKLOG, Overflow, Stream};

    async fn texts(stream: &Stream, reader: u64) -> Vec<String> {
        let mut texts = Vec::new();
        while let Some(event) = stream.next(reader).await {
            texts.push(format!("{} {}", event.number, String::from_utf8_lossy(&event.message)));
        }
        texts
    }

    #[tokio::test]
    async fn a_reader_gets_all_in_order_and_then_the_end() {
        let stream = Stream::new(false);
        stream.push(Bytes::from("a")).expect("room");
        let reader = stream.read();
        stream.push(Bytes::from("b")).expect("room");
        stream.finish(Bytes::from("c"), None);
        stream.push(Bytes::from("too late")).expect("ignored");
        assert_eq!(texts(&stream, reader).await, ["1 a", "2 b", "3 c"]);
        assert!(stream.is_spent());
    }

    #[tokio::test]
    async fn a_client_that_comes_back_gets_what_it_missed() {
        let stream = Stream::new(true);
        for text in ["a", "b", "c"] {
            stream.push(Bytes::from(text)).expect("room");
        }
        let first = stream.read();
        for _ in 0..3 {
            stream.next(first).await.expect("an event");
        }
        let second = stream.read_after(1);
        stream.finish(Bytes::from("d"), None);
        assert!(stream.next(first).await.is_none(), "the reader before has lost it");
        assert_eq!(texts(&stream, second).await, ["2 b", "3 c", "4 d"]);
    }

    #[tokio::test]
    async fn a_client_that_does_not_read_is_not_waited_for() {
        let stream = Stream::new(true);
        stream.push(Bytes::from(vec![b'x'; LARGEST_BACKLOG + 1])).expect("one large message passes");
        assert_eq!(stream.push(Bytes::from("y")), Err(Overflow));
        stream.finish(Bytes::from("end"), None);
        let reader = stream.read();
        assert_eq!(stream.next(reader).await.expect("the large one").number, 1);
        assert!(stream.next(reader).await.expect("the end").is_last);
        assert!(stream.next(reader).await.is_none());
    }

    #[tokio::test]
    async fn a_waiting_reader_is_woken() {
        let stream = std::sync::Arc::new(Stream::new(false));
        let reader = stream.read();
        let waiting = tokio::spawn({
            let stream = std::sync::Arc::clone(&stream);
            async move { stream.next(reader).await.map(|event| event.message) }
        });
        tokio::task::yield_now().await;
        stream.finish(Bytes::from("now"), None);
        assert_eq!(waiting.await.expect("no panic").expect("an event"), "now");
    }
}
