//! A client's session of the revisions that have one (2024-11-05 to 2025-11-25).

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use crate::bridge::Place;
use crate::message::{Id, Outcome};
use crate::revision::Revision;
use crate::stream::Stream;
use crate::translate::to_modern::Facing;
use crate::upstream::Upstream;

/// Streams of calls that are kept for a client that lost its connection.
const KEPT_STREAMS: usize = 32;
/// Most calls of a session that are under way at once.
const MOST_CALLS: usize = 1000;

/// Names a session inside the process; the client knows it by its id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct SessionKey(pub(crate) u64);

/// Who waits for an answer of the client.
#[derive(Debug)]
pub(crate) enum Asked {
    /// The server, under its own id.
    Server(Id),
    /// The bridge.
    Bridge(oneshot::Sender<Outcome>),
}

/// A session.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) key: SessionKey,
    /// What the client sends as `Mcp-Session-Id`.
    pub(crate) id: Box<str>,
    /// What was agreed on; what the client asked for until then.
    revision: Mutex<Revision>,
    /// Changes when a shared process ends and is started again.
    upstream: Mutex<Arc<Upstream>>,
    /// What belongs to no call: the stream of a GET, or all there is over HTTP+SSE.
    pub(crate) standing: Arc<Stream>,
    /// What is known of the client, where the server wants it told with every request.
    pub(crate) facing: OnceLock<Facing>,
    /// What the client said it can be asked, where the server was told of everything that any client could.
    pub(crate) offered: OnceLock<serde_json::Value>,
    born: Instant,
    touched: AtomicU64,
    next: AtomicU64,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// What the client was asked and has not answered, by our id.
    asked: HashMap<u64, Asked>,
    /// Streams of calls by their name in event ids, oldest first.
    streams: VecDeque<(u64, Arc<Stream>)>,
    /// Resources whose changes the client wants to hear of.
    subscriptions: HashSet<String>,
    /// Connections that are open for the client now.
    connections: usize,
    /// Until it has ended.
    place: Option<Place>,
}

