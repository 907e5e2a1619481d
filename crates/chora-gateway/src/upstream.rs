//! One conversation with a server, shared by any number of clients: on this side ids and progress tokens are ours, so that
//! no two clients' can be the same, and every answer finds the one who asked.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use serde_json::value::RawValue;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use crate::message::params::{self, SUBSCRIPTION};
use crate::message::{Fault, Id, Message, Notification, Outcome, Request, Response, code};
use crate::server::Server;
use crate::session::SessionKey;
use crate::stream::Stream;
use crate::transport::link::{Arrival, Link};
use crate::transport::stdio::{Gone, Outgoing};

/// Messages of a server that may wait to be routed.
const INBOX: usize = 256;
/// How long a server may take to answer what the bridge itself asks.
const ASKING: Duration = Duration::from_secs(60);

/// Where the answer to a call goes.
#[derive(Debug)]
pub(crate) enum Sink {
    /// To a client, as the end of the stream that was opened for it.
    Client(Arc<Stream>),
    /// To a client, on the only stream that it has.
    Standing(Arc<Stream>),
    /// To the bridge itself.
    Own(oneshot::Sender<Outcome>),
}

/// Who calls, and how it named the call.
#[derive(Debug)]
pub(crate) struct Caller {
    /// The session, where the client has one.
    pub(crate) session: Option<SessionKey>,
    pub(crate) id: Id,
    pub(crate) sink: Sink,
}

/// A call on its way to the server.
#[derive(Debug)]
pub(crate) struct Outbound {
    pub(crate) caller: Caller,
    pub(crate) method: String,
    pub(crate) params: Option<Box<RawValue>>,
}

/// A call that the server never got: it may be sent to another process.
#[derive(Debug)]
pub(crate) struct Unsent {
    pub(crate) gone: Gone,
    pub(crate) call: Outbound,
}

/// Forgets a call that was given up while it was sent.
struct Pending<'a> {
    upstream: &'a Upstream,
    number: Option<u64>,
}

impl Drop for Pending<'_> {
    fn drop(&mut self) {
        if let Some(number) = self.number {
            self.upstream.calls().remove(&number);
        }
    }
}

#[derive(Debug)]
struct Call {
    caller: Caller,
    /// The client's own progress token.
    token: Option<Box<RawValue>>,
    /// The client wants to be told what the server logs.
    wants_logs: bool,
    /// When the server last said something about it; `None` where it may be silent for ever.
    heard: Option<Instant>,
}

/// What a server says that answers no call: who it is for must be found out.
#[derive(Debug)]
pub(crate) enum Unaddressed {
    Notification(Notification),
    Request(Request),
}

/// A conversation.
#[derive(Debug)]
pub(crate) struct Upstream {
    link: Link,
    /// The only session that uses it, where it is nobody else's.
    pub(crate) owner: Option<SessionKey>,
    calls: Mutex<HashMap<u64, Call>>,
    next: AtomicU64,
    /// When the server last said anything.
    heard: Mutex<Instant>,
    /// It says nothing any more, although its process may still be there to be waited for.
    over: AtomicBool,
}

/// A conversation that has begun, and what arrives in it.
pub(crate) struct Started {
    pub(crate) upstream: Arc<Upstream>,
    pub(crate) arriving: mpsc::Receiver<Arrival>,
}

impl Upstream {
    /// Starts a conversation with the server.
    pub(crate) fn start(server: &Server, owner: Option<SessionKey>) -> std::io::Result<Started> {
        let (messages, arriving) = mpsc::channel(INBOX);
        let link = server.start(messages)?;
        let (next, heard) = (AtomicU64::new(1), Mutex::new(Instant::now()));
        let upstream = Self { link, owner, calls: Mutex::default(), next, heard, over: AtomicBool::new(false) };
        Ok(Started { upstream: Arc::new(upstream), arriving })
    }

    /// Id of its process, where it has one of ours.
    pub(crate) fn pid(&self) -> Option<i32> {
        self.link.pid()
    }

