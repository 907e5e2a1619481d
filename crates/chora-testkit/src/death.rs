//! Process death for asynchronous fakes: a dead process never hears back, so nothing it would have done next is done.

use crate::faults::{Fault, Faults, Kind};

impl Faults {
    /// Waits until the process is dead.
    pub async fn died(&self) {
        loop {
            let death = self.death.notified();
            if self.is_dead() {
                return;
            }
            death.await;
        }
    }

    /// As [`Faults::run`], but a call of a dead process never returns; drop its future to bury it.
    ///
    /// # Errors
    /// The call's fault, or what the work failed with.
    pub async fn apply<T, E: From<Fault>>(&self, name: &str, work: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
        match self.call(name) {
            Ok(()) => work(),
            Err(fault) => match fault.kind {
                Kind::Error => Err(fault.into()),
                Kind::Timeout => {
                    drop(work());
                    Err(fault.into())
                }
                Kind::Death => std::future::pending().await,
            },
        }
    }
}
