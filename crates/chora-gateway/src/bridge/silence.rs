//! Servers that say nothing more: their calls come to an end, and where nothing is said at all, so do they.

use std::sync::Weak;
use std::time::Duration;

use crate::message::{Fault, code};
use crate::upstream::Upstream;

/// How long a server may say nothing about a call. Tools may take long; one that takes longer can tell its progress.
const LONGEST: Duration = Duration::from_secs(30 * 60);
/// How often it is looked for.
const PAUSE: Duration = Duration::from_secs(30);

/// Ends the calls that a server has forgotten; ends a server that has fallen silent over them, so that the next one is
/// started. Returns when the conversation is over.
pub(super) async fn watch(upstream: Weak<Upstream>) {
    loop {
        tokio::time::sleep(PAUSE).await;
        let Some(upstream) = upstream.upgrade().filter(|upstream| upstream.end().is_none()) else { return };
        let forgotten = upstream.forgotten(LONGEST);
        let is_silent = upstream.silent_for() >= LONGEST;
        for number in &forgotten {
            upstream.give_up(*number, &Fault::new(code::UNAVAILABLE, "the server has said nothing about this call for too long"));
        }
        if !forgotten.is_empty() && is_silent {
            tracing::warn!(pid = upstream.pid(), "the server's process says nothing any more; it is ended");
            return upstream.stop().await;
        }
    }
}
