//! HTTP+SSE of revision 2024-11-05: one stream that stands open for a client, and a place to post what it says.

use std::sync::Arc;

use hyper::StatusCode;
use hyper::http::request::Parts;

use super::Front;
use super::answer::{Answer, empty, fault, refuse};
use super::events::{Held, Telling, tell};
use crate::bridge::Bridge;
use crate::client::{answered, answered_here, greet, notify};
use crate::message::{Fault, Message, Outcome, Request, Response, code};
use crate::revision::Revision;
use crate::session::{Connected, Session};
use crate::stream::Stream;
use crate::translate::to_modern;
use crate::upstream::{Caller, Outbound, Sink, unavailable, written};

/// Opens a session; its first event says where to post.
pub(super) async fn open(front: &Front) -> Answer {
    if let Err(gone) = front.bridge.era().await {
        return fault(StatusCode::SERVICE_UNAVAILABLE, None, &unavailable(&gone));
    }
    let session = match front.bridge.open_session(Revision::V2024_11_05).await {
        Ok(session) => session,
        Err(no) => return fault(StatusCode::SERVICE_UNAVAILABLE, None, &no),
    };
    let opening = format!("event: endpoint\ndata: {}/messages?sessionId={}\n\n", front.prefix, session.id).into();
    let stream = Arc::clone(&session.standing);
    let reader = stream.read();
    let telling = Telling { stream, reader, name: None, opening, stopping: front.stopping.clone() };
    let connected = session.connected();
    tell(telling, None, Open { front: Arc::clone(&front.bridge), session, _connected: connected })
}

/// The stream is the session: without it nothing can be answered.
struct Open {
    front: Arc<Bridge>,
    session: Arc<Session>,
    _connected: Connected,
}

impl Held for Open {}

impl Drop for Open {
    fn drop(&mut self) {
        let (bridge, session) = (Arc::clone(&self.front), Arc::clone(&self.session));
        tokio::spawn(async move { bridge.end_session(&session.id).await });
    }
}

/// Takes what a client says; the answer goes to its stream.
pub(super) async fn post(front: &Front, parts: &Parts, body: &[u8]) -> Answer {
    let query = parts.uri.query().unwrap_or_default();
    let id = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "sessionId").map(|(_, value)| value.into_owned());
    let Some(session) = id.and_then(|id| front.bridge.session(&id)) else {
        return refuse(StatusCode::NOT_FOUND, "this session is over: open /sse again");
    };
    match Message::parse(body) {
        Ok(Message::Request(request)) => {
            call(front, &session, request).await;
            empty(StatusCode::ACCEPTED)
        }
        Ok(Message::Notification(notification)) => {
            notify(&session, notification).await;
            empty(StatusCode::ACCEPTED)
        }
        Ok(Message::Response(response)) => {
            answered(&session, response).await;
            empty(StatusCode::ACCEPTED)
        }
        Err(error) => fault(StatusCode::BAD_REQUEST, None, &Fault::new(code::PARSE, error.to_string())),
    }
}

async fn call(front: &Front, session: &Arc<Session>, request: Request) {
    let here = if request.method == "initialize" {
        Some(match greet(&front.bridge, session, &request).await {
            Ok(result) => Outcome::Result(result),
            Err((_, no)) => Outcome::Error(no.to_raw()),
        })
    } else {
        answered_here(&front.bridge, session, &request).await
    };
    let outcome = match here {
        Some(outcome) => outcome,
        None if session.facing.get().is_some() => {
            tokio::spawn(carry_to_standing(Arc::clone(&front.bridge), Arc::clone(session), request));
            return;
        }
        None => {
            let caller = Caller { session: Some(session.key), id: request.id.clone(), sink: Sink::Standing(Arc::clone(&session.standing)) };
            match front.bridge.call(session, Outbound { caller, method: request.method, params: request.params }).await {
                Ok(()) => return,
                Err(gone) => Outcome::Error(unavailable(&gone).to_raw()),
            }
        }
    };
    if session.standing.push(written(&Message::Response(Response { id: Some(request.id), outcome }))).is_err() {
        session.standing.close();
    }
}

/// Carries a call through to a server of the newer era; all it says goes to the only stream that there is.
async fn carry_to_standing(bridge: Arc<Bridge>, session: Arc<Session>, request: Request) {
    let stream = Arc::new(Stream::new(false));
    let reader = stream.read();
    tokio::spawn(to_modern::carry(bridge, Arc::clone(&session), request, Arc::clone(&stream)));
    while let Some(event) = stream.next(reader).await {
        if session.standing.push(event.message).is_err() {
            return session.standing.close();
        }
    }
}
