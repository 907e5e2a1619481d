//! Candidates that get some of the requests, and what a gateway tells of them.

use std::collections::BTreeMap;
use std::time::Duration;

use chora_core::model::canary::CanaryFigures;
use chora_core::plan::Trial;
use serde_json::{Map, Value, json};

use super::{GatewayError, Gateways, millis};

/// What both releases of a service did, by the gateway's name for it.
pub(crate) type Sides = BTreeMap<String, Side>;

/// What both releases behind a port did.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Deserialize)]
pub(crate) struct Side {
    pub(crate) new: CanaryFigures,
    pub(crate) old: CanaryFigures,
}

impl Gateways {
    /// Sends some requests to candidates from now on; counting begins anew. `false` where a gateway of an earlier version cannot.
    pub(crate) async fn begin_canary(&self, gateway: &str, trials: &[Trial], drain: Duration) -> Result<bool, GatewayError> {
        match self.call(gateway, ("POST", "/v1/canary"), Some(document(trials, drain)), Duration::ZERO).await {
            Ok(_) => Ok(true),
            Err(error) if error.is_unknown() => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// What came of it so far.
    pub(crate) async fn canary(&self, gateway: &str) -> Result<Sides, GatewayError> {
        let answer = self.call(gateway, ("GET", "/v1/canary"), None, Duration::ZERO).await?;
        let canaries = answer.get("canaries").cloned().unwrap_or_default();
        serde_json::from_value(canaries).map_err(|error| GatewayError::Silent { container: gateway.to_owned(), reason: error.to_string() })
    }

    /// Sends everything to the active releases again; ended already is fine.
    pub(crate) async fn end_canary(&self, gateway: &str, drain: Duration) -> Result<(), GatewayError> {
        let path = format!("/v1/canary?drain_ms={}", millis(drain));
        match self.call(gateway, ("DELETE", &path), None, Duration::ZERO).await {
            Err(error) if error.is_unknown() => Ok(()),
            done => done.map(drop),
        }
    }
}

/// The document of `POST /v1/canary` (docs/guide/gateway.md).
fn document(trials: &[Trial], drain: Duration) -> Value {
    let mut canaries = Map::new();
    for trial in trials {
        for route in &trial.routes {
            let mut canary = json!({
                "release": { "name": route.release, "addresses": route.addresses },
                "share": trial.rules.share,
            });
            if let Some(fields) = canary.as_object_mut() {
                fields.extend(trial.rules.header.as_ref().map(|header| ("header".to_owned(), json!(header))));
                fields.extend(trial.rules.cookie.as_ref().map(|cookie| ("cookie".to_owned(), json!(cookie))));
            }
            canaries.insert(route.backend(), canary);
        }
    }
    json!({ "canaries": canaries, "drain_ms": millis(drain) })
}
