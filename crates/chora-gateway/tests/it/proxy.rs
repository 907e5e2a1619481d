//! The gateway with real replicas behind it and real clients before it.

mod acme;
mod attend;
mod auto;
mod canary;
mod control;
mod holding;
mod http;
mod http2;
mod limits;
mod pebble;
mod redirect;
mod rehearsal;
mod secure;
mod sessions;
mod smuggling;
pub(crate) mod stack;
mod stalled;
mod switching;
mod tables;
mod tcp;
mod tls;
mod trickle;
pub(crate) mod upstream;
mod watching;
