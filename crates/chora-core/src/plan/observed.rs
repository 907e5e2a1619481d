//! The part of the engine's state that a plan depends on.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::container::{ContainerState, ContainerSummary};
use crate::model::digest::Digest;
use crate::model::network::NetworkFacts;
use crate::plan::labels;

/// A container of the project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObservedContainer {
    /// Name on the engine.
    pub name: String,
    /// Service label.
    pub service: String,
    /// Replica number label; 1 when unreadable.
    pub number: u32,
    /// State.
    pub state: ContainerState,
    /// Fingerprint label; absent on containers that Chora did not create.
    pub fingerprint: Option<Digest>,
    /// Release label.
    pub release: Option<String>,
    /// Deployment label.
    pub deployment: Option<String>,
    /// Networks it is connected to.
    pub networks: BTreeSet<String>,
    /// Whether it ended with exit code 0 (one-shot services).
    pub succeeded: bool,
}

impl ObservedContainer {
    /// Reads a summary; `None` when it has no service label.
    #[must_use]
    pub fn from_summary(summary: &ContainerSummary) -> Option<Self> {
        let label = |key: &str| summary.labels.get(key).cloned();
        Some(Self {
            name: summary.name.clone(),
            service: label(labels::SERVICE)?,
            number: label(labels::NUMBER).and_then(|text| text.parse().ok()).unwrap_or(1),
            state: summary.state,
            fingerprint: label(labels::FINGERPRINT).and_then(|text| Digest::parse(&text)),
            release: label(labels::RELEASE),
            deployment: label(labels::DEPLOYMENT),
            networks: summary.networks.iter().cloned().collect(),
            succeeded: summary.state == ContainerState::Exited && summary.status.starts_with("Exited (0)"),
        })
    }

    /// Whether it takes part: running, or about to again.
    #[must_use]
    pub const fn is_up(&self) -> bool {
        matches!(self.state, ContainerState::Running | ContainerState::Restarting | ContainerState::Paused)
    }
}

/// What is on the engine for one project.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Observed {
    /// Containers, by name.
    pub containers: Vec<ObservedContainer>,
    /// Names of the project's networks, with the deployment of staging ones.
    pub networks: BTreeMap<String, Option<String>>,
    /// Names of the project's volumes.
    pub volumes: BTreeSet<String>,
}

impl Observed {
    /// Reads the engine's lists.
    #[must_use]
    pub fn new(containers: &[ContainerSummary], networks: &[NetworkFacts], volumes: BTreeSet<String>) -> Self {
        let mut containers: Vec<_> = containers.iter().filter_map(ObservedContainer::from_summary).collect();
        containers.sort_by(|a, b| a.name.cmp(&b.name));
        let staging = |facts: &NetworkFacts| facts.labels.get(labels::STAGING).and_then(|_| facts.labels.get(labels::DEPLOYMENT)).cloned();
        let networks = networks.iter().map(|facts| (facts.name.clone(), staging(facts))).collect();
        Self { containers, networks, volumes }
    }

    /// Containers of a service that take part.
    pub fn up<'a>(&'a self, service: &'a str) -> impl Iterator<Item = &'a ObservedContainer> {
        self.containers.iter().filter(move |container| container.service == service && container.is_up())
    }
}
