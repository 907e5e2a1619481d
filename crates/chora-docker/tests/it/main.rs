//! The adapter against the engine at `DOCKER_HOST`, or at the default socket. No engine is a failure.

mod contract;

use std::path::PathBuf;
use std::sync::Arc;

use chora_core::ports::Engine;
use chora_docker::{DockerEngine, EndpointRequest};

/// Finds the engine as the program would, from this process's environment.
fn engine() -> Arc<dyn Engine> {
    let request = EndpointRequest {
        docker_host: std::env::var("DOCKER_HOST").ok(),
        home: std::env::var("HOME").ok().map(PathBuf::from),
        ..EndpointRequest::default()
    };
    Arc::new(DockerEngine::connect(&request).expect("the engine's address is usable"))
}
