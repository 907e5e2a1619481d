//! Fail at every step: every call of a deployment and of a rollback goes wrong once in every way.

use std::time::Duration;

use chora_core::model::ids::EnvironmentName;
use chora_core::ports::Store as _;
use chora_ops::deploy::DeployOutcome;
use chora_ops::failure::{Failure, FailureKind};
use chora_testkit::faults::Kind;
use serde_json::json;

use crate::world::{SECRET, World, expected, expected_published, worse};

/// What is under test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Undertaking {
    /// v1 is live, v2 is deployed.
    Deploy,
    /// v1 is live, a release is deployed whose gate refuses it: the way back is under test as well.
    Refused,
    /// v1 and v2 were deployed, v2 is rolled back.
    Rollback,
    /// As `Deploy`, behind a gateway, one service held while it is swapped.
    DeployBehind,
    /// As `Refused`, behind a gateway.
    RefusedBehind,
    /// As `Rollback`, behind a gateway.
    RollbackBehind,
    /// As `Deploy`, one service under a bridge.
    DeployBridged,
    /// v1 is live and stays ready while v2 is deployed and watched.
    DeployWatched,
    /// v2 is rolled back to v1, which is ready.
    RollbackWatched,
    /// v2 failed while it was watched, and the gateway serves v1 again.
    Collect,
    /// v1 is live, some requests go to v2 before all others.
    DeployCanary,
    /// The same, and v2 does worse.
    RefusedCanary,
}

impl Undertaking {
    async fn prepare(self) -> World {
        let world = match self {
            _ if self.is_watched() => World::watched(),
            Self::DeployCanary | Self::RefusedCanary => World::canary(),
            Self::DeployBridged => World::bridged(),
            _ if self.is_behind() => World::with_gateway(),
            _ => World::new(),
        };
        world.deploy("1").await.unwrap();
        if matches!(self, Self::Rollback | Self::RollbackBehind | Self::RollbackWatched | Self::Collect) {
            world.deploy("2").await.unwrap();
        }
        if self == Self::Collect {
            world.gateway.table().switch_back("web answered 500");
        }
        world
    }

    async fn run(self, world: &World) -> Result<DeployOutcome, Failure> {
        match self {
            Self::Deploy | Self::DeployBehind | Self::DeployBridged | Self::DeployWatched => world.deploy("2").await,
            Self::DeployCanary => world.deploy("2").await,
            Self::RefusedCanary => {
                world.gateway.table().figures = [worse()].into();
                world.deploy("2").await
            }
            Self::Refused | Self::RefusedBehind => world.deploy("bad").await,
            Self::Rollback | Self::RollbackBehind | Self::RollbackWatched | Self::Collect => world.roll_back().await,
        }
    }

    /// Version live before and, when all goes well, after.
    const fn versions(self) -> (&'static str, &'static str) {
        match self {
            Self::Deploy | Self::DeployBehind | Self::DeployBridged | Self::DeployWatched | Self::DeployCanary => ("1", "2"),
            Self::Refused | Self::RefusedBehind | Self::RefusedCanary => ("1", "1"),
            Self::Rollback | Self::RollbackBehind | Self::RollbackWatched | Self::Collect => ("2", "1"),
        }
    }

    const fn is_behind(self) -> bool {
        matches!(self, Self::DeployBehind | Self::RefusedBehind | Self::RollbackBehind)
    }

    const fn is_watched(self) -> bool {
        matches!(self, Self::DeployWatched | Self::RollbackWatched | Self::Collect)
    }

    const fn is_canary(self) -> bool {
        matches!(self, Self::DeployCanary | Self::RefusedCanary)
    }

    /// What serves: where something may be kept warm, it does not count.
    async fn serving(self, world: &World) -> Vec<String> {
        if self.is_watched() { world.serving().await } else { world.running() }
    }

    /// What runs when a version is live.
    fn expected(self, version: &str) -> Vec<String> {
        if self.is_behind() { expected_published(version) } else { expected(version) }
    }
}

