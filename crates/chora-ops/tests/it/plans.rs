//! What plans take into account: what others left or hold, what changed its definition, what can still be gone back to.

use chora_core::model::deployment::OutcomeKind;
use chora_core::model::ids::EnvironmentName;
use chora_core::ports::Engine as _;
use chora_ops::deploy::{DeployOutcome, DeployRequest, deploy};
use chora_ops::failure::{Failure, FailureKind};
use chora_ops::logs::{LogsRequest, logs};
use chora_ops::resume::{ResumeRequest, abort, resume};
use chora_ops::roll_back::{RollbackRequest, roll_back};
use chora_ops::stack::{DownRequest, PruneRequest, down, prune};
use chora_ops::status::{HistoryRequest, StatusRequest, history, status};
use chora_testkit::faults::Kind;

use crate::world::{World, compose, expected};

async fn plan(world: &World, version: &str) -> Result<DeployOutcome, Failure> {
    world.write(version);
    let request = DeployRequest { version: Some(format!("v{version}")), dry_run: true, ..DeployRequest::default() };
    Box::pin(deploy(&world.context(), &request)).await
}

async fn back_to(world: &World, release: Option<&str>, dry_run: bool) -> Result<DeployOutcome, Failure> {
    let request = RollbackRequest { release: release.map(str::to_owned), dry_run, ..RollbackRequest::default() };
    Box::pin(roll_back(&world.context(), &request)).await
}

/// Kills a deploy at its first call of this name.
async fn killed_at(world: &mut World, version: &str, call: &str) {
    world.faults.fail_next(call, Kind::Death);
    tokio::select! {
        biased;
        _ = world.deploy(version) => panic!("`{call}` is not called"),
        () = world.faults.died() => {}
    }
    world.kill();
}

#[tokio::test]
async fn what_a_killed_deploy_left_is_told_before_the_plan_and_is_not_part_of_it() {
    let mut world = World::new();
    world.deploy("1").await.unwrap();
    let fresh = plan(&world, "2").await.unwrap();
    assert_eq!(fresh.first, Vec::<String>::new());
    killed_at(&mut world, "2", "engine.stop_container").await;
    let running = world.running();
    let told = plan(&world, "2").await.unwrap();
    assert_eq!(told.first.len(), 1, "{:?}", told.first);
    assert!(told.first[0].starts_with("the unfinished deployment of v2 (its process was killed"), "{}", told.first[0]);
    assert!(told.first[0].ends_with("is undone first; v1 serves then"), "{}", told.first[0]);
    assert_eq!(told.previous_version.as_deref(), Some("v1"));
    assert_eq!(told.plan.services, fresh.plan.services, "as if nothing had been begun");
    assert_eq!(told.plan.steps.len(), fresh.plan.steps.len());
    let dry = abort(&world.context(), &ResumeRequest { dry_run: true, ..ResumeRequest::default() }).await.unwrap();
    assert!(dry.outcome.is_none() && dry.message.contains("is undone first") && !dry.steps.is_empty(), "{dry:?}");
    let dry = resume(&world.context(), &ResumeRequest { dry_run: true, ..ResumeRequest::default() }).await.unwrap();
    assert!(dry.message.contains("is completed first; v2 is live then"), "{dry:?}");
    assert_eq!(world.running(), running, "nothing was touched");
}

#[tokio::test]
async fn a_bare_rollback_stops_when_it_has_undone_an_unfinished_deploy() {
    let mut world = World::new();
    world.deploy("1").await.unwrap();
    world.deploy("2").await.unwrap();
    killed_at(&mut world, "bad", "engine.stop_container").await;
    let dry = back_to(&world, None, true).await.unwrap();
    assert!(dry.version == "v2" && dry.plan.steps.is_empty() && dry.first.len() == 1, "{dry:?}");
    let outcome = world.roll_back().await.unwrap();
    assert_eq!((outcome.version.as_str(), outcome.outcome), ("v2", Some(OutcomeKind::Unchanged)));
    assert!(outcome.warnings.iter().any(|warning| warning.contains("v2 is the last good release")), "{:?}", outcome.warnings);
    assert_eq!((world.running(), world.live().await.as_deref()), (expected("2"), Some("v2")));
    assert_eq!(world.roll_back().await.unwrap().version, "v1", "the next one goes back");
}

