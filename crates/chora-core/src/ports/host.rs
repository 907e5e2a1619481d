//! The machine and process that Chora runs in.

use crate::model::deployment::Owner;

/// Whether the owner of a lease still runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Liveness {
    /// Its process runs.
    Alive,
    /// Its process is gone, provably.
    Dead,
    /// It is on another machine; only its heartbeat can tell.
    Unknown,
}

/// Identity of this process, and of others.
pub trait Host: Send + Sync {
    /// This process.
    fn owner(&self) -> Owner;
    /// Whether another process still runs: same host, same process id, same start time.
    fn liveness(&self, owner: &Owner) -> Liveness;
    /// A new identifier, ordered by time (UUID version 7, simple form).
    fn fresh_id(&self) -> String;
}
