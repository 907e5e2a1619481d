//! The wall clock is set: what happened stays in order, nothing is hidden, and nobody loses a lease to it.

use chora_core::model::deployment::{Lease, Owner};
use chora_core::model::ids::EnvironmentName;
use chora_core::ports::{Clock as _, Store as _};
use chora_ops::event_log::EventQuery;
use chora_ops::failure::FailureKind;
use chora_ops::status::{HistoryRequest, StatusRequest, history, status};
use jiff::SignedDuration;

use crate::world::{World, expected};

const DAY: i64 = 24 * 60 * 60;

#[tokio::test]
async fn after_the_clock_was_set_back_history_rollback_and_retention_go_by_what_happened() {
    let world = World::new();
    world.deploy("1").await.unwrap();
    world.clock.set_by(-DAY);
    let second = world.deploy("2").await.unwrap();
    let [warning] = second.warnings.as_slice() else { panic!("{:?}", second.warnings) };
    // The first release was made a moment after the clock's beginning.
    let steady = warning.replace("24h", "23h 59m 59s");
    assert_eq!(
        steady,
        "the clock of this machine is 23h 59m 59s behind the last release (v1, made 2026-01-01T00:00:00Z): \
         times in the history and the log go backwards, their order stays"
    );
    let lines = history(&world.context(), &HistoryRequest::default()).await.unwrap().deployments;
    let versions: Vec<_> = lines.iter().map(|line| (line.version.as_str(), line.live)).collect();
    assert_eq!(versions, [("v2", true), ("v1", false)]);
    assert!(lines.iter().all(|line| line.duration_seconds.is_some_and(|seconds| seconds >= 0.0)));
    let status = status(&world.context(), &StatusRequest::default()).await.unwrap();
    assert_eq!((status.version.as_deref(), status.rollback_to), (Some("v2"), vec!["v1".to_owned()]));
    let back = world.roll_back().await.unwrap();
    assert_eq!((back.version.as_str(), world.running()), ("v1", expected("1")));
}

#[tokio::test]
async fn a_clock_that_is_set_back_during_a_deployment_changes_nothing_but_timestamps() {
    let world = World::new();
    world.deploy("1").await.unwrap();
    let total = {
        let other = World::new();
        other.deploy("1").await.unwrap();
        let before = other.faults.calls().len();
        other.deploy("2").await.unwrap();
        other.faults.calls().len() - before
    };
    let first = world.faults.calls().len();
    let clock = async {
        // Halfway through its calls.
        while world.faults.calls().len() < first + total / 2 {
            tokio::task::yield_now().await;
        }
        world.clock.set_by(-DAY);
    };
    let (deployed, ()) = tokio::join!(world.deploy("2"), clock);
    assert_eq!((deployed.unwrap().version.as_str(), world.running()), ("v2", expected("2")));
    let last = world.log().pop().unwrap();
    assert_eq!(last["status"], "success");
    assert!(last["duration_seconds"].as_f64().is_some_and(|seconds| seconds >= 0.0), "{last}");
    assert!(world.context().log.verify().unwrap().is_sound());
}

#[tokio::test]
async fn what_happened_after_the_clock_was_set_back_is_not_hidden_from_who_asks_since() {
    let world = World::new();
    world.deploy("1").await.unwrap();
    let since = Some(world.context().clock.now());
    world.deploy("2").await.unwrap();
    world.clock.set_by(-DAY);
    world.deploy("1").await.unwrap();
    let seen = world.context().log.events(&EventQuery { since, ..EventQuery::default() }).unwrap();
    let versions: Vec<_> = seen.iter().map(|entry| entry.event.version.as_str()).collect();
    assert_eq!(versions[versions.len() - 4..], ["v2", "v2", "v1", "v1"]);
}

/// A lease of a process on another machine, with a heartbeat that differs from this machine's clock.
fn lease(world: &World, heartbeat: SignedDuration) -> Lease {
    let now = world.context().clock.now();
    let owner = Owner { host: "elsewhere".to_owned(), ..world.context().host.owner() };
    Lease {
        environment: EnvironmentName::new("production"),
        owner,
        purpose: "deploy v9".to_owned(),
        since: now,
        heartbeat: now + heartbeat,
    }
}

#[tokio::test]
async fn an_owner_elsewhere_whose_clock_differs_keeps_its_lease_while_its_heart_beats() {
    for hours in [-5, 5] {
        let world = World::new();
        let held = lease(&world, SignedDuration::from_hours(hours));
        world.store.acquire_lease(&held, None).await.unwrap();
        let heart = async {
            let began = world.clock.elapsed();
            while world.clock.elapsed() < began + std::time::Duration::from_secs(5) {
                tokio::task::yield_now().await;
            }
            let beat = held.heartbeat + SignedDuration::from_secs(5);
            world.store.renew_lease(&held.environment, &held.owner, beat).await.unwrap();
        };
        let (refused, ()) = tokio::join!(world.deploy("1"), heart);
        let refused = refused.unwrap_err();
        assert_eq!(refused.kind, FailureKind::Conflict, "{hours} h: {refused:?}");
        assert!(refused.message.contains("on elsewhere"), "{}", refused.message);
    }
}

#[tokio::test]
async fn an_owner_elsewhere_that_died_before_the_clock_was_set_back_does_not_hold_its_lease_for_ever() {
    for hours in [-5, 5] {
        let world = World::new();
        world.store.acquire_lease(&lease(&world, SignedDuration::from_hours(hours)), None).await.unwrap();
        assert_eq!(world.deploy("1").await.unwrap().version, "v1", "{hours} h");
    }
}