#[tokio::test]
async fn a_plan_says_who_is_at_it() {
    let world = World::new();
    world.deploy("1").await.unwrap();
    let other = world.another().context();
    let lease = chora_core::model::deployment::Lease {
        environment: EnvironmentName::new("production"),
        owner: other.host.owner(),
        purpose: "deploy v9".into(),
        since: other.clock.now(),
        heartbeat: other.clock.now(),
    };
    other.store.acquire_lease(&lease, None).await.unwrap();
    let told = plan(&world, "2").await.unwrap();
    assert_eq!(told.first.len(), 1);
    assert!(told.first[0].contains("is at it since") && told.first[0].contains("(deploy v9)"), "{}", told.first[0]);
}

#[tokio::test]
async fn a_broken_compose_file_does_not_stop_what_the_store_knows() {
    let world = World::new();
    world.deploy("1").await.unwrap();
    world.deploy("2").await.unwrap();
    std::fs::write(world.project.path().join("compose.yaml"), "services: { web: { imag: web:3 } }\n").unwrap();
    assert_eq!(status(&world.context(), &StatusRequest::default()).await.unwrap().version.as_deref(), Some("v2"));
    assert_eq!(history(&world.context(), &HistoryRequest::default()).await.unwrap().deployments.len(), 2);
    assert_eq!(logs(&world.context(), &LogsRequest::default()).await.unwrap().containers.len(), 4);
    let failure = Box::pin(deploy(&world.context(), &DeployRequest::default())).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Invalid);
    assert_eq!(world.roll_back().await.unwrap().version, "v1");
    assert_eq!(world.running(), expected("1"));
    assert!(world.listener.text().contains("what was deployed last counts"));
    let request = DownRequest { environment: Some("production".into()), ..DownRequest::default() };
    assert!(!down(&world.context(), &request).await.unwrap().containers.is_empty());
    assert_eq!(world.running(), Vec::<String>::new());
}

