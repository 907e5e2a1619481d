//! Streamable HTTP of the revisions with a handshake (2025-03-26 to 2025-11-25): sessions, a standing stream, resumption.

use std::sync::Arc;

use bytes::Bytes;
use hyper::StatusCode;
use hyper::header::HeaderValue;
use hyper::http::request::Parts;
use serde_json::value::RawValue;

use super::answer::{Answer, empty, fault, json, refuse};
use super::events::{Held, Telling, parse_id, priming, tell};
use super::exchange::{Exchange, SessionCall, Took, exchange};
use super::{Front, header, says};
use crate::message::{Fault, Id, Message, Notification, Outcome, Request, Response, code, params};
use crate::revision::Revision;
use crate::session::{Asked, Connected, Session};
use crate::stream::Stream;
use crate::translate::to_modern::{self, Facing};
use crate::upstream::{Caller, Outbound, Sink, unavailable, written};

/// Answers one message.
pub(super) async fn post(front: &Front, parts: &Parts, message: Message) -> Answer {
    if !says(&parts.headers, "accept", "application/json") || !says(&parts.headers, "accept", "text/event-stream") {
        return refuse(StatusCode::NOT_ACCEPTABLE, "answers are application/json or text/event-stream; both must be accepted");
    }
    if let Message::Request(request) = &message
        && request.method == "initialize"
    {
        return initialize(front, request).await;
    }
    let id = match &message {
        Message::Request(request) => Some(request.id.clone()),
        Message::Notification(_) | Message::Response(_) => None,
    };
    let session = match session(front, parts) {
        Ok(session) => session,
        Err((status, no)) => return fault(status, id, &no),
    };
    match message {
        Message::Request(request) => call(front, session, request).await,
        Message::Notification(notification) => {
            notify(&session, notification).await;
            empty(StatusCode::ACCEPTED)
        }
        Message::Response(response) => {
            answered(&session, response).await;
            empty(StatusCode::ACCEPTED)
        }
    }
}

/// The session that a request belongs to.
fn session(front: &Front, parts: &Parts) -> Result<Arc<Session>, (StatusCode, Fault)> {
    if let Some(version) = header(&parts.headers, "mcp-protocol-version")
        && Revision::parse(version).is_none_or(Revision::is_modern)
    {
        return Err((StatusCode::BAD_REQUEST, Fault::new(code::INVALID_REQUEST, format!("the revision {version} is not known here"))));
    }
    let Some(id) = header(&parts.headers, "mcp-session-id") else {
        return Err((StatusCode::BAD_REQUEST, Fault::new(code::INVALID_REQUEST, "mcp-session-id is missing: send initialize first")));
    };
    front
        .bridge
        .session(id)
        .ok_or((StatusCode::NOT_FOUND, Fault::new(code::INVALID_REQUEST, "this session is over: send initialize again")))
}

/// Opens a session and greets the client.
async fn initialize(front: &Front, request: &Request) -> Answer {
    match open(front, request).await {
        Ok((session, result)) => {
            let answer = written(&Message::Response(Response { id: Some(request.id.clone()), outcome: Outcome::Result(result) }));
            let mut response = json(StatusCode::OK, answer);
            if let Ok(id) = HeaderValue::from_str(&session.id) {
                response.headers_mut().insert("mcp-session-id", id);
            }
            response
        }
        Err((status, no)) => fault(status, Some(request.id.clone()), &no),
    }
}

/// A session, and what the server says to `initialize`.
pub(super) async fn open(front: &Front, request: &Request) -> Result<(Arc<Session>, Box<RawValue>), (StatusCode, Fault)> {
    // What the server speaks decides how it is greeted.
    front.bridge.era().await.map_err(|gone| (StatusCode::SERVICE_UNAVAILABLE, unavailable(&gone)))?;
    let asked = params::text(request.params.as_deref(), "protocolVersion").and_then(|version| Revision::parse(&version));
    let revision = asked.filter(|revision| !revision.is_modern()).unwrap_or(Revision::NEWEST_LEGACY);
    let session = front.bridge.open_session(revision).await.map_err(|no| (StatusCode::SERVICE_UNAVAILABLE, no))?;
    // A server may take its time to greet.
    let _connected = session.connected();
    let greeted = greet(front, &session, request).await;
    match greeted {
        Ok(result) => Ok((session, result)),
        Err(no) => {
            front.bridge.end_session(&session.id).await;
            Err(no)
        }
    }
}

