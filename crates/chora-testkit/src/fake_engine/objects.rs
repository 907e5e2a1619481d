//! Networks and volumes of the fake engine.

use chora_core::model::container::ContainerState;
use chora_core::model::network::{Attachment, NetworkFacts, NetworkSpec, VolumeFacts, VolumeSpec};
use chora_core::ports::engine::EngineError;
use indexmap::IndexMap;

use super::state::FakeState;

fn carries(labels: &IndexMap<String, String>, wanted: &IndexMap<String, String>) -> bool {
    wanted.iter().all(|(key, value)| labels.get(key) == Some(value))
}

fn network_facts(state: &FakeState, spec: &NetworkSpec) -> NetworkFacts {
    let members = state
        .containers
        .iter()
        .filter(|(_, container)| container.state == ContainerState::Running && container.networks.contains_key(&spec.name));
    NetworkFacts {
        id: format!("net-{}", spec.name),
        name: spec.name.clone(),
        labels: spec.labels.clone(),
        containers: members.map(|(name, _)| name.clone()).collect(),
    }
}

pub(super) fn networks(state: &FakeState, labels: &IndexMap<String, String>) -> Vec<NetworkFacts> {
    state.networks.values().filter(|spec| carries(&spec.labels, labels)).map(|spec| network_facts(state, spec)).collect()
}

pub(super) fn network(state: &FakeState, name: &str) -> Option<NetworkFacts> {
    state.networks.get(name).map(|spec| network_facts(state, spec))
}

pub(super) fn create_network(state: &mut FakeState, spec: &NetworkSpec) -> Result<(), EngineError> {
    if spec.name.is_empty() {
        return Err(EngineError::Invalid { reason: "a network needs a name".into() });
    }
    state.networks.entry(spec.name.clone()).or_insert_with(|| spec.clone());
    Ok(())
}

/// Stricter than the real engine: stopped members keep a network too, they could not start without it.
pub(super) fn remove_network(state: &mut FakeState, name: &str) -> Result<(), EngineError> {
    let member = state.containers.iter().find(|(_, container)| container.networks.contains_key(name));
    if let Some((container, _)) = member {
        return Err(EngineError::Conflict { reason: format!("network {name} has {container} in it") });
    }
    state.networks.remove(name);
    Ok(())
}

pub(super) fn connect(state: &mut FakeState, container: &str, attachment: &Attachment) -> Result<(), EngineError> {
    if !state.networks.contains_key(&attachment.network) {
        return Err(EngineError::NotFound { what: format!("network `{}`", attachment.network) });
    }
    let known = state.container_mut(container).ok_or_else(|| EngineError::NotFound { what: format!("container `{container}`") })?;
    known.networks.entry(attachment.network.clone()).or_insert_with(|| attachment.clone());
    Ok(())
}

pub(super) fn disconnect(state: &mut FakeState, container: &str, network: &str) {
    if let Some(known) = state.container_mut(container) {
        known.networks.remove(network);
    }
}

pub(super) fn volumes(state: &FakeState, labels: &IndexMap<String, String>) -> Vec<VolumeFacts> {
    state.volumes.values().filter(|spec| carries(&spec.labels, labels)).map(volume_facts).collect()
}

pub(super) fn volume(state: &FakeState, name: &str) -> Option<VolumeFacts> {
    state.volumes.get(name).map(volume_facts)
}

fn volume_facts(spec: &VolumeSpec) -> VolumeFacts {
    VolumeFacts { name: spec.name.clone(), driver: "local".into(), labels: spec.labels.clone() }
}

pub(super) fn create_volume(state: &mut FakeState, spec: &VolumeSpec) {
    state.volumes.entry(spec.name.clone()).or_insert_with(|| spec.clone());
}

pub(super) fn remove_volume(state: &mut FakeState, name: &str) -> Result<(), EngineError> {
    let user =
        state.containers.iter().find(|(_, container)| container.spec.mounts.iter().any(|mount| mount.source.as_deref() == Some(name)));
    if let Some((container, _)) = user {
        return Err(EngineError::Conflict { reason: format!("volume {name} is used by {container}") });
    }
    state.volumes.remove(name);
    Ok(())
}
