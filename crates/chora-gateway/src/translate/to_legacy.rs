//! A client without a handshake before a server that wants one: each of its calls is a session of its own for the server, and
//! what the server asks meanwhile becomes a result that asks for input.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::{SERVER_INFO, capability, completed, raw, set, without_envelope};
use crate::bridge::{Bridge, OpenSession};
use crate::message::params::{self, CAPABILITIES, LOG_LEVEL, SUBSCRIPTION};
use crate::message::{Fault, Id, Message, Notification, Outcome, Request, Response, code};
use crate::revision::Revision;
use crate::session::Session;
use crate::stream::Stream;
use crate::upstream::{Caller, Outbound, Sink, unavailable, written};

/// Calls that may wait for input of a client at once; the oldest gives way.
const MOST_PARKED: usize = 64;

/// Calls that wait for input of a client, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Parked(Mutex<VecDeque<Waiting>>);

/// A call that waits.
#[derive(Debug)]
struct Waiting {
    /// What the client brings back as `requestState`.
    state: String,
    call: Relayed,
    /// What the server asked, under our id.
    asked: Id,
}

/// A call on its way through.
#[derive(Debug)]
pub(crate) struct Relayed {
    pub(crate) session: Arc<Session>,
    inner: Arc<Stream>,
    reader: u64,
    method: String,
}

impl Parked {
    fn park(&self, waiting: Waiting) -> Option<Waiting> {
        let mut parked = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        parked.push_back(waiting);
        if parked.len() > MOST_PARKED { parked.pop_front() } else { None }
    }

    fn take(&self, state: &str) -> Option<Waiting> {
        let mut parked = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let place = parked.iter().position(|waiting| waiting.state == state)?;
        parked.remove(place)
    }
}

/// What becomes of a request.
pub(crate) enum Begun {
    /// It is answered at once.
    Answered(Outcome),
    /// It goes on; what it says arrives on the stream that was given.
    UnderWay(OpenSession),
}

/// Begins a call for a client; its answer will come to `outer`.
pub(crate) async fn begin(bridge: &Arc<Bridge>, request: &Request, outer: &Arc<Stream>) -> Begun {
    let answered = match request.method.as_str() {
        "server/discover" => discover(bridge).await,
        "subscriptions/listen" => return listen(bridge, request, outer).await,
        "initialize" | "ping" | "logging/setLevel" | "resources/subscribe" | "resources/unsubscribe" => {
            Err(Fault::new(code::METHOD_NOT_FOUND, "this revision has no such method"))
        }
        _ => match relay(bridge, request).await {
            Ok((open, call)) => {
                tokio::spawn(pump(Arc::clone(bridge), call, Asker::of(request), Arc::clone(outer)));
                return Begun::UnderWay(open);
            }
            Err(no) => Err(no),
        },
    };
    Begun::Answered(match answered {
        Ok(result) => Outcome::Result(result),
        Err(no) => Outcome::Error(no.to_raw()),
    })
}

/// What the server said in its handshake, as this era says it.
async fn discover(bridge: &Bridge) -> Result<Box<RawValue>, Fault> {
    let greeting = bridge.legacy_greeting().await.map_err(|gone| unavailable(&gone))?;
    let greeting: Value = serde_json::from_str(greeting.get()).unwrap_or_default();
    let mut told = json!({
        "resultType": "complete",
        "supportedVersions": [Revision::MODERN.as_str()],
        "capabilities": greeting.get("capabilities").cloned().unwrap_or_else(|| json!({})),
        "ttlMs": 0,
        "cacheScope": "private",
    });
    if let Some(instructions) = greeting.get("instructions").filter(|text| text.is_string()) {
        set(&mut told, "instructions", instructions.clone());
    }
    if let Some(info) = greeting.get("serverInfo") {
        set(&mut told, "_meta", json!({ SERVER_INFO: info }));
    }
    Ok(raw(&told))
}