/// A run that the dead never come back from is dropped as soon as nothing moves any more.
async fn run_or_die(undertaking: Undertaking, world: &World) -> Option<Result<DeployOutcome, Failure>> {
    tokio::select! {
        biased;
        result = undertaking.run(world) => Some(result),
        () = world.faults.died() => None,
    }
}

/// Steps under way at once end in any order, so that runs differ in their calls: one after the other is made to fail, until a run
/// ends without having met the fault.
async fn check(undertaking: Undertaking, kind: Kind) {
    let mut met = 0;
    let prepared = undertaking.prepare().await;
    for index in 0.. {
        let mut world = prepared.fork();
        world.faults.fail_at(index, kind);
        let result = tokio::time::timeout(Duration::from_secs(20), run_or_die(undertaking, &world)).await;
        let Some(call) = world.faults.calls().into_iter().nth(index) else { break };
        met += 1;
        let case = format!("{undertaking:?}, {kind:?} at call {index} ({})", call.name);
        let result = result.unwrap_or_else(|_| panic!("{case}: hangs"));
        assert_eq!(result.is_none(), kind == Kind::Death, "{case}");
        if kind == Kind::Death {
            world.kill();
        }
        world.faults.revive();
        world.gateway.table().figures.clear();
        invariants_at_once(&world, undertaking, result.as_ref(), &case).await;
        // The next command finds whatever is left and brings the environment to a named state.
        let next = world.deploy("2").await;
        let next = next.unwrap_or_else(|failure| panic!("{case}: the next deploy fails: {failure:?}"));
        assert_eq!(next.version, "v2", "{case}");
        invariants_in_the_end(&world, undertaking, &case).await;
    }
    assert!(met > 20, "only {met} calls");
}

/// What holds as soon as the command has ended, however it ended.
async fn invariants_at_once(world: &World, undertaking: Undertaking, result: Option<&Result<DeployOutcome, Failure>>, case: &str) {
    let (old, new) = undertaking.versions();
    let running = undertaking.serving(world).await;
    match result {
        // A killed process may leave a swap half done; the next command is what is tested then.
        None => {}
        Some(Ok(outcome)) if outcome.warnings.is_empty() => assert_eq!(running, undertaking.expected(new), "{case}: deployed"),
        // What could not be retired is named and left to the next deployment.
        Some(Ok(_)) => assert!(undertaking.expected(new).iter().all(|line| running.contains(line)), "{case}: deployed, {running:?}"),
        Some(Err(failure)) => {
            let named = [FailureKind::Kept, FailureKind::Restored, FailureKind::Unavailable, FailureKind::Degraded, FailureKind::Conflict];
            assert!(named.contains(&failure.kind), "{case}: {failure:?}");
            // Degraded says that something is wrong; every other answer promises that the old release serves.
            if failure.kind != FailureKind::Degraded {
                assert_eq!(running, undertaking.expected(old), "{case}: {failure:?}");
            }
            assert!(!failure.message.is_empty() && !failure.hint.is_empty(), "{case}: {failure:?}");
        }
    }
    if result.is_some() {
        let lease = world.store.lease(&EnvironmentName::new("production")).await.unwrap();
        let free_or_ours = lease.is_none_or(|lease| lease.owner == world.context().host.owner());
        assert!(free_or_ours, "{case}: the lease is free or ends with its process");
    }
}

