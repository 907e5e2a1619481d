//! Images of the fake engine.

use chora_core::model::ids::ImageId;
use chora_core::model::image::{Image, ImageBuild};
use chora_core::ports::engine::EngineError;
use indexmap::IndexMap;

use super::state::{Behaviour, FakeState};

pub(super) fn find(state: &FakeState, reference: &str) -> Option<Image> {
    state.images.get(reference).or_else(|| state.images.values().find(|image| image.tags.iter().any(|tag| tag == reference))).cloned()
}

pub(super) fn list(state: &FakeState, labels: &IndexMap<String, String>) -> Vec<Image> {
    let carries = |image: &&Image| labels.iter().all(|(key, value)| image.labels.get(key) == Some(value));
    state.images.values().filter(carries).cloned().collect()
}

pub(super) fn pull(state: &mut FakeState, reference: &str) -> Result<(), EngineError> {
    if !state.registry.contains(reference) {
        return Err(EngineError::ImageUnavailable { image: reference.into(), reason: "manifest unknown".into() });
    }
    state.add_image(reference, Behaviour::Healthy);
    Ok(())
}

pub(super) fn build(state: &mut FakeState, build: &ImageBuild) -> Result<ImageId, EngineError> {
    let tag = build.tags.first().cloned().unwrap_or_default();
    state.add_image(&tag, Behaviour::Healthy);
    let id = format!("sha256:{tag}");
    if let Some(image) = state.images.get_mut(&id) {
        image.tags.clone_from(&build.tags);
        image.labels.clone_from(&build.labels);
    }
    Ok(ImageId::new(id))
}

pub(super) fn tag(state: &mut FakeState, image: &ImageId, reference: &str) -> Result<(), EngineError> {
    let known = state.images.get_mut(image.as_str()).ok_or_else(|| EngineError::NotFound { what: format!("image `{image}`") })?;
    known.tags.push(reference.to_owned());
    Ok(())
}

pub(super) fn remove(state: &mut FakeState, reference: &str) -> Result<(), EngineError> {
    let id = find(state, reference).and_then(|image| image.id);
    let Some(id) = id else { return Ok(()) };
    if state.containers.values().any(|container| container.spec.image == id) {
        return Err(EngineError::Conflict { reason: format!("image {id} is used by a container") });
    }
    state.images.remove(id.as_str());
    Ok(())
}