/// Sends a call, or goes on with one that waited for input. Its session ends when it cannot be sent, or when nobody waits for that.
async fn relay(bridge: &Arc<Bridge>, request: &Request) -> Result<(OpenSession, Relayed), Fault> {
    let params = request.params.as_deref();
    if let Some(state) = params::text(params, "requestState") {
        return go_on(bridge, params, &state).await;
    }
    let open = bridge.open_passing_session().await?;
    let session = Arc::clone(&open.session);
    let inner = Arc::new(Stream::new(false));
    let reader = inner.read();
    let caller = Caller { session: Some(session.key), id: Id::number(0), sink: Sink::Client(Arc::clone(&inner)) };
    let outbound = Outbound { caller, method: request.method.clone(), params: without_envelope(params) };
    bridge.call(&session, outbound).await.map_err(|gone| unavailable(&gone))?;
    Ok((open, Relayed { session, inner, reader, method: request.method.clone() }))
}

async fn go_on(bridge: &Arc<Bridge>, params: Option<&RawValue>, state: &str) -> Result<(OpenSession, Relayed), Fault> {
    let invalid = |why: &str| Fault::new(code::INVALID_PARAMS, why);
    let Some(waiting) = bridge.parked.take(state) else { return Err(invalid("requestState is not one that waits for input here")) };
    let responses = params::member(params, "inputResponses").and_then(|responses| params::members(Some(&responses)));
    let Some(response) = responses.and_then(|mut responses| responses.swap_remove(waiting.asked.as_json())) else {
        if let Some(displaced) = bridge.parked.park(waiting) {
            bridge.end_session(&displaced.call.session.id).await;
        }
        return Err(invalid("inputResponses lacks what was asked for"));
    };
    let open = OpenSession::new(bridge, Arc::clone(&waiting.call.session));
    if let Some(theirs) = waiting.call.session.answered_to_server(&waiting.asked) {
        let answer = Response { id: Some(theirs), outcome: Outcome::Result(response) };
        waiting.call.session.upstream().answer(answer).await.map_err(|gone| unavailable(&gone))?;
    }
    Ok((open, waiting.call))
}

/// What must be known of the one who asks.
struct Asker {
    id: Id,
    capabilities: Value,
    wants_logs: bool,
}

impl Asker {
    fn of(request: &Request) -> Self {
        let params = request.params.as_deref();
        let capabilities = params::meta(params, CAPABILITIES).and_then(|raw| serde_json::from_str(raw.get()).ok());
        Self {
            id: request.id.clone(),
            capabilities: capabilities.unwrap_or_default(),
            wants_logs: params::meta(params, LOG_LEVEL).is_some(),
        }
    }

    fn finish(self, outcome: Outcome, outer: &Stream) {
        let error = outcome.code();
        outer.finish(written(&Message::Response(Response { id: Some(self.id), outcome })), error);
    }
}

/// Passes on what the server says, until it has answered or wants input.
async fn pump(bridge: Arc<Bridge>, call: Relayed, asker: Asker, outer: Arc<Stream>) {
    while let Some(event) = call.inner.next(call.reader).await {
        match Message::parse(&event.message) {
            Ok(Message::Response(response)) => {
                let outcome = match response.outcome {
                    Outcome::Result(result) => Outcome::Result(completed(&call.method, &result)),
                    error @ Outcome::Error(_) => error,
                };
                asker.finish(outcome, &outer);
                bridge.end_session(&call.session.id).await;
                return;
            }
            Ok(Message::Request(request)) => {
                if capability(&request.method).is_some_and(|needed| asker.capabilities.get(needed).is_some()) {
                    return park(&bridge, call, request, asker, &outer).await;
                }
                refuse(&call.session, &request).await;
            }
            Ok(Message::Notification(notification)) => {
                if notification.method != "notifications/message" || asker.wants_logs {
                    // A client that does not read is given up by the bridge.
                    _ = outer.push(event.message);
                }
            }
            Err(_) => {}
        }
    }
    outer.close();
    bridge.end_session(&call.session.id).await;
}

