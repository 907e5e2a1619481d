//! Images of the fake engine.

use bytes::Bytes;
use chora_core::model::ids::ImageId;
use chora_core::model::image::{Image, ImageBuild, PublishedImage, PublishedIndex};
use chora_core::ports::engine::EngineError;
use futures_core::stream::BoxStream;
use indexmap::IndexMap;
use serde_json::json;

use super::state::{Behaviour, FakeState};
use crate::test_image::{digest, tar_of};

/// The platform of the engine.
const OWN: &str = "linux/amd64";

pub(super) fn find(state: &FakeState, reference: &str) -> Option<Image> {
    let named = |image: &&Image| image.tags.iter().chain(&image.digests).any(|name| name == reference);
    state.images.get(reference).or_else(|| state.images.values().find(named)).cloned()
}

pub(super) fn list(state: &FakeState, labels: &IndexMap<String, String>) -> Vec<Image> {
    let carries = |image: &&Image| labels.iter().all(|(key, value)| image.labels.get(key) == Some(value));
    state.images.values().filter(carries).cloned().collect()
}

/// Of an index only the image of the platform is pulled, the engine's own unless one is named.
fn pull_published(state: &mut FakeState, (name, digest): (&str, &str), platform: Option<&str>) -> Result<(), EngineError> {
    let wanted = platform.unwrap_or(OWN);
    let is_it = |image: &&PublishedImage| image.platform == wanted || image.digest == digest;
    let refused = || EngineError::ImageUnavailable {
        image: format!("{name}@{digest}"),
        reason: format!("no matching manifest for {wanted} in the manifest list entries"),
    };
    let found = state.manifests.get(digest).and_then(|images| images.iter().find(is_it)).cloned().ok_or_else(refused)?;
    let image = state.pushed.get(&found.digest).cloned().ok_or_else(refused)?;
    let named = format!("{name}@{digest}");
    match image.id.as_ref().and_then(|id| state.images.get_mut(id.as_str())).filter(|here| here.labels == image.labels) {
        Some(here) => here.digests.push(named),
        // It was removed, or built anew since.
        None => {
            let id = ImageId::new(&found.digest);
            state.platforms.insert(found.digest.clone(), found.platform.clone());
            state.images.insert(found.digest.clone(), Image { id: Some(id), tags: Vec::new(), digests: vec![named], ..image });
        }
    }
    Ok(())
}

pub(super) fn pull(state: &mut FakeState, reference: &str, platform: Option<&str>) -> Result<(), EngineError> {
    if let Some((name, digest)) = reference.split_once('@').filter(|(_, digest)| state.manifests.contains_key(*digest)) {
        return pull_published(state, (name, digest), platform);
    }
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
    if let Some(platform) = &build.platform {
        state.platforms.insert(id.clone(), platform.clone());
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

/// An archive in pieces, as an engine sends it.
pub(super) fn export(state: &FakeState, reference: &str) -> Result<BoxStream<'static, Result<Bytes, EngineError>>, EngineError> {
    let image = find(state, reference).ok_or_else(|| EngineError::NotFound { what: format!("image `{reference}`") })?;
    let id = image.id.as_ref().map(ImageId::as_str).unwrap_or_default();
    let archive = state.archives.get(id).cloned().unwrap_or_else(|| archive(&image, platform(state, id)));
    let pieces: Vec<_> = archive.chunks(1000).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
    Ok(Box::pin(futures_util::stream::iter(pieces)))
}

fn platform<'a>(state: &'a FakeState, id: &str) -> &'a str {
    state.platforms.get(id).map_or(OWN, String::as_str)
}

/// An image of one small file whose program does not run as root.
fn archive(image: &Image, platform: &str) -> Bytes {
    let layer = tar_of(&[("app/main", b"program", 0o755)]);
    let config = json!({
        "architecture": platform.split('/').nth(1),
        "config": { "User": "10001", "Labels": image.labels, "Healthcheck": { "Test": ["CMD", "/app/main", "check"] } },
        "history": [{ "created_by": "COPY main /app/main" }],
    });
    let manifest = json!([{ "Config": "config.json", "Layers": ["one/layer.tar"] }]).to_string();
    tar_of(&[
        ("config.json", config.to_string().as_bytes(), 0o644),
        ("one/layer.tar", &layer, 0o644),
        ("manifest.json", manifest.as_bytes(), 0o644),
    ])
}

