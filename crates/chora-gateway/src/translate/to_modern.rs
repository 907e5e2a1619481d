//! A client with a handshake before a server that has none: every request gets the envelope that the server wants, and a
//! result that asks for input becomes requests to the client.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::{CLIENT_INFO, SERVER_INFO, raw, set};
use crate::bridge::Bridge;
use crate::message::params::{self, CAPABILITIES, LOG_LEVEL, REVISION, SUBSCRIPTION};
use crate::message::{Fault, Id, Message, Notification, Outcome, Request, Response, code};
use crate::revision::Revision;
use crate::session::Session;
use crate::stream::Stream;
use crate::upstream::{Caller, Outbound, Sink, unavailable, written};

/// Most times that one call may ask for input.
const ROUNDS: usize = 10;

/// What a session keeps of its client, because every request must carry it.
#[derive(Debug)]
pub(crate) struct Facing {
    capabilities: Value,
    info: Option<Value>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    level: Option<String>,
    /// Streams of changes by resource; the list of everything else under no name.
    listening: HashMap<String, u64>,
}

impl Facing {
    /// Of the parameters of `initialize`.
    pub(crate) fn of(params: Option<&RawValue>) -> Self {
        let value = |key| params::member(params, key).and_then(|raw| serde_json::from_str::<Value>(raw.get()).ok());
        Self { capabilities: value("capabilities").unwrap_or_else(|| json!({})), info: value("clientInfo"), state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Parameters in the envelope of the newer era.
    fn enveloped(&self, raw_params: Option<&RawValue>) -> Option<Box<RawValue>> {
        let mut meta = params::member(raw_params, "_meta").and_then(|meta| params::members(Some(&meta))).unwrap_or_default();
        meta.insert(REVISION.to_owned(), raw(&Revision::MODERN.as_str().into()));
        meta.insert(CAPABILITIES.to_owned(), raw(&self.capabilities));
        if let Some(info) = &self.info {
            meta.insert(CLIENT_INFO.to_owned(), raw(info));
        }
        if let Some(level) = &self.state().level {
            meta.insert(LOG_LEVEL.to_owned(), raw(&level.as_str().into()));
        }
        params::with(raw_params, "_meta", serde_json::value::to_raw_value(&meta).ok()?)
    }
}

/// What the server says of itself, as an answer to `initialize`.
pub(crate) fn greeting(discovered: &RawValue, revision: Revision) -> Box<RawValue> {
    let discovered: Value = serde_json::from_str(discovered.get()).unwrap_or_default();
    let info = discovered.get("_meta").and_then(|meta| meta.get(SERVER_INFO)).cloned();
    let mut told = json!({
        "protocolVersion": revision.as_str(),
        "capabilities": discovered.get("capabilities").cloned().unwrap_or_else(|| json!({})),
        "serverInfo": info.unwrap_or_else(|| json!({ "name": "server", "version": "unknown" })),
    });
    if let Some(instructions) = discovered.get("instructions").filter(|text| text.is_string()) {
        set(&mut told, "instructions", instructions.clone());
    }
    raw(&told)
}

/// Answers what this era has no method for; `None` for what the server must answer.
pub(crate) async fn answered_here(bridge: &Arc<Bridge>, session: &Arc<Session>, facing: &Facing, request: &Request) -> Option<Outcome> {
    let params = request.params.as_deref();
    let uri = || params::text(params, "uri").unwrap_or_default();
    match request.method.as_str() {
        "ping" => {}
        "logging/setLevel" => facing.state().level = params::text(params, "level"),
        "resources/subscribe" => {
            let filter = json!({ "resourceSubscriptions": [uri()] });
            if let Err(no) = listen(bridge, session, facing, &uri(), &filter).await {
                return Some(Outcome::Error(no.to_raw()));
            }
        }
        "resources/unsubscribe" => {
            let number = facing.state().listening.remove(&uri());
            if let Some(number) = number {
                session.upstream().cancel(number, Some("unsubscribed")).await;
            }
        }
        _ => return None,
    }
    Some(Outcome::Result(raw(&json!({}))))
}

/// Asks to be told of changes of the lists.
pub(crate) async fn listen_to_lists(bridge: &Arc<Bridge>, session: &Arc<Session>, facing: &Facing) {
    let filter = json!({ "toolsListChanged": true, "promptsListChanged": true, "resourcesListChanged": true });
    if let Err(no) = listen(bridge, session, facing, "", &filter).await {
        tracing::debug!("changes of lists cannot be told: {}", no.message);
    }
}

/// Opens a stream of changes at the server; what it tells goes to the session's standing stream.
async fn listen(bridge: &Arc<Bridge>, session: &Arc<Session>, facing: &Facing, name: &str, filter: &Value) -> Result<(), Fault> {
    let stream = Arc::new(Stream::new(false));
    let reader = stream.read();
    let caller = Caller { session: Some(session.key), id: Id::number(0), sink: Sink::Client(Arc::clone(&stream)) };
    let params = facing.enveloped(Some(&raw(&json!({ "notifications": filter }))));
    let outbound = Outbound { caller, method: "subscriptions/listen".to_owned(), params };
    let upstream = bridge.modern_shared().await.map_err(|gone| unavailable(&gone))?;
    let number = upstream.call(outbound).await.map_err(|unsent| unavailable(&unsent.gone))?;
    let before = facing.state().listening.insert(name.to_owned(), number);
    if let Some(before) = before {
        upstream.cancel(before, None).await;
    }
    let session = Arc::downgrade(session);
    tokio::spawn(async move {
        while let Some(event) = stream.next(reader).await {
            let Some(session) = session.upgrade() else { return };
            if let Ok(Message::Notification(change)) = Message::parse(&event.message)
                && change.method != "notifications/subscriptions/acknowledged"
            {
                let params = without_subscription(change.params.as_deref());
                let told = written(&Message::Notification(Notification { method: change.method, params }));
                if session.standing.push(told).is_err() {
                    return;
                }
            }
        }
    });
    Ok(())
}

fn without_subscription(raw_params: Option<&RawValue>) -> Option<Box<RawValue>> {
    let mut members = params::members(raw_params)?;
    if let Some(mut meta) = members.get("_meta").and_then(|meta| params::members(Some(meta))) {
        meta.shift_remove(SUBSCRIPTION);
        if meta.is_empty() {
            members.shift_remove("_meta");
        } else {
            members.insert("_meta".to_owned(), serde_json::value::to_raw_value(&meta).ok()?);
        }
    }
    serde_json::value::to_raw_value(&members).ok()
}

/// Carries one call through, asking the client for what the server wants meanwhile; the answer comes to `outer`.
pub(crate) async fn carry(bridge: Arc<Bridge>, session: Arc<Session>, request: Request, outer: Arc<Stream>) {
    let outcome = match session.facing.get() {
        Some(facing) => rounds(&bridge, &session, facing, &request, &outer).await,
        None => Some(Outcome::Error(Fault::new(code::INTERNAL, "the session has no client").to_raw())),
    };
    match outcome {
        Some(outcome) => {
            let error = outcome.code();
            outer.finish(written(&Message::Response(Response { id: Some(request.id), outcome })), error);
        }
        // Cancelled: nobody waits.
        None => outer.close(),
    }
}

async fn rounds(bridge: &Arc<Bridge>, session: &Arc<Session>, facing: &Facing, request: &Request, outer: &Stream) -> Option<Outcome> {
    let mut params = request.params.clone();
    for _ in 0..ROUNDS {
        let inner = Arc::new(Stream::new(false));
        let reader = inner.read();
        let caller = Caller { session: Some(session.key), id: request.id.clone(), sink: Sink::Client(Arc::clone(&inner)) };
        let outbound = Outbound { caller, method: request.method.clone(), params: facing.enveloped(params.as_deref()) };
        if let Err(gone) = bridge.modern_call(outbound).await {
            return Some(Outcome::Error(unavailable(&gone).to_raw()));
        }
        let outcome = loop {
            let event = inner.next(reader).await?;
            match Message::parse(&event.message) {
                Ok(Message::Response(response)) => break response.outcome,
                // A client that does not read is given up by the bridge.
                _ => _ = outer.push(event.message),
            }
        };
        let Outcome::Result(result) = outcome else { return Some(outcome) };
        if params::text(Some(&result), "resultType").as_deref() != Some("input_required") {
            return Some(Outcome::Result(result));
        }
        match gather(session, &result, outer).await {
            Ok(responses) => {
                let with = params::with(request.params.as_deref(), "inputResponses", raw(&responses));
                params = match params::member(Some(&result), "requestState") {
                    Some(state) => params::with(with.as_deref(), "requestState", state),
                    None => with,
                };
            }
            Err(no) => return Some(no),
        }
    }
    Some(Outcome::Error(Fault::new(code::INTERNAL, format!("the server asked for input more than {ROUNDS} times")).to_raw()))
}

/// Asks the client for everything that a result wants.
async fn gather(session: &Session, result: &RawValue, outer: &Stream) -> Result<Value, Outcome> {
    let wanted = params::member(Some(result), "inputRequests").and_then(|wanted| params::members(Some(&wanted))).unwrap_or_default();
    let mut waiting = Vec::new();
    for (key, request) in wanted {
        let method = params::text(Some(&request), "method").unwrap_or_default();
        let (id, answer) = session.ask_for_bridge();
        let asked = Message::Request(Request { id, method, params: params::member(Some(&request), "params") });
        if outer.push(written(&asked)).is_err() {
            return Err(Outcome::Error(Fault::new(code::UNAVAILABLE, "the client does not read what it is asked").to_raw()));
        }
        waiting.push((key, answer));
    }
    let mut responses = serde_json::Map::new();
    for (key, answer) in waiting {
        match answer.await {
            Ok(Outcome::Result(response)) => {
                responses.insert(key, serde_json::from_str(response.get()).unwrap_or_default());
            }
            Ok(error) => return Err(error),
            Err(_) => return Err(Outcome::Error(Fault::new(code::UNAVAILABLE, "the session has ended").to_raw())),
        }
    }
    Ok(Value::Object(responses))
}
