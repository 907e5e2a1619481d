//! A conversation with a program behind pipes: a line there, a line back.

use std::time::Duration;

use bytes::Bytes;
use chora_core::model::container::LogStream;
use chora_core::ports::EngineError;
use chora_core::ports::engine::Piped;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::probe::answer::excerpt;

/// More than this of a program's output is not an answer.
pub(crate) const OUTPUT_LIMIT: usize = 8 << 20;
/// How long a program may take to end.
const FAREWELL: Duration = Duration::from_secs(2);

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ConversationError {
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error("there is no answer: {output}")]
    Garbled { output: String },
    #[error("there was no answer within {limit:?}")]
    Late { limit: Duration },
}

/// A program that answers lines with lines.
pub(crate) struct Conversation {
    pipes: Box<dyn Piped>,
    output: Vec<u8>,
    complaints: Vec<u8>,
}

impl Conversation {
    pub(crate) fn new(pipes: Box<dyn Piped>) -> Self {
        Self { pipes, output: Vec::new(), complaints: Vec::new() }
    }

    /// Says one thing and waits for the answer.
    pub(crate) async fn ask<A: DeserializeOwned>(&mut self, question: &impl Serialize, limit: Duration) -> Result<A, ConversationError> {
        let garbled = |output: String| ConversationError::Garbled { output };
        let mut line = serde_json::to_vec(question).map_err(|error| garbled(error.to_string()))?;
        line.push(b'\n');
        let exchange = async {
            self.pipes.send(Bytes::from(line)).await?;
            self.line().await
        };
        let line = tokio::time::timeout(limit, exchange).await.unwrap_or(Err(ConversationError::Late { limit }))?;
        serde_json::from_slice(&line).map_err(|_| garbled(excerpt(&String::from_utf8_lossy(&line), 200)))
    }

    async fn line(&mut self) -> Result<Vec<u8>, ConversationError> {
        loop {
            if let Some(end) = self.output.iter().position(|byte| *byte == b'\n') {
                return Ok(self.output.drain(..=end).collect());
            }
            let chunk = self.pipes.receive().await?.filter(|_| self.output.len() + self.complaints.len() <= OUTPUT_LIMIT);
            match chunk {
                Some(chunk) if chunk.stream == LogStream::Stdout => self.output.extend_from_slice(&chunk.bytes),
                Some(chunk) => self.complaints.extend_from_slice(&chunk.bytes),
                None => {
                    let said = [self.output.as_slice(), self.complaints.as_slice()].concat();
                    return Err(ConversationError::Garbled { output: excerpt(&String::from_utf8_lossy(&said), 200) });
                }
            }
        }
    }

    /// Waits for its end, so that what comes next finds it gone.
    pub(crate) async fn finish(self) {
        if let Err(error) = self.pipes.finish(FAREWELL).await {
            tracing::debug!(%error, "how a program behind pipes ended is not known");
        }
    }
}
