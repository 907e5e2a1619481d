//! What the gate believes: a container that only runs has to stay up for a while, one that restarts for longer.

use chora_core::model::deployment::OutcomeKind;
use chora_core::model::health::{Level, Verdict};
use chora_core::ports::Engine as _;
use chora_ops::failure::FailureKind;
use chora_ops::health::{HealthRequest, health};
use chora_testkit::fake_engine::Behaviour;

use crate::world::{World, expected};

/// v1 is live; in version 2 the service `api`, which no check speaks for, behaves as given.
async fn before(behaviour: Behaviour) -> World {
    let world = World::new();
    world.deploy("1").await.unwrap();
    world.engine.world().add_image("api:2", behaviour);
    world
}

#[tokio::test]
async fn a_container_that_ends_a_little_later_is_refused_and_the_old_one_keeps_serving() {
    let world = before(Behaviour::EndsSoon(4)).await;
    let failure = world.deploy("2").await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Kept);
    assert!(failure.message.contains("`api` failed level 1 (container): engine state: exited with exit code 4"), "{}", failure.message);
    assert_eq!(world.running(), expected("1"));
}

#[tokio::test]
async fn a_container_that_the_engine_keeps_restarting_is_refused_after_three_times() {
    let world = before(Behaviour::Restarts(u32::MAX)).await;
    let failure = world.deploy("2").await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Kept);
    assert!(failure.message.contains("engine state: running after 3 restarts"), "{}", failure.message);
    assert!(!failure.message.contains("out of time"), "{}", failure.message);
    assert_eq!(world.running(), expected("1"));
}

#[tokio::test]
async fn a_container_that_was_restarted_passes_once_it_has_stayed_up() {
    let world = before(Behaviour::Restarts(1)).await;
    let outcome = world.deploy("2").await.unwrap();
    assert_eq!((outcome.outcome, world.running()), (Some(OutcomeKind::Deployed), expected("2")));
    let said = outcome.checks.iter().find(|check| check.service == "api" && check.level == Level::Container).unwrap();
    assert!(said.answered.ends_with("up for 0.5 s since its last restart"), "{said:?}");
}

#[tokio::test]
async fn only_what_no_check_speaks_for_has_to_stay_up() {
    let world = World::new();
    let outcome = world.deploy("1").await.unwrap();
    let said: Vec<_> = outcome
        .checks
        .iter()
        .filter(|check| check.level == Level::Container)
        .map(|check| (check.service.as_str(), check.answered.as_str()))
        .collect();
    // Half of a budget of one second: what is asked fits into it.
    let calm = "running, up for 0.5 s without a restart";
    assert_eq!(said, [("db", calm), ("api", calm), ("web", "running, 0 restarts")]);
}

#[tokio::test]
async fn how_long_it_has_to_stay_up_can_be_said() {
    let world = World::new();
    let manifest = "environments: {production: {gate_timeout: 1s}}\nservices: {api: {health: {container: {stable_for: 0s}}}}\n";
    std::fs::write(world.project.path().join("chora.yaml"), manifest).unwrap();
    let outcome = world.deploy("1").await.unwrap();
    let said = outcome.checks.iter().find(|check| check.service == "api" && check.level == Level::Container).unwrap();
    assert_eq!(said.answered, "running, 0 restarts");
}

#[tokio::test]
async fn longer_than_the_gate_cannot_be_asked_for() {
    let world = World::new();
    let manifest = "environments: {production: {gate_timeout: 1s}}\nservices: {api: {health: {container: {stable_for: 1m}}}}\n";
    std::fs::write(world.project.path().join("chora.yaml"), manifest).unwrap();
    let failure = world.deploy("1").await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Invalid);
    let expected =
        "chora.yaml: `services.api.health.container.stable_for` does not fit into `gate_timeout` (1s) of environment `production`";
    assert_eq!(failure.details, [expected]);
    assert_eq!(world.running(), Vec::<String>::new());
}

/// What is down is a failure, or a warning where the others can do without it; a release has to come up with all of it either way.
#[tokio::test]
async fn what_the_others_can_do_without_warns_once_it_is_live() {
    let world = before(Behaviour::EndsSoon(4)).await;
    world.configure("services: {api: {health: {dispensable: true}}}");
    let failure = world.deploy("2").await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Kept, "{}", failure.message);
    world.engine.stop_container("shop-production-api-00000001-1", None).await.unwrap();
    let asked = health(&world.context(), &HealthRequest::default()).await.unwrap();
    assert_eq!((asked.ok, asked.first_failing_level), (true, None), "{asked:?}");
    let said = asked.checks.iter().find(|check| check.service == "api").unwrap();
    assert_eq!((said.level, said.verdict), (Level::Container, Verdict::Warning));
    assert!(said.answered.ends_with("; the others can do without it"), "{said:?}");
    world.configure("");
    let asked = health(&world.context(), &HealthRequest::default()).await.unwrap();
    assert_eq!((asked.ok, asked.first_failing_level), (false, Some(1)), "{asked:?}");
}
