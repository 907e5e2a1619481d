//! One call of the client: sent, answered plainly or in events, resumed when the stream breaks, begun anew with a new
//! handshake when the server has forgotten the client.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Response as HttpResponse, StatusCode};
use serde_json::Value;

use super::http::{NoAnswer, read};
use super::sse::SseReader;
use super::{Remote, is_lone};
use crate::message::params::{self, REVISION};
use crate::message::{Fault, Id, Message, Outcome, Request, code};
use crate::transport::http::param_headers::annotated;

/// The longest pause before a stream that broke off is resumed.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// The first pause between two tries; it doubles.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// How often a stream that broke off is resumed in a row without a word from it.
const RESUMPTIONS: u32 = 5;

/// What a call came to.
pub(super) enum Answer {
    /// The answer, still to be written.
    Message(Bytes),
    /// There is no streamable HTTP at this address.
    NotHere(Fault),
    Failed(Fault),
}

impl Remote {
    /// Sends a call of the client and writes its answer.
    pub(super) async fn run_errand(self: &Arc<Self>, request: &Request, bytes: Bytes) {
        if self.state().endpoint.is_some() {
            // The answer comes on the stream that stands open.
            if let Err(reason) = self.post(bytes, &HeaderMap::new()).await {
                self.tell(Some(request.id.clone()), &away(&reason)).await;
            }
            return;
        }
        match self.ask_streamable(request, bytes).await {
            Answer::Message(answer) => {
                self.learn(request, &answer);
                self.write(answer).await;
            }
            Answer::NotHere(fault) | Answer::Failed(fault) => self.tell(Some(request.id.clone()), &fault).await,
        }
    }

    /// Sends a call over streamable HTTP. What comes before its answer is written at once.
    pub(super) async fn ask_streamable(self: &Arc<Self>, request: &Request, bytes: Bytes) -> Answer {
        let own = self.own_headers(request);
        let generation = self.state().generation;
        let first = match self.post(bytes.clone(), &own).await {
            Ok(response) => response,
            Err(reason) => return Answer::Failed(away(&reason)),
        };
        let forgotten = first.status() == StatusCode::NOT_FOUND && request.method != "initialize" && self.state().session.is_some();
        if !forgotten {
            return self.answer(request, first).await;
        }
        if let Err(fault) = self.greet_again(generation).await {
            return Answer::Failed(fault);
        }
        match self.post(bytes, &own).await {
            Ok(response) => self.answer(request, response).await,
            Err(reason) => Answer::Failed(away(&reason)),
        }
    }

    /// Posts a message; a server that cannot be reached is tried again for a while.
    pub(super) async fn post(&self, bytes: Bytes, own: &HeaderMap) -> Result<HttpResponse<Incoming>, NoAnswer> {
        let url = self.state().endpoint.clone().unwrap_or_else(|| self.settings.url.clone());
        let (began, mut pause) = (tokio::time::Instant::now(), FIRST_PAUSE);
        loop {
            let mut headers = self.headers(own.clone());
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            headers.insert(ACCEPT, HeaderValue::from_static("application/json, text/event-stream"));
            match self.http.send(Method::POST, &url, headers, bytes.clone()).await {
                Err(reason) if reason.unsent && began.elapsed() + pause < self.settings.patience => {
                    tokio::time::sleep(pause).await;
                    pause *= 2;
                }
                result => return result,
            }
        }
    }

    async fn answer(self: &Arc<Self>, request: &Request, response: HttpResponse<Incoming>) -> Answer {
        let status = response.status();
        if request.method == "initialize" && status.is_success() {
            self.state().session = response.headers().get("mcp-session-id").cloned();
        }
        let kind = response.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default().to_ascii_lowercase();
        if status.is_success() && kind.starts_with("text/event-stream") {
            return self.read_events(request, response.into_body()).await;
        }
        let body = match read(response.into_body()).await {
            Ok(body) => body,
            Err(reason) => return Answer::Failed(away(&reason)),
        };
        match Message::parse(&body) {
            Ok(Message::Response(answer)) if answer.id.as_ref().is_none_or(|id| *id == request.id) => {
                if is_not_here(request, status, &answer.outcome) {
                    Answer::NotHere(refused(status, &body))
                } else {
                    Answer::Message(named(&request.id, answer.outcome))
                }
            }
            _ if matches!(status.as_u16(), 400 | 404 | 405 | 406) => Answer::NotHere(refused(status, &body)),
            _ => Answer::Failed(refused(status, &body)),
        }
    }

    /// Reads the events of an answer, and goes on where the stream broke off if the server can.
    async fn read_events(self: &Arc<Self>, request: &Request, mut body: Incoming) -> Answer {
        let (mut last_id, mut pause, mut fruitless) = (None::<String>, Duration::from_millis(500), 0);
        loop {
            let mut reader = SseReader::default();
            while let Some(Ok(frame)) = body.frame().await {
                let Some(piece) = frame.data_ref() else { continue };
                let Ok(events) = reader.take(piece) else { return Answer::Failed(broken("an event is too large")) };
                for event in events {
                    fruitless = 0;
                    last_id = event.id.or(last_id);
                    pause = event.retry.map_or(pause, Duration::from_millis);
                    match Message::parse(event.data.as_bytes()) {
                        Ok(Message::Response(answer)) if answer.id.as_ref() == Some(&request.id) => {
                            return Answer::Message(event.data.into());
                        }
                        Ok(_) => self.write(event.data.into()).await,
                        // Events that only give an id hold no message.
                        Err(_) => {}
                    }
                }
            }
            let Some(id) = last_id.as_deref().filter(|_| fruitless < RESUMPTIONS) else {
                return Answer::Failed(broken("the answer broke off"));
            };
            fruitless += 1;
            tokio::time::sleep(pause.min(LONGEST_PAUSE)).await;
            match self.resume(id).await {
                Some(again) => body = again,
                None => return Answer::Failed(broken("the answer broke off and cannot be resumed")),
            }
        }
    }