pub(super) async fn greet(front: &Front, session: &Arc<Session>, request: &Request) -> Result<Box<RawValue>, (StatusCode, Fault)> {
    let upstream = session.upstream();
    if front.bridge.is_modern_only() {
        let discovered = front.bridge.modern_greeting().await.map_err(|gone| (StatusCode::SERVICE_UNAVAILABLE, unavailable(&gone)))?;
        let facing = session.facing.get_or_init(|| Facing::of(request.params.as_deref()));
        to_modern::listen_to_lists(&front.bridge, session, facing).await;
        return Ok(to_modern::greeting(&discovered, session.revision()));
    }
    if upstream.owner.is_none() {
        session.offered.get_or_init(|| {
            let offered = params::member(request.params.as_deref(), "capabilities");
            offered.and_then(|offered| serde_json::from_str(offered.get()).ok()).unwrap_or_default()
        });
        let greeting = front.bridge.legacy_greeting().await.map_err(|gone| (StatusCode::SERVICE_UNAVAILABLE, unavailable(&gone)))?;
        let version = serde_json::value::to_raw_value(session.revision().as_str()).unwrap_or_default();
        let broken = || (StatusCode::BAD_GATEWAY, Fault::new(code::INTERNAL, "the server's greeting is no object"));
        return params::with(Some(&greeting), "protocolVersion", version).ok_or_else(broken);
    }
    let outcome = upstream.ask("initialize", request.params.clone()).await;
    match outcome.map_err(|gone| (StatusCode::SERVICE_UNAVAILABLE, unavailable(&gone)))? {
        Outcome::Result(result) => {
            if let Some(revision) = params::text(Some(&result), "protocolVersion").and_then(|version| Revision::parse(&version)) {
                session.agree(revision);
            }
            Ok(result)
        }
        Outcome::Error(error) => {
            let told = serde_json::from_str::<serde_json::Value>(error.get()).unwrap_or_default();
            let message = told.get("message").and_then(|message| message.as_str()).unwrap_or("the server refuses to initialize");
            let number = told.get("code").and_then(serde_json::Value::as_i64).unwrap_or(code::INTERNAL);
            Err((StatusCode::OK, Fault { code: number, message: message.to_owned(), data: told.get("data").cloned() }))
        }
    }
}

async fn call(front: &Front, session: Arc<Session>, request: Request) -> Answer {
    if let Some(outcome) = answered_here(front, &session, &request).await {
        return json(StatusCode::OK, written(&Message::Response(Response { id: Some(request.id), outcome })));
    }
    let connected = session.connected();
    let Some((name, stream)) = session.open_stream() else {
        let no = Fault::new(code::UNAVAILABLE, "too many calls of this session are under way").with(serde_json::json!({ "retry": true }));
        return fault(StatusCode::SERVICE_UNAVAILABLE, Some(request.id), &no);
    };
    let took = Took::new(front);
    if session.facing.get().is_some() {
        tokio::spawn(to_modern::carry(Arc::clone(&front.bridge), Arc::clone(&session), request, Arc::clone(&stream)));
    } else {
        let caller = Caller { session: Some(session.key), id: request.id.clone(), sink: Sink::Client(Arc::clone(&stream)) };
        let id = request.id;
        if let Err(gone) = front.bridge.call(&session, Outbound { caller, method: request.method, params: request.params }).await {
            session.close_stream(name);
            return fault(StatusCode::OK, Some(id), &unavailable(&gone));
        }
    }
    let revision = session.revision();
    let opening = if revision >= Revision::V2025_11_25 { priming(name, 0) } else { Bytes::new() };
    let name_told = (revision >= Revision::V2025_03_26).then_some(name);
    let held = SessionCall { session, name, took, _connected: connected };
    exchange(front, Exchange { stream, name: name_told, opening, status: |_| StatusCode::OK, held }).await
}

/// What the server need not answer: methods that its era does not have, and subscriptions that several clients share.
pub(super) async fn answered_here(front: &Front, session: &Arc<Session>, request: &Request) -> Option<Outcome> {
    if let Some(facing) = session.facing.get() {
        return to_modern::answered_here(&front.bridge, session, facing, request).await;
    }
    if session.upstream().owner.is_some() {
        return None;
    }
    let uri = || params::text(request.params.as_deref(), "uri").unwrap_or_default();
    let server_must_know = match request.method.as_str() {
        "resources/subscribe" => front.bridge.subscribe_is_first(session, &uri()),
        "resources/unsubscribe" => front.bridge.unsubscribe_is_last(session, &uri()),
        _ => true,
    };
    (!server_must_know).then(|| Outcome::Result(RawValue::from_string("{}".to_owned()).unwrap_or_default()))
}

