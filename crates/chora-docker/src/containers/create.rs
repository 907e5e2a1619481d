//! Creation: make the container, join the other networks, write the files; undo when a step fails.

use chora_core::model::container::ContainerSpec;
use chora_core::model::ids::ContainerId;
use chora_core::ports::EngineError;
use serde::Deserialize;
use serde_json::Value;

use super::{about, files, mounts, remove, request};
use crate::client::{Call, Client, Handshake, LONG};
use crate::networks;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Created {
    id: String,
    #[serde(default)]
    warnings: Option<Vec<String>>,
}

/// Since this API version one request can join several networks.
const SEVERAL_NETWORKS: (u32, u32) = (1, 44);

pub(crate) async fn create(client: &Client, spec: &ContainerSpec) -> Result<ContainerId, EngineError> {
    make(client, spec, |_| {}).await
}

/// Creates a container whose input ends with the connection that is attached to it, and which goes when it ends.
pub(super) async fn create_piped(client: &Client, spec: &ContainerSpec) -> Result<ContainerId, EngineError> {
    let pipe = |body: &mut Value| {
        let Some(fields) = body.as_object_mut() else { return };
        for key in ["OpenStdin", "StdinOnce", "AttachStdin", "AttachStdout", "AttachStderr"] {
            fields.insert(key.to_owned(), Value::Bool(true));
        }
        if let Some(host) = fields.get_mut("HostConfig").and_then(Value::as_object_mut) {
            host.insert("AutoRemove".to_owned(), Value::Bool(true));
        }
    };
    make(client, spec, pipe).await
}

async fn make(client: &Client, spec: &ContainerSpec, change: impl FnOnce(&mut Value) + Send) -> Result<ContainerId, EngineError> {
    let handshake = client.handshake().await?;
    let keeps_files = mounts::place_for_files(spec)?;
    let mut body = request::body(client, spec, handshake, keeps_files).await?;
    change(&mut body);
    let mut call = Call::post("/containers/create", about(&spec.name)).query("name", &spec.name).json(&body).limit(Some(LONG));
    if let Some(platform) = &spec.service.platform {
        call = call.query("platform", platform);
    }
    let created: Created = client.document(call).await?;
    for warning in created.warnings.iter().flatten() {
        tracing::warn!("container `{}`: the engine warns: {warning}", spec.name);
    }
    if let Err(error) = complete(client, spec, &created.id, handshake).await {
        // The first error tells the story; a container left behind is found by its labels.
        let _ = remove(client, &created.id, true).await;
        return Err(error);
    }
    Ok(ContainerId::new(created.id))
}

async fn complete(client: &Client, spec: &ContainerSpec, id: &str, handshake: Handshake) -> Result<(), EngineError> {
    let (major, minor) = SEVERAL_NETWORKS;
    if !handshake.has(major, minor) {
        for attachment in request::ordered_attachments(spec).into_iter().skip(1) {
            networks::connect(client, id, attachment).await?;
        }
    }
    files::write(client, spec, id).await
}
