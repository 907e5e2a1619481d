//! What the bridge says of itself: `/health` whether it lives, `/ready` whether the server behind it does.

use hyper::StatusCode;
use serde_json::{Value, json};

use super::answer::{Answer, whole};
use crate::bridge::{Bridge, Condition, Vitals};
use crate::many::Many;
use crate::metrics::{Measured, text};

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
    prometheus(&[measured(String::new(), bridge)])
}

/// What a scrape gets of many servers; the endpoint that offers all as one has no name.
pub(super) fn metrics_of_many(many: &Many, path: &str) -> Answer {
    if path != "/metrics" {
        return super::answer::refuse(StatusCode::NOT_FOUND, "metrics are at /metrics");
    }
    let together = many.together().map(|bridge| ("", bridge));
    let named = many.servers().iter().map(|named| (&*named.name, &named.bridge));
    let measured: Vec<_> = named.chain(together).map(|(name, bridge)| measured(format!("server=\"{name}\""), bridge)).collect();
    prometheus(&measured)
}

fn measured(label: String, bridge: &Bridge) -> Measured<'_> {
    Measured { label, metrics: &bridge.metrics, sessions: bridge.sessions().len(), lone_calls: bridge.room.lone_calls() }
}

fn prometheus(of: &[Measured<'_>]) -> Answer {
    whole(StatusCode::OK, "text/plain; version=0.0.4; charset=utf-8", text(of))
}

/// The gateway answers: it lives. How each server does is told beside it.
pub(super) fn all_live(many: &Many) -> Answer {
    document_of_many(many, false)
}

/// 503 while no server is there.
pub(super) fn all_ready(many: &Many) -> Answer {
    document_of_many(many, true)
}

fn document_of_many(many: &Many, strict: bool) -> Answer {
    let (mut well, mut checks, mut servers) = (0, serde_json::Map::new(), serde_json::Map::new());
    for named in many.servers() {
        let is_well = named.bridge.is_well();
        well += usize::from(is_well);
        let mut told = facts(&named.bridge);
        if let (Some(why), Some(object)) = (trouble(&named.bridge), told.as_object_mut()) {
            object.insert("error".to_owned(), why.into());
        }
        checks.insert(named.name.to_string(), if is_well { "ok" } else { "down" }.into());
        servers.insert(named.name.to_string(), told);
    }
    let all_down = well == 0;
    let document = json!({
        "status": match (all_down && strict, well == many.servers().len()) { (true, _) => "down", (_, true) => "ok", _ => "degraded" },
        "timestamp": jiff::Timestamp::now().to_string(),
        "uptime_seconds": many.uptime().as_secs(),
        "version": env!("CARGO_PKG_VERSION"),
        "checks": checks,
        "metadata": { "servers": servers, "remarks": many.remarks() },
    });
    let status = if all_down && strict { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
    whole(status, "application/json", document.to_string())
}

/// What is wrong with a server, where something is.
fn trouble(bridge: &Bridge) -> Option<String> {
    if bridge.is_well() {
        return None;
    }
    let condition = bridge.condition();
    match &*condition.borrow() {
        Condition::Down(why) => Some(why.clone()),
        Condition::Unknown => Some("the server was not started yet".to_owned()),
        Condition::Up => {
            let children = bridge.children();
            let end = children.iter().find_map(|child| child.end.as_deref()).unwrap_or("is not running");
            Some(format!("the server's process {end}"))
        }
    }
}

fn facts(bridge: &Bridge) -> Value {
    let children: Vec<Value> = bridge.children().iter().map(child).collect();
    json!({ "sessions": bridge.sessions().len(), "lone_calls": bridge.room.lone_calls(), "children": children })
}

fn document(bridge: &Bridge, strict: bool) -> Answer {
    let dead = !bridge.is_well();
    let mut document = json!({
        "status": match (dead, strict) { (false, _) => "ok", (true, true) => "down", (true, false) => "degraded" },
        "timestamp": jiff::Timestamp::now().to_string(),
        "uptime_seconds": bridge.uptime().as_secs(),
        "version": env!("CARGO_PKG_VERSION"),
        "checks": { "server": if dead { "down" } else { "ok" } },
        "metadata": facts(bridge),
    });
    if let (Some(why), Some(object)) = (trouble(bridge), document.as_object_mut()) {
        object.insert("error".to_owned(), why.into());
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
