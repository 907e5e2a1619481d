//! Looking after a server: whether it is there, and that one which is not is tried again.

use std::sync::Arc;
use std::time::Duration;

use serde_json::value::{RawValue, to_raw_value};
use tokio::sync::watch;

use super::children::Slot;
use super::{Bridge, Era};
use crate::message::params::{CAPABILITIES, REVISION};
use crate::message::{Outcome, code};
use crate::revision::Revision;
use crate::server::Server;
use crate::transport::stdio::Gone;
use crate::upstream::Upstream;

/// How often a server is looked after that is well.
const WELL: Duration = Duration::from_secs(10);
/// The first pause before one that is away is tried again; it doubles.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// The longest pause before one that is away is tried again.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// How a server was found last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Condition {
    /// It was not started yet.
    Unknown,
    /// It greeted; said anew whenever it was started again.
    Up,
    /// It could not be started, for this reason.
    Down(String),
}

impl Bridge {
    /// Looks after the server until the bridge is dropped: one that is away is tried again, with longer and longer pauses.
    pub async fn look_after(self: Arc<Self>) {
        let me = Arc::downgrade(&self);
        drop(self);
        let mut pause = FIRST_PAUSE;
        while let Some(bridge) = me.upgrade() {
            match bridge.check().await {
                Ok(()) => pause = FIRST_PAUSE,
                Err(gone) => tracing::debug!("{gone}"),
            }
            let wait = if bridge.is_well() { WELL } else { pause };
            pause = (pause * 2).min(LONGEST_PAUSE);
            drop(bridge);
            tokio::time::sleep(wait).await;
        }
    }

    /// Tries a server that is away, asks one at the end of a line whether it is still there.
    async fn check(&self) -> Result<(), Gone> {
        self.era().await?;
        for slot in [&self.legacy, &self.modern] {
            if slot.vitals().is_some_and(|vitals| vitals.end.is_some()) {
                slot.get(self).await?;
            }
            // A process that has ended is noticed at once; a server far away is not.
            if matches!(self.settings.server, Server::Remote(_))
                && let Some(upstream) = slot.present().await
                && !answers(&upstream, slot).await
            {
                upstream.stop().await;
                return Err(Gone("answers no more".to_owned()));
            }
        }
        Ok(())
    }

    /// Whether its shared conversation is there.
    pub(crate) fn is_well(&self) -> bool {
        let children = self.children();
        !children.is_empty() && children.iter().all(|child| child.end.is_none())
    }

    pub(crate) fn condition(&self) -> watch::Receiver<Condition> {
        self.condition.subscribe()
    }

    /// Remembers what a start came to.
    pub(super) fn note<T>(&self, started: &Result<T, Gone>) {
        match started {
            Ok(_) => _ = self.condition.send_replace(Condition::Up),
            // It is there, and speaks the other era.
            Err(_) if self.is_modern_only() => {}
            Err(gone) => _ = self.condition.send_replace(Condition::Down(gone.to_string())),
        }
    }
}

async fn answers(upstream: &Upstream, slot: &Slot) -> bool {
    let asked = match slot.era {
        Era::Legacy => upstream.ask("ping", None).await,
        Era::Modern => upstream.ask("server/discover", envelope()).await,
    };
    match asked {
        Ok(Outcome::Result(_)) => true,
        // A server that does not know the question is there.
        Ok(error @ Outcome::Error(_)) => error.code() != Some(code::UNAVAILABLE),
        Err(_) => false,
    }
}

fn envelope() -> Option<Box<RawValue>> {
    to_raw_value(&serde_json::json!({ "_meta": { REVISION: Revision::MODERN.as_str(), CAPABILITIES: {} } })).ok()
}
