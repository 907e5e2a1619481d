//! One conversation with the servers together: a session of a client, or all the calls that stand alone. Every message of a
//! server goes to the call that caused it, and every question to the client whose call it was.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use futures_util::future::join_all;
use serde_json::value::RawValue;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::seat::Seat;
use super::{Aggregate, attributed, away};
use crate::calls;
use crate::client;
use crate::many::Named;
use crate::message::params::{self, REVISION};
use crate::message::{Fault, Id, Message, Notification, Outcome, Request, Response, code};
use crate::session::Session;
use crate::stream::Stream;
use crate::transport::link::{Arrival, Part};
use crate::transport::stdio::Outgoing;
use crate::upstream::unavailable;

/// How a call came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// In the client's session: it has a place at the server.
    Seated,
    /// By itself.
    Lone,
}

/// A conversation.
pub(super) struct Conversation {
    pub(super) aggregate: Arc<Aggregate>,
    said: mpsc::Sender<Arrival>,
    hello: OnceLock<Option<Box<RawValue>>>,
    seats: Vec<tokio::sync::Mutex<Option<Arc<Seat>>>>,
    state: Mutex<State>,
    next: AtomicU64,
    over: CancellationToken,
}

#[derive(Default)]
struct State {
    under_way: HashMap<u64, CancellationToken>,
    /// What the client was asked, by our id.
    questions: HashMap<u64, Question>,
    /// What the client said last to `logging/setLevel`.
    level: Option<Box<RawValue>>,
    /// Resources whose changes the client wants to hear of, and whose they are.
    subscribed: HashMap<String, usize>,
}

/// Something that a server asked.
struct Question {
    session: Arc<Session>,
    theirs: Id,
    /// Under which the server wants to hear how the answer comes along.
    token: Option<Id>,
}

/// Speaks until it is to stop.
pub(super) async fn play(aggregate: Arc<Aggregate>, part: Part) -> String {
    let Part { mut taken, said, stop } = part;
    let seats = aggregate.members.iter().map(|_| tokio::sync::Mutex::default()).collect();
    let conversation = Arc::new(Conversation {
        aggregate,
        said,
        hello: OnceLock::new(),
        seats,
        state: Mutex::default(),
        next: AtomicU64::new(1),
        over: CancellationToken::new(),
    });
    loop {
        let message = tokio::select! {
            message = taken.recv() => message,
            () = stop.cancelled() => None,
        };
        match message {
            Some(Outgoing::Request(request)) => conversation.begin(request),
            Some(Outgoing::Notification(notification)) => conversation.hear_of(notification),
            Some(Outgoing::Response(response)) => conversation.take_answer(response),
            None => break,
        }
    }
    conversation.end().await;
    "was left".to_owned()
}

impl Conversation {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets a call run by itself.
    fn begin(self: &Arc<Self>, request: Request) {
        let Some(number) = request.id.as_number() else { return };
        let cancelled = CancellationToken::new();
        self.state().under_way.insert(number, cancelled.clone());
        let conversation = Arc::clone(self);
        tokio::spawn(async move {
            let outcome = tokio::select! {
                outcome = conversation.answer(request) => Some(outcome),
                () = cancelled.cancelled() => None,
                () = conversation.over.cancelled() => None,
            };
            conversation.state().under_way.remove(&number);
            match outcome {
                Some(outcome) => conversation.say(Message::Response(Response { id: Some(Id::number(number)), outcome }), None).await,
                None => conversation.withdraw(number).await,
            }
        });
    }

    /// Says something, for a call where it is about one.
    pub(super) async fn say(&self, message: Message, about: Option<u64>) {
        // Nobody listens to a conversation that is over.
        _ = self.said.send(Arrival { message, about }).await;
    }

    /// Keeps the client's first words: the servers are greeted with them.
    pub(super) fn greeted(&self, hello: Option<Box<RawValue>>) -> bool {
        self.hello.set(hello).is_ok()
    }

    /// Is cancelled when the conversation is over.
    pub(super) fn over(&self) -> CancellationToken {
        self.over.clone()
    }

