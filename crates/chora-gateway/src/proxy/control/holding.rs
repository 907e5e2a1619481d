//! Calls about holds, of one service or of several.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::hold::HoldFigures;
use super::super::plane::Plane;
use super::super::service::Service;
use super::Refused;

/// How long a request may wait during a hold when nobody says.
const HOLD_MS: u64 = 30_000;
/// The first and the longest pause between two attempts to reach a release.
const PAUSES: (Duration, Duration) = (Duration::from_millis(10), Duration::from_millis(100));
/// How long one attempt may take: a replica that is silent must not hide that another is ready.
const ATTEMPT: Duration = Duration::from_secs(1);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct HoldRequest {
    service: Option<String>,
    services: Option<Vec<String>>,
    #[serde(default = "hold_ms")]
    limit_ms: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ReleaseHoldRequest {
    service: Option<String>,
    services: Option<Vec<String>>,
    /// How long a release that accepts no connection yet is waited for.
    #[serde(default)]
    ready_ms: u64,
}

fn hold_ms() -> u64 {
    HOLD_MS
}

/// Lets new requests wait.
pub(super) fn hold(plane: &Plane, request: HoldRequest) -> Result<Value, Refused> {
    let services = services(plane, &named(request.service, request.services)?)?;
    let in_flight: usize = services.iter().map(|service| service.hold(request.limit_ms)).sum();
    Ok(json!({ "held": true, "in_flight": in_flight, "limit_ms": request.limit_ms }))
}

/// Lets those through that wait, once a release of each service accepts connections.
pub(super) async fn release(plane: &Plane, request: ReleaseHoldRequest) -> Result<Value, Refused> {
    let names = named(request.service, request.services)?;
    let services = services(plane, &names)?;
    let held: Vec<_> = services.iter().filter(|service| service.live().hold.is_some()).collect();
    let ready = Duration::from_millis(request.ready_ms);
    if !ready.is_zero() {
        held.iter().for_each(|service| service.prolong_hold(ready));
        // One that is still not ready may say so itself.
        _ = tokio::time::timeout(ready, join_all(held.iter().map(|service| accepted(service)))).await;
    }
    let figures = held.into_iter().filter_map(|service| service.release_hold()).reduce(HoldFigures::and);
    Ok(json!(figures.ok_or(Refused::NotHeld(names))?))
}

/// Waits until the active release of a service accepts a connection.
async fn accepted(service: &Service) {
    let (mut pause, longest) = PAUSES;
    loop {
        let (active, limits) = {
            let live = service.live();
            (Arc::clone(&live.active), live.limits)
        };
        if active.accepts(ATTEMPT.min(Duration::from_millis(limits.connect_ms))).await {
            return;
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(longest);
    }
}

/// The services that a call is about, each once.
fn named(service: Option<String>, services: Option<Vec<String>>) -> Result<Vec<String>, Refused> {
    let mut names = match (service, services) {
        (Some(service), None) => vec![service],
        (None, Some(services)) if !services.is_empty() => services,
        _ => return Err(Refused::Request("either service or services is needed".to_owned())),
    };
    names.sort_unstable();
    names.dedup();
    Ok(names)
}

/// All of them or none.
fn services(plane: &Plane, names: &[String]) -> Result<Vec<Arc<Service>>, Refused> {
    Ok(names.iter().map(|name| plane.service(name)).collect::<Result<_, _>>()?)
}
