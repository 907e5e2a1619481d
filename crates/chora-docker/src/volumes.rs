//! Named volumes: list, inspect, create, remove.

use bollard_stubs::models::VolumeCreateRequest;
use chora_core::model::network::{VolumeFacts, VolumeSpec};
use chora_core::ports::EngineError;
use indexmap::IndexMap;
use serde::Deserialize;
use serde_json::json;

use crate::client::{Call, Client, LONG, label_filter, segment};
use crate::networks::table;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct VolumeDocument {
    name: String,
    driver: String,
    #[serde(default)]
    labels: Option<IndexMap<String, String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct VolumeList {
    volumes: Option<Vec<VolumeDocument>>,
}

impl From<VolumeDocument> for VolumeFacts {
    fn from(document: VolumeDocument) -> Self {
        Self { name: document.name, driver: document.driver, labels: document.labels.unwrap_or_default() }
    }
}

fn about(name: &str) -> String {
    format!("volume `{name}`")
}

pub(crate) async fn list(client: &Client, labels: &IndexMap<String, String>) -> Result<Vec<VolumeFacts>, EngineError> {
    let call = Call::get("/volumes", "volumes").query("filters", label_filter(labels).to_string());
    let list: VolumeList = client.document(call).await?;
    Ok(list.volumes.unwrap_or_default().into_iter().map(VolumeFacts::from).collect())
}

pub(crate) async fn inspect(client: &Client, name: &str) -> Result<Option<VolumeFacts>, EngineError> {
    let call = Call::get(format!("/volumes/{}", segment(name)), about(name));
    Ok(client.found::<VolumeDocument>(call).await?.map(VolumeFacts::from))
}

pub(crate) async fn create(client: &Client, spec: &VolumeSpec) -> Result<(), EngineError> {
    let body = VolumeCreateRequest {
        name: Some(spec.name.clone()),
        driver: spec.volume.driver.clone(),
        driver_opts: Some(table(&spec.volume.driver_opts)),
        labels: Some(table(&spec.labels)),
        ..VolumeCreateRequest::default()
    };
    client.unit(Call::post("/volumes/create", about(&spec.name)).json(&json!(body)).limit(Some(LONG))).await
}

pub(crate) async fn remove(client: &Client, name: &str) -> Result<(), EngineError> {
    let call = Call::delete(format!("/volumes/{}", segment(name)), about(name)).limit(Some(LONG));
    match client.unit(call).await {
        Err(EngineError::NotFound { .. }) => Ok(()),
        result => result,
    }
}