    fn hear_of(self: &Arc<Self>, notification: Notification) {
        let params = notification.params.as_deref();
        let id_in = |key| params::member(params, key).and_then(|raw| Id::parse(&raw));
        match notification.method.as_str() {
            "notifications/cancelled" => {
                let number = id_in("requestId").and_then(|id| id.as_number());
                if let Some(call) = number.and_then(|number| self.state().under_way.remove(&number)) {
                    call.cancel();
                }
            }
            "notifications/progress" => {
                let token = id_in("progressToken");
                let state = self.state();
                let question = state.questions.values().find(|question| question.token.is_some() && question.token == token);
                if let Some(session) = question.map(|question| Arc::clone(&question.session)) {
                    tokio::spawn(async move { client::notify(&session, notification).await });
                }
            }
            "notifications/roots/list_changed" => {
                let conversation = Arc::clone(self);
                tokio::spawn(async move {
                    for seat in conversation.open_seats().await {
                        client::notify(&seat.session, notification.clone()).await;
                    }
                });
            }
            // Each server is told by itself that it was greeted.
            _ => {}
        }
    }

    fn take_answer(&self, response: Response) {
        let question = response.id.as_ref().and_then(Id::as_number).and_then(|number| self.state().questions.remove(&number));
        let Some(Question { session, theirs, .. }) = question else { return };
        tokio::spawn(async move { client::answered(&session, Response { id: Some(theirs), outcome: response.outcome }).await });
    }

    /// Tells the servers that nobody waits for a call any more; the one that has it knows what is meant.
    async fn withdraw(&self, number: u64) {
        let params = serde_json::value::to_raw_value(&serde_json::json!({ "requestId": number })).ok();
        for seat in self.open_seats().await {
            client::notify(&seat.session, Notification { method: "notifications/cancelled".to_owned(), params: params.clone() }).await;
        }
    }

    async fn end(&self) {
        self.over.cancel();
        let leave = async |place: &tokio::sync::Mutex<Option<Arc<Seat>>>| {
            if let Some(seat) = place.lock().await.take() {
                seat.leave().await;
            }
        };
        join_all(self.seats.iter().map(leave)).await;
    }

    /// Asks a server; what it says meanwhile is passed on. One that is known to be away is not waited for.
    pub(super) async fn ask(self: &Arc<Self>, member: usize, request: Request, way: Way) -> Outcome {
        let Some(named) = self.aggregate.members.get(member) else {
            return Outcome::Error(Fault::new(code::INTERNAL, "there is no such server").to_raw());
        };
        if let Some(trouble) = self.aggregate.trouble(member) {
            return Outcome::Error(trouble.to_raw());
        }
        let outcome = match way {
            Way::Lone => self.ask_alone(named, request).await,
            Way::Seated => self.ask_seated(member, request).await.unwrap_or_else(|no| Outcome::Error(no.to_raw())),
        };
        attributed(&named.name, outcome)
    }

    async fn ask_alone(&self, named: &Named, request: Request) -> Outcome {
        let number = request.id.as_number();
        let stream = Arc::new(Stream::new(false));
        let reader = stream.read();
        let mut call = match calls::begin(&named.bridge, request, &stream).await {
            Ok(call) => call,
            Err(outcome) => return outcome,
        };
        let outcome = self.hear(&stream, reader, None, number).await;
        call.end();
        outcome.unwrap_or_else(|| Outcome::Error(away(&named.name, "has given the call up").to_raw()))
    }

    async fn ask_seated(self: &Arc<Self>, member: usize, request: Request) -> Result<Outcome, Fault> {
        let number = request.id.as_number();
        let seat = self.seat(member).await?;
        if let Some(outcome) = client::answered_here(&seat.bridge, &seat.session, &request).await {
            return Ok(outcome);
        }
        let stream = Arc::new(Stream::new(false));
        let reader = stream.read();
        client::send(&seat.bridge, &seat.session, request, &stream).await.map_err(|gone| unavailable(&gone))?;
        let given_up = || Fault::new(code::UNAVAILABLE, "has given the call up");
        self.hear(&stream, reader, Some(&seat), number).await.ok_or_else(given_up)
    }

    /// Passes on what is said about a call, until it is answered.
    async fn hear(&self, stream: &Stream, reader: u64, seat: Option<&Arc<Seat>>, about: Option<u64>) -> Option<Outcome> {
        while let Some(event) = stream.next(reader).await {
            match Message::parse(&event.message) {
                Ok(Message::Response(response)) => return Some(response.outcome),
                Ok(message) => self.pass_on(message, seat, about).await,
                Err(_) => {}
            }
        }
        None
    }

