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
    build.tags.iter().for_each(|tag| take_away(state, tag));
    let id = format!("sha256:{tag}");
    if let Some(image) = state.images.get_mut(&id) {
        image.tags.clone_from(&build.tags);
        image.labels.clone_from(&build.labels);
    }
    Ok(ImageId::new(id))
}

/// Reads the tags of an archive as `docker save` writes it; an archive without any is refused.
pub(super) fn load(state: &mut FakeState, archive: &[u8]) -> Result<(), EngineError> {
    let refused = |reason: &str| EngineError::Invalid { reason: reason.to_owned() };
    let mut reader = tar::Archive::new(archive);
    let mut entries = reader.entries().map_err(|_| refused("the archive cannot be read"))?.flatten();
    let manifest = entries.find(|entry| entry.path().is_ok_and(|path| path.as_os_str() == "manifest.json"));
    let manifest: serde_json::Value = manifest.and_then(|entry| serde_json::from_reader(entry).ok()).unwrap_or_default();
    let tags = manifest.pointer("/0/RepoTags").and_then(serde_json::Value::as_array).ok_or_else(|| refused("the archive has no tags"))?;
    for tag in tags.iter().filter_map(serde_json::Value::as_str) {
        state.add_image(tag, Behaviour::Healthy);
    }
    Ok(())
}

/// A tag belongs to one image at a time.
fn take_away(state: &mut FakeState, reference: &str) {
    state.images.values_mut().for_each(|image| image.tags.retain(|tag| tag != reference));
}

pub(super) fn tag(state: &mut FakeState, image: &ImageId, reference: &str) -> Result<(), EngineError> {
    take_away(state, reference);
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
