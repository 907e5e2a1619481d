//! Fakes that are stricter than the real thing, and contract suites that both have to pass.

pub mod blobs_contract;
mod death;
pub mod docker_registry;
pub mod engine_contract;
pub mod fake_engine;
pub mod fake_gateway;
pub mod faults;
mod free_port;
pub mod memory_blobs;
pub mod memory_store;
pub mod registry;
pub mod steady;
pub mod store_contract;
pub mod test_image;

pub use free_port::free_port;
