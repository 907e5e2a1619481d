//! Streamable HTTP (revisions 2025-03-26 and later), with sessions and, from 2026-07-28 on, without.

use std::time::Duration;

use bytes::Bytes;
use hyper::header::{ACCEPT, CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::{Method, StatusCode};
use serde_json::{Value, json};

use super::events::Events;
use super::message;
use super::wire::{Fault, STATELESS};
use crate::probe::answer::{Deadline, Trouble};
use crate::probe::http::{Answer, Call, Peer};

/// More than this of one answer is not read.
const BODY_LIMIT: usize = 4 << 20;
/// What the end of a session may cost on top.
const FAREWELL: Duration = Duration::from_millis(500);

const SESSION: HeaderName = HeaderName::from_static("mcp-session-id");
const REVISION: HeaderName = HeaderName::from_static("mcp-protocol-version");
const METHOD: HeaderName = HeaderName::from_static("mcp-method");

/// One server, and the session with it.
#[derive(Debug)]
pub(super) struct Streamable<'a> {
    peer: &'a Peer,
    path: String,
    deadline: Deadline,
    session: Option<HeaderValue>,
    revision: Option<String>,
    last_id: u64,
}

impl<'a> Streamable<'a> {
    pub(super) fn new(peer: &'a Peer, path: &str, deadline: Deadline) -> Self {
        Self { peer, path: path.to_owned(), deadline, session: None, revision: None, last_id: 0 }
    }

    pub(super) fn agree(&mut self, revision: &str) {
        self.revision = Some(revision.to_owned());
    }

    pub(super) fn disagree(&mut self) {
        self.revision = None;
    }

    fn is_stateless(&self) -> bool {
        self.revision.as_deref() == Some(STATELESS)
    }

    pub(super) async fn request(&mut self, method: &str, mut params: Value, extra: Vec<(HeaderName, HeaderValue)>) -> Result<Value, Fault> {
        self.last_id += 1;
        let id = self.last_id;
        if let (true, Some(params)) = (self.is_stateless(), params.as_object_mut()) {
            params.insert("_meta".to_owned(), stateless_meta());
        }
        let deadline = self.deadline;
        deadline
            .bound(method, async {
                let answer = self.post(method, &message::request(id, method, &params), extra).await?;
                if method == "initialize" {
                    self.session = answer.headers.get(SESSION).cloned();
                }
                // The fault stays inside, so that only the time limit is added here.
                Ok(read_answer(answer, id, method).await)
            })
            .await?
    }

    pub(super) async fn notify(&mut self, method: &str) -> Result<(), Fault> {
        let deadline = self.deadline;
        let answer = deadline.bound(method, self.post(method, &message::notification(method), Vec::new())).await?;
        if answer.status.is_success() {
            return Ok(());
        }
        let status = answer.status;
        let body = deadline.bound(method, answer.body.read(BODY_LIMIT)).await?;
        Err(Fault::Status { status, body: body.lossy().into_owned() })
    }

    async fn post(&self, method: &str, message: &Value, extra: Vec<(HeaderName, HeaderValue)>) -> Result<Answer, Trouble> {
        let mut headers = vec![
            (CONTENT_TYPE, HeaderValue::from_static("application/json")),
            (ACCEPT, HeaderValue::from_static("application/json, text/event-stream")),
        ];
        headers.extend(self.context());
        if self.is_stateless() {
            headers.extend(HeaderValue::from_str(method).ok().map(|method| (METHOD, method)));
            headers.extend(extra);
        }
        let call = Call { method: Method::POST, path: &self.path, headers, body: Bytes::from(message.to_string()) };
        self.peer.send(call, self.deadline).await
    }

    fn context(&self) -> impl Iterator<Item = (HeaderName, HeaderValue)> {
        let session = self.session.clone().map(|session| (SESSION, session));
        let revision = self.revision.as_deref().and_then(|revision| HeaderValue::from_str(revision).ok());
        session.into_iter().chain(revision.map(|revision| (REVISION, revision)))
    }

    /// Ends the session; a server that does not want to be told (405) is fine.
    pub(super) async fn close(&mut self) {
        if self.session.is_none() {
            return;
        }
        let headers = self.context().collect();
        self.session = None;
        let farewell = Deadline::after(FAREWELL);
        let call = Call { method: Method::DELETE, path: &self.path, headers, body: Bytes::new() };
        // The verdict stands; a session that cannot be ended goes with its server's own time-out.
        drop(farewell.bound("the end of the session", self.peer.send(call, farewell)).await);
    }
}

/// `_meta` of every stateless request (revision 2026-07-28, Basic).
pub(super) fn stateless_meta() -> Value {
    json!({
        "io.modelcontextprotocol/protocolVersion": STATELESS,
        "io.modelcontextprotocol/clientInfo": { "name": "chora-probe", "version": env!("CARGO_PKG_VERSION") },
        "io.modelcontextprotocol/clientCapabilities": {},
    })
}

async fn read_answer(answer: Answer, id: u64, method: &str) -> Result<Value, Fault> {
    let status = answer.status;
    let kind = answer.media_type();
    if status.is_success() && kind == "text/event-stream" {
        return read_events(Events::new(answer.body), id, method).await;
    }
    let text = answer.body.read(BODY_LIMIT).await?;
    if text.cut {
        return Err(Fault::Trouble(Trouble::Wrong(format!("{method} answered more than 4 MiB"))));
    }
    let body = text.lossy();
    if status == StatusCode::ACCEPTED && body.is_empty() {
        return Err(Fault::Trouble(Trouble::Wrong(format!("{method} was accepted (202) and never answered"))));
    }
    match message::read(&body, id, method) {
        Err(Fault::Trouble(_)) if !status.is_success() => Err(Fault::Status { status, body: body.into_owned() }),
        outcome => outcome,
    }
}

async fn read_events(mut events: Events, id: u64, method: &str) -> Result<Value, Fault> {
    while let Some(event) = events.next().await? {
        if event.data.is_empty() {
            continue; // The priming event of revision 2025-11-25.
        }
        let value = serde_json::from_str(&event.data).map_err(|_| match message::read(&event.data, id, method) {
            Err(fault) => fault,
            Ok(_) => Fault::Trouble(Trouble::Wrong(format!("{method} answered no JSON"))),
        })?;
        let messages = match value {
            Value::Array(messages) => messages,
            message => vec![message],
        };
        if let Some(outcome) = messages.into_iter().find_map(|message| message::take(message, id)) {
            return outcome;
        }
    }
    Err(Fault::Trouble(Trouble::Wrong(format!("the event stream of {method} ended without an answer"))))
}

/// `Mcp-Param-*` headers for arguments that their schema marks with `x-mcp-header` (revision 2026-07-28, Transports).
pub(super) fn parameter_headers(schema: &Value, arguments: &Value) -> Vec<(HeaderName, HeaderValue)> {
    let Some(properties) = schema.get("properties").and_then(Value::as_object) else { return Vec::new() };
    let header = |(name, property): (&String, &Value)| {
        let suffix = property.get("x-mcp-header")?.as_str()?;
        let text = match arguments.get(name)? {
            Value::String(text) => text.clone(),
            value @ (Value::Number(_) | Value::Bool(_)) => value.to_string(),
            Value::Null | Value::Array(_) | Value::Object(_) => return None,
        };
        Some((HeaderName::from_bytes(format!("mcp-param-{suffix}").as_bytes()).ok()?, HeaderValue::from_str(&text).ok()?))
    };
    properties.iter().filter_map(header).collect()
}
