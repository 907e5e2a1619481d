//! One name for images of several architectures: an index of manifests that the registry has already (OCI image-spec,
//! image-index.md).

use bytes::Bytes;
use chora_core::model::digest::Digest;
use chora_core::ports::EngineError;
use hyper::Method;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use serde_json::{Value, json};

use super::{Question, Registry};

const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
const DOCKER_INDEX: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";

impl Registry {
    /// Puts an index of these manifests (platform and digest) under the tag that is named; gives its digest.
    pub(crate) async fn put_index(&self, manifests: &[(String, String)]) -> Result<String, EngineError> {
        let mut entries = Vec::with_capacity(manifests.len());
        for (platform, digest) in manifests {
            entries.push(self.entry(platform, digest).await?);
        }
        let is_docker = entries.iter().all(|entry| entry["mediaType"] == DOCKER_MANIFEST);
        let kind = if is_docker { DOCKER_INDEX } else { OCI_INDEX };
        let body = Bytes::from(json!({ "schemaVersion": 2, "mediaType": kind, "manifests": entries }).to_string());
        let digest = format!("sha256:{}", Digest::of(&body));
        let put = Question { kind: Some(HeaderValue::from_static(kind)), body, ..self.manifest(Method::PUT, &self.named) };
        let answer = self.ask(&put).await?;
        if answer.status.is_success() { Ok(digest) } else { Err(self.refused(&answer)) }
    }

    /// What an index says of one manifest. An engine may have pushed an index of its own: then of the manifest in it.
    async fn entry(&self, platform: &str, digest: &str) -> Result<Value, EngineError> {
        let answer = self.ask(&self.manifest(Method::GET, digest)).await?;
        if !answer.status.is_success() {
            return Err(self.refused(&answer));
        }
        let mut words = platform.split('/');
        let (os, architecture, variant) = (words.next().unwrap_or("linux"), words.next().unwrap_or_default(), words.next());
        let mut place = json!({ "os": os, "architecture": architecture });
        if let (Some(variant), Some(fields)) = (variant, place.as_object_mut()) {
            fields.insert("variant".to_owned(), json!(variant));
        }
        let document: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        if let Some(inner) = document.get("manifests").and_then(Value::as_array) {
            let is_it = |entry: &&Value| {
                entry.pointer("/platform/os").is_some_and(|found| found == os)
                    && entry.pointer("/platform/architecture").is_some_and(|found| found == architecture)
            };
            return inner.iter().find(is_it).cloned().ok_or_else(|| EngineError::PushRefused {
                image: self.reference.clone(),
                reason: format!("what was pushed as {digest} has nothing for {platform}"),
            });
        }
        let kind = answer.headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or(DOCKER_MANIFEST);
        Ok(json!({ "mediaType": kind, "size": answer.body.len(), "digest": digest, "platform": place }))
    }
}
