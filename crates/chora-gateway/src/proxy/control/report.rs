//! What the gateway tells of itself.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::super::counters;
use super::super::drain::Drain;
use super::super::listener::Listener;
use super::super::plane::Plane;
use super::super::release::Release;
use super::super::service::Service;
use super::super::table::ListenerEntry;

/// The table, and what is under way.
pub(super) async fn state(plane: &Plane) -> Value {
    let (table, listening) = plane.table().await;
    let of_listener = |(entry, listener): (&ListenerEntry, &Arc<Listener>)| of_listener(plane, entry, listener);
    let listeners: Vec<Value> = table.listeners.iter().zip(&listening).map(of_listener).collect();
    let services: Map<String, Value> = plane.services().iter().map(|(name, service)| (name.clone(), of_service(service))).collect();
    json!({ "table": table, "listeners": listeners, "services": services })
}

fn of_listener(plane: &Plane, entry: &ListenerEntry, listener: &Listener) -> Value {
    let mut of = json!({ "bind": entry.bind, "local": listener.local });
    if let Some(fields) = of.as_object_mut().filter(|_| entry.tls.is_some()) {
        if let Some(acme) = entry.tls.as_ref().and_then(|tls| tls.acme.as_ref()) {
            fields.insert("certificates_until".to_owned(), plane.certificates_until(acme).into_iter().collect());
            fields.insert("certificate_failures".to_owned(), plane.certificate_failures(acme).into_iter().collect());
        }
        fields.insert("failed_handshakes".to_owned(), json!(listener.failed_handshakes.get()));
    }
    of
}

fn of_service(service: &Service) -> Value {
    let live = service.live();
    let hold = live.hold.as_ref().map(|hold| json!({ "waiting": service.waiting(), "figures": hold.figures() }));
    json!({
        "active": of_release(&live.active),
        "canary": live.canary.as_ref().map(|canary| of_release(&canary.release)),
        "releases": live.draining.iter().map(of_drain).collect::<Vec<_>>(),
        "hold": hold,
        "requests": service.counters.requests.get(),
        "failures": service.counters.failures.get(),
    })
}

fn of_release(release: &Release) -> Value {
    json!({
        "name": release.entry.name,
        "in_flight": release.in_flight(),
        "streams": release.streams(),
        "sessions": release.sessions(),
        "requests": release.requests.get(),
    })
}

fn of_drain(drain: &Drain) -> Value {
    let mut release = of_release(&drain.release);
    if let Some(fields) = release.as_object_mut() {
        let ended = *drain.ended.borrow();
        fields.insert("state".to_owned(), ended.map_or_else(|| json!("draining"), |end| json!(end.state)));
        fields.insert("end".to_owned(), json!(ended));
    }
    release
}

/// What canaries and the releases beside them did.
pub(super) fn canaries(plane: &Plane) -> Value {
    let services = plane.services();
    let of = |(name, service): (&String, &Arc<Service>)| Some((name.clone(), service.live().canary.as_ref()?.figures()));
    let canaries: Map<String, Value> = services.iter().filter_map(of).collect();
    json!({ "canaries": canaries })
}

/// How the old releases of a service come to their end. Answers when all have, when nothing is under way on the active
/// one of a held service, or after `wait`.
pub(super) async fn drain(service: &Service, wait: Duration) -> Value {
    let (mut endings, held) = {
        let live = service.live();
        let endings: Vec<_> = live.draining.iter().map(|drain| drain.ended.clone()).collect();
        (endings, live.hold.is_some().then(|| Arc::clone(&live.active)))
    };
    let all = async {
        for ended in &mut endings {
            // An error is the end of the task that drains: there is nothing more to wait for.
            _ = ended.wait_for(Option::is_some).await;
        }
        if let Some(active) = held {
            active.until(|release| release.in_flight() == 0).await;
        }
    };
    let done = tokio::time::timeout(wait, all).await.is_ok();
    let live = service.live();
    json!({
        "done": done,
        "active": of_release(&live.active),
        "releases": live.draining.iter().map(of_drain).collect::<Vec<_>>(),
    })
}

/// What a scrape gets.
pub(super) async fn metrics(plane: &Plane) -> String {
    let services = plane.services();
    let mut text = counters::text(services.iter().map(|(name, service)| (name.as_str(), &service.counters, service.in_flight())));
    let (table, listening) = plane.table().await;
    let secure = table.listeners.iter().zip(&listening).filter(|(entry, _)| entry.tls.is_some());
    counters::handshakes(secure.map(|(entry, listener)| (entry.bind, &listener.failed_handshakes)), &mut text);
    text
}
