//! What the world must offer. A port exists only where a fake earns its keep.

pub mod blobs;
pub mod clock;
pub mod engine;
pub mod host;
pub mod prober;
pub mod reporter;
pub mod secrets;
pub mod store;

pub use blobs::{BlobError, Blobs};
pub use clock::Clock;
pub use engine::{Engine, EngineError};
pub use host::{Host, Liveness};
pub use prober::Prober;
pub use reporter::Reporter;
pub use secrets::{SecretError, Secrets};
pub use store::{Store, StoreError};
