//! Asking a container over the network, from wherever its address can be reached.

use std::time::Duration;

use async_trait::async_trait;

use crate::model::container::Container;
use crate::model::health::{Probe, ProbeAnswer};

/// Sends probes to containers.
#[async_trait]
pub trait Prober: Send + Sync {
    /// Asks one container once; every failure is an answer.
    async fn probe(&self, container: &Container, probe: &Probe, limit: Duration) -> ProbeAnswer;
}
