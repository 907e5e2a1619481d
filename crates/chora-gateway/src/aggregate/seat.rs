//! A client's place at one of the servers: a session there, opened when it is needed, and again when the server has ended it.

use std::sync::{Arc, OnceLock};

use serde_json::value::{RawValue, to_raw_value};
use tokio::task::AbortHandle;

use super::conversation::Conversation;
use crate::bridge::Bridge;
use crate::client;
use crate::message::{Fault, Id, Message, Notification, Request};
use crate::session::{Connected, Session};

/// A place.
pub(super) struct Seat {
    pub(super) bridge: Arc<Bridge>,
    pub(super) session: Arc<Session>,
    /// It is not idle as long as its client is there.
    _connected: Connected,
    listening: OnceLock<AbortHandle>,
}

impl Drop for Seat {
    fn drop(&mut self) {
        if let Some(listening) = self.listening.get() {
            listening.abort();
        }
    }
}

impl Seat {
    /// Greets a server in the client's own words.
    pub(super) async fn open(
        bridge: &Arc<Bridge>,
        hello: Option<Box<RawValue>>,
        conversation: &Arc<Conversation>,
    ) -> Result<Arc<Self>, Fault> {
        let request = Request { id: Id::number(0), method: "initialize".to_owned(), params: hello };
        let (session, _) = client::open(bridge, &request).await.map_err(|(_, no)| no)?;
        client::notify(&session, Notification { method: "notifications/initialized".to_owned(), params: None }).await;
        let (weak, standing) = (Arc::downgrade(conversation), Arc::clone(&session.standing));
        let connected = session.connected();
        let seat = Arc::new(Self { bridge: Arc::clone(bridge), session, _connected: connected, listening: OnceLock::new() });
        let sitting = Arc::downgrade(&seat);
        // What belongs to no call.
        let listening = tokio::spawn(async move {
            let reader = standing.read();
            while let Some(event) = standing.next(reader).await {
                let (Some(conversation), Some(seat)) = (weak.upgrade(), sitting.upgrade()) else { return };
                if let Ok(message) = Message::parse(&event.message) {
                    conversation.pass_on(message, Some(&seat), None).await;
                }
            }
        });
        seat.listening.get_or_init(|| listening.abort_handle());
        Ok(seat)
    }

    /// Says something again that the client has said before, or to others.
    pub(super) async fn repeat(&self, method: &str, params: Option<Box<RawValue>>) {
        let request = Request { id: Id::number(0), method: method.to_owned(), params };
        if client::answered_here(&self.bridge, &self.session, &request).await.is_some() {
            return;
        }
        if let Err(gone) = self.session.upstream().ask(method, request.params).await {
            tracing::debug!("{method} did not reach a server: {gone}");
        }
    }

    pub(super) async fn subscribe(&self, uri: &str) {
        self.repeat("resources/subscribe", to_raw_value(&serde_json::json!({ "uri": uri })).ok()).await;
    }

    /// Whether the session is still there.
    pub(super) fn is_open(&self) -> bool {
        self.bridge.session(&self.session.id).is_some()
    }

    pub(super) async fn leave(&self) {
        self.bridge.end_session(&self.session.id).await;
    }
}
