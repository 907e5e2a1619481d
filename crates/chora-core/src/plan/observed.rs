//! The part of the engine's state that a plan depends on.

mod after;

use std::collections::{BTreeMap, BTreeSet};

use indexmap::IndexMap;

use crate::model::container::{ContainerState, ContainerSummary};
use crate::model::digest::Digest;
use crate::model::ids::ImageId;
use crate::model::network::{NetworkFacts, VolumeFacts};
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
    /// Image id.
    pub image: ImageId,
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
    /// Host ports that it holds while it is up.
    pub published: BTreeSet<u16>,
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
            image: summary.image.clone(),
            state: summary.state,
            fingerprint: label(labels::FINGERPRINT).and_then(|text| Digest::parse(&text)),
            release: label(labels::RELEASE),
            deployment: label(labels::DEPLOYMENT),
            networks: summary.networks.iter().cloned().collect(),
            published: summary.published.iter().map(|port| port.host_port).collect(),
            succeeded: summary.state == ContainerState::Exited && summary.status.starts_with("Exited (0)"),
        })
    }

    /// Whether it takes part: running, or about to again.
    #[must_use]
    pub const fn is_up(&self) -> bool {
        matches!(self.state, ContainerState::Running | ContainerState::Restarting | ContainerState::Paused)
    }
}

/// A network of the project.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ObservedNetwork {
    /// Network label: its key in the Compose file; absent on staging networks.
    pub key: Option<String>,
    /// The deployment of a network that is not the project's own: of candidates, or of what is kept warm.
    pub staging: Option<String>,
    /// Whether what is in it served before, and is kept to serve again.
    pub warm: bool,
    /// The containers that it is there for; empty where it does not say so.
    pub members: BTreeSet<String>,
    /// Fingerprint label; absent on networks that Chora did not create.
    pub fingerprint: Option<Digest>,
}

impl ObservedNetwork {
    fn from_labels(all: &IndexMap<String, String>) -> Self {
        Self {
            key: all.get(labels::NETWORK).cloned(),
            staging: all.get(labels::STAGING).or_else(|| all.get(labels::WARM)).and_then(|_| all.get(labels::DEPLOYMENT)).cloned(),
            warm: all.contains_key(labels::WARM),
            members: all.get(labels::MEMBERS).into_iter().flat_map(|names| names.split(',')).map(str::to_owned).collect(),
            fingerprint: all.get(labels::FINGERPRINT).and_then(|text| Digest::parse(text)),
        }
    }
}

/// A volume of the project.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ObservedVolume {
    /// Driver; empty when it is not known.
    pub driver: String,
    /// Fingerprint label; absent on volumes that Chora did not create.
    pub fingerprint: Option<Digest>,
}

/// What is on the engine for one project.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Observed {
    /// Containers, by name.
    pub containers: Vec<ObservedContainer>,
    /// The project's networks, by name.
    pub networks: BTreeMap<String, ObservedNetwork>,
    /// The project's volumes, by name.
    pub volumes: BTreeMap<String, ObservedVolume>,
}

impl Observed {
    /// Reads the engine's lists.
    #[must_use]
    pub fn new(containers: &[ContainerSummary], networks: &[NetworkFacts], volumes: &[VolumeFacts]) -> Self {
        let mut containers: Vec<_> = containers.iter().filter_map(ObservedContainer::from_summary).collect();
        containers.sort_by(|a, b| a.name.cmp(&b.name));
        let networks = networks.iter().map(|facts| (facts.name.clone(), ObservedNetwork::from_labels(&facts.labels))).collect();
        let volume = |facts: &VolumeFacts| ObservedVolume {
            driver: facts.driver.clone(),
            fingerprint: facts.labels.get(labels::FINGERPRINT).and_then(|text| Digest::parse(text)),
        };
        let volumes = volumes.iter().map(|facts| (facts.name.clone(), volume(facts))).collect();
        Self { containers, networks, volumes }
    }

    /// Whether a container runs only to serve again should what replaced it fail: it has left the project's networks.
    #[must_use]
    pub fn is_warm(&self, container: &ObservedContainer) -> bool {
        let mut known = container.networks.iter().filter_map(|name| self.networks.get(name));
        container.is_up() && known.clone().any(|network| network.warm) && known.all(|network| network.key.is_none())
    }

    /// Containers of a service that take part.
    pub fn up<'a>(&'a self, service: &'a str) -> impl Iterator<Item = &'a ObservedContainer> {
        self.containers.iter().filter(move |container| container.service == service && container.is_up())
    }
}
