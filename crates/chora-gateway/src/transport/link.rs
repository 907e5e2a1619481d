//! The other side of a conversation: a process, or something inside this program that speaks as one would.

use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::stdio::{Child, Gone, Outgoing};
use crate::message::Message;

/// Messages that may wait for a part.
const INBOX: usize = 64;

/// What a server said.
#[derive(Debug)]
pub(crate) struct Arrival {
    pub(crate) message: Message,
    /// The number of the call it belongs to, where the other side can tell.
    pub(crate) about: Option<u64>,
}

impl From<Message> for Arrival {
    fn from(message: Message) -> Self {
        Self { message, about: None }
    }
}

/// The other side.
#[derive(Debug)]
pub(crate) enum Link {
    Process(Child),
    Inside(Inside),
}

impl Link {
    /// Id of the process, where it is one.
    pub(crate) fn pid(&self) -> Option<i32> {
        match self {
            Self::Process(child) => Some(child.pid()),
            Self::Inside(_) => None,
        }
    }

    /// How it ended, where it has.
    pub(crate) fn end(&self) -> Option<String> {
        match self {
            Self::Process(child) => child.end(),
            Self::Inside(inside) => inside.ended.borrow().clone(),
        }
    }

    /// Sends one message; waits while the other side does not read.
    pub(crate) async fn send(&self, message: &Outgoing) -> Result<(), Gone> {
        match self {
            Self::Process(child) => child.send(message).await,
            Self::Inside(inside) => {
                let sent = inside.outgoing.send(message.clone()).await;
                sent.map_err(|_| Gone(self.end().unwrap_or_else(|| "has ended".to_owned())))
            }
        }
    }

    /// Ends it, and waits until it has ended.
    pub(crate) async fn stop(&self) {
        match self {
            Self::Process(child) => child.stop().await,
            Self::Inside(inside) => {
                inside.stop.cancel();
                // Whoever could say that it has ended may be gone, which says the same.
                _ = inside.ended.clone().wait_for(Option::is_some).await;
            }
        }
    }
}

/// Something inside this program.
#[derive(Debug)]
pub(crate) struct Inside {
    outgoing: mpsc::Sender<Outgoing>,
    ended: watch::Receiver<Option<String>>,
    stop: CancellationToken,
}

/// What it works with.
pub(crate) struct Part {
    /// What it is told.
    pub(crate) taken: mpsc::Receiver<Outgoing>,
    /// What it says.
    pub(crate) said: mpsc::Sender<Arrival>,
    pub(crate) stop: CancellationToken,
}

impl Inside {
    /// Starts it; what `play` comes to is how it ended.
    pub(crate) fn start<F>(said: mpsc::Sender<Arrival>, play: impl FnOnce(Part) -> F) -> Self
    where
        F: Future<Output = String> + Send + 'static,
    {
        let (outgoing, taken) = mpsc::channel(INBOX);
        let (told, ended) = watch::channel(None);
        let stop = CancellationToken::new();
        let playing = play(Part { taken, said, stop: stop.clone() });
        tokio::spawn(async move {
            let how = playing.await;
            _ = told.send(Some(how));
        });
        Self { outgoing, ended, stop }
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}