/// What holds after the next command.
async fn invariants_in_the_end(world: &World, undertaking: Undertaking, case: &str) {
    assert_eq!(undertaking.serving(world).await, undertaking.expected("2"), "{case}");
    if undertaking.is_canary() {
        assert!(world.gateway.table().canaries.is_empty(), "{case}: {:?} are tried for ever", world.gateway.table().canaries);
    }
    if undertaking.is_watched() || undertaking.is_canary() {
        assert_eq!(world.gateway.table().lost, Vec::<String>::new(), "{case}");
    }
    if undertaking.is_behind() {
        let table = world.gateway.table();
        assert!(table.held.is_empty(), "{case}: {:?} are held for ever", table.held);
        assert_eq!(table.services.keys().collect::<Vec<_>>(), ["db:5432", "web:8080"], "{case}");
        // A container that died under the hands of its engine may be met; what we do ourselves never lets it come to that.
        assert_eq!(table.lost, Vec::<String>::new(), "{case}");
    }
    assert_eq!(world.live().await.as_deref(), Some("v2"), "{case}");
    let lines = world.log();
    let begun: Vec<_> = lines.iter().filter(|line| line["status"] == json!("in_progress")).map(|line| line["trace_id"].clone()).collect();
    for trace in &begun {
        let terminal = lines.iter().filter(|line| &line["trace_id"] == trace && line["status"] != json!("in_progress")).count();
        assert_eq!(terminal, 1, "{case}: {trace} has one terminal line in {lines:#?}");
    }
    let last = lines.last().unwrap();
    assert_ne!(last["status"], json!("in_progress"), "{case}: the last event is terminal");
    let told = format!("{}{lines:?}", world.listener.text());
    assert!(!told.contains(SECRET), "{case}: a secret was told");
    let open = world.store.deployments(&EnvironmentName::new("production"), 100).await.unwrap();
    assert!(open.iter().all(|deployment| deployment.ended_at.is_some()), "{case}: every deployment has ended");
    for deployment in &open {
        let of = lines.iter().filter(|line| line["metadata"]["deployment_id"] == json!(deployment.id));
        let (begun, ended): (Vec<_>, Vec<_>) = of.partition(|line| line["status"] == json!("in_progress"));
        assert_eq!((begun.len(), ended.len()), (1, 1), "{case}: {} in {lines:#?}", deployment.id);
    }
}

/// What every case starts from is the world that was prepared, although its project lies elsewhere.
#[tokio::test]
async fn a_fork_finds_nothing_to_do_and_keeps_what_it_does_to_itself() {
    let prepared = Undertaking::DeployBehind.prepare().await;
    let fork = prepared.fork();
    assert_eq!(fork.deploy("1").await.unwrap().deployment, None);
    let outcome = fork.deploy("2").await.unwrap();
    assert!(outcome.deployment.is_some(), "{outcome:?}");
    assert_eq!((fork.live().await.as_deref(), prepared.live().await.as_deref()), (Some("v2"), Some("v1")));
    assert_eq!((fork.running(), prepared.running()), (expected_published("2"), expected_published("1")));
}

#[tokio::test]
async fn a_deploy_survives_an_error_at_every_call() {
    check(Undertaking::Deploy, Kind::Error).await;
}

#[tokio::test]
async fn a_deploy_survives_a_time_out_at_every_call() {
    check(Undertaking::Deploy, Kind::Timeout).await;
}

#[tokio::test]
async fn a_deploy_survives_death_at_every_call() {
    check(Undertaking::Deploy, Kind::Death).await;
}

#[tokio::test]
async fn a_refused_deploy_survives_an_error_at_every_call() {
    check(Undertaking::Refused, Kind::Error).await;
}

#[tokio::test]
async fn a_refused_deploy_survives_a_time_out_at_every_call() {
    check(Undertaking::Refused, Kind::Timeout).await;
}

#[tokio::test]
async fn a_refused_deploy_survives_death_at_every_call() {
    check(Undertaking::Refused, Kind::Death).await;
}

#[tokio::test]
async fn a_rollback_survives_an_error_at_every_call() {
    check(Undertaking::Rollback, Kind::Error).await;
}

#[tokio::test]
async fn a_rollback_survives_a_time_out_at_every_call() {
    check(Undertaking::Rollback, Kind::Timeout).await;
}

#[tokio::test]
async fn a_rollback_survives_death_at_every_call() {
    check(Undertaking::Rollback, Kind::Death).await;
}

#[tokio::test]
async fn a_deploy_under_a_bridge_survives_an_error_at_every_call() {
    check(Undertaking::DeployBridged, Kind::Error).await;
}

#[tokio::test]
async fn a_deploy_under_a_bridge_survives_a_time_out_at_every_call() {
    check(Undertaking::DeployBridged, Kind::Timeout).await;
}

#[tokio::test]
async fn a_deploy_under_a_bridge_survives_death_at_every_call() {
    check(Undertaking::DeployBridged, Kind::Death).await;
}

