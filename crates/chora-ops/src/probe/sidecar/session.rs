//! A conversation with a sidecar: a request, an outcome.

use std::time::Duration;

use chora_core::ports::engine::Piped;
use jiff::Timestamp;

use crate::conversation::{Conversation, ConversationError};
use crate::probe::request::{ProbeOutcome, ProbeRequest};

/// What the way to a sidecar may cost beside the question itself.
const OVERHEAD: Duration = Duration::from_secs(20);

pub(super) struct Session {
    /// When the container was started whose network it shares.
    pub(super) since: Option<Timestamp>,
    conversation: Conversation,
}

impl Session {
    pub(super) fn new(pipes: Box<dyn Piped>, since: Option<Timestamp>) -> Self {
        Self { since, conversation: Conversation::new(pipes) }
    }

    pub(super) async fn ask(&mut self, request: &ProbeRequest) -> Result<ProbeOutcome, ConversationError> {
        self.conversation.ask(request, request.limit + OVERHEAD).await
    }

    pub(super) async fn finish(self) {
        self.conversation.finish().await;
    }
}
