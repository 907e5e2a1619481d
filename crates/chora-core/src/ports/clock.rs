//! Time.

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

/// Wall clock, monotonic clock and waiting.
#[async_trait]
pub trait Clock: Send + Sync {
    /// Wall-clock time; may go backwards.
    fn now(&self) -> Timestamp;
    /// Time since an arbitrary start; never goes backwards.
    fn elapsed(&self) -> Duration;
    /// Waits.
    async fn sleep(&self, duration: Duration);
}
