//! Services that are run under a bridge: what their containers are made of, and when they are replaced.

use chora_core::compose::Service;
use chora_core::model::container::ContainerState;
use chora_core::plan::Change;
use chora_ops::deploy::DeployOutcome;
use chora_ops::failure::FailureKind;
use chora_ops::stack::{DownRequest, PruneRequest, down, prune};

use crate::world::{World, expected};

/// What the running container of `api` was made with: its definition and the volume at `/.chora`.
fn api(world: &World) -> (Service, Option<String>) {
    let state = world.engine.world();
    let mut running = state.containers.values().filter(|container| container.state == ContainerState::Running);
    let container = running.find(|container| container.spec.labels.get("com.docker.compose.service").is_some_and(|name| name == "api"));
    let spec = &container.unwrap().spec;
    let mounted = spec.mounts.iter().find(|mount| mount.target == "/.chora");
    assert!(mounted.is_none_or(|mount| mount.read_only));
    (spec.service.clone(), mounted.and_then(|mount| mount.source.clone()))
}

fn change(outcome: &DeployOutcome) -> (Change, String) {
    let plan = outcome.plan.services.iter().find(|plan| plan.service == "api").unwrap();
    (plan.change, plan.why.clone())
}

fn count(world: &World, call: &str) -> usize {
    world.faults.calls().iter().filter(|made| made.name == call).count()
}

#[tokio::test]
async fn the_program_comes_before_what_the_image_runs() {
    let world = World::bridged();
    let deployed = world.deploy("1").await.unwrap();
    let (change, why) = change(&deployed);
    assert_eq!(change, Change::Create);
    assert!(why.contains("runs under chora's bridge on port 8000, which asks for no token (asked for in chora.yaml)"), "{why}");
    let (service, volume) = api(&world);
    let entrypoint = service.entrypoint.unwrap().join(" ");
    assert!(entrypoint.starts_with("/.chora/chora bridge --stdio --listen 0.0.0.0:8000 ") && entrypoint.ends_with(" --"), "{entrypoint}");
    assert_eq!((service.command, service.stop_signal.as_deref()), (Some(vec!["/run.sh".into(), "serve".into()]), Some("SIGTERM")));
    assert!(volume.is_some_and(|name| name.starts_with("chora-program-") && world.engine.world().volumes.contains_key(&name)));
}

#[tokio::test]
async fn it_is_replaced_when_the_bridge_changes_and_not_when_chora_does() {
    let world = World::bridged();
    world.deploy("1").await.unwrap();
    // In these tests the file is also what is taken for the program: with it the program is another one.
    world.configure("services: {api: {bridge: true}}\n# another build");
    assert!(world.deploy("1").await.unwrap().plan.steps.is_empty());
    world.configure("services: {api: {bridge: {child: session}}}");
    let (replaced, why) = change(&world.deploy("1").await.unwrap());
    assert!(replaced == Change::Replace && why.starts_with("bridge changed; "), "{why}");
    let with = api(&world);
    world.configure("services: {api: {bridge: false}}");
    assert_eq!(change(&world.deploy("1").await.unwrap()).0, Change::Replace);
    let (service, volume) = api(&world);
    assert_eq!((service.entrypoint, service.command, volume), (None, None, None));
    // A rollback brings back the bridge with the release, whatever the files say.
    world.roll_back().await.unwrap();
    assert_eq!((api(&world), world.running()), (with, expected("1")));
}

#[tokio::test]
async fn several_containers_share_one_program_and_prune_takes_the_unused_one() {
    let world = World::bridged();
    world.configure("services: {api: {bridge: true}, web: {bridge: false}, db: {bridge: true}}");
    let refused = world.deploy("1").await.unwrap_err();
    assert!(refused.message.contains("names a command"), "{refused:?}");
    assert!(count(&world, "engine.run_piped") <= 1);
    world.configure("services: {api: {bridge: true}}");
    world.deploy("1").await.unwrap();
    let pruned = prune(&world.context(), &PruneRequest::default()).await.unwrap();
    let (_, used) = api(&world);
    assert!(!pruned.volumes.contains(&used.unwrap()), "{pruned:?}");
    down(&world.context(), &DownRequest { environment: Some("production".into()), ..DownRequest::default() }).await.unwrap();
    let pruned = prune(&world.context(), &PruneRequest::default()).await.unwrap();
    assert!(pruned.volumes.iter().all(|name| name.starts_with("chora-program-")) && !pruned.volumes.is_empty(), "{pruned:?}");
}

#[tokio::test]
async fn a_token_that_is_no_secret_is_refused_before_anything() {
    let world = World::bridged();
    world.configure("services: {api: {bridge: {token: other}}}");
    let refused = world.deploy("1").await.unwrap_err();
    assert_eq!(refused.kind, FailureKind::Invalid);
    assert!(world.running().is_empty());
    world.configure("services: {api: {bridge: {token: key}}}");
    world.deploy("1").await.unwrap();
    let entrypoint = api(&world).0.entrypoint.unwrap().join(" ");
    assert!(entrypoint.contains("--token-file /run/secrets/key --"), "{entrypoint}");
}
