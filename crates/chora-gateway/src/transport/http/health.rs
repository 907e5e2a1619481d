//! What the bridge says of itself: `/health` whether it lives, `/ready` whether the server behind it does.

use hyper::StatusCode;
use serde_json::{Value, json};

use super::answer::{Answer, whole};
use crate::bridge::{Bridge, Vitals};

/// The bridge answers: it lives. What the server does is told beside it.
pub(super) fn live(bridge: &Bridge) -> Answer {
    document(bridge, false)
}

/// 503 while the server's process is not there.
pub(super) fn ready(bridge: &Bridge) -> Answer {
    document(bridge, true)
}

/// What a scrape gets.
pub(super) fn metrics(bridge: &Bridge, path: &str) -> Answer {
    if path != "/metrics" {
        return super::answer::refuse(StatusCode::NOT_FOUND, "metrics are at /metrics");
    }
    let sessions = bridge.sessions().len();
    whole(StatusCode::OK, "text/plain; version=0.0.4; charset=utf-8", bridge.metrics.text(sessions))
}

fn document(bridge: &Bridge, strict: bool) -> Answer {
    let children = bridge.children();
    let dead = children.iter().any(|child| child.end.is_some()) || children.is_empty();
    let mut document = json!({
        "status": match (dead, strict) { (false, _) => "ok", (true, true) => "down", (true, false) => "degraded" },
        "timestamp": jiff::Timestamp::now().to_string(),
        "uptime_seconds": bridge.uptime().as_secs(),
        "version": env!("CARGO_PKG_VERSION"),
        "checks": { "server": if dead { "down" } else { "ok" } },
        "metadata": {
            "sessions": bridge.sessions().len(),
            "children": children.iter().map(child).collect::<Vec<_>>(),
        },
    });
    if let (true, Some(object)) = (dead, document.as_object_mut()) {
        let end = children.iter().find_map(|child| child.end.as_deref()).unwrap_or("is not running");
        object.insert("error".to_owned(), format!("the server's process {end}").into());
    }
    let status = if dead && strict { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
    whole(status, "application/json", document.to_string())
}

fn child(child: &Vitals) -> Value {
    json!({
        "pid": child.pid,
        "running": child.end.is_none(),
        "uptime_seconds": child.started.elapsed().as_secs(),
        "restarts": child.restarts,
    })
}
