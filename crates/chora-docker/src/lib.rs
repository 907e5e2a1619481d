//! The `Engine` port on the Docker Engine API, from 1.41 to the newest.
//!
//! Requests go over a small HTTP client of its own, because a version prefix on every path, `ssh://` and the BuildKit
//! session all need the connection itself. The request models and the BuildKit protocol are bollard's.

mod client;
mod containers;
mod endpoint;
mod engine;
mod events;
mod failure;
mod frames;
mod images;
mod login;
mod networks;
mod registry;
mod transport;
mod volumes;

pub use endpoint::EndpointRequest;
pub use engine::DockerEngine;
