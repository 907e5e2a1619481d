//! The gateway with real replicas behind it and real clients before it.

mod attend;
mod auto;
mod control;
mod holding;
mod http;
mod limits;
mod sessions;
mod stack;
mod switching;
mod tables;
mod tcp;
mod upstream;