    /// Asks for what followed an event.
    async fn resume(&self, id: &str) -> Option<Incoming> {
        let mut own = HeaderMap::new();
        own.insert(ACCEPT, HeaderValue::from_static("text/event-stream"));
        own.insert("last-event-id", HeaderValue::from_str(id).ok()?);
        let response = self.http.send(Method::GET, &self.settings.url, self.headers(own), Bytes::new()).await.ok()?;
        response.status().is_success().then(|| response.into_body())
    }

    /// Says the client's first words again, once for everybody who finds that they were forgotten.
    async fn greet_again(self: &Arc<Self>, generation: u64) -> Result<(), Fault> {
        let _greeting = self.greeting.lock().await;
        let hello = {
            let mut state = self.state();
            if state.generation != generation {
                return Ok(());
            }
            (state.session, state.revision) = (None, None);
            state.hello.clone()
        };
        let Some(hello) = hello else { return Err(broken("the session is over")) };
        let Ok(Message::Request(request)) = Message::parse(&hello) else { return Err(broken("the session is over")) };
        match Box::pin(self.ask_streamable(&request, hello)).await {
            Answer::Message(answer) => {
                self.agree(&answer);
                let told = Bytes::from_static(br#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#);
                self.post(told, &HeaderMap::new()).await.map_err(|reason| away(&reason))?;
                self.stand_open();
                Ok(())
            }
            Answer::NotHere(fault) | Answer::Failed(fault) => Err(fault),
        }
    }

    /// The headers that a request without a handshake must have: they repeat what the body says.
    fn own_headers(&self, request: &Request) -> HeaderMap {
        let mut headers = HeaderMap::new();
        if !is_lone(request) {
            return headers;
        }
        let params = request.params.as_deref();
        let mut add = |name: &str, value: &str| {
            if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::from_str(&encoded(value))) {
                headers.insert(name, value);
            }
        };
        add("mcp-protocol-version", &params::meta_text(params, REVISION).unwrap_or_default());
        add("mcp-method", &request.method);
        let key = if request.method == "resources/read" { "uri" } else { "name" };
        if let (Some(name), true) =
            (params::text(params, key), matches!(request.method.as_str(), "tools/call" | "prompts/get" | "resources/read"))
        {
            add("mcp-name", &name);
            let arguments = params::member(params, "arguments").and_then(|raw| serde_json::from_str::<Value>(raw.get()).ok());
            let repeated = self.state().tools.get(&name).cloned().unwrap_or_default();
            for param in repeated {
                if let Some(value) = arguments.as_ref().and_then(|arguments| param.value(arguments)) {
                    add(param.header(), &value);
                }
            }
        }
        headers
    }

    /// Learns from a list of tools which parameters are repeated as headers.
    fn learn(&self, request: &Request, answer: &[u8]) {
        if request.method != "tools/list" || !is_lone(request) {
            return;
        }
        let listed: Value = serde_json::from_slice(answer).unwrap_or_default();
        let tools = listed.pointer("/result/tools").and_then(Value::as_array).into_iter().flatten();
        let mut state = self.state();
        for tool in tools {
            if let (Some(name), Some(schema)) = (tool.get("name").and_then(Value::as_str), tool.get("inputSchema")) {
                state.tools.insert(name.to_owned(), annotated(schema));
            }
        }
    }
}

/// A refusal of `initialize` that may mean that another transport is spoken here.
fn is_not_here(request: &Request, status: StatusCode, outcome: &Outcome) -> bool {
    request.method == "initialize" && matches!(status.as_u16(), 400 | 404 | 405 | 406) && matches!(outcome, Outcome::Error(_))
}

/// An answer under the id that was asked with, also where the server could not read it.
fn named(id: &Id, outcome: Outcome) -> Bytes {
    crate::upstream::written(&Message::Response(crate::message::Response { id: Some(id.clone()), outcome }))
}

/// A header's value as it is, or in base64 where it would not survive as it is.
fn encoded(value: &str) -> String {
    let plain = value.bytes().all(|byte| (0x20..=0x7e).contains(&byte)) && value.trim() == value && !value.starts_with("=?base64?");
    if plain { value.to_owned() } else { format!("=?base64?{}?=", STANDARD.encode(value)) }
}

fn away(reason: &NoAnswer) -> Fault {
    Fault::new(code::UNAVAILABLE, format!("the server cannot be reached: {reason}")).with(serde_json::json!({ "retry": true }))
}

fn broken(why: &str) -> Fault {
    Fault::new(code::UNAVAILABLE, why).with(serde_json::json!({ "retry": true }))
}

fn refused(status: StatusCode, body: &[u8]) -> Fault {
    let said: String = String::from_utf8_lossy(body).chars().take(300).collect();
    let hint = match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => "; name what it wants with --header or --token-file",
        _ => "",
    };
    Fault::new(code::UNAVAILABLE, format!("the server answers {status}{hint}")).with(serde_json::json!({ "said": said.trim() }))
}

#[cfg(test)]
mod tests {
    use super::encoded;

    #[test]
    fn values_survive_as_headers() {
        for (value, header) in
            [("echo", "echo"), ("é", "=?base64?w6k=?="), (" x", "=?base64?IHg=?="), ("=?base64?x?=", "=?base64?PT9iYXNlNjQ/eD89?=")]
        {
            assert_eq!(encoded(value), header);
        }
    }
}
