//! The fake engine's world.

use std::collections::{BTreeMap, BTreeSet};

use chora_core::model::container::{ContainerSpec, ContainerState};
use chora_core::model::image::{Image, PublishedImage};
use chora_core::model::network::{Attachment, NetworkSpec, VolumeSpec};

use super::piped::Program;

/// What a container does when it is started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Behaviour {
    /// Runs and is healthy.
    #[default]
    Healthy,
    /// Runs and never passes its checks.
    Unhealthy,
    /// Ends at once with this exit code.
    Exits(i64),
    /// Runs, and has ended with this exit code when it is looked at for the third time.
    EndsSoon(i64),
    /// Runs; each of the first looks, as many as here, finds it started once more by the engine.
    Restarts(u32),
}

/// A container of the fake engine.
#[derive(Debug, Clone)]
pub struct FakeContainer {
    /// As it was created.
    pub spec: ContainerSpec,
    /// Its id.
    pub id: String,
    /// What it is doing.
    pub state: ContainerState,
    /// Exit code of its last run.
    pub exit_code: Option<i64>,
    /// Networks it is connected to.
    pub networks: BTreeMap<String, Attachment>,
    /// The network of its creation, which has to exist whenever it starts.
    pub home: Option<String>,
    /// Whether it was ever asked to stop.
    pub stops: u32,
    /// How often it was looked at since it was started.
    pub looks: u32,
}

/// Everything that the fake engine holds.
#[derive(Debug, Clone, Default)]
pub struct FakeState {
    /// Containers by name.
    pub containers: BTreeMap<String, FakeContainer>,
    /// Networks by name.
    pub networks: BTreeMap<String, NetworkSpec>,
    /// Volumes by name.
    pub volumes: BTreeMap<String, VolumeSpec>,
    /// Images by id.
    pub images: BTreeMap<String, Image>,
    /// References that a registry would serve.
    pub registry: BTreeSet<String>,
    /// What registries hold: digests of manifests by `name:tag`.
    pub published: BTreeMap<String, String>,
    /// What stands under a digest in registries.
    pub manifests: BTreeMap<String, Vec<PublishedImage>>,
    /// Digests of those that are indexes.
    pub indexes: BTreeSet<String>,
    /// Images as they were pushed, by digest.
    pub pushed: BTreeMap<String, Image>,
    /// Platforms of images by id, where they are not the engine's own.
    pub platforms: BTreeMap<String, String>,
    /// Whether it takes for ever until an archive begins.
    pub holds_exports: bool,
    /// Archives of images by id, where they are not made of what is known of the image.
    pub archives: BTreeMap<String, bytes::Bytes>,
    /// What containers of an image id do.
    pub behaviours: BTreeMap<String, Behaviour>,
    /// What containers do whose command begins with this word, whatever their image.
    pub commands: BTreeMap<String, Behaviour>,
    /// Containers as they were created, also those that are gone.
    pub created: Vec<ContainerSpec>,
    /// Host ports held by somebody else.
    pub taken_ports: BTreeSet<String>,
    /// What can be run with pipes, by the first word of the command; `cat` can always.
    pub programs: BTreeMap<String, Program>,
    /// What runs with pipes and was not finished, by number: variables of its own and its command.
    pub piped: BTreeMap<u64, String>,
    /// Whether nobody answers.
    pub away: bool,
    pub(super) next: u64,
}

impl FakeState {
    /// Adds an image whose containers behave in a given way; its id is `sha256:` and the reference.
    pub fn add_image(&mut self, reference: &str, behaviour: Behaviour) {
        let id = format!("sha256:{reference}");
        let image = Image { id: Some(chora_core::model::ids::ImageId::new(&id)), tags: vec![reference.to_owned()], ..Image::default() };
        self.images.insert(id.clone(), image);
        self.behaviours.insert(id, behaviour);
    }

    /// Finds a container by name or id.
    #[must_use]
    pub fn container(&self, name: &str) -> Option<&FakeContainer> {
        self.containers.get(name).or_else(|| self.containers.values().find(|container| container.id == name))
    }

    pub(super) fn container_mut(&mut self, name: &str) -> Option<&mut FakeContainer> {
        if self.containers.contains_key(name) {
            return self.containers.get_mut(name);
        }
        self.containers.values_mut().find(|container| container.id == name)
    }

    /// How a container behaves.
    #[must_use]
    pub fn behaviour(&self, container: &FakeContainer) -> Behaviour {
        let word = container.spec.service.command.as_ref().and_then(|command| command.first());
        let commanded = word.and_then(|word| self.commands.get(word));
        commanded.or_else(|| self.behaviours.get(container.spec.image.as_str())).copied().unwrap_or_default()
    }

    /// Running containers' images by service label, sorted.
    #[must_use]
    pub fn running(&self) -> Vec<(String, String)> {
        let running = self.containers.values().filter(|container| container.state == ContainerState::Running);
        let mut lines: Vec<_> = running
            .map(|container| {
                let service = container.spec.labels.get(chora_core::plan::labels::SERVICE).cloned().unwrap_or_default();
                (service, container.spec.image.as_str().trim_start_matches("sha256:").to_owned())
            })
            .collect();
        lines.sort();
        lines
    }
}
