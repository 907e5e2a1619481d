//! Candidates that get some of the requests first.

use chora_core::model::canary::Judgement;
use chora_core::plan::Action;
use chora_ops::failure::FailureKind;
use serde_json::{Value, json};

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
    world.gateway.table().figures = [worse()].into();
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

/// What a release did whose answers all took so many microseconds.
fn side(requests: u64, errors: u64, took: u64) -> Value {
    json!({ "requests": requests, "ended": requests, "errors": errors, "latencies": [[took, requests - errors]] })
}

#[tokio::test]
async fn one_that_is_slower_is_refused_as_soon_as_nothing_could_make_up_for_it() {
    let world = v1().await;
    world.gateway.table().figures = [json!({ "new": side(100, 0, 30_000), "old": side(900, 0, 2_047) })].into();
    let failure = world.deploy("2").await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Kept);
    assert!(failure.message.contains("canary of web: answers take longer") && failure.message.contains("p95 30 ms"), "{}", failure.message);
    assert_eq!(calls(&world, "GET /v1/canary"), 3, "of four looks");
    assert_eq!(world.running(), expected("1"));
}

#[tokio::test]
async fn one_that_is_slow_at_first_only_is_promoted() {
    let world = v1().await;
    let of = |slow: u64, quick: u64| {
        let new = json!({ "requests": slow + quick, "ended": slow + quick, "errors": 0, "latencies": [[2_047, quick], [30_000, slow]] });
        json!({ "new": new, "old": side(900, 0, 2_047) })
    };
    world.gateway.table().figures = [of(30, 10), of(30, 70), of(30, 250), of(30, 290)].into();
    let outcome = world.deploy("2").await.unwrap();
    assert_eq!(outcome.traffic.canaries.iter().map(|one| one.judgement).collect::<Vec<_>>(), [Judgement::NotWorse]);
    assert_eq!(world.running(), expected("2"));
}

#[tokio::test]
async fn a_gateway_that_begins_anew_loses_no_figures() {
    let world = v1().await;
    let none = json!({ "new": side(0, 0, 2_047), "old": side(0, 0, 2_047) });
    world.gateway.table().figures = [worse(), none].into();
    let failure = world.deploy("2").await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Kept);
    assert!(failure.message.contains("more requests fail (new: 100 requests, 20 failed"), "{}", failure.message);
    let told = world.listener.text();
    assert_eq!(told.matches("the gateway has begun anew; what it had counted before still counts").count(), 1, "{told}");
    assert_eq!(world.running(), expected("1"));
}

#[tokio::test]
async fn one_that_is_not_worse_is_promoted_and_a_rollback_has_none() {
    let world = v1().await;
    world.gateway.table().figures = [json!({ "new": side(100, 0, 2_047), "old": side(900, 0, 2_047) })].into();
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

#[tokio::test]
async fn an_engine_that_goes_away_meanwhile_leaves_the_canary_to_the_next_command_and_that_is_told() {
    let world = v1().await;
    world.gateway.table().unplugs = true;
    let failure = world.deploy("2").await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Unavailable, "{failure:?}");
    let what = "deploy of v2 was broken off: canary of web with 10 % of the requests for 2 s: no container engine answers at fake";
    assert!(failure.message.starts_with(what), "{}", failure.message);
    let state = "what serves in production cannot be told before the engine answers; a gateway that still runs goes on sending v2 its \
                 share of the requests; the next command undoes what was begun";
    assert_eq!(failure.state, state);
    assert_eq!(failure.hint, "start the engine, then run the command again; `chora resume` goes on instead");
    world.gateway.table().unplugs = false;
    assert!(!world.gateway.table().canaries.is_empty());
    world.engine.world().away = false;
    world.deploy("2").await.unwrap();
    assert_eq!((world.running(), world.gateway.table().canaries.len()), (expected("2"), 0));
    let ends = world.log().iter().filter(|line| line["status"] != json!("in_progress")).count();
    assert_eq!(ends, 3, "one for each deployment");
}
