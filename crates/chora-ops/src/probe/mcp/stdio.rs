//! Standard streams: one JSON-RPC message a line, either way (revision 2025-11-25, Transports, stdio).

use bytes::Bytes;
use chora_core::model::container::LogStream;
use chora_core::ports::engine::Piped;
use serde_json::{Value, json};

use super::message;
use super::streamable::stateless_meta;
use super::wire::{Fault, STATELESS};
use crate::probe::answer::{Deadline, Trouble, excerpt};

/// More than this without a line end is no message.
const LINE_LIMIT: usize = 4 << 20;
/// Bytes of standard error that are kept.
const COMPLAINTS_LIMIT: usize = 4 << 10;

/// A server whose standard streams we hold.
pub(in crate::probe) struct Stdio {
    pipes: Box<dyn Piped>,
    deadline: Deadline,
    stateless: bool,
    last_id: u64,
    output: Vec<u8>,
    complaints: Vec<u8>,
    stray: Option<String>,
    ended: bool,
}

impl Stdio {
    pub(in crate::probe) fn new(pipes: Box<dyn Piped>, deadline: Deadline) -> Self {
        let (output, complaints) = (Vec::new(), Vec::new());
        Self { pipes, deadline, stateless: false, last_id: 0, output, complaints, stray: None, ended: false }
    }

    pub(super) fn agree(&mut self, revision: &str) {
        self.stateless = revision == STATELESS;
    }

    pub(super) fn disagree(&mut self) {
        self.stateless = false;
    }

    /// The first thing on standard output that was no message; clients pass over it, other readers may not.
    pub(in crate::probe) fn stray(&self) -> Option<&str> {
        self.stray.as_deref()
    }

    /// Whether its output ended while an answer was due.
    pub(in crate::probe) fn has_ended(&self) -> bool {
        self.ended
    }

    /// The last line that it wrote to standard error.
    pub(in crate::probe) fn complaint(&self) -> Option<String> {
        let text = String::from_utf8_lossy(&self.complaints);
        text.lines().map(str::trim).rfind(|line| !line.is_empty()).map(|line| excerpt(line, 200))
    }

    /// Gives the streams back, for the server to be ended.
    pub(in crate::probe) fn into_pipes(self) -> Box<dyn Piped> {
        self.pipes
    }

    pub(super) async fn request(&mut self, method: &str, mut params: Value) -> Result<Value, Fault> {
        self.last_id += 1;
        let id = self.last_id;
        if let (true, Some(params)) = (self.stateless, params.as_object_mut()) {
            params.insert("_meta".to_owned(), stateless_meta());
        }
        let deadline = self.deadline;
        let request = message::request(id, method, &params);
        deadline
            .bound(method, async {
                // The fault stays inside, so that only the time limit is added here.
                Ok(self.exchange(&request, id, method).await)
            })
            .await?
    }

    pub(super) async fn notify(&mut self, method: &str) -> Result<(), Fault> {
        let deadline = self.deadline;
        Ok(deadline.bound(method, self.say(&message::notification(method))).await?)
    }

    async fn exchange(&mut self, request: &Value, id: u64, method: &str) -> Result<Value, Fault> {
        self.say(request).await?;
        while let Some(line) = self.line().await? {
            let Ok(value) = serde_json::from_str(&line) else {
                self.stray.get_or_insert_with(|| excerpt(&line, 100));
                continue;
            };
            let messages = match value {
                Value::Array(messages) => messages,
                message => vec![message],
            };
            for message in messages {
                if let Some(refusal) = answer_to(&message) {
                    self.say(&refusal).await?;
                } else if let Some(outcome) = message::take(message, id) {
                    return outcome;
                }
            }
        }
        self.ended = true;
        Err(Fault::Trouble(Trouble::Wrong(format!("the server ended before it answered {method}"))))
    }

    async fn say(&mut self, message: &Value) -> Result<(), Trouble> {
        self.pipes.send(Bytes::from(format!("{message}\n"))).await.map_err(|error| Trouble::Silent(error.to_string()))
    }

    /// The next line of standard output; `None` when it has ended.
    async fn line(&mut self) -> Result<Option<String>, Trouble> {
        loop {
            if let Some(end) = self.output.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.output.drain(..=end).collect();
                let line = String::from_utf8_lossy(&line).trim().to_owned();
                if line.is_empty() {
                    continue;
                }
                return Ok(Some(line));
            }
            if self.output.len() > LINE_LIMIT {
                return Err(Trouble::Wrong("a line of standard output is longer than 4 MiB".to_owned()));
            }
            let chunk = self.pipes.receive().await.map_err(|error| Trouble::Silent(error.to_string()))?;
            match chunk {
                None => return Ok(None),
                Some(chunk) if chunk.stream == LogStream::Stdout => self.output.extend_from_slice(&chunk.bytes),
                Some(chunk) => {
                    self.complaints.extend_from_slice(&chunk.bytes);
                    let surplus = self.complaints.len().saturating_sub(COMPLAINTS_LIMIT);
                    self.complaints.drain(..surplus);
                }
            }
        }
    }
}

/// What a client without capabilities answers to a server's request; `None` for everything else.
fn answer_to(message: &Value) -> Option<Value> {
    let (id, method) = (message.get("id")?, message.get("method")?.as_str()?);
    Some(match method {
        "ping" => json!({ "jsonrpc": "2.0", "id": id, "result": {} }),
        _ => json!({ "jsonrpc": "2.0", "id": id, "error": { "code": -32_601, "message": "the probe has no capabilities" } }),
    })
}
