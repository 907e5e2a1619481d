//! Carrying out plans: steps, gate, journal, undo, recovery. `deploy` and `roll_back` decide what; this is how.

pub(crate) mod bridged;
pub(crate) mod canary;
pub(crate) mod course;
pub(crate) mod execute;
pub(crate) mod finish;
pub(crate) mod foresee;
pub(crate) mod gate;
pub(crate) mod holding;
pub(crate) mod lease;
pub(crate) mod materialise;
pub(crate) mod observe;
pub(crate) mod patience;
pub(crate) mod perform;
pub(crate) mod restore;
pub(crate) mod settle;
