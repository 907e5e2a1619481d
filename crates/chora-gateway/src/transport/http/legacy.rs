//! Streamable HTTP of the revisions with a handshake (2025-03-26 to 2025-11-25): sessions, a standing stream, resumption.

use std::sync::Arc;

use bytes::Bytes;
use hyper::StatusCode;
use hyper::header::HeaderValue;
use hyper::http::request::Parts;

use super::answer::{Answer, empty, fault, json, refuse};
use super::events::{Held, Telling, parse_id, priming, tell};
use super::exchange::{Exchange, SessionCall, exchange};
use super::{Front, header, says};
use crate::calls::Took;
use crate::client;
use crate::message::{Fault, Message, Outcome, Request, Response, code};
use crate::revision::Revision;
use crate::session::{Connected, Session};
use crate::stream::Stream;
use crate::upstream::{unavailable, written};

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
            client::notify(&session, notification).await;
            empty(StatusCode::ACCEPTED)
        }
        Message::Response(response) => {
            client::answered(&session, response).await;
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
    match client::open(&front.bridge, request).await {
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

async fn call(front: &Front, session: Arc<Session>, request: Request) -> Answer {
    if let Some(outcome) = client::answered_here(&front.bridge, &session, &request).await {
        return json(StatusCode::OK, written(&Message::Response(Response { id: Some(request.id), outcome })));
    }
    let connected = session.connected();
    let Some((name, stream)) = session.open_stream() else {
        let no = Fault::new(code::UNAVAILABLE, "too many calls of this session are under way").with(serde_json::json!({ "retry": true }));
        return fault(StatusCode::SERVICE_UNAVAILABLE, Some(request.id), &no);
    };
    let took = Took::new(&front.bridge);
    let id = request.id.clone();
    if let Err(gone) = client::send(&front.bridge, &session, request, &stream).await {
        session.close_stream(name);
        return fault(StatusCode::OK, Some(id), &unavailable(&gone));
    }
    let revision = session.revision();
    let opening = if revision >= Revision::V2025_11_25 { priming(name, 0) } else { Bytes::new() };
    let name_told = (revision >= Revision::V2025_03_26).then_some(name);
    let held = SessionCall { session, name, took, _connected: connected };
    exchange(front, Exchange { stream, name: name_told, opening, status: |_| StatusCode::OK, held }).await
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
