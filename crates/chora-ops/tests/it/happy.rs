use chora_core::model::deployment::OutcomeKind;
use chora_ops::deploy::{DeployRequest, deploy};
use chora_ops::failure::FailureKind;
use chora_ops::resume::{ResumeRequest, abort};
use chora_ops::roll_back::{RollbackRequest, roll_back};
use chora_ops::status::{HistoryRequest, StatusRequest, history, status};
use serde_json::json;

use crate::world::{SECRET, World, expected};

#[tokio::test]
async fn first_and_second_deployments_go_live_and_a_third_finds_nothing_to_do() {
    let world = World::new();
    let first = world.deploy("1").await.unwrap();
    assert_eq!((first.outcome, first.previous_version), (Some(OutcomeKind::Deployed), None));
    assert_eq!(world.running(), expected("1"));
    let second = world.deploy("2").await.unwrap();
    assert_eq!(second.previous_version.as_deref(), Some("v1"));
    assert_eq!(world.running(), expected("2"));
    let calls = world.faults.calls().len();
    let lines = world.log().len();
    let third = world.deploy("2").await.unwrap();
    assert_eq!(third.outcome, Some(OutcomeKind::Unchanged));
    let changing =
        |name: &str| ["create", "start", "stop", "remove", "connect", "rename"].iter().any(|verb| name.contains(&format!("engine.{verb}")));
    let touched: Vec<_> = world.faults.calls().into_iter().skip(calls).filter(|call| changing(&call.name)).collect();
    assert_eq!(touched, [], "nothing to do touches nothing");
    assert_eq!(world.log().len(), lines, "nothing to do is not an event");
}

#[tokio::test]
async fn every_deployment_has_a_beginning_and_one_terminal_line() {
    let world = World::new();
    world.deploy("1").await.unwrap();
    world.deploy("bad").await.unwrap_err();
    let statuses: Vec<_> = world.log().iter().map(|line| (line["version"].clone(), line["status"].clone())).collect();
    assert_eq!(
        statuses,
        [
            (json!("v1"), json!("in_progress")),
            (json!("v1"), json!("success")),
            (json!("vbad"), json!("in_progress")),
            (json!("vbad"), json!("failure"))
        ]
    );
    let last = world.log().pop().unwrap();
    assert_eq!(last["metadata"]["outcome"], json!("restored"));
    assert_eq!(last["metadata"]["previous_version"], json!("v1"));
    assert!(last["errors"][0].as_str().unwrap().contains("failed level 1"), "{last}");
}

#[tokio::test]
async fn a_refused_published_service_is_swapped_back_and_the_gap_is_named() {
    let world = World::new();
    world.deploy("1").await.unwrap();
    let failure = world.deploy("bad").await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Restored);
    assert!(failure.state.contains("v1 serves again") && failure.state.contains("web did not serve for"), "{}", failure.state);
    assert_eq!(world.running(), expected("1"));
    assert_eq!(world.live().await.as_deref(), Some("v1"));
}

#[tokio::test]
async fn a_failed_first_deployment_has_nothing_to_restore() {
    let world = World::new();
    let failure = world.deploy("bad").await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Degraded);
    assert!(failure.state.contains("there was no release before"), "{}", failure.state);
    assert_eq!(world.running(), Vec::<String>::new());
}

#[tokio::test]
async fn rollback_restarts_the_retained_containers_of_the_release_before() {
    let world = World::new();
    world.deploy("1").await.unwrap();
    world.deploy("2").await.unwrap();
    let created = world.faults.calls().iter().filter(|call| call.name == "engine.create_container").count();
    let outcome = world.roll_back().await.unwrap();
    assert_eq!((outcome.version.as_str(), outcome.previous_version.as_deref()), ("v1", Some("v2")));
    assert_eq!(world.running(), expected("1"));
    let now = world.faults.calls().iter().filter(|call| call.name == "engine.create_container").count();
    assert_eq!(now, created, "retained containers are started, none is created");
    let again =
        Box::pin(roll_back(&world.context(), &RollbackRequest { release: Some("v2".into()), ..RollbackRequest::default() })).await.unwrap();
    assert_eq!(again.version, "v2");
    assert_eq!(world.running(), expected("2"));
    let nothing = Box::pin(roll_back(&world.context(), &RollbackRequest { release: Some("v9".into()), ..RollbackRequest::default() }))
        .await
        .unwrap_err();
    assert_eq!(nothing.kind, FailureKind::NotFound);
}

