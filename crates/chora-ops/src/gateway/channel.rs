//! The ways to a gateway's control API: its socket where this machine has it at hand, else a program in its container that makes the calls.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use chora_core::model::container::ExecSpec;
use chora_core::plan::gateway::{CONTROL, PROGRAM};
use chora_core::ports::{Engine, EngineError};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::Request;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{CONTENT_TYPE, HOST};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::UnixStream;

use crate::conversation::{Conversation, ConversationError, OUTPUT_LIMIT};
use crate::main_process::MainProcess;
use crate::probe::http::Connection;

/// A call of the control API (docs/guide/gateway.md).
#[derive(serde::Serialize)]
pub(super) struct Call<'a> {
    pub(super) method: &'a str,
    pub(super) path: &'a str,
    pub(super) body: Option<&'a Value>,
}

#[derive(serde::Deserialize)]
pub(super) struct Answer {
    pub(super) status: u16,
    #[serde(default)]
    pub(super) body: Value,
}

/// An open way to a gateway.
pub(super) enum Channel {
    Socket(Socket),
    Program(Conversation),
}

impl Channel {
    /// Finds a way. Starting a program takes longer than most calls, and works wherever the engine is.
    pub(super) async fn open(engine: &dyn Engine, gateway: &str) -> Result<Self, EngineError> {
        if let Some(socket) = Socket::open(engine, gateway).await {
            return Ok(Self::Socket(socket));
        }
        let command = [PROGRAM, "gateway", "attend", "--control", CONTROL].map(str::to_owned).to_vec();
        let exec = ExecSpec { command, ..ExecSpec::default() };
        Ok(Self::Program(Conversation::new(engine.exec_piped(gateway, &exec).await?)))
    }

    /// Makes a call and waits for its answer.
    pub(super) async fn ask(&mut self, call: &Call<'_>, limit: Duration) -> Result<Answer, ConversationError> {
        match self {
            Self::Socket(socket) => {
                let asked = tokio::time::timeout(limit, socket.ask(call)).await;
                asked.unwrap_or(Err(ConversationError::Late { limit }))
            }
            Self::Program(conversation) => conversation.ask(call, limit).await,
        }
    }
}

/// A gateway's control socket.
pub(super) struct Socket {
    sender: SendRequest<Full<Bytes>>,
    _connection: Connection,
}

impl Socket {
    /// `None` where it is out of reach: on another machine, in a namespace that cannot be seen, not ours to open, or nobody listens yet.
    async fn open(engine: &dyn Engine, gateway: &str) -> Option<Self> {
        let container = engine.container(gateway).await.ok()??;
        let process = MainProcess::of(&container)?;
        let stream = UnixStream::connect(process.file(Path::new(CONTROL))).await.ok()?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await.ok()?;
        Some(Self { sender, _connection: Connection::drive(connection) })
    }

    async fn ask(&mut self, call: &Call<'_>) -> Result<Answer, ConversationError> {
        let garbled = |error: &dyn std::fmt::Display| ConversationError::Garbled { output: error.to_string() };
        let body = call.body.map(serde_json::to_vec).transpose().map_err(|error| garbled(&error))?.unwrap_or_default();
        let request =
            Request::builder().method(call.method).uri(call.path).header(HOST, "gateway").header(CONTENT_TYPE, "application/json");
        let request = request.body(Full::new(Bytes::from(body))).map_err(|error| garbled(&error))?;
        self.sender.ready().await.map_err(|error| garbled(&error))?;
        let response = self.sender.send_request(request).await.map_err(|error| garbled(&error))?;
        let status = response.status().as_u16();
        let body = Limited::new(response.into_body(), OUTPUT_LIMIT).collect().await.map_err(|error| garbled(&error))?.to_bytes();
        let body = serde_json::from_slice(&body).unwrap_or_else(|_| String::from_utf8_lossy(&body).into());
        Ok(Answer { status, body })
    }
}
