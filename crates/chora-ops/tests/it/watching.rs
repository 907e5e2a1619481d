//! A release under watch, and what is made of what the gateway found out.

use chora_core::model::deployment::OutcomeKind;
use chora_ops::deploy::{DeployOutcome, DeployRequest, deploy};
use chora_ops::failure::{Failure, FailureKind};
use chora_ops::status::{StatusRequest, status};
use chora_ops::watch::{WatchLine, catch_up};
use serde_json::{Value, json};

use crate::world::{World, expected};

/// v1 was live, v2 is watched.
async fn watched() -> World {
    let world = World::watched();
    world.deploy("1").await.unwrap();
    world.deploy("2").await.unwrap();
    world
}

fn warm_networks(world: &World) -> usize {
    world.engine.world().networks.keys().filter(|name| name.ends_with("-warm")).count()
}

fn pass(world: &World) {
    let mut table = world.gateway.table();
    table.watch.as_mut().unwrap()["end"] = json!({ "state": "passed", "at_ms": 1_700_000_000_000_i64, "why": "" });
}

fn rollbacks(world: &World) -> Vec<Value> {
    world.log().into_iter().filter(|line| line["event_type"] == "rollback" && line["status"] != "in_progress").collect()
}

async fn line(world: &World) -> Option<WatchLine> {
    status(&world.context(), &StatusRequest::default()).await.unwrap().watch
}

#[tokio::test]
async fn the_release_before_stays_ready_and_the_gateway_knows_the_way_back() {
    let world = watched().await;
    assert_eq!((world.serving().await, world.running().len()), (expected("2"), 5));
    let watch = world.gateway.table().watch.clone().unwrap();
    let back = watch["back"]["web:8080"]["addresses"][0].as_str().unwrap().to_owned();
    let asked = watch["questions"][0]["question"]["named"]["host"].as_str().unwrap().to_owned();
    assert!(back != asked && back.starts_with("shop-production-web"), "{watch}");
    assert_eq!(watch["back_questions"][0]["question"]["named"]["host"], json!(back.trim_end_matches(":80")));
    let line = line(&world).await.unwrap();
    assert_eq!((line.version.as_str(), line.back_to.as_deref(), line.until.is_some()), ("v2", Some("v1"), true));
    let again = world.deploy("2").await.unwrap();
    assert_eq!((again.outcome, warm_networks(&world)), (Some(OutcomeKind::Unchanged), 1));
    assert_eq!(world.gateway.table().lost, Vec::<String>::new());
}

#[tokio::test]
async fn a_rollback_starts_nothing() {
    let world = watched().await;
    let before = world.faults.calls().len();
    world.roll_back().await.unwrap();
    let calls: Vec<_> = world.faults.calls().into_iter().skip(before).map(|call| call.name).collect();
    assert!(calls.iter().all(|call| !call.contains("start_container") && !call.contains("create_container")), "{calls:?}");
    assert_eq!((world.serving().await, world.running()), (expected("1"), expected("1")));
    assert_eq!(world.gateway.table().lost, Vec::<String>::new());
    assert_eq!((world.live().await.as_deref(), line(&world).await), (Some("v1"), None));
}

#[tokio::test]
async fn what_the_gateway_did_alone_is_recorded_by_the_next_command() {
    let world = watched().await;
    world.gateway.table().switch_back("web answered 500");
    let line = line(&world).await.unwrap();
    assert!(line.switched_back.is_some_and(|why| why.contains("web answered 500")));
    let words = Box::pin(catch_up(&world.context(), None)).await.unwrap();
    assert!(words[0].contains("v2 had failed") && words[0].contains("v1 is the live release again"), "{words:?}");
    assert_eq!((world.live().await.as_deref(), world.running()), (Some("v1"), expected("1")));
    let told = rollbacks(&world);
    assert_eq!((told.len(), told[0]["version"].as_str(), told[0]["status"].as_str()), (1, Some("v1"), Some("success")));
    assert!(told[0]["notes"].as_str().is_some_and(|notes| notes.contains("switched back") && notes.contains("web answered 500")));
    assert!(Box::pin(catch_up(&world.context(), None)).await.unwrap().is_empty());
    assert_eq!((rollbacks(&world).len(), world.gateway.table().lost.clone()), (1, Vec::new()));
}

#[tokio::test]
async fn a_deploy_after_a_switch_back_begins_with_what_serves() {
    let world = watched().await;
    world.gateway.table().switch_back("web answered 500");
    let outcome = world.deploy("2").await.unwrap();
    assert_eq!((outcome.previous_version.as_deref(), outcome.version.as_str()), (Some("v1"), "v2"));
    assert!(outcome.warnings.iter().any(|warning| warning.contains("v2 had failed while it was watched")), "{:?}", outcome.warnings);
    assert_eq!((world.serving().await, rollbacks(&world).len()), (expected("2"), 1));
    assert_eq!(world.gateway.table().lost, Vec::<String>::new());
}

#[tokio::test]
async fn a_rollback_after_a_switch_back_goes_no_further() {
    let world = watched().await;
    world.gateway.table().switch_back("web answered 500");
    let outcome = world.roll_back().await.unwrap();
    assert_eq!((outcome.version.as_str(), world.live().await.as_deref()), ("v1", Some("v1")));
    assert_eq!((world.running(), rollbacks(&world).len()), (expected("1"), 1));
}

#[tokio::test]
async fn what_held_until_the_end_needs_nothing_warm_any_more() {
    let world = watched().await;
    pass(&world);
    let outcome = world.deploy("2").await.unwrap();
    assert_eq!(outcome.outcome, Some(OutcomeKind::Unchanged));
    assert_eq!((world.running(), warm_networks(&world), line(&world).await), (expected("2"), 0, None));
    // It is retained like any other.
    world.roll_back().await.unwrap();
    assert_eq!(world.running(), expected("1"));
}

#[tokio::test]
async fn a_refused_release_leaves_what_is_ready_as_it_was() {
    let world = watched().await;
    world.deploy("bad").await.unwrap_err();
    assert_eq!((world.serving().await, world.running().len()), (expected("2"), 5));
    assert_eq!(world.gateway.table().watch.as_ref().map(|watch| watch["end"].is_null()), Some(true));
}

async fn deploy_and_wait(world: &World, then: impl FnOnce(&World)) -> Result<DeployOutcome, Failure> {
    world.deploy("1").await.unwrap();
    world.write("2");
    let request = DeployRequest { version: Some("v2".into()), wait_watch: true, ..DeployRequest::default() };
    let cx = world.context();
    let ends = async {
        while world.gateway.table().watch.is_none() {
            tokio::task::yield_now().await;
        }
        then(world);
    };
    tokio::join!(Box::pin(deploy(&cx, &request)), ends).0
}

#[tokio::test]
async fn whoever_waits_is_told_that_it_held() {
    let world = World::watched();
    let outcome = deploy_and_wait(&world, pass).await.unwrap();
    assert_eq!((outcome.version.as_str(), world.running()), ("v2", expected("2")));
}

#[tokio::test]
async fn whoever_waits_is_told_that_it_was_switched_back() {
    let world = World::watched();
    let failure = deploy_and_wait(&world, |world| world.gateway.table().switch_back("web answered 500")).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Restored);
    assert!(failure.message.contains("web answered 500") && failure.state.contains("v1 serves again"), "{failure:?}");
    assert_eq!((world.live().await.as_deref(), world.running()), (Some("v1"), expected("1")));
}
