//! What to do next, as data. Steps know nothing of colours; each knows its undo when it is planned.

pub mod deploy;
mod describe;
mod fingerprint;
mod instance;
pub mod labels;
mod observed;
mod order;
pub mod retention;
mod rollout;
mod staging;
mod step;

pub use deploy::{DeployInput, Reuse, plan_deploy};
pub use fingerprint::fingerprint;
pub use instance::file_targets;
pub use observed::{Observed, ObservedContainer};
pub use order::{OrderError, is_one_shot, waves};
pub use rollout::{Decision, decide};
pub use step::{Action, Change, FileRef, GateTarget, Instance, Plan, Rollout, ServicePlan, Step, StepPhase};