    /// How it ended, where it has.
    pub(crate) fn end(&self) -> Option<String> {
        self.link.end().or_else(|| self.over.load(Ordering::SeqCst).then(|| "ended".to_owned()))
    }

    /// Nothing arrives any more: whoever looks from now on sees that it has ended.
    pub(crate) fn fell_silent(&self) {
        self.over.store(true, Ordering::SeqCst);
    }

    pub(crate) async fn stop(&self) {
        self.link.stop().await;
    }

    fn calls(&self) -> MutexGuard<'_, HashMap<u64, Call>> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends a call; its number here, for [`Self::cancel`]. What could not be sent is given back once the process has ended.
    pub(crate) async fn call(&self, call: Outbound) -> Result<u64, Unsent> {
        let Outbound { caller, method, params } = call;
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let token = params::meta(params.as_deref(), "progressToken");
        let wants_logs = params::meta(params.as_deref(), params::LOG_LEVEL).is_some();
        let rewritten =
            token.as_ref().and_then(|_| params::with_meta(params.as_deref(), "progressToken", params::raw_id(&Id::number(number))));
        let (sent, kept) = match rewritten {
            Some(rewritten) => (Some(rewritten), params),
            None => (params, None),
        };
        // What the bridge asks has a limit of its own, and a subscription has no end.
        let may_be_silent = matches!(caller.sink, Sink::Own(_)) || method == "subscriptions/listen";
        let heard = (!may_be_silent).then(Instant::now);
        self.calls().insert(number, Call { caller, token, wants_logs, heard });
        // Nobody is left to take the answer when the caller stops waiting here.
        let mut pending = Pending { upstream: self, number: Some(number) };
        let request = Outgoing::Request(Request { id: Id::number(number), method, params: sent });
        let result = self.link.send(&request).await;
        pending.number = None;
        let gone = match result {
            // A process that ended in between was swept before this call was there to be swept.
            Ok(()) => match self.link.end() {
                None => return Ok(number),
                Some(end) => Gone(end),
            },
            Err(gone) => {
                self.link.stop().await;
                gone
            }
        };
        let Some(call) = self.calls().remove(&number) else { return Ok(number) };
        let Outgoing::Request(Request { method, params, .. }) = request else { return Ok(number) };
        Err(Unsent { gone, call: Outbound { caller: call.caller, method, params: kept.or(params) } })
    }

    /// Asks something for the bridge itself.
    pub(crate) async fn ask(&self, method: &str, params: Option<Box<RawValue>>) -> Result<Outcome, Gone> {
        let (answer, answered) = oneshot::channel();
        let caller = Caller { session: None, id: Id::number(0), sink: Sink::Own(answer) };
        let asking = async {
            let number = self.call(Outbound { caller, method: method.to_owned(), params }).await.map_err(|unsent| unsent.gone)?;
            let _pending = Pending { upstream: self, number: Some(number) };
            answered.await.map_err(|_| Gone(self.end().unwrap_or_else(|| "ended".to_owned())))
        };
        let asked = tokio::time::timeout(ASKING, asking).await;
        asked.unwrap_or_else(|_| Err(Gone(format!("did not answer {method} within {ASKING:?}"))))
    }

    pub(crate) async fn notify(&self, method: &str, params: Option<Box<RawValue>>) -> Result<(), Gone> {
        self.link.send(&Outgoing::Notification(Notification { method: method.to_owned(), params })).await
    }

    pub(crate) async fn answer(&self, response: Response) -> Result<(), Gone> {
        self.link.send(&Outgoing::Response(response)).await
    }

    /// Tells the server that nobody waits for a call any more, and forgets it. A call that was answered is none.
    pub(crate) async fn cancel(&self, number: u64, reason: Option<&str>) {
        if self.calls().remove(&number).is_some() {
            self.tell_cancelled(number, reason).await;
        }
    }

