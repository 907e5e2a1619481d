//! Candidates that get some of the requests first.

use chora_core::model::canary::Judgement;
use chora_core::plan::Action;
use chora_ops::failure::FailureKind;
use serde_json::json;

use crate::world::{World, expected, worse};

async fn v1() -> World {
    let world = World::canary();
    world.deploy("1").await.unwrap();
    world
}

/// How often the gateway was called so.
fn calls(world: &World, wanted: &str) -> usize {
    world.gateway.table().calls.iter().filter(|call| call.starts_with(wanted)).count()
}

#[tokio::test]
async fn one_that_is_worse_is_refused_with_the_figures() {
    let world = v1().await;
    world.gateway.table().figures = Some(worse());
    let failure = world.deploy("2").await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Kept);
    let wanted = "deploy of v2 refused: canary of web: more requests fail \
                  (new: 100 requests, 20 failed (20.0 %), p50 2.0 ms, p95 2.0 ms; old: 900 requests, 0 failed (0.0 %), p50 2.0 ms, p95 2.0 ms)";
    assert_eq!(failure.message, wanted);
    assert_eq!(world.running(), expected("1"));
    assert_eq!(calls(&world, "GET /v1/canary"), 3, "what is clearly worse is not tried to the end");
    let table = world.gateway.table();
    assert!(table.canaries.is_empty());
    assert_eq!(table.lost, Vec::<String>::new());
    let log = world.log();
    let end = log.last().unwrap();
    assert_eq!(end["metadata"]["traffic"]["canaries"][0]["judgement"], json!("failing"), "{end:#}");
    assert_eq!(end["metadata"]["traffic"]["canaries"][0]["new"], json!({ "requests": 100, "failed": 20, "p50_us": 2047, "p95_us": 2047 }));
}

#[tokio::test]
async fn one_that_is_slower_is_refused_at_the_end() {
    let world = v1().await;
    let side = |requests: u64, took: u64| json!({ "requests": requests, "ended": requests, "errors": 0, "latencies": [[took, requests]] });
    world.gateway.table().figures = Some(json!({ "new": side(100, 30_000), "old": side(900, 2_047) }));
    let failure = world.deploy("2").await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Kept);
    assert!(failure.message.contains("canary of web: answers take longer") && failure.message.contains("p95 30 ms"), "{}", failure.message);
    assert!(calls(&world, "GET /v1/canary") > 3);
    assert_eq!(world.running(), expected("1"));
}

#[tokio::test]
async fn one_that_is_not_worse_is_promoted_and_a_rollback_has_none() {
    let world = v1().await;
    let side = |requests: u64| json!({ "requests": requests, "ended": requests, "errors": 0, "latencies": [[2047, requests]] });
    world.gateway.table().figures = Some(json!({ "new": side(100), "old": side(900) }));
    let outcome = world.deploy("2").await.unwrap();
    assert_eq!(outcome.traffic.canaries.iter().map(|one| one.judgement).collect::<Vec<_>>(), [Judgement::NotWorse]);
    assert_eq!(world.running(), expected("2"));
    let why = outcome.plan.services.iter().find(|plan| plan.service == "web").unwrap().why.clone();
    assert!(why.contains("first 10 % of the requests for 2 s"), "{why}");
    let begun = calls(&world, "POST /v1/canary");
    let back = world.roll_back().await.unwrap();
    assert!(back.plan.steps.iter().all(|step| !matches!(step.action, Action::Canary { .. })));
    assert_eq!((calls(&world, "POST /v1/canary"), world.running()), (begun, expected("1")));
    assert_eq!(world.gateway.table().lost, Vec::<String>::new());
}

#[tokio::test]
async fn with_too_few_requests_the_gate_alone_decides_and_that_is_told() {
    let world = v1().await;
    let outcome = world.deploy("2").await.unwrap();
    assert_eq!(outcome.traffic.canaries.iter().map(|one| one.judgement).collect::<Vec<_>>(), [Judgement::TooFew]);
    assert!(world.listener.text().contains("canary of web: too few requests to compare"), "{}", world.listener.text());
    assert_eq!(world.running(), expected("2"));
}

#[tokio::test]
async fn a_candidate_that_its_gate_refuses_is_never_tried() {
    let world = v1().await;
    let failure = world.deploy("bad").await.unwrap_err();
    assert_eq!((failure.kind, calls(&world, "POST /v1/canary")), (FailureKind::Kept, 0));
}

#[tokio::test]
async fn a_gateway_that_forgets_its_canary_is_a_bad_world() {
    let world = v1().await;
    world.gateway.table().forgets = true;
    let failure = world.deploy("2").await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Unavailable, "{failure:?}");
    assert!(failure.message.contains("it has no canary of web:8080 any more"), "{}", failure.message);
    assert_eq!(world.running(), expected("1"));
}
