//! The adapter against the engine at `DOCKER_HOST`, or at the default socket. No engine is a failure.

#[cfg(test)]
mod classic;
#[cfg(test)]
mod contract;
#[cfg(test)]
mod endpoints;
#[cfg(test)]
mod forwarder;
#[cfg(test)]
mod namesakes;
#[cfg(test)]
mod publishing;
#[cfg(test)]
mod registry;
#[cfg(test)]
mod restarts;
#[cfg(test)]
mod ssh;
#[cfg(test)]
mod terminal;

use std::path::PathBuf;
use std::sync::Arc;

use chora_core::ports::Engine;
use chora_docker::{DockerEngine, EndpointRequest};

/// What the program would read from this process's environment.
fn request() -> EndpointRequest {
    EndpointRequest {
        docker_host: std::env::var("DOCKER_HOST").ok(),
        home: std::env::var("HOME").ok().map(PathBuf::from),
        ..EndpointRequest::default()
    }
}

fn engine() -> Arc<dyn Engine> {
    Arc::new(DockerEngine::connect(&request()).expect("the engine's address is usable"))
}

/// The socket of the engine under test.
fn socket() -> PathBuf {
    let address = request().docker_host.unwrap_or_else(|| "unix:///var/run/docker.sock".to_owned());
    PathBuf::from(address.strip_prefix("unix://").expect("these tests need an engine at a socket"))
}
