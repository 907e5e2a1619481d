//! A conversation with a sidecar: a request a line, an outcome a line.

use std::time::Duration;

use bytes::Bytes;
use chora_core::model::container::LogStream;
use chora_core::ports::engine::Piped;
use jiff::Timestamp;

use super::SidecarError;
use crate::probe::answer::excerpt;
use crate::probe::request::{ProbeOutcome, ProbeRequest};

/// What the way to a sidecar may cost beside the question itself.
const OVERHEAD: Duration = Duration::from_secs(20);
/// More than this of a sidecar's output is not an answer.
const OUTPUT_LIMIT: usize = 8 << 20;
/// How long a sidecar may take to end.
const FAREWELL: Duration = Duration::from_secs(2);

pub(super) struct Session {
    /// When the container was started whose network it shares.
    pub(super) since: Option<Timestamp>,
    pipes: Box<dyn Piped>,
    output: Vec<u8>,
    complaints: Vec<u8>,
}

impl Session {
    pub(super) fn new(pipes: Box<dyn Piped>, since: Option<Timestamp>) -> Self {
        Self { since, pipes, output: Vec::new(), complaints: Vec::new() }
    }

    pub(super) async fn ask(&mut self, request: &ProbeRequest) -> Result<ProbeOutcome, SidecarError> {
        let limit = request.limit + OVERHEAD;
        let garbled = |output: String| SidecarError::Garbled { output };
        let mut line = serde_json::to_vec(request).map_err(|error| garbled(error.to_string()))?;
        line.push(b'\n');
        let exchange = async {
            self.pipes.send(Bytes::from(line)).await?;
            self.line().await
        };
        let line = tokio::time::timeout(limit, exchange).await.unwrap_or(Err(SidecarError::Late { limit }))?;
        serde_json::from_slice(&line).map_err(|_| garbled(excerpt(&String::from_utf8_lossy(&line), 200)))
    }

    async fn line(&mut self) -> Result<Vec<u8>, SidecarError> {
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
                    return Err(SidecarError::Garbled { output: excerpt(&String::from_utf8_lossy(&said), 200) });
                }
            }
        }
    }

    /// Waits for its end, so that what comes next finds it gone.
    pub(super) async fn finish(self) {
        if let Err(error) = self.pipes.finish(FAREWELL).await {
            tracing::debug!(%error, "how the sidecar ended is not known");
        }
    }
}