    /// Passes on what a server says of itself, or asks.
    pub(super) async fn pass_on(&self, message: Message, seat: Option<&Arc<Seat>>, about: Option<u64>) {
        match (message, seat) {
            (Message::Request(Request { id, method, params }), Some(seat)) => {
                let number = self.next.fetch_add(1, Ordering::Relaxed);
                let token = params::meta(params.as_deref(), "progressToken").and_then(|raw| Id::parse(&raw));
                let question = Question { session: Arc::clone(&seat.session), theirs: id, token };
                self.state().questions.insert(number, question);
                self.say(Message::Request(Request { id: Id::number(number), method, params }), about).await;
            }
            (Message::Notification(notification), Some(seat)) if notification.method == "notifications/cancelled" => {
                if let Some(params) = self.withdrawn(seat, notification.params.as_deref()) {
                    self.say(Message::Notification(Notification { method: notification.method, params: Some(params) }), about).await;
                }
            }
            (notification @ Message::Notification(_), _) => self.say(notification, about).await,
            // Nothing can be asked of a client that has no session.
            (Message::Request(_) | Message::Response(_), _) => {}
        }
    }

    /// A server takes back what it asked.
    fn withdrawn(&self, seat: &Seat, params: Option<&RawValue>) -> Option<Box<RawValue>> {
        let theirs = Id::parse(&params::member(params, "requestId")?)?;
        let mut state = self.state();
        let is_it = |question: &Question| Arc::ptr_eq(&question.session, &seat.session) && question.theirs == theirs;
        let number = state.questions.iter().find(|(_, question)| is_it(question)).map(|(number, _)| *number)?;
        state.questions.remove(&number);
        params::with(params, "requestId", params::raw_id(&Id::number(number)))
    }

    /// The client's place at a server. A caller that stops waiting stops nothing.
    async fn seat(self: &Arc<Self>, member: usize) -> Result<Arc<Seat>, Fault> {
        let conversation = Arc::clone(self);
        let sitting = tokio::spawn(async move { conversation.sit(member).await });
        sitting.await.unwrap_or_else(|_| Err(Fault::new(code::INTERNAL, "the server could not be greeted")))
    }

    async fn sit(self: &Arc<Self>, member: usize) -> Result<Arc<Seat>, Fault> {
        let over = || Fault::new(code::UNAVAILABLE, "the session is over");
        let (Some(place), Some(named)) = (self.seats.get(member), self.aggregate.members.get(member)) else { return Err(over()) };
        let mut place = place.lock().await;
        if let Some(seat) = place.as_ref().filter(|seat| seat.is_open()) {
            return Ok(Arc::clone(seat));
        }
        if self.over.is_cancelled() {
            return Err(over());
        }
        let seat = tokio::select! {
            seat = Seat::open(&named.bridge, self.hello.get().cloned().flatten(), self) => seat?,
            // A server that takes its time to greet keeps nobody from leaving.
            () = self.over.cancelled() => return Err(over()),
        };
        *place = Some(Arc::clone(&seat));
        let (level, subscribed) = {
            let state = self.state();
            let theirs = state.subscribed.iter().filter(|(_, owner)| **owner == member);
            (state.level.clone(), theirs.map(|(uri, _)| uri.clone()).collect::<Vec<_>>())
        };
        if let (Some(level), true) = (level, self.aggregate.may_offer(member, "logging")) {
            seat.repeat("logging/setLevel", Some(level)).await;
        }
        for uri in subscribed {
            seat.subscribe(&uri).await;
        }
        Ok(seat)
    }

    async fn open_seats(&self) -> Vec<Arc<Seat>> {
        let mut open = Vec::new();
        for place in &self.seats {
            // A place that is just being taken has nothing to be told yet.
            open.extend(place.try_lock().ok().and_then(|place| place.clone()));
        }
        open
    }

    /// Tells every server how much is to be logged, also those that come later.
    pub(super) async fn set_level(&self, params: Option<Box<RawValue>>) {
        self.state().level.clone_from(&params);
        for (member, place) in self.seats.iter().enumerate() {
            let seat = place.lock().await.clone();
            if let (Some(seat), true) = (seat, self.aggregate.may_offer(member, "logging")) {
                seat.repeat("logging/setLevel", params.clone()).await;
            }
        }
    }

    pub(super) fn subscribed(&self, uri: String, member: usize) {
        self.state().subscribed.insert(uri, member);
    }

    pub(super) fn unsubscribed(&self, uri: &str) {
        self.state().subscribed.remove(uri);
    }
}

/// How a request came.
pub(super) fn way(request: &Request) -> Way {
    if params::meta(request.params.as_deref(), REVISION).is_some() { Way::Lone } else { Way::Seated }
}