    async fn tell_cancelled(&self, number: u64, reason: Option<&str>) {
        let mut params = serde_json::json!({ "requestId": number });
        if let (Some(reason), Some(object)) = (reason, params.as_object_mut()) {
            object.insert("reason".to_owned(), reason.into());
        }
        _ = self.notify("notifications/cancelled", serde_json::value::to_raw_value(&params).ok()).await;
    }

    /// Ends a call with an error of ours, and tells the server that nobody waits for it any more. It is not waited for: a
    /// server that does not read may be the reason.
    pub(crate) fn give_up(self: &Arc<Self>, number: u64, fault: &Fault) {
        self.fail(number, fault);
        let (upstream, reason) = (Arc::clone(self), fault.message.clone());
        tokio::spawn(async move { upstream.tell_cancelled(number, Some(&reason)).await });
    }

    /// Calls of clients about which the server has said nothing for so long.
    pub(crate) fn forgotten(&self, limit: Duration) -> Vec<u64> {
        let is_forgotten = |call: &Call| call.heard.is_some_and(|heard| heard.elapsed() >= limit);
        self.calls().iter().filter(|(_, call)| is_forgotten(call)).map(|(number, _)| *number).collect()
    }

    /// How long the server has said nothing at all.
    pub(crate) fn silent_for(&self) -> Duration {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).elapsed()
    }

    /// The number of a client's call that is under way.
    pub(crate) fn number_of(&self, session: SessionKey, id: &Id) -> Option<u64> {
        self.calls().iter().find(|(_, call)| call.caller.session == Some(session) && call.caller.id == *id).map(|(number, _)| *number)
    }

    /// Numbers of all calls of a session that are under way.
    pub(crate) fn numbers_of(&self, session: SessionKey) -> Vec<u64> {
        self.calls().iter().filter(|(_, call)| call.caller.session == Some(session)).map(|(number, _)| *number).collect()
    }

    /// Where the answer to a call goes.
    pub(crate) fn stream_of(&self, number: u64) -> Option<Arc<Stream>> {
        self.calls().get(&number).and_then(|call| call.caller.sink.stream())
    }

    /// Whose a call is.
    pub(crate) fn session_of(&self, number: u64) -> Option<SessionKey> {
        self.calls().get(&number).and_then(|call| call.caller.session)
    }

    /// The stream of the newest call of a session, for what the server asks while it works on it.
    pub(crate) fn newest_stream_of(&self, session: SessionKey) -> Option<Arc<Stream>> {
        let calls = self.calls();
        let newest = calls.iter().filter(|(_, call)| call.caller.session == Some(session)).max_by_key(|(number, _)| **number);
        newest.and_then(|(_, call)| call.caller.sink.stream())
    }

    /// The sessions with calls under way, each once.
    pub(crate) fn busy_sessions(&self) -> Vec<SessionKey> {
        let mut sessions: Vec<_> = self.calls().values().filter_map(|call| call.caller.session).collect();
        sessions.sort_unstable();
        sessions.dedup();
        sessions
    }

    /// The stream of the only call that wants logs; `None` where it cannot be told whose a log line is.
    pub(crate) fn only_stream_that_wants_logs(&self) -> Option<Arc<Stream>> {
        let calls = self.calls();
        let mut wanting = calls.values().filter(|call| call.wants_logs);
        match (wanting.next(), wanting.next()) {
            (Some(call), None) => call.caller.sink.stream(),
            _ => None,
        }
    }

    /// Routes what arrived, as far as it is addressed; gives back what is not.
    pub(crate) fn route(&self, message: Message) -> Routed {
        let now = Instant::now();
        *self.heard.lock().unwrap_or_else(PoisonError::into_inner) = now;
        if matches!(message, Message::Request(_)) {
            // It wants to know something for one of them, which goes on when it is answered.
            self.calls().values_mut().for_each(|call| call.heard = call.heard.map(|_| now));
        }
        match message {
            Message::Response(response) => {
                self.deliver_answer(response);
                Routed::Delivered
            }
            Message::Request(request) => Routed::Unaddressed(Unaddressed::Request(request)),
            Message::Notification(notification) => self.route_notification(notification),
        }
    }

    fn route_notification(&self, notification: Notification) -> Routed {
        let params = notification.params.as_deref();
        let addressed = if notification.method == "notifications/progress" {
            params::member(params, "progressToken").map(|token| (token, Address::Token))
        } else {
            params::meta(params, SUBSCRIPTION).map(|id| (id, Address::Subscription))
        };
        let Some((key, address)) = addressed else { return Routed::Unaddressed(Unaddressed::Notification(notification)) };
        let Some(number) = Id::parse(&key).and_then(|id| id.as_number()) else { return Routed::Dropped("its address is not one we gave") };
        let (stream, rewritten) = {
            let mut calls = self.calls();
            let Some(call) = calls.get_mut(&number) else { return Routed::Dropped("the call it belongs to is over") };
            call.heard = call.heard.map(|_| Instant::now());
            let rewritten = match address {
                Address::Token => call.token.clone().and_then(|token| params::with(params, "progressToken", token)),
                Address::Subscription => params::with_meta(params, SUBSCRIPTION, params::raw_id(&call.caller.id)),
            };
            (call.caller.sink.stream(), rewritten)
        };
        let (Some(stream), Some(rewritten)) = (stream, rewritten) else { return Routed::Dropped("nobody asked for it") };
        let bytes = written(&Message::Notification(Notification { method: notification.method, params: Some(rewritten) }));
        match stream.push(bytes) {
            Ok(()) => Routed::Delivered,
            Err(_) => Routed::Overflowed(number),
        }
    }

    fn deliver_answer(&self, response: Response) {
        let number = response.id.as_ref().and_then(Id::as_number);
        let Some(call) = number.and_then(|number| self.calls().remove(&number)) else {
            tracing::debug!("an answer to nothing that is under way is dropped");
            return;
        };
        call.caller.finish(response.outcome);
    }

    /// Ends one call with an error of ours.
    pub(crate) fn fail(&self, number: u64, fault: &Fault) {
        let call = self.calls().remove(&number);
        if let Some(call) = call {
            call.caller.finish(Outcome::Error(fault.to_raw()));
        }
    }

    /// Ends every call that is under way: the server is gone.
    pub(crate) fn fail_all(&self, gone: &Gone) -> usize {
        let calls = std::mem::take(&mut *self.calls());
        let count = calls.len();
        for call in calls.into_values() {
            call.caller.finish(Outcome::Error(unavailable(gone).to_raw()));
        }
        count
    }
}

