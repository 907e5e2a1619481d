//! Images: what the engine has, and how it gets more.

mod build;
mod context;
mod file_sync;
mod pull;
mod push;
mod session;

use std::sync::Arc;

use bytes::Bytes;
use chora_core::model::ids::ImageId;
use chora_core::model::image::Image;
use chora_core::ports::EngineError;
use futures_core::stream::BoxStream;
use futures_util::{StreamExt, TryStreamExt, stream};
use http_body_util::BodyDataStream;
use indexmap::IndexMap;
use jiff::Timestamp;
use serde::Deserialize;

use crate::client::{Call, Client, LONG, label_filter, reference_path};
use crate::frames;

pub(crate) use build::build;
pub(crate) use pull::pull;
pub(crate) use push::push;

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct ImageDocument {
    id: String,
    repo_tags: Option<Vec<String>>,
    repo_digests: Option<Vec<String>>,
    size: u64,
    config: Option<ConfigDocument>,
    metadata: MetadataDocument,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct MetadataDocument {
    last_tag_time: String,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct ConfigDocument {
    labels: Option<IndexMap<String, String>>,
    healthcheck: Option<CheckDocument>,
    exposed_ports: Option<IndexMap<String, serde_json::Value>>,
    volumes: Option<IndexMap<String, serde_json::Value>>,
    entrypoint: Option<Vec<String>>,
    cmd: Option<Vec<String>>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct CheckDocument {
    test: Option<Vec<String>>,
}

impl From<ImageDocument> for Image {
    fn from(document: ImageDocument) -> Self {
        let config = document.config.unwrap_or_default();
        let named = |references: Option<Vec<String>>| -> Vec<String> {
            references.unwrap_or_default().into_iter().filter(|reference| !reference.starts_with("<none>")).collect()
        };
        Self {
            id: Some(ImageId::new(document.id)),
            tags: named(document.repo_tags),
            digests: named(document.repo_digests),
            labels: config.labels.unwrap_or_default(),
            healthcheck: config.healthcheck.and_then(|check| check.test).unwrap_or_default(),
            entrypoint: config.entrypoint.unwrap_or_default(),
            command: config.cmd.unwrap_or_default(),
            exposed: config.exposed_ports.unwrap_or_default().into_keys().collect(),
            volumes: config.volumes.unwrap_or_default().into_keys().collect(),
            size_bytes: document.size,
            // The engine writes year 1 for what it does not know.
            tagged_at: document.metadata.last_tag_time.parse::<Timestamp>().ok().filter(|at| at.as_second() > 0),
        }
    }
}

fn about(reference: &str) -> String {
    format!("image `{reference}`")
}

async fn document(client: &Client, reference: &str) -> Result<Option<ImageDocument>, EngineError> {
    client.found(Call::get(format!("/images/{}/json", reference_path(reference)), about(reference))).await
}

pub(crate) async fn inspect(client: &Client, reference: &str) -> Result<Option<Image>, EngineError> {
    Ok(document(client, reference).await?.map(Image::from))
}

/// Gives the entry point that an image declares; an image that is not there has none.
pub(crate) async fn entrypoint(client: &Client, reference: &str) -> Result<Vec<String>, EngineError> {
    let config = document(client, reference).await?.and_then(|image| image.config);
    Ok(config.and_then(|config| config.entrypoint).unwrap_or_default())
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct SummaryDocument {
    id: String,
}

/// Lists images with all their facts, which the engine's own list lacks.
pub(crate) async fn list(client: &Client, labels: &IndexMap<String, String>) -> Result<Vec<Image>, EngineError> {
    let call = Call::get("/images/json", "images").query("filters", label_filter(labels).to_string());
    let summaries: Vec<SummaryDocument> = client.document(call).await?;
    let images: Vec<Option<Image>> =
        stream::iter(summaries).map(|summary| async move { inspect(client, &summary.id).await }).buffered(8).try_collect().await?;
    Ok(images.into_iter().flatten().collect())
}

/// One line of what the engine says while it works on images.
#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Saying {
    pub(super) id: String,
    pub(super) status: String,
    pub(super) stream: String,
    pub(super) error: String,
    pub(super) aux: Option<serde_json::Value>,
}

/// Sends a request and reads what the engine says until it is done.
pub(super) async fn sayings(client: &Client, call: Call) -> Result<impl stream::Stream<Item = Result<Saying, EngineError>>, EngineError> {
    let response = client.open(call).await?;
    let bytes = BodyDataStream::new(response.into_body()).map_err(|error| client.lost(&error));
    Ok(frames::documents::<Saying>(bytes))
}

pub(crate) async fn load(client: &Client, archive: Bytes) -> Result<(), EngineError> {
    let call = Call::post("/images/load", "the image archive").query("quiet", "1").bytes("application/x-tar", archive).limit(None);
    let mut sayings = std::pin::pin!(sayings(client, call).await?);
    while let Some(saying) = sayings.next().await {
        let saying = saying?;
        if !saying.error.is_empty() {
            return Err(crate::failure::refusal(400, &saying.error, "the image archive"));
        }
    }
    Ok(())
}

/// Streams an image as `docker save` writes it, in whichever of its two layouts the engine does.
pub(crate) async fn export(client: &Arc<Client>, image: &str) -> Result<BoxStream<'static, Result<Bytes, EngineError>>, EngineError> {
    // Classic engines write all layers to their disk before the first byte: how long that takes is a matter of size.
    let call = Call::get(format!("/images/{}/get", reference_path(image)), about(image)).limit(None);
    let response = client.open(call).await?;
    let client = Arc::clone(client);
    Ok(BodyDataStream::new(response.into_body()).map_err(move |error| client.lost(&error)).boxed())
}

pub(crate) async fn tag(client: &Client, image: &ImageId, reference: &str) -> Result<(), EngineError> {
    let (name, tag) = split_tag(reference);
    let call = Call::post(format!("/images/{}/tag", reference_path(image.as_str())), about(image.as_str()))
        .query("repo", name)
        .query("tag", tag.unwrap_or("latest"));
    client.unit(call).await
}

/// Splits `host:5000/name:tag` at the colon of the tag.
pub(crate) fn split_tag(reference: &str) -> (&str, Option<&str>) {
    match reference.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => (name, Some(tag)),
        _ => (reference, None),
    }
}

pub(crate) async fn remove(client: &Client, reference: &str) -> Result<(), EngineError> {
    let call = Call::delete(format!("/images/{}", reference_path(reference)), about(reference)).limit(Some(LONG));
    match client.unit(call).await {
        Err(EngineError::NotFound { .. }) => Ok(()),
        result => result,
    }
}

#[cfg(test)]
mod tests {
    use super::split_tag;

    #[test]
    fn a_port_is_not_a_tag() {
        assert_eq!(split_tag("a"), ("a", None));
        assert_eq!(split_tag("a:1"), ("a", Some("1")));
        assert_eq!(split_tag("h:5000/a"), ("h:5000/a", None));
        assert_eq!(split_tag("h:5000/a:1"), ("h:5000/a", Some("1")));
    }
}
