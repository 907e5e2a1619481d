//! Networks: list, inspect, create, remove, connect, disconnect.

use std::collections::HashMap;

use bollard_stubs::models::{Ipam, IpamConfig, NetworkCreateRequest};
use chora_core::compose;
use chora_core::model::network::{Attachment, NetworkFacts, NetworkSpec};
use chora_core::ports::EngineError;
use indexmap::IndexMap;
use serde::Deserialize;
use serde_json::json;

use crate::client::{Call, Client, Handshake, LONG, label_filter, segment};
use crate::containers::endpoint_settings;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct NetworkDocument {
    id: String,
    name: String,
    #[serde(default)]
    labels: Option<IndexMap<String, String>>,
    #[serde(default)]
    containers: Option<IndexMap<String, Member>>,
    #[serde(default)]
    created: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Member {
    #[serde(default)]
    name: String,
}

impl From<NetworkDocument> for NetworkFacts {
    fn from(document: NetworkDocument) -> Self {
        Self {
            id: document.id,
            name: document.name,
            labels: document.labels.unwrap_or_default(),
            containers: document.containers.unwrap_or_default().into_values().map(|member| member.name).collect(),
        }
    }
}

fn about(name: &str) -> String {
    format!("network `{name}`")
}

pub(crate) async fn list(client: &Client, labels: &IndexMap<String, String>) -> Result<Vec<NetworkFacts>, EngineError> {
    let call = Call::get("/networks", "networks").query("filters", label_filter(labels).to_string());
    let documents: Vec<NetworkDocument> = client.document(call).await?;
    Ok(documents.into_iter().map(NetworkFacts::from).collect())
}

pub(crate) async fn inspect(client: &Client, name: &str) -> Result<Option<NetworkFacts>, EngineError> {
    let call = || Call::get(format!("/networks/{}", segment(name)), about(name));
    let mut found = client.found::<NetworkDocument>(call()).await;
    if is_ambiguous(&found) {
        settle_namesakes(client, name).await?;
        found = client.found(call()).await;
    }
    Ok(found?.map(NetworkFacts::from))
}

/// Networks of exactly this name, the oldest first.
async fn namesakes(client: &Client, name: &str) -> Result<Vec<NetworkDocument>, EngineError> {
    let call = Call::get("/networks", "networks").query("filters", json!({ "name": [name] }).to_string());
    let mut documents: Vec<NetworkDocument> = client.document(call).await?;
    documents.retain(|document| document.name == name);
    documents.sort_by(|one, other| (&one.created, &one.id).cmp(&(&other.created, &other.id)));
    Ok(documents)
}

/// Before API 1.44 two creations at the same time make two networks of one name, as when a killed process's creation is repeated.
/// The oldest stays. Of the others those go that bear its labels; a network that was made by someone else, or has containers, stays too.
async fn settle_namesakes(client: &Client, name: &str) -> Result<(), EngineError> {
    let namesakes = namesakes(client, name).await?;
    let Some((oldest, others)) = namesakes.split_first() else { return Ok(()) };
    let ours =
        |network: &&NetworkDocument| oldest.labels.as_ref().is_some_and(|labels| !labels.is_empty()) && network.labels == oldest.labels;
    for network in others.iter().filter(ours) {
        tracing::warn!("a second network `{name}` is removed");
        delete(client, &network.id, name).await?;
    }
    Ok(())
}

/// Whether the engine knows several networks by a name.
fn is_ambiguous<T>(result: &Result<T, EngineError>) -> bool {
    result.as_ref().is_err_and(|error| error.to_string().contains("is ambiguous"))
}

/// Makes a call; where the name of its network turns out to be that of several, once more with one.
async fn call_settled(client: &Client, network: &str, call: impl Fn() -> Call) -> Result<(), EngineError> {
    let result = client.unit(call()).await;
    if !is_ambiguous(&result) {
        return result;
    }
    settle_namesakes(client, network).await?;
    client.unit(call()).await
}

pub(crate) async fn create(client: &Client, spec: &NetworkSpec) -> Result<(), EngineError> {
    let handshake = client.handshake().await?;
    let call = Call::post("/networks/create", about(&spec.name)).json(&request(spec, handshake)?).limit(Some(LONG));
    match client.unit(call).await {
        Err(EngineError::Conflict { .. }) if inspect(client, &spec.name).await?.is_some() => Ok(()),
        Ok(()) if !handshake.has(1, 44) => settle_namesakes(client, &spec.name).await,
        result => result,
    }
}

fn request(spec: &NetworkSpec, handshake: Handshake) -> Result<serde_json::Value, EngineError> {
    let network = &spec.network;
    if network.enable_ipv4 == Some(false) && !handshake.has(1, 47) {
        return Err(EngineError::Invalid { reason: format!("network `{}`: `enable_ipv4: false` needs engine API 1.47", spec.name) });
    }
    let body = NetworkCreateRequest {
        name: spec.name.clone(),
        driver: network.driver.clone(),
        internal: Some(network.internal),
        attachable: Some(network.attachable),
        enable_ipv4: network.enable_ipv4.filter(|_| handshake.has(1, 47)),
        enable_ipv6: network.enable_ipv6,
        options: Some(table(&network.driver_opts)),
        labels: Some(table(&spec.labels)),
        ipam: Some(ipam(&network.ipam)),
        ..NetworkCreateRequest::default()
    };
    let mut body = json!(body);
    if let Some(fields) = body.as_object_mut() {
        // Before API 1.44 the engine makes a second network of the same name unless told not to.
        fields.insert("CheckDuplicate".to_owned(), json!(true));
    }
    Ok(body)
}

fn ipam(ipam: &compose::Ipam) -> Ipam {
    let pools = ipam.config.iter().map(|pool| IpamConfig {
        subnet: pool.subnet.clone(),
        ip_range: pool.ip_range.clone(),
        gateway: pool.gateway.clone(),
        auxiliary_addresses: (!pool.aux_addresses.is_empty()).then(|| table(&pool.aux_addresses)),
    });
    Ipam {
        driver: ipam.driver.clone(),
        config: (!ipam.config.is_empty()).then(|| pools.collect()),
        options: (!ipam.options.is_empty()).then(|| table(&ipam.options)),
    }
}

/// Copies an ordered table into the form of the request models.
pub(crate) fn table(entries: &IndexMap<String, String>) -> HashMap<String, String> {
    entries.iter().map(|(key, value)| (key.clone(), value.clone())).collect()
}

pub(crate) async fn remove(client: &Client, name: &str) -> Result<(), EngineError> {
    let removed = delete(client, name, name).await;
    if !is_ambiguous(&removed) {
        return removed;
    }
    settle_namesakes(client, name).await?;
    delete(client, name, name).await
}

async fn delete(client: &Client, id: &str, name: &str) -> Result<(), EngineError> {
    let call = Call::delete(format!("/networks/{}", segment(id)), about(name)).limit(Some(LONG));
    match client.unit(call).await {
        Err(EngineError::NotFound { .. }) => Ok(()),
        result => result,
    }
}

pub(crate) async fn connect(client: &Client, container: &str, attachment: &Attachment) -> Result<(), EngineError> {
    let handshake = client.handshake().await?;
    let settings = endpoint_settings(attachment, handshake)?;
    let joining = || {
        Call::post(format!("/networks/{}/connect", segment(&attachment.network)), about(&attachment.network))
            .json(&json!({ "Container": container, "EndpointConfig": settings }))
            .limit(Some(LONG))
    };
    match call_settled(client, &attachment.network, joining).await {
        Err(EngineError::Conflict { reason }) if reason.contains("already exists in network") => Ok(()),
        Err(EngineError::NotFound { .. }) if inspect(client, &attachment.network).await?.is_some() => {
            Err(EngineError::NotFound { what: format!("container `{container}`") })
        }
        result => result,
    }
}

pub(crate) async fn disconnect(client: &Client, container: &str, network: &str) -> Result<(), EngineError> {
    let leaving = || {
        Call::post(format!("/networks/{}/disconnect", segment(network)), about(network))
            .json(&json!({ "Container": container, "Force": true }))
            .limit(Some(LONG))
    };
    match call_settled(client, network, leaving).await {
        Err(EngineError::NotFound { .. }) => Ok(()),
        Err(EngineError::Failed { reason } | EngineError::Conflict { reason } | EngineError::Invalid { reason })
            if reason.contains("is not connected to") =>
        {
            Ok(())
        }
        result => result,
    }
}
