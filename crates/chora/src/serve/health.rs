//! `GET /health`: how the server itself is (SPEC §6); what it deployed has a tool of its own.

use std::time::Instant;

use axum::Json;
use jiff::Timestamp;

use crate::mcp::Running;

/// The document that HTTP health checks read.
#[derive(serde::Serialize)]
pub(super) struct HealthDocument {
    status: &'static str,
    timestamp: String,
    uptime_seconds: u64,
    version: &'static str,
    checks: Checks,
    metadata: Counts,
}

#[derive(serde::Serialize)]
struct Checks {
    mcp: &'static str,
}

#[derive(serde::Serialize)]
struct Counts {
    tools: usize,
    sessions: usize,
    max_sessions: usize,
    operations_under_way: usize,
}

/// What the document tells about.
pub(super) struct Vitals {
    pub(super) started: Instant,
    pub(super) tools: usize,
    pub(super) max_sessions: usize,
    pub(super) running: Running,
}

impl Vitals {
    /// A server without room for another session is degraded.
    pub(super) fn document(&self, sessions: usize) -> Json<HealthDocument> {
        let status = if sessions < self.max_sessions { "ok" } else { "degraded" };
        Json(HealthDocument {
            status,
            timestamp: Timestamp::now().to_string(),
            uptime_seconds: self.started.elapsed().as_secs(),
            version: env!("CARGO_PKG_VERSION"),
            checks: Checks { mcp: status },
            metadata: Counts { tools: self.tools, sessions, max_sessions: self.max_sessions, operations_under_way: self.running.count() },
        })
    }
}
