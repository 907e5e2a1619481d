//! Faults on demand: every port call of the fakes is counted here and one of them can be told to go wrong.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chora_core::ports::blobs::BlobError;
use chora_core::ports::store::StoreError;
use tokio::sync::Notify;

/// How a call goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Nothing was done and the caller is told so.
    Error,
    /// It was done, but the caller only learns that no answer came.
    Timeout,
    /// The process died before anything was done; so does every later call until [`Faults::revive`].
    /// Death after a call is death before the next one.
    Death,
}

/// A call that went wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Index of the call.
    pub index: usize,
    /// Name of the call.
    pub name: String,
    /// How it went wrong.
    pub kind: Kind,
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let what = match self.kind {
            Kind::Error => "failed",
            Kind::Timeout => "gave no answer in time",
            Kind::Death => "never returned: the process died",
        };
        write!(f, "call {} ({}) {what}", self.index, self.name)
    }
}

impl From<Fault> for StoreError {
    fn from(fault: Fault) -> Self {
        Self::Failed(fault.to_string())
    }
}

impl From<Fault> for BlobError {
    fn from(fault: Fault) -> Self {
        Self::Failed(fault.to_string())
    }
}

/// A recorded call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// Index from 0 in the order of all calls of all fakes that share the object.
    pub index: usize,
    /// Such as `store.append_journal`.
    pub name: String,
}

/// Counts calls and makes the chosen one fail. Clones share their state.
#[derive(Debug, Clone, Default)]
pub struct Faults {
    state: Arc<Mutex<State>>,
    pub(crate) death: Arc<Notify>,
}

/// The call that is to fail.
#[derive(Debug)]
enum Which {
    At(usize),
    Next(String),
}

#[derive(Debug, Default)]
struct State {
    calls: Vec<Call>,
    chosen: Option<(Which, Kind)>,
    dead: bool,
}

impl Faults {
    /// Counts from 0 and fails nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets the call with this index fail.
    pub fn fail_at(&self, index: usize, kind: Kind) {
        self.state().chosen = Some((Which::At(index), kind));
    }

    /// Lets the next call of this name fail.
    pub fn fail_next(&self, name: &str, kind: Kind) {
        self.state().chosen = Some((Which::Next(name.to_owned()), kind));
    }

    /// Counts a call.
    ///
    /// # Errors
    /// The fault, when it is this call's turn or the process is dead.
    pub fn call(&self, name: &str) -> Result<(), Fault> {
        let mut state = self.state();
        let index = state.calls.len();
        state.calls.push(Call { index, name: name.to_owned() });
        let is_it = |which: &Which| match which {
            Which::At(at) => *at == index,
            Which::Next(wanted) => wanted == name,
        };
        let chosen = state.chosen.as_ref().filter(|(which, _)| is_it(which)).map(|(_, kind)| *kind);
        if chosen.is_some() {
            state.chosen = None;
        }
        let kind = if state.dead { Some(Kind::Death) } else { chosen };
        if kind == Some(Kind::Death) {
            state.dead = true;
            self.death.notify_waiters();
        }
        kind.map_or(Ok(()), |kind| Err(Fault { index, name: name.to_owned(), kind }))
    }

    /// Counts a call and does its work unless it fails before; after a time-out the work is done and the answer lost.
    ///
    /// # Errors
    /// The call's fault, or what the work failed with.
    pub fn run<T, E: From<Fault>>(&self, name: &str, work: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
        match self.call(name) {
            Ok(()) => work(),
            Err(fault) if fault.kind == Kind::Timeout => {
                drop(work());
                Err(fault.into())
            }
            Err(fault) => Err(fault.into()),
        }
    }

    /// Starts the process again; nothing fails any more until [`Faults::fail_at`] is called again.
    pub fn revive(&self) {
        let mut state = self.state();
        state.dead = false;
        state.chosen = None;
    }

    /// Tells whether the process is dead.
    #[must_use]
    pub fn is_dead(&self) -> bool {
        self.state().dead
    }

    /// The calls so far, failed ones included.
    #[must_use]
    pub fn calls(&self) -> Vec<Call> {
        self.state().calls.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::{Call, Fault, Faults, Kind};

    #[test]
    fn only_the_chosen_call_fails() {
        let faults = Faults::new();
        faults.fail_at(1, Kind::Error);
        assert_eq!(faults.call("a"), Ok(()));
        assert_eq!(faults.call("b"), Err(Fault { index: 1, name: "b".into(), kind: Kind::Error }));
        assert_eq!(faults.call("c"), Ok(()));
        assert_eq!(faults.calls().last(), Some(&Call { index: 2, name: "c".into() }));
    }

    #[test]
    fn the_next_of_a_name_fails_once() {
        let faults = Faults::new();
        faults.fail_next("b", Kind::Error);
        assert!(faults.call("a").is_ok() && faults.call("b").is_err() && faults.call("b").is_ok());
    }

    #[test]
    fn the_dead_stay_dead_until_revived() {
        let faults = Faults::new();
        faults.fail_at(0, Kind::Death);
        assert!(faults.call("a").is_err() && faults.call("b").is_err() && faults.is_dead());
        faults.revive();
        assert!(faults.call("c").is_ok() && !faults.is_dead());
    }

    #[test]
    fn a_time_out_does_the_work_and_loses_the_answer() {
        let faults = Faults::new();
        faults.fail_at(0, Kind::Timeout);
        let mut done = false;
        let answer: Result<(), Fault> = faults.run("a", || {
            done = true;
            Ok(())
        });
        assert!(done && answer.is_err());
    }
}