#[tokio::test]
async fn a_deploy_behind_a_gateway_survives_an_error_at_every_call() {
    check(Undertaking::DeployBehind, Kind::Error).await;
}

#[tokio::test]
async fn a_refused_deploy_behind_a_gateway_survives_an_error_at_every_call() {
    check(Undertaking::RefusedBehind, Kind::Error).await;
}

#[tokio::test]
async fn a_rollback_behind_a_gateway_survives_an_error_at_every_call() {
    check(Undertaking::RollbackBehind, Kind::Error).await;
}

#[tokio::test]
async fn a_deploy_behind_a_gateway_survives_a_time_out_at_every_call() {
    check(Undertaking::DeployBehind, Kind::Timeout).await;
}

#[tokio::test]
async fn a_refused_deploy_behind_a_gateway_survives_a_time_out_at_every_call() {
    check(Undertaking::RefusedBehind, Kind::Timeout).await;
}

#[tokio::test]
async fn a_rollback_behind_a_gateway_survives_a_time_out_at_every_call() {
    check(Undertaking::RollbackBehind, Kind::Timeout).await;
}

#[tokio::test]
async fn a_deploy_behind_a_gateway_survives_death_at_every_call() {
    check(Undertaking::DeployBehind, Kind::Death).await;
}

#[tokio::test]
async fn a_refused_deploy_behind_a_gateway_survives_death_at_every_call() {
    check(Undertaking::RefusedBehind, Kind::Death).await;
}

#[tokio::test]
async fn a_rollback_behind_a_gateway_survives_death_at_every_call() {
    check(Undertaking::RollbackBehind, Kind::Death).await;
}

#[tokio::test]
async fn a_watched_deploy_survives_an_error_at_every_call() {
    check(Undertaking::DeployWatched, Kind::Error).await;
}

#[tokio::test]
async fn a_watched_deploy_survives_a_time_out_at_every_call() {
    check(Undertaking::DeployWatched, Kind::Timeout).await;
}

#[tokio::test]
async fn a_watched_deploy_survives_death_at_every_call() {
    check(Undertaking::DeployWatched, Kind::Death).await;
}

#[tokio::test]
async fn a_rollback_to_what_is_ready_survives_an_error_at_every_call() {
    check(Undertaking::RollbackWatched, Kind::Error).await;
}

#[tokio::test]
async fn a_rollback_to_what_is_ready_survives_a_time_out_at_every_call() {
    check(Undertaking::RollbackWatched, Kind::Timeout).await;
}

#[tokio::test]
async fn a_rollback_to_what_is_ready_survives_death_at_every_call() {
    check(Undertaking::RollbackWatched, Kind::Death).await;
}

#[tokio::test]
async fn taking_in_a_switch_back_survives_an_error_at_every_call() {
    check(Undertaking::Collect, Kind::Error).await;
}

#[tokio::test]
async fn taking_in_a_switch_back_survives_a_time_out_at_every_call() {
    check(Undertaking::Collect, Kind::Timeout).await;
}

#[tokio::test]
async fn taking_in_a_switch_back_survives_death_at_every_call() {
    check(Undertaking::Collect, Kind::Death).await;
}

#[tokio::test]
async fn a_deploy_with_a_canary_survives_an_error_at_every_call() {
    check(Undertaking::DeployCanary, Kind::Error).await;
}

#[tokio::test]
async fn a_deploy_with_a_canary_survives_a_time_out_at_every_call() {
    check(Undertaking::DeployCanary, Kind::Timeout).await;
}

#[tokio::test]
async fn a_deploy_with_a_canary_survives_death_at_every_call() {
    check(Undertaking::DeployCanary, Kind::Death).await;
}

#[tokio::test]
async fn a_canary_that_is_refused_survives_an_error_at_every_call() {
    check(Undertaking::RefusedCanary, Kind::Error).await;
}

#[tokio::test]
async fn a_canary_that_is_refused_survives_a_time_out_at_every_call() {
    check(Undertaking::RefusedCanary, Kind::Timeout).await;
}

#[tokio::test]
async fn a_canary_that_is_refused_survives_death_at_every_call() {
    check(Undertaking::RefusedCanary, Kind::Death).await;
}