/// Passes on what a client says without wanting an answer.
pub(super) async fn notify(session: &Session, notification: Notification) {
    match notification.method.as_str() {
        // The bridge has said so itself.
        "notifications/initialized" if session.upstream().owner.is_none() => {}
        "notifications/cancelled" => {
            let params = notification.params.as_deref();
            let id = params::member(params, "requestId").and_then(|raw| Id::parse(&raw));
            let upstream = session.upstream();
            if let Some(number) = id.and_then(|id| upstream.number_of(session.key, &id)) {
                if let Some(stream) = upstream.stream_of(number) {
                    stream.close();
                }
                upstream.cancel(number, params::text(params, "reason").as_deref()).await;
            }
        }
        // The newer era takes none from clients.
        _ if session.facing.get().is_some() => {}
        _ => {
            if let Err(gone) = session.upstream().notify(&notification.method, notification.params).await {
                tracing::debug!("a client's notification is dropped: {gone}");
            }
        }
    }
}

/// Passes on what a client answers to the server, under the server's own id.
pub(super) async fn answered(session: &Session, response: Response) {
    match response.id.as_ref().and_then(|id| session.answered(id)) {
        // A server that is gone waits for no answer.
        Some(Asked::Server(theirs)) => _ = session.upstream().answer(Response { id: Some(theirs), outcome: response.outcome }).await,
        // The call that wanted it may be over.
        Some(Asked::Bridge(waiting)) => _ = waiting.send(response.outcome),
        None => tracing::debug!("an answer of a client to nothing it was asked is dropped"),
    }
}

/// The stream that stands open for what belongs to no call, or one that broke off.
pub(super) fn listen(front: &Front, parts: &Parts) -> Answer {
    if header(&parts.headers, "mcp-protocol-version").and_then(Revision::parse).is_some_and(Revision::is_modern) {
        return super::answer::not_allowed("POST");
    }
    if !says(&parts.headers, "accept", "text/event-stream") {
        return refuse(StatusCode::NOT_ACCEPTABLE, "the answer is text/event-stream");
    }
    let session = match session(front, parts) {
        Ok(session) => session,
        Err((status, no)) => return fault(status, None, &no),
    };
    let resumed = header(&parts.headers, "last-event-id").and_then(parse_id);
    let (name, stream, reader) = match resumed {
        Some((name, number)) if name != STANDING => match session.stream(name) {
            Some(stream) => {
                let reader = stream.read_after(number);
                (name, stream, reader)
            }
            // It was delivered to its end and forgotten: there is nothing more.
            None => return super::answer::events(http_body_util::BodyExt::boxed_unsync(http_body_util::Empty::new())),
        },
        Some((_, number)) => (STANDING, Arc::clone(&session.standing), session.standing.read_after(number)),
        None => (STANDING, Arc::clone(&session.standing), session.standing.read()),
    };
    standing(front, &session, name, stream, reader)
}

/// Name of the standing stream in event ids; streams of calls begin at 1.
const STANDING: u64 = 0;

fn standing(front: &Front, session: &Arc<Session>, name: u64, stream: Arc<Stream>, reader: u64) -> Answer {
    let opening =
        if session.revision() >= Revision::V2025_11_25 && name == STANDING { Bytes::from_static(b": open\n\n") } else { Bytes::new() };
    let telling = Telling { stream, reader, name: Some(name), opening, stopping: front.stopping.clone() };
    tell(telling, None, Listening { session: Arc::clone(session), name, _connected: session.connected() })
}

struct Listening {
    session: Arc<Session>,
    name: u64,
    _connected: Connected,
}

impl Held for Listening {
    fn finished(&mut self) {
        self.session.close_stream(self.name);
    }
}

/// A client ends its session.
pub(super) async fn delete(front: &Front, parts: &Parts) -> Answer {
    if header(&parts.headers, "mcp-protocol-version").and_then(Revision::parse).is_some_and(Revision::is_modern) {
        return super::answer::not_allowed("POST");
    }
    match session(front, parts) {
        Ok(session) => {
            front.bridge.end_session(&session.id).await;
            empty(StatusCode::NO_CONTENT)
        }
        Err((status, no)) => fault(status, None, &no),
    }
}
