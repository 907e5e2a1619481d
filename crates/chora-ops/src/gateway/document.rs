//! Routes as the gateway's table says them.

use chora_core::plan::gateway::Route;
use serde_json::{Map, Value, json};

/// The document of `PUT /v1/table` (docs/guide/gateway.md).
pub(super) fn table(routes: &[Route]) -> Value {
    let listeners: Vec<Value> = routes.iter().map(listener).collect();
    let services: Map<String, Value> = routes
        .iter()
        .map(|route| {
            let mut service = json!({ "active": { "name": route.release, "addresses": route.addresses } });
            if let (Some(seconds), Some(fields)) = (route.drain_seconds, service.as_object_mut()) {
                fields.insert("drain_ms".to_owned(), json!(seconds.saturating_mul(1000)));
            }
            (route.backend(), service)
        })
        .collect();
    json!({ "version": 1, "listeners": listeners, "services": services })
}

fn listener(route: &Route) -> Value {
    let bind = format!("0.0.0.0:{}", route.port);
    let backend = json!({ "service": route.backend() });
    match route.protocol.as_deref() {
        Some("http") => json!({ "bind": bind, "http": { "routes": [backend] } }),
        Some("tcp") => json!({ "bind": bind, "tcp": backend }),
        _ => json!({ "bind": bind, "auto": backend }),
    }
}
