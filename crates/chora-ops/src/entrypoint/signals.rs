//! The signals that ask a container to stop, while there is no server yet to get them.

use rustix::process::Signal;
use tokio::signal::unix::{self, SignalKind};

use super::EntrypointError;

/// One of them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Caught {
    pub(super) signal: Signal,
    name: &'static str,
}

impl From<Caught> for EntrypointError {
    fn from(caught: Caught) -> Self {
        let number = u8::try_from(caught.signal.as_raw()).unwrap_or(u8::MAX);
        Self::Stopped { name: caught.name, code: number.saturating_add(128) }
    }
}

/// Catches them from here on.
pub(super) struct Signals {
    terminate: unix::Signal,
    interrupt: unix::Signal,
    quit: unix::Signal,
    hang_up: unix::Signal,
}

impl Signals {
    pub(super) fn listen() -> std::io::Result<Self> {
        Ok(Self {
            terminate: unix::signal(SignalKind::terminate())?,
            interrupt: unix::signal(SignalKind::interrupt())?,
            quit: unix::signal(SignalKind::quit())?,
            hang_up: unix::signal(SignalKind::hangup())?,
        })
    }

    /// Waits for the next one.
    pub(super) async fn next(&mut self) -> Caught {
        tokio::select! {
            _ = self.terminate.recv() => Caught { signal: Signal::TERM, name: "SIGTERM" },
            _ = self.interrupt.recv() => Caught { signal: Signal::INT, name: "SIGINT" },
            _ = self.quit.recv() => Caught { signal: Signal::QUIT, name: "SIGQUIT" },
            _ = self.hang_up.recv() => Caught { signal: Signal::HUP, name: "SIGHUP" },
        }
    }

    /// One that has arrived already.
    pub(super) async fn pending(&mut self) -> Option<Caught> {
        // Lets the runtime see what the operating system has delivered so far.
        tokio::task::yield_now().await;
        tokio::select! {
            biased;
            caught = self.next() => Some(caught),
            () = std::future::ready(()) => None,
        }
    }
}
