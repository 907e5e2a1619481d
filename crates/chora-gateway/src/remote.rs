//! A remote MCP server made available on standard streams: what a client writes goes to the server over HTTP, and what the
//! server says is written back. A server that was away is reached again, and greeted again where it has forgotten the client.

mod errand;
mod http;
pub(crate) mod inside;
mod oldest;
pub(crate) mod sse;
mod standing;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use hyper::header::{HeaderMap, HeaderValue};
use hyper::{Method, Uri};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};

use self::http::Http;
use crate::message::params::{self, REVISION};
use crate::message::{Fault, Id, Message, NotMessage, Outcome, Request, Response, code};
use crate::transport::http::param_headers::HeaderParam;
use crate::transport::lines::{Line, Lines};
use crate::upstream::written;

/// Longest line that is read from the client, in bytes.
const LONGEST_LINE: usize = 64 * 1024 * 1024;
/// Messages for the client that may wait to be written.
const OUTBOX: usize = 64;
/// How long what was begun may still be answered once the client has said its last word.
const LEAVING: Duration = Duration::from_secs(2);

/// Which server, and what it is to be sent.
#[derive(Debug, Clone)]
pub struct RemoteSettings {
    /// Address of the server's MCP endpoint, `http` or `https`.
    pub url: Uri,
    /// Sent with every request, such as `Authorization`. Sensitive values must be marked so.
    pub headers: HeaderMap,
    /// How long a server that cannot be reached is tried again before a call fails.
    pub patience: Duration,
}

/// The server cannot be used at all.
#[derive(Debug, thiserror::Error)]
pub enum RemoteError {
    /// The address is not one of a server.
    #[error("`{0}` is not an http or https address")]
    Address(Uri),
    /// The machine's certificates cannot be read.
    #[error("the certificates of this machine cannot be read: {0}")]
    Certificates(std::io::Error),
    /// The client's side broke.
    #[error("standard streams: {0}")]
    Streams(#[from] std::io::Error),
}

/// Connects a client on `input` and `output` with a remote server until the client ends.
///
/// # Errors
///
/// The address is none, or the client's streams break. A server that is away is told to the client call by call.
pub async fn connect<I, O>(settings: RemoteSettings, input: I, mut output: O) -> Result<(), RemoteError>
where
    I: AsyncRead + Unpin,
    O: AsyncWrite + Unpin + Send + 'static,
{
    if !matches!(settings.url.scheme_str(), Some("http" | "https")) || settings.url.host().is_none() {
        return Err(RemoteError::Address(settings.url));
    }
    let (out, mut written_out) = mpsc::channel::<Bytes>(OUTBOX);
    let writing = tokio::spawn(async move {
        while let Some(message) = written_out.recv().await {
            output.write_all(&on_one_line(&message)).await?;
            output.flush().await?;
        }
        Ok::<_, std::io::Error>(())
    });
    let http = Http::new().map_err(RemoteError::Certificates)?;
    let remote = Arc::new(Remote { http, settings, out, state: Mutex::default(), greeting: tokio::sync::Mutex::default() });
    let mut errands = JoinSet::new();
    let mut lines = Lines::new(input, LONGEST_LINE);
    loop {
        match lines.next().await? {
            Line::End => break,
            Line::TooLong => remote.tell(None, &Fault::new(code::INVALID_REQUEST, "the message is too long")).await,
            Line::Whole(line) if line.iter().all(u8::is_ascii_whitespace) => {}
            Line::Whole(line) => match Message::parse(line) {
                Ok(message) => remote.take(message, &mut errands).await,
                Err(error) => remote.tell(None, &not_understood(&error)).await,
            },
        }
        while errands.try_join_next().is_some() {}
    }
    // A client that closes its side may still read what it has asked for.
    _ = tokio::time::timeout(LEAVING, async { while errands.join_next().await.is_some() {} }).await;
    errands.shutdown().await;
    remote.leave().await;
    drop(remote);
    writing.await.unwrap_or(Ok(())).map_err(RemoteError::Streams)
}

fn not_understood(error: &NotMessage) -> Fault {
    let number = if matches!(error, NotMessage::NotJson(_)) { code::PARSE } else { code::INVALID_REQUEST };
    Fault::new(number, error.to_string())
}

/// Line breaks inside a message are white space.
fn on_one_line(message: &[u8]) -> Vec<u8> {
    let trimmed = message.trim_ascii();
    let mut line: Vec<u8> = trimmed.iter().map(|byte| if matches!(byte, b'\n' | b'\r') { b' ' } else { *byte }).collect();
    line.push(b'\n');
    line
}

/// A server at the other end.
#[derive(Debug)]
pub(crate) struct Remote {
    http: Http,
    settings: RemoteSettings,
    out: mpsc::Sender<Bytes>,
    state: Mutex<State>,
    /// Held while the server is greeted anew, so that it is done once.
    greeting: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct State {
    session: Option<HeaderValue>,
    /// Agreed on with a handshake.
    revision: Option<String>,
    /// What the client said to begin with, to be said again.
    hello: Option<Bytes>,
    /// How often the server was greeted.
    generation: u64,
    /// Where to post over HTTP+SSE.
    endpoint: Option<Uri>,
    /// Calls under way, for their cancellation.
    calls: HashMap<Id, AbortHandle>,
    /// Which parameters of which tool are repeated as headers.
    tools: HashMap<String, Vec<HeaderParam>>,
    standing: Option<AbortHandle>,
}

impl Remote {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes an error to the client.
    async fn tell(&self, id: Option<Id>, fault: &Fault) {
        self.write(written(&Message::Response(Response::error(id, fault)))).await;
    }

