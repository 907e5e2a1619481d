//! Facts and events of the fake engine.

use chora_core::ports::engine::{EngineError, EngineEvent, EngineFacts};
use futures_core::stream::BoxStream;

pub(super) fn facts() -> EngineFacts {
    EngineFacts {
        endpoint: "fake://".into(),
        api_version: "1.41".into(),
        server_version: "fake".into(),
        os: "linux".into(),
        arch: "amd64".into(),
        host: "fake".into(),
        buildkit: true,
        direct_network: true,
        same_files: false,
    }
}

/// A stream that never says anything, as an idle engine's.
pub(super) fn silence() -> BoxStream<'static, Result<EngineEvent, EngineError>> {
    Box::pin(futures_util::stream::pending())
}
