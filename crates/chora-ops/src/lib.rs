//! The use cases: the only place where ports are called in order.
#![warn(missing_docs)]

pub mod audit;
pub mod certificates;
pub mod connect;
pub mod context;
pub mod contract;
mod conversation;
pub mod deploy;
pub mod entrypoint;
pub mod event_log;
pub mod exec;
mod exposure;
pub mod failure;
pub mod gateway;
pub mod health;
mod images;
pub mod init;
mod instances;
pub mod logs;
pub mod maintenance;
pub mod own_image;
pub mod patterns;
mod preflight;
pub mod probe;
pub mod project;
pub mod redactor;
mod release;
pub mod resume;
pub mod roll_back;
mod rollout;
mod scaffold;
pub mod secrets;
pub mod stack;
pub mod status;
pub mod system;
pub mod upgrade;
mod version;
pub mod wait;
pub mod watch;

pub use context::{Context, Settings};
pub use failure::{Failure, FailureKind};
pub use gateway::Gateways;
pub use own_image::OwnImage;