/// Stricter than a real engine: only what carries the very tag is pushed. Repositories below `locked/` want a login.
pub(super) fn push(state: &mut FakeState, reference: &str) -> Result<String, EngineError> {
    let tagged = state.images.values_mut().find(|image| image.tags.iter().any(|tag| tag == reference));
    let image = tagged.ok_or_else(|| EngineError::NotFound { what: format!("image `{reference}`") })?;
    if reference.contains("/locked/") {
        return Err(EngineError::LoginNeeded { registry: "locked".into(), reason: "unauthorized".into() });
    }
    let id = image.id.as_ref().map(ImageId::as_str).unwrap_or_default().to_owned();
    // As of a real one: another configuration is another manifest.
    let digest = digest(format!("{id} {:?}", image.labels).as_bytes());
    let name = reference.rsplit_once(':').map_or(reference, |(name, _)| name);
    image.digests.push(format!("{name}@{digest}"));
    let pushed = image.clone();
    let created = pushed.labels.get("org.opencontainers.image.created").and_then(|text| text.parse().ok());
    let platform = platform(state, &id).to_owned();
    let published = PublishedImage { platform, digest: digest.clone(), labels: pushed.labels.clone(), created };
    state.manifests.insert(digest.clone(), vec![published]);
    state.pushed.insert(digest.clone(), pushed);
    state.published.insert(reference.to_owned(), digest.clone());
    Ok(digest)
}

/// The digest that a name in a registry stands for.
fn named<'a>(state: &'a FakeState, reference: &'a str) -> Option<&'a str> {
    reference.split_once('@').map(|(_, digest)| digest).or_else(|| state.published.get(reference).map(String::as_str))
}

pub(super) fn published(state: &FakeState, reference: &str) -> Result<Vec<PublishedImage>, EngineError> {
    let images = named(state, reference).and_then(|digest| state.manifests.get(digest)).cloned();
    images.ok_or_else(|| EngineError::ImageUnavailable { image: reference.to_owned(), reason: "manifest unknown".into() })
}

pub(super) fn published_index(state: &FakeState, reference: &str) -> Option<PublishedIndex> {
    let digest = named(state, reference).filter(|digest| state.indexes.contains(*digest))?;
    Some(PublishedIndex { digest: digest.to_owned(), images: state.manifests.get(digest)?.clone() })
}

pub(super) fn tag_published(state: &mut FakeState, reference: &str, tag: &str) -> Result<(), EngineError> {
    let refused = || EngineError::PushRefused { image: reference.to_owned(), reason: "manifest unknown".into() };
    let (name, digest) = reference.split_once('@').ok_or_else(refused)?;
    let is_there = state.published.iter().any(|(known, value)| value == digest && known.starts_with(&format!("{name}:")));
    if !is_there {
        return Err(refused());
    }
    state.published.insert(format!("{name}:{tag}"), digest.to_owned());
    Ok(())
}

/// Stricter than a real registry: an index of nothing is refused as well.
pub(super) fn publish_index(state: &mut FakeState, reference: &str, manifests: &[(String, String)]) -> Result<String, EngineError> {
    let name = reference.rsplit_once(':').map_or(reference, |(name, _)| name);
    let is_there = |digest: &String| state.published.iter().any(|(known, value)| value == digest && known.starts_with(&format!("{name}:")));
    if manifests.is_empty() || !manifests.iter().all(|(_, digest)| is_there(digest)) {
        return Err(EngineError::PushRefused { image: reference.to_owned(), reason: "manifest unknown".into() });
    }
    let digest = digest(format!("{manifests:?}").as_bytes());
    let images = manifests.iter().filter_map(|(_, digest)| state.manifests.get(digest)).flatten().cloned().collect();
    state.manifests.insert(digest.clone(), images);
    state.published.insert(reference.to_owned(), digest.clone());
    state.indexes.insert(digest.clone());
    Ok(digest)
}