/// Answers the client with what the server asks; the call waits until the client comes back.
async fn park(bridge: &Arc<Bridge>, call: Relayed, request: Request, asker: Asker, outer: &Stream) {
    let state = uuid::Uuid::new_v4().simple().to_string();
    let asked = request.id;
    let mut wanted = json!({ "method": request.method });
    if let Some(params) = request.params.as_deref().and_then(|params| serde_json::from_str::<Value>(params.get()).ok()) {
        set(&mut wanted, "params", params);
    }
    let result = json!({ "resultType": "input_required", "inputRequests": { asked.as_json(): wanted }, "requestState": state });
    let displaced = bridge.parked.park(Waiting { state, call, asked });
    asker.finish(Outcome::Result(raw(&result)), outer);
    if let Some(displaced) = displaced {
        bridge.end_session(&displaced.call.session.id).await;
    }
}

/// Tells the server that this client cannot be asked.
async fn refuse(session: &Session, request: &Request) {
    let Some(theirs) = session.answered_to_server(&request.id) else { return };
    let no = Fault::new(code::METHOD_NOT_FOUND, format!("the client does not take {}", request.method));
    // A server that is gone waits for no answer.
    _ = session.upstream().answer(Response::error(Some(theirs), &no)).await;
}

/// Opens a stream of changes: the first message says which are told.
async fn listen(bridge: &Arc<Bridge>, request: &Request, outer: &Arc<Stream>) -> Begun {
    let filter = params::member(request.params.as_deref(), "notifications").and_then(|raw| serde_json::from_str::<Value>(raw.get()).ok());
    let Some(filter) = filter.filter(Value::is_object) else {
        return Begun::Answered(Outcome::Error(
            Fault::new(code::INVALID_PARAMS, "params.notifications must say which are wanted").to_raw(),
        ));
    };
    let open = match bridge.open_passing_session().await {
        Ok(open) => open,
        Err(no) => return Begun::Answered(Outcome::Error(no.to_raw())),
    };
    let (session, id) = (Arc::clone(&open.session), request.id.clone());
    let acknowledged =
        json!({ "notifications": filter, "_meta": { SUBSCRIPTION: serde_json::from_str::<Value>(id.as_json()).unwrap_or_default() } });
    _ = outer.push(notification("notifications/subscriptions/acknowledged", Some(raw(&acknowledged))));
    for uri in filter.get("resourceSubscriptions").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str) {
        if bridge.subscribe_is_first(&session, uri) {
            let params = Some(raw(&json!({ "uri": uri })));
            if let Err(gone) = session.upstream().ask("resources/subscribe", params).await {
                tracing::debug!("a subscription is lost: {gone}");
            }
        }
    }
    tokio::spawn(tell_changes(session, filter, id, Arc::clone(outer)));
    Begun::UnderWay(open)
}

fn notification(method: &str, params: Option<Box<RawValue>>) -> Bytes {
    written(&Message::Notification(Notification { method: method.to_owned(), params }))
}

async fn tell_changes(session: Arc<Session>, filter: Value, id: Id, outer: Arc<Stream>) {
    let reader = session.standing.read();
    let wants = |key: &str| filter.get(key).and_then(Value::as_bool).unwrap_or(false);
    while let Some(event) = session.standing.next(reader).await {
        let Ok(Message::Notification(change)) = Message::parse(&event.message) else { continue };
        let wanted = match change.method.as_str() {
            "notifications/tools/list_changed" => wants("toolsListChanged"),
            "notifications/prompts/list_changed" => wants("promptsListChanged"),
            "notifications/resources/list_changed" => wants("resourcesListChanged"),
            // The bridge tells a session only of what it has subscribed to.
            "notifications/resources/updated" => true,
            _ => false,
        };
        if wanted
            && outer
                .push(notification(&change.method, params::with_meta(change.params.as_deref(), SUBSCRIPTION, params::raw_id(&id))))
                .is_err()
        {
            break;
        }
    }
    let result =
        json!({ "resultType": "complete", "_meta": { SUBSCRIPTION: serde_json::from_str::<Value>(id.as_json()).unwrap_or_default() } });
    outer.finish(written(&Message::Response(Response { id: Some(id), outcome: Outcome::Result(raw(&result)) })), None);
}
