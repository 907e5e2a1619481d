//! What the engine will have after a step, for plans that begin where another one will have ended.

use std::collections::BTreeSet;

use super::{Observed, ObservedContainer, ObservedNetwork, ObservedVolume};
use crate::model::container::ContainerState;
use crate::model::digest::Digest;
use crate::plan::labels;
use crate::plan::step::{Action, Instance};

impl Observed {
    /// Gives what is there when an action has succeeded. Repeating one changes nothing.
    #[must_use]
    pub fn after(mut self, action: &Action) -> Self {
        match action {
            Action::CreateNetwork { spec } => {
                self.networks.entry(spec.name.clone()).or_insert_with(|| ObservedNetwork::from_labels(&spec.labels));
            }
            Action::RemoveNetwork { name } => drop(self.networks.remove(name)),
            Action::CreateVolume { spec } => {
                let fingerprint = spec.labels.get(labels::FINGERPRINT).and_then(|text| Digest::parse(text));
                let driver = spec.volume.driver.clone().unwrap_or_default();
                self.volumes.entry(spec.name.clone()).or_insert(ObservedVolume { driver, fingerprint });
            }
            Action::CreateContainer { instance } => {
                if self.containers.iter().all(|container| container.name != instance.name) {
                    self.containers.push(created(instance));
                    self.containers.sort_by(|a, b| a.name.cmp(&b.name));
                }
            }
            Action::RemoveContainer { container } => self.containers.retain(|other| &other.name != container),
            Action::StartContainer { container, .. } => self.change(container, |container| container.state = ContainerState::Running),
            Action::StopContainer { container, .. } => self.change(container, |container| container.state = ContainerState::Exited),
            Action::RunToCompletion { container, .. } => self.change(container, |container| {
                container.state = ContainerState::Exited;
                container.succeeded = true;
            }),
            Action::RenameContainer { from, to } => {
                self.change(from, |container| container.name.clone_from(to));
                self.containers.sort_by(|a, b| a.name.cmp(&b.name));
            }
            Action::Connect { container, attachment } => {
                self.change(container, |container| {
                    container.networks.insert(attachment.network.clone());
                });
            }
            Action::Disconnect { container, network } => self.change(container, |container| {
                container.networks.remove(network);
            }),
            Action::Gate { .. }
            | Action::Record { .. }
            | Action::Route { .. }
            | Action::Hold { .. }
            | Action::ReleaseHold { .. }
            | Action::Drain { .. }
            | Action::Watch { .. }
            | Action::Rehearse { .. }
            | Action::Canary { .. }
            | Action::EndCanary { .. }
            | Action::Verify { .. } => {}
        }
        self
    }

    fn change(&mut self, container: &str, change: impl FnOnce(&mut ObservedContainer)) {
        if let Some(container) = self.containers.iter_mut().find(|other| other.name == container) {
            change(container);
        }
    }
}

fn created(instance: &Instance) -> ObservedContainer {
    let networks: BTreeSet<String> = instance.attachments.iter().map(|place| place.network.clone()).collect();
    ObservedContainer {
        name: instance.name.clone(),
        service: instance.service.clone(),
        number: instance.number,
        image: instance.image.clone(),
        state: ContainerState::Created,
        fingerprint: Some(instance.fingerprint.clone()),
        release: instance.labels.get(labels::RELEASE).cloned(),
        deployment: instance.labels.get(labels::DEPLOYMENT).cloned(),
        networks,
        published: BTreeSet::new(),
        succeeded: false,
    }
}
