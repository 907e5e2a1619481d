//! What stands behind a bridge.

use std::sync::Arc;

use tokio::sync::mpsc;

use crate::aggregate::Aggregate;
use crate::remote::{self, RemoteSettings};
use crate::transport::link::{Arrival, Inside, Link};
use crate::transport::stdio::{Child, ChildCommand};

/// A server: conversations with it are begun as they are needed.
#[derive(Debug, Clone)]
pub enum Server {
    /// A program on standard streams; a conversation is a process.
    Process(ChildCommand),
    /// A server somewhere else; a conversation is a session there.
    Remote(RemoteSettings),
    /// Many servers offered as one; a conversation is a client's, or that of all calls without a session.
    Together(Arc<Aggregate>),
}

impl From<ChildCommand> for Server {
    fn from(command: ChildCommand) -> Self {
        Self::Process(command)
    }
}

impl Server {
    /// Begins a conversation; what the server says arrives at `messages`, which closes when it has ended.
    pub(crate) fn start(&self, messages: mpsc::Sender<Arrival>) -> std::io::Result<Link> {
        Ok(match self {
            Self::Process(command) => Link::Process(Child::start(command, messages)?),
            Self::Remote(settings) => {
                let settings = settings.clone();
                Link::Inside(Inside::start(messages, |part| remote::inside::play(settings, part)))
            }
            Self::Together(aggregate) => {
                let aggregate = Arc::clone(aggregate);
                Link::Inside(Inside::start(messages, |part| aggregate.play(part)))
            }
        })
    }
}