#[tokio::test]
async fn history_and_status_say_what_is_live_and_what_can_be_rolled_back_to() {
    let world = World::new();
    world.deploy("1").await.unwrap();
    world.deploy("2").await.unwrap();
    world.deploy("bad").await.unwrap_err();
    let status = status(&world.context(), &StatusRequest::default()).await.unwrap();
    assert_eq!((status.version.as_deref(), status.rollback_to), (Some("v2"), vec!["v1".to_owned()]));
    assert!(status.lease.is_none() && status.unfinished.is_empty());
    let history = history(&world.context(), &HistoryRequest::default()).await.unwrap();
    let lines: Vec<_> = history.deployments.iter().map(|line| (line.version.as_str(), line.outcome, line.live)).collect();
    let (deployed, restored) = (Some(OutcomeKind::Deployed), Some(OutcomeKind::Restored));
    assert_eq!(lines, [("vbad", restored, false), ("v2", deployed, true), ("v1", deployed, false)]);
}

#[tokio::test]
async fn a_dry_run_tells_the_plan_and_touches_nothing() {
    let world = World::new();
    world.deploy("1").await.unwrap();
    world.write("2");
    let before = world.running();
    let request = DeployRequest { version: Some("v2".into()), dry_run: true, ..DeployRequest::default() };
    let outcome = Box::pin(deploy(&world.context(), &request)).await.unwrap();
    let rollouts: Vec<_> = outcome
        .plan
        .services
        .iter()
        .map(|service| (service.service.as_str(), service.rollout.map(|rollout| rollout.to_string())))
        .collect();
    assert!(
        rollouts.contains(&("web", Some("stop-first".into()))) && rollouts.contains(&("api", Some("start-first".into()))),
        "{rollouts:?}"
    );
    assert_eq!(world.running(), before);
    assert_eq!(world.log().len(), 2);
}

#[tokio::test]
async fn a_second_process_is_told_who_holds_the_environment() {
    let world = World::new();
    world.write("1");
    let (one, two) = (world.context(), world.another());
    for file in ["compose.yaml", "key.txt", "chora.yaml"] {
        std::fs::copy(world.project.path().join(file), two.project.path().join(file)).unwrap();
    }
    let lease = chora_core::model::deployment::Lease {
        environment: chora_core::model::ids::EnvironmentName::new("production"),
        owner: one.host.owner(),
        purpose: "deploy v1".into(),
        since: one.clock.now(),
        heartbeat: one.clock.now(),
    };
    one.store.acquire_lease(&lease, None).await.unwrap();
    let failure = Box::pin(deploy(&two.context(), &DeployRequest::default())).await.unwrap_err();
    assert_eq!((failure.kind, failure.kind.exit_code()), (FailureKind::Conflict, 75));
    assert!(failure.message.contains("process 100 on steady"), "{}", failure.message);
}

#[tokio::test]
async fn no_secret_is_ever_told() {
    let world = World::new();
    world.deploy("1").await.unwrap();
    world.deploy("bad").await.unwrap_err();
    let told =
        format!("{}{:?}{:?}", world.listener.text(), world.log(), history(&world.context(), &HistoryRequest::default()).await.unwrap());
    assert!(!told.contains(SECRET));
    let nothing = Box::pin(abort(&world.context(), &ResumeRequest::default())).await.unwrap_err();
    assert_eq!(nothing.kind, FailureKind::NotFound);
}