enum Address {
    Token,
    Subscription,
}

/// What became of a message.
pub(crate) enum Routed {
    Delivered,
    Unaddressed(Unaddressed),
    /// Nobody could be meant, for this reason.
    Dropped(&'static str),
    /// The client of this call does not read.
    Overflowed(u64),
}

impl Sink {
    fn stream(&self) -> Option<Arc<Stream>> {
        match self {
            Self::Client(stream) | Self::Standing(stream) => Some(Arc::clone(stream)),
            Self::Own(_) => None,
        }
    }
}

impl Caller {
    fn finish(self, outcome: Outcome) {
        let error = outcome.code();
        match self.sink {
            Sink::Client(stream) => stream.finish(written(&Message::Response(Response { id: Some(self.id), outcome })), error),
            Sink::Standing(stream) => {
                if stream.push(written(&Message::Response(Response { id: Some(self.id), outcome }))).is_err() {
                    // Nothing can follow an answer that is missing: the client has to begin anew.
                    stream.close();
                }
            }
            // The bridge gave up waiting.
            Sink::Own(answer) => _ = answer.send(outcome),
        }
    }
}

/// The error for a call whose server is gone.
pub(crate) fn unavailable(gone: &Gone) -> Fault {
    Fault::new(code::UNAVAILABLE, gone.to_string()).with(serde_json::json!({ "retry": true }))
}

/// A message as bytes.
pub(crate) fn written(message: &Message) -> Bytes {
    let mut out = Vec::with_capacity(256);
    message.write(&mut out);
    out.into()
}
