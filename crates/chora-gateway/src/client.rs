//! What a client with a handshake does in its session, whatever it came over.

use std::sync::Arc;

use hyper::StatusCode;
use serde_json::value::RawValue;

use crate::bridge::{Bridge, OpenSession};
use crate::message::{Fault, Id, Notification, Outcome, Request, Response, code, params};
use crate::revision::Revision;
use crate::session::{Asked, Session};
use crate::stream::Stream;
use crate::translate::to_modern::{self, Facing};
use crate::transport::stdio::Gone;
use crate::upstream::{Caller, Outbound, Sink, unavailable};

/// A session, and what the server says to `initialize`.
pub(crate) async fn open(bridge: &Arc<Bridge>, request: &Request) -> Result<(Arc<Session>, Box<RawValue>), (StatusCode, Fault)> {
    // What the server speaks decides how it is greeted.
    bridge.era().await.map_err(|gone| (StatusCode::SERVICE_UNAVAILABLE, unavailable(&gone)))?;
    let asked = params::text(request.params.as_deref(), "protocolVersion").and_then(|version| Revision::parse(&version));
    let revision = asked.filter(|revision| !revision.is_modern()).unwrap_or(Revision::NEWEST_LEGACY);
    let session = bridge.open_session(revision).await.map_err(|no| (StatusCode::SERVICE_UNAVAILABLE, no))?;
    // A server may take its time to greet. A client that does not wait for it has no session.
    let mut open = OpenSession::new(bridge, Arc::clone(&session));
    let _connected = session.connected();
    let result = greet(bridge, &session, request).await?;
    open.leave();
    Ok((session, result))
}

pub(crate) async fn greet(bridge: &Arc<Bridge>, session: &Arc<Session>, request: &Request) -> Result<Box<RawValue>, (StatusCode, Fault)> {
    let upstream = session.upstream();
    if bridge.is_modern_only() {
        let discovered = bridge.modern_greeting().await.map_err(|gone| (StatusCode::SERVICE_UNAVAILABLE, unavailable(&gone)))?;
        let facing = session.facing.get_or_init(|| Facing::of(request.params.as_deref()));
        to_modern::listen_to_lists(bridge, session, facing).await;
        return Ok(to_modern::greeting(&discovered, session.revision()));
    }
    if upstream.owner.is_none() {
        session.offered.get_or_init(|| {
            let offered = params::member(request.params.as_deref(), "capabilities");
            offered.and_then(|offered| serde_json::from_str(offered.get()).ok()).unwrap_or_default()
        });
        let greeting = bridge.legacy_greeting().await.map_err(|gone| (StatusCode::SERVICE_UNAVAILABLE, unavailable(&gone)))?;
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

/// What the server need not answer: methods that its era does not have, and subscriptions that several clients share.
pub(crate) async fn answered_here(bridge: &Arc<Bridge>, session: &Arc<Session>, request: &Request) -> Option<Outcome> {
    if let Some(facing) = session.facing.get() {
        return to_modern::answered_here(bridge, session, facing, request).await;
    }
    if session.upstream().owner.is_some() {
        return None;
    }
    let uri = || params::text(request.params.as_deref(), "uri").unwrap_or_default();
    let server_must_know = match request.method.as_str() {
        "resources/subscribe" => bridge.subscribe_is_first(session, &uri()),
        "resources/unsubscribe" => bridge.unsubscribe_is_last(session, &uri()),
        _ => true,
    };
    (!server_must_know).then(|| Outcome::Result(RawValue::from_string("{}".to_owned()).unwrap_or_default()))
}

/// Passes on what a client says without wanting an answer.
pub(crate) async fn notify(session: &Session, notification: Notification) {
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
pub(crate) async fn answered(session: &Session, response: Response) {
    match response.id.as_ref().and_then(|id| session.answered(id)) {
        // A server that is gone waits for no answer.
        Some(Asked::Server(theirs)) => _ = session.upstream().answer(Response { id: Some(theirs), outcome: response.outcome }).await,
        // The call that wanted it may be over.
        Some(Asked::Bridge(waiting)) => _ = waiting.send(response.outcome),
        None => tracing::debug!("an answer of a client to nothing it was asked is dropped"),
    }
}

/// Sends a call; what the server says about it, and its answer, come to `stream`.
pub(crate) async fn send(bridge: &Arc<Bridge>, session: &Arc<Session>, request: Request, stream: &Arc<Stream>) -> Result<(), Gone> {
    if session.facing.get().is_some() {
        tokio::spawn(to_modern::carry(Arc::clone(bridge), Arc::clone(session), request, Arc::clone(stream)));
        return Ok(());
    }
    let caller = Caller { session: Some(session.key), id: request.id, sink: Sink::Client(Arc::clone(stream)) };
    bridge.call(session, Outbound { caller, method: request.method, params: request.params }).await
}
