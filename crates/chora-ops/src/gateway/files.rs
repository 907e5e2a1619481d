//! Certificates and keys, sent to a gateway that keeps them. Each goes once, before the routes that name it.

use std::collections::BTreeSet;

use chora_core::model::digest::Digest;
use chora_core::model::release::Release;
use chora_core::model::secret::Secret;
use chora_core::plan::gateway::{Route, contents_of, sent_files};
use serde_json::{Value, json};

use super::{GatewayError, Gateways, list};
use crate::context::Context;
use crate::rollout::perform::StepError;

impl Gateways {
    /// Sends what these routes name and the gateway does not have. What only an earlier release had cannot be had again.
    pub(crate) async fn send_files(cx: &Context, gateway: &str, routes: &[Route], release: &Release) -> Result<(), StepError> {
        let wanted = contents_of(routes);
        if wanted.is_empty() {
            return Ok(());
        }
        let there = cx.gateways.files(gateway).await?;
        for key in sent_files(&release.stack) {
            let source_key = format!("secret:{key}");
            let content = release.files.get(&source_key).filter(|content| wanted.contains(*content) && !there.contains(content.as_str()));
            let Some(content) = content else { continue };
            let object = release.stack.secrets.get(key).cloned().unwrap_or_default();
            let value = cx.secrets.value(key, &object).await?;
            if Digest::of(value.expose()) != *content {
                return Err(StepError::FileChanged { source_key });
            }
            cx.gateways.send_file(gateway, content, &value).await?;
        }
        Ok(())
    }

    /// A way back must not fail for certificates that nobody has any more (a rollback leaves those of the live release in place, and so
    /// the release gone back to never had its own): the gateway keeps those that it serves.
    pub(super) async fn with_certificates(&self, gateway: &str, routes: &[Route], mut table: Value) -> Result<Value, GatewayError> {
        let wanted = contents_of(routes);
        if wanted.is_empty() {
            return Ok(table);
        }
        let there = self.files(gateway).await?;
        if wanted.iter().all(|content| there.contains(content.as_str())) {
            return Ok(table);
        }
        let state = self.tell(gateway, ("GET", "/v1/state"), None).await?;
        let served = state.get("table").map(|table| list(table, "listeners")).unwrap_or_default();
        for listener in table.get_mut("listeners").and_then(Value::as_array_mut).into_iter().flatten() {
            let same = served.iter().find(|other| other.get("bind") == listener.get("bind"));
            if let (Some(tls), Some(served)) = (listener.get_mut("tls"), same.and_then(|same| same.get("tls"))) {
                tls.clone_from(served);
            }
        }
        Ok(table)
    }

    /// Lets it remove what its table does not name. What fails here is done with the next deployment.
    pub(crate) async fn forget_files(&self, gateway: &str) {
        if let Err(error) = self.tell(gateway, ("DELETE", "/v1/files"), None).await {
            tracing::warn!(%error, "the gateway may still have certificates that it does not need");
        }
    }

    async fn files(&self, gateway: &str) -> Result<BTreeSet<String>, GatewayError> {
        let answer = self.tell(gateway, ("GET", "/v1/files"), None).await?;
        Ok(list(&answer, "files").iter().filter_map(Value::as_str).map(str::to_owned).collect())
    }

    async fn send_file(&self, gateway: &str, content: &Digest, value: &Secret<Vec<u8>>) -> Result<(), GatewayError> {
        let text = std::str::from_utf8(value.expose()).map_err(|_| GatewayError::Refused {
            container: gateway.to_owned(),
            status: 400,
            reason: "a certificate or key is no text in PEM".to_owned(),
        })?;
        let body = json!({ "sha256": content, "text": text });
        self.tell(gateway, ("PUT", "/v1/files"), Some(body)).await.map(drop)
    }
}
