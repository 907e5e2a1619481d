//! What to do next, as data. Steps know nothing of colours; each knows its undo when it is planned.

pub mod bridge;
mod definition;
pub mod deploy;
mod describe;
mod fingerprint;
pub mod gateway;
mod instance;
pub mod labels;
mod needs;
mod observed;
mod order;
pub mod retention;
mod rollout;
mod staging;
mod step;

pub use definition::DefinitionError;
pub use deploy::{DeployInput, PlanError, Reuse, plan_deploy};
pub use fingerprint::fingerprint;
pub use instance::file_targets;
pub use needs::needs;
pub use observed::{Observed, ObservedContainer, ObservedNetwork, ObservedVolume};
pub use order::{OrderError, is_one_shot, waves};
pub use rollout::{Decision, decide};
pub use step::{Action, Change, FileRef, GateTarget, Instance, Plan, Rollout, ServicePlan, Step, StepPhase, Trial, VerifyTarget};