    /// Writes a message to the client; waits while it does not read.
    async fn write(&self, message: Bytes) {
        // The writer is gone when the client is.
        _ = self.out.send(message).await;
    }

    /// Does what a message of the client asks. Its order is kept where it matters: nothing overtakes a handshake.
    async fn take(self: &Arc<Self>, message: Message, errands: &mut JoinSet<()>) {
        let bytes = written(&message);
        match message {
            Message::Request(request) if request.method == "initialize" => self.greet(request, bytes).await,
            Message::Request(request) => {
                let id = request.id.clone();
                let remote = Arc::clone(self);
                let errand = errands.spawn(async move {
                    remote.run_errand(&request, bytes).await;
                    remote.state().calls.remove(&request.id);
                });
                self.state().calls.insert(id, errand);
            }
            Message::Notification(notification) => {
                if notification.method == "notifications/cancelled" && self.state().revision.is_none() {
                    // Without a handshake nobody waiting for the answer is the cancellation.
                    let id = params::member(notification.params.as_deref(), "requestId").and_then(|raw| Id::parse(&raw));
                    if let Some(call) = id.and_then(|id| self.state().calls.remove(&id)) {
                        call.abort();
                    }
                    return;
                }
                self.pass(bytes).await;
            }
            Message::Response(_) => self.pass(bytes).await,
        }
    }

    /// Sends what wants no answer.
    async fn pass(&self, bytes: Bytes) {
        if let Err(reason) = self.post(bytes, &HeaderMap::new()).await {
            tracing::warn!("a message did not reach the server: {reason}");
        }
    }

    /// The client's handshake. A server of the oldest revision is found here.
    async fn greet(self: &Arc<Self>, request: Request, bytes: Bytes) {
        {
            let mut state = self.state();
            (state.session, state.revision, state.endpoint) = (None, None, None);
            state.hello = Some(bytes.clone());
        }
        let answer = match self.ask_streamable(&request, bytes.clone()).await {
            errand::Answer::Message(answer) => answer,
            errand::Answer::NotHere(refusal) => match self.open_oldest(&request, bytes).await {
                Ok(answer) => answer,
                // What the first way said is nearer to the truth.
                Err(_) => return self.tell(Some(request.id), &refusal).await,
            },
            errand::Answer::Failed(fault) => return self.tell(Some(request.id), &fault).await,
        };
        self.agree(&answer);
        self.write(answer).await;
        self.stand_open();
    }

    /// Keeps what the handshake agreed on.
    fn agree(&self, answer: &[u8]) {
        if let Ok(Message::Response(Response { outcome: Outcome::Result(result), .. })) = Message::parse(answer) {
            let mut state = self.state();
            state.revision = params::text(Some(&result), "protocolVersion");
            state.generation += 1;
        }
    }

    /// Ends the session.
    async fn leave(&self) {
        let (session, standing) = {
            let mut state = self.state();
            (state.session.take(), state.standing.take())
        };
        if let Some(standing) = standing {
            standing.abort();
        }
        if let Some(session) = session {
            let mut headers = HeaderMap::new();
            headers.insert("mcp-session-id", session);
            let ending = self.http.send(Method::DELETE, &self.settings.url, self.headers(headers), Bytes::new());
            // A server that does not answer ends the session by itself.
            _ = tokio::time::timeout(LEAVING, ending).await;
        }
    }

    /// The headers of a request: those of the user, of the conversation, and its own.
    fn headers(&self, own: HeaderMap) -> HeaderMap {
        let mut headers = self.settings.headers.clone();
        {
            let state = self.state();
            if let Some(session) = &state.session {
                headers.insert("mcp-session-id", session.clone());
            }
            if let Some(revision) = state.revision.as_deref().and_then(|revision| HeaderValue::from_str(revision).ok()) {
                headers.insert("mcp-protocol-version", revision);
            }
        }
        for (name, value) in own {
            if let Some(name) = name {
                headers.insert(name, value);
            }
        }
        headers
    }
}

/// Whether a request stands alone.
fn is_lone(request: &Request) -> bool {
    params::meta(request.params.as_deref(), REVISION).is_some()
}