#[tokio::test]
async fn half_written_files_are_not_deployed_and_do_not_stop_what_the_store_knows() {
    let world = World::new();
    world.deploy("1").await.unwrap();
    world.deploy("2").await.unwrap();
    let pending = world.project.path().join(".chora/pending");
    std::fs::create_dir_all(&pending).unwrap();
    for list in ["changes.json", "undo.json"] {
        std::fs::write(pending.join(list), r#"{"changes": []}"#).unwrap();
        let failure = Box::pin(deploy(&world.context(), &DeployRequest::default())).await.unwrap_err();
        assert_eq!((failure.kind, failure.state.as_str()), (FailureKind::Conflict, "nothing was changed"), "{failure:?}");
        assert!(failure.hint.contains("chora upgrade"), "{failure:?}");
        assert_eq!(status(&world.context(), &StatusRequest::default()).await.unwrap().version.as_deref(), Some("v2"));
        std::fs::remove_file(pending.join(list)).unwrap();
    }
    std::fs::write(pending.join("changes.json"), r#"{"changes": []}"#).unwrap();
    assert_eq!(world.roll_back().await.unwrap().version, "v1");
    assert!(world.listener.text().contains("what was deployed last counts"));
}

#[tokio::test]
async fn only_what_is_possible_is_offered_and_a_named_release_comes_back_after_down() {
    let world = World::new();
    world.deploy("1").await.unwrap();
    world.deploy("2").await.unwrap();
    let environment = || Some("production".to_owned());
    let would = down(&world.context(), &DownRequest { environment: environment(), dry_run: true, ..DownRequest::default() }).await.unwrap();
    assert!(would.dry_run && !would.containers.is_empty() && would.volumes.is_empty());
    assert_eq!(world.running(), expected("2"), "nothing was touched");
    down(&world.context(), &DownRequest { environment: environment(), ..DownRequest::default() }).await.unwrap();
    let bare = world.roll_back().await.unwrap_err();
    assert!(bare.hint.contains("chora rollback VERSION"), "{}", bare.hint);
    assert_eq!(status(&world.context(), &StatusRequest::default()).await.unwrap().rollback_to, ["v2", "v1"]);
    let dry = back_to(&world, Some("v1"), true).await.unwrap();
    assert_eq!(dry.next, "chora rollback v1");
    assert_eq!(back_to(&world, Some("v1"), false).await.unwrap().version, "v1");
    assert_eq!((world.running(), world.live().await.as_deref()), (expected("1"), Some("v1")));
    world.engine.world().images.remove("sha256:web:2");
    let status = status(&world.context(), &StatusRequest::default()).await.unwrap();
    assert_eq!((status.rollback_to, status.version.as_deref()), (Vec::new(), Some("v1")));
}

#[tokio::test]
async fn prune_says_what_it_would_remove() {
    let world = World::new();
    std::fs::write(world.project.path().join("chora.yaml"), "environments: {production: {gate_timeout: 1s, releases_kept: 1}}\n").unwrap();
    world.deploy("1").await.unwrap();
    world.deploy("2").await.unwrap();
    let count = || world.engine.world().containers.len();
    let before = count();
    let would = prune(&world.context(), &PruneRequest { dry_run: true, ..PruneRequest::default() }).await.unwrap();
    assert_eq!(count(), before);
    let removed = prune(&world.context(), &PruneRequest::default()).await.unwrap();
    assert_eq!((would.dry_run, removed.dry_run), (true, false));
    assert_eq!(would.containers, removed.containers);
    assert_eq!(count(), before - removed.containers.len());
}

#[tokio::test]
async fn a_changed_volume_is_refused_before_anything_is_begun() {
    let world = World::new();
    world.deploy("1").await.unwrap();
    let lines = world.log().len();
    let text = compose("2").replace("volumes: {data: {}}", "volumes: {data: {driver_opts: {type: nfs}}}");
    std::fs::write(world.project.path().join("compose.yaml"), text).unwrap();
    let failure = Box::pin(deploy(&world.context(), &DeployRequest::default())).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Conflict);
    assert!(failure.message.contains("`shop-production_data`") && failure.message.contains("driver_opts"), "{}", failure.message);
    assert_eq!((world.running(), world.log().len()), (expected("1"), lines));
}

#[tokio::test]
async fn a_changed_network_moves_the_release_to_a_successor_and_back() {
    let world = World::new();
    world.deploy("1").await.unwrap();
    let text = format!("{}networks: {{default: {{internal: true}}}}\n", compose("2"));
    std::fs::write(world.project.path().join("compose.yaml"), text).unwrap();
    let request = DeployRequest { version: Some("v2".into()), ..DeployRequest::default() };
    Box::pin(deploy(&world.context(), &request)).await.unwrap();
    assert_eq!(world.running(), expected("2"));
    let internal = |internal: bool| {
        let state = world.engine.world();
        let up = state.containers.values().filter(|container| container.state == chora_core::model::container::ContainerState::Running);
        up.flat_map(|container| container.networks.keys()).all(|name| state.networks[name].network.internal == internal)
    };
    assert!(internal(true));
    world.roll_back().await.unwrap();
    assert_eq!(world.running(), expected("1"));
    assert!(internal(false));
}

#[tokio::test]
async fn a_renamed_project_is_told_what_runs_under_the_old_name() {
    let world = World::new();
    world.deploy("1").await.unwrap();
    let text = compose("2").replace("name: shop", "name: store");
    std::fs::write(world.project.path().join("compose.yaml"), text).unwrap();
    let request = DeployRequest { version: Some("v2".into()), dry_run: true, ..DeployRequest::default() };
    let told = Box::pin(deploy(&world.context(), &request)).await;
    let words = match told {
        Ok(outcome) => outcome.warnings.join(" "),
        Err(failure) => failure.hint,
    };
    assert!(words.contains("was called `shop-production` before"), "{words}");
    assert!(words.contains("docker rm -f"), "{words}");
}

#[tokio::test]
async fn tags_follow_a_build_that_needs_no_building() {
    let world = World::new();
    std::fs::write(world.project.path().join("Dockerfile"), "FROM scratch\n").unwrap();
    let made = async |argument: &str| {
        let text = format!(
            "name: shop\nservices: {{app: {{image: 'app:cur', build: {{context: ., args: {{A: '{argument}'}}, tags: ['app:extra']}}}}}}\n"
        );
        std::fs::write(world.project.path().join("compose.yaml"), text).unwrap();
        let request = DeployRequest { version: Some(format!("v{argument}")), ..DeployRequest::default() };
        Box::pin(deploy(&world.context(), &request)).await.unwrap();
        let id = async |reference: &str| world.engine.image(reference).await.unwrap().unwrap().id.unwrap();
        let (current, extra) = (id("app:cur").await, id("app:extra").await);
        assert_eq!(current, extra);
        current
    };
    let (one, two) = (made("1").await, made("2").await);
    assert_ne!(one, two);
    assert_eq!(made("1").await, one);
    world.engine.tag_image(&two, "app:cur").await.unwrap();
    assert_eq!(made("1").await, one, "also when nothing has to change");
}
