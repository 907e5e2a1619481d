//! The use cases: the only place where ports are called in order.
#![warn(missing_docs)]

pub mod contract;
pub mod entrypoint;
pub mod event_log;
pub mod probe;
pub mod secrets;
pub mod system;
pub mod wait;