impl Session {
    pub(crate) fn new(key: SessionKey, revision: Revision, upstream: Arc<Upstream>, place: Place) -> Self {
        Self {
            key,
            id: uuid::Uuid::new_v4().simple().to_string().into(),
            revision: Mutex::new(revision),
            upstream: Mutex::new(upstream),
            standing: Arc::new(Stream::new(true)),
            facing: OnceLock::new(),
            offered: OnceLock::new(),
            born: Instant::now(),
            touched: AtomicU64::new(0),
            next: AtomicU64::new(1),
            state: Mutex::new(State { place: Some(place), ..State::default() }),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn revision(&self) -> Revision {
        *self.revision.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn agree(&self, revision: Revision) {
        *self.revision.lock().unwrap_or_else(PoisonError::into_inner) = revision;
    }

    pub(crate) fn upstream(&self) -> Arc<Upstream> {
        Arc::clone(&self.upstream.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Goes on with another process. What the server before asked is asked no more.
    pub(crate) fn move_to(&self, upstream: &Arc<Upstream>) {
        *self.upstream.lock().unwrap_or_else(PoisonError::into_inner) = Arc::clone(upstream);
        self.state().asked.clear();
    }

    pub(crate) fn uses(&self, upstream: &Arc<Upstream>) -> bool {
        Arc::ptr_eq(&self.upstream.lock().unwrap_or_else(PoisonError::into_inner), upstream)
    }

    /// The client was heard of.
    pub(crate) fn touch(&self) {
        let since = u64::try_from(self.born.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.touched.store(since, Ordering::Relaxed);
    }

    /// How long nothing was heard; nothing while a connection is open.
    pub(crate) fn idle(&self) -> Duration {
        if self.state().connections > 0 {
            return Duration::ZERO;
        }
        self.born.elapsed().saturating_sub(Duration::from_millis(self.touched.load(Ordering::Relaxed)))
    }

    /// Counts a connection for as long as the guard lives.
    pub(crate) fn connected(self: &Arc<Self>) -> Connected {
        self.state().connections += 1;
        Connected(Arc::clone(self))
    }

    /// Another one may come, although connections may not have noticed yet that this session is over.
    pub(crate) fn give_up_place(&self) {
        self.state().place = None;
    }

    /// A name for what the server asks: unique in the session.
    pub(crate) fn ask(&self, theirs: Id) -> Id {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        self.state().asked.insert(number, Asked::Server(theirs));
        Id::number(number)
    }

    /// A name for what the bridge asks, and where the answer comes.
    pub(crate) fn ask_for_bridge(&self) -> (Id, oneshot::Receiver<Outcome>) {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let (sender, answer) = oneshot::channel();
        self.state().asked.insert(number, Asked::Bridge(sender));
        (Id::number(number), answer)
    }

    /// Who waits for what the client answers; each can be answered once.
    pub(crate) fn answered(&self, ours: &Id) -> Option<Asked> {
        self.state().asked.remove(&ours.as_number()?)
    }

    /// The server's id of what it asked, where it still waits.
    pub(crate) fn answered_to_server(&self, ours: &Id) -> Option<Id> {
        match self.answered(ours)? {
            Asked::Server(theirs) => Some(theirs),
            Asked::Bridge(_) => None,
        }
    }

    /// Takes back what the server asked.
    pub(crate) fn withdraw(&self, theirs: &Id) -> Option<Id> {
        let mut state = self.state();
        let number = state.asked.iter().find(|(_, asked)| matches!(asked, Asked::Server(id) if id == theirs)).map(|(number, _)| *number)?;
        state.asked.remove(&number);
        Some(Id::number(number))
    }

    /// Opens the stream of a call; its name stands in event ids. `None` while too many are under way.
    pub(crate) fn open_stream(&self) -> Option<(u64, Arc<Stream>)> {
        let name = self.next.fetch_add(1, Ordering::Relaxed);
        let stream = Arc::new(Stream::new(self.revision() >= Revision::V2025_03_26));
        let mut state = self.state();
        // Only what is over may be forgotten: what was delivered first, then answers that nobody came back for.
        while state.streams.len() >= KEPT_STREAMS {
            let over = state.streams.iter().position(|(_, stream)| stream.is_spent());
            let over = over.or_else(|| state.streams.iter().position(|(_, stream)| stream.has_ended()));
            match over {
                Some(place) => _ = state.streams.remove(place),
                None if state.streams.len() >= MOST_CALLS => return None,
                None => break,
            }
        }
        state.streams.push_back((name, Arc::clone(&stream)));
        Some((name, stream))
    }

    pub(crate) fn stream(&self, name: u64) -> Option<Arc<Stream>> {
        self.state().streams.iter().find(|(kept, _)| *kept == name).map(|(_, stream)| Arc::clone(stream))
    }

    /// Forgets a stream that was delivered to its end.
    pub(crate) fn close_stream(&self, name: u64) {
        self.state().streams.retain(|(kept, _)| *kept != name);
    }

    pub(crate) fn subscribe(&self, uri: String) {
        self.state().subscriptions.insert(uri);
    }

    pub(crate) fn unsubscribe(&self, uri: &str) {
        self.state().subscriptions.remove(uri);
    }

    pub(crate) fn is_subscribed(&self, uri: &str) -> bool {
        self.state().subscriptions.contains(uri)
    }

    /// Resources that the client wants to hear of.
    pub(crate) fn subscriptions(&self) -> Vec<String> {
        self.state().subscriptions.iter().cloned().collect()
    }
}

/// An open connection of a session.
pub(crate) struct Connected(Arc<Session>);

impl Drop for Connected {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.connections = state.connections.saturating_sub(1);
        drop(state);
        self.0.touch();
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::{KEPT_STREAMS, MOST_CALLS, Session, SessionKey};
    use crate::bridge::Room;
    use crate::revision::Revision;
    use crate::transport::stdio::ChildCommand;
    use crate::upstream::Upstream;

    #[tokio::test]
    async fn answers_that_nobody_came_for_and_calls_under_way_have_a_limit() {
        let command = ChildCommand {
            command: vec!["sleep".into(), "1000".into()],
            environment: Vec::new(),
            directory: None,
            patience: crate::transport::stdio::PATIENCE,
        };
        let upstream = Upstream::start(&command.into(), None).expect("a process").upstream;
        let session = Session::new(SessionKey(1), Revision::V2025_11_25, upstream, Room::new(1).for_session().expect("a place"));
        for _ in 0..2 * MOST_CALLS {
            let (_, stream) = session.open_stream().expect("room");
            stream.finish(Bytes::from("an answer"), None);
        }
        assert!(session.state().streams.len() <= KEPT_STREAMS);
        let under_way: Vec<_> = std::iter::from_fn(|| session.open_stream()).collect();
        assert_eq!(under_way.len(), MOST_CALLS);
        under_way.iter().for_each(|(_, stream)| stream.finish(Bytes::from("an answer"), None));
        assert!(session.open_stream().is_some());
        assert!(session.state().streams.len() <= KEPT_STREAMS);
    }
}
