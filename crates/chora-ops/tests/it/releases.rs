//! Releases beside others: several services of one image, several platforms, other versions, other machines.

use chora_core::model::health::Verdict;
use chora_ops::failure::{Failure, FailureKind};
use chora_ops::multi::{MultiRequest, build_multi};
use chora_ops::publish::{PublishOutcome, PublishRequest, publish};
use chora_ops::push::{PushRequest, push};
use chora_ops::stack::{BuildRequest, build};
use chora_testkit::fake_engine::Behaviour;
use chora_testkit::faults::Kind;
use chora_testkit::test_image::tar_of;
use serde_json::json;

use crate::images::{archive, released, site};
use crate::world::World;

/// As `chora init` writes it.
const SHARED: &str = "name: shop
services:
  app:
    build: .
    image: shop:1
    depends_on: { migrate: { condition: service_completed_successfully } }
  migrate: { build: ., image: 'shop:1', command: [migrate], healthcheck: { disable: true } }
";
const PUSHED: &str = "engine.push_image";

fn shared() -> World {
    let world = site();
    std::fs::write(world.project.path().join("compose.yaml"), SHARED).unwrap();
    world.engine.world().commands.insert("migrate".to_owned(), Behaviour::Exits(0));
    world
}

fn request(version: &str) -> PublishRequest {
    PublishRequest { version: version.to_owned(), registry: "r.example".to_owned(), ..PublishRequest::default() }
}

async fn on(world: &World, request: &PublishRequest) -> Result<PublishOutcome, Failure> {
    Box::pin(publish(&world.context(), request)).await
}

fn calls(world: &World, name: &str) -> usize {
    world.faults.calls().iter().filter(|call| call.name == name).count()
}

fn change(world: &World, text: &str) {
    std::fs::write(world.project.path().join("key.txt"), text).unwrap();
    // What is made later says so.
    world.clock.set_by(60);
}

/// What `latest` of a service stands for, and what a version does.
fn tags(world: &World, name: &str, version: &str) -> [Option<String>; 2] {
    ["latest", version].map(|tag| world.engine.world().published.get(&format!("r.example/{name}:{tag}")).cloned())
}

#[tokio::test]
async fn services_of_one_image_are_released_as_one() {
    let world = shared();
    let done = released(&world, "v1").await.unwrap();
    assert!(done.ok && done.latest, "{done:#?}");
    assert_eq!((&done.images["app"], calls(&world, PUSHED), calls(&world, "engine.build_image")), (&done.images["migrate"], 1, 1));
    let job = &done.verified["migrate"].checks;
    assert_eq!((job.len(), job[0].asked.as_str(), job[0].verdict), (1, "exit code", Verdict::Pass), "{job:#?}");
    assert_eq!(done.verified["app"].checks.len(), 5);
    let again = released(&world, "v1").await.unwrap();
    assert_eq!((again.resumed, &again.images, calls(&world, PUSHED)), (vec!["app".to_owned(), "migrate".to_owned()], &done.images, 1));
    let foreseen = on(&world, &PublishRequest { dry_run: true, ..request("v2") }).await.unwrap();
    assert_eq!(foreseen.plan.len(), 5, "{:#?}", foreseen.plan);

    let elsewhere = PushRequest { registry: "q.example".into(), version: Some("v1".into()), ..PushRequest::default() };
    let pushed = Box::pin(push(&world.context(), &elsewhere)).await.unwrap();
    assert_eq!((&pushed.images["app"], calls(&world, PUSHED)), (&pushed.images["migrate"], 2));
    assert_eq!(pushed.images["app"].id, done.images["app"].id, "a deployment takes the released one");

    world.engine.world().commands.insert("migrate".to_owned(), Behaviour::Exits(3));
    let refused = released(&world, "v2").await.unwrap();
    assert!(
        !refused.ok && refused.next.starts_with("mend the image of app, migrate,") && refused.images["app"].digest.is_none(),
        "{refused:#?}"
    );
}

#[tokio::test]
async fn two_images_under_one_name_are_refused_before_anything_is_built() {
    let world = shared();
    let other = SHARED.replace("migrate: { build: .,", "migrate: { build: { context: ., args: { A: '1' } },");
    std::fs::write(world.project.path().join("compose.yaml"), other).unwrap();
    let refused = released(&world, "v1").await.unwrap_err();
    assert_eq!((refused.kind, calls(&world, "engine.build_image"), calls(&world, PUSHED)), (FailureKind::Invalid, 0, 0), "{refused:?}");
    assert!(refused.message.contains("`app` and `migrate` are both called r.example/shop"), "{refused:?}");
    let last = world.log().pop().unwrap();
    assert_eq!((&last["metadata"]["outcome"], &last["metadata"]["latest"]), (&json!("failed"), &json!(false)));
    let foreseen = on(&world, &PublishRequest { dry_run: true, ..request("v1") }).await.unwrap_err();
    assert_eq!(foreseen.kind, FailureKind::Invalid);
    Box::pin(build(&world.context(), &BuildRequest::default())).await.unwrap();
    let pushing = PushRequest { registry: "r.example".into(), version: Some("v1".into()), ..PushRequest::default() };
    let pushed = Box::pin(push(&world.context(), &pushing)).await.unwrap_err();
    assert_eq!((pushed.kind, calls(&world, PUSHED)), (FailureKind::Invalid, 0), "{pushed:?}");
}

fn several(version: &str) -> MultiRequest {
    MultiRequest { registry: "r.example".into(), version: Some(version.into()), builder: Some("engine".into()), ..MultiRequest::default() }
}

#[tokio::test]
async fn services_that_are_made_of_one_image_are_built_once_for_each_platform() {
    let world = shared();
    let dry = MultiRequest { dry_run: true, ..several("v1") };
    let foreseen = Box::pin(build_multi(&world.context(), &dry)).await.unwrap();
    let expected = ["build app, migrate for linux/amd64, linux/arm64, where it is not built yet", "push it as r.example/shop:v1"];
    assert_eq!((foreseen.plan, foreseen.images.len()), (expected.map(str::to_owned).into(), 0));
    assert_eq!(foreseen.next, "chora build --multi --push r.example --version v1 --builder engine");
    let fewer = MultiRequest { services: vec!["app".into()], platforms: vec!["linux/arm64".into()], ..dry.clone() };
    let foreseen = Box::pin(build_multi(&world.context(), &fewer)).await.unwrap();
    assert_eq!(foreseen.next, "chora build app --multi --push r.example --version v1 --platform linux/arm64 --builder engine");
    assert_eq!((calls(&world, "engine.build_image"), calls(&world, PUSHED)), (0, 0));
    let built = Box::pin(build_multi(&world.context(), &several("v1"))).await.unwrap();
    assert_eq!(built.images.keys().collect::<Vec<_>>(), ["app", "migrate"]);
    assert_eq!((&built.images["app"], built.images["app"].platforms.len()), (&built.images["migrate"], 2));
    assert_eq!((calls(&world, "engine.build_image"), calls(&world, PUSHED)), (2, 2));

    let other = SHARED.replace("migrate: { build: .,", "migrate: { build: { context: ., platforms: [linux/arm64] },");
    std::fs::write(world.project.path().join("compose.yaml"), other).unwrap();
    let refused = Box::pin(build_multi(&world.context(), &several("v2"))).await.unwrap_err();
    assert!(refused.kind == FailureKind::Invalid && refused.message.contains("`app` and `migrate` are both called"), "{refused:?}");
    assert_eq!((calls(&world, "engine.build_image"), calls(&world, PUSHED)), (2, 2), "nothing is built before it is told");
}

#[tokio::test]
async fn a_release_for_the_platform_of_the_engine_is_one_that_names_none() {
    for (first, second) in [(vec![], vec!["linux/amd64".to_owned()]), (vec!["linux/amd64".to_owned()], vec![])] {
        let world = shared();
        let done = on(&world, &PublishRequest { platforms: first, ..request("v1") }).await.unwrap();
        assert!(done.ok && done.resumed.is_empty(), "{done:#?}");
        let again = on(&world, &PublishRequest { platforms: second, ..request("v1") }).await.unwrap();
        let digest = |outcome: &PublishOutcome| outcome.images["app"].digest.clone();
        assert_eq!((again.ok, again.resumed.len(), digest(&again), calls(&world, PUSHED)), (true, 2, digest(&done), 1), "{again:#?}");
    }
}

#[tokio::test]
async fn an_image_that_is_built_each_time_is_pushed_as_it_was_built() {
    let world = site();
    let text = "name: shop\nservices:\n  web: { build: ., pull_policy: build }\n  api: { build: { context: ., no_cache: true } }\n";
    std::fs::write(world.project.path().join("compose.yaml"), text).unwrap();
    Box::pin(build(&world.context(), &BuildRequest::default())).await.unwrap();
    let pushing = PushRequest { registry: "r.example".into(), version: Some("v1".into()), ..PushRequest::default() };
    let pushed = Box::pin(push(&world.context(), &pushing)).await.unwrap();
    assert!(pushed.images.values().all(|image| image.digest.is_some()), "{pushed:#?}");
}

#[tokio::test]
async fn latest_does_not_move_back_on_a_machine_that_has_no_log() {
    let world = site();
    released(&world, "v1").await.unwrap();
    let files = std::fs::read_to_string(world.project.path().join("key.txt")).unwrap();
    change(&world, "another");
    released(&world, "v2").await.unwrap();
    let fresh = world.another();
    for name in ["compose.yaml", "Dockerfile", "chora.yaml"] {
        std::fs::copy(world.project.path().join(name), fresh.project.path().join(name)).unwrap();
    }
    change(&fresh, &files);
    let again = released(&fresh, "v1").await.unwrap();
    assert!(again.ok && !again.latest && again.warnings[0].contains("has moved on to sha256:"), "{again:#?}");
    let [latest, v2] = tags(&world, "shop-web", "v2");
    assert_eq!(latest, v2);
}

#[tokio::test]
async fn latest_does_not_move_back_when_a_broken_release_is_gone_on_with() {
    let mut begun = None;
    for index in 0.. {
        let world = site();
        world.faults.fail_at(index, Kind::Error);
        let _ = released(&world, "v1").await;
        let Some(call) = world.faults.calls().into_iter().nth(index) else { break };
        if call.name == "engine.tag_published" {
            begun = Some(world);
            break;
        }
    }
    let world = begun.unwrap();
    world.faults.revive();
    let files = std::fs::read_to_string(world.project.path().join("key.txt")).unwrap();
    change(&world, "another");
    released(&world, "v2").await.unwrap();
    std::fs::write(world.project.path().join("key.txt"), files).unwrap();
    let resumed = released(&world, "v1").await.unwrap();
    assert!(resumed.ok && !resumed.latest && resumed.warnings.len() == 2, "{resumed:#?}");
    let [latest, v2] = tags(&world, "shop-web", "v2");
    assert_eq!(latest, v2);
}

#[tokio::test]
async fn a_release_that_left_latest_alone_can_become_it() {
    let world = site();
    released(&world, "v1").await.unwrap();
    change(&world, "another");
    let alone = on(&world, &PublishRequest { no_latest: true, ..request("v2") }).await.unwrap();
    assert!(alone.ok && !alone.latest);
    let moved = released(&world, "v2").await.unwrap();
    assert!(moved.latest && moved.warnings.is_empty() && moved.resumed.len() == 2, "{moved:#?}");
}

fn for_platforms(version: &str, platforms: &[&str]) -> PublishRequest {
    let platforms = platforms.iter().map(|platform| (*platform).to_owned()).collect();
    PublishRequest { platforms, services: vec!["web".to_owned()], ..request(version) }
}

#[tokio::test]
async fn a_release_has_the_platforms_that_are_asked_for_or_is_refused() {
    let world = site();
    let both = for_platforms("v1", &["linux/amd64", "linux/arm64"]);
    let one = on(&world, &for_platforms("v1", &["linux/amd64"])).await.unwrap();
    assert!(one.ok, "{one:#?}");
    let refused = on(&world, &both).await.unwrap_err();
    assert_eq!(refused.kind, FailureKind::Conflict);
    assert!(refused.message.ends_with("for linux/amd64, not for linux/amd64, linux/arm64"), "{refused:?}");
    let both = PublishRequest { version: "v2".into(), ..both };
    assert!(on(&world, &both).await.unwrap().ok);
    let fewer = on(&world, &for_platforms("v2", &["linux/arm64"])).await.unwrap_err();
    assert_eq!(fewer.kind, FailureKind::Conflict, "{fewer:?}");

    // On another machine the images of both are fetched and looked into.
    let before = calls(&world, "engine.pull_image");
    world.engine.world().images.retain(|_, image| !image.tags.iter().any(|tag| tag.contains("shop")));
    assert!(on(&world, &both).await.unwrap().ok);
    assert_eq!(calls(&world, "engine.pull_image") - before, 2);
    let token = b"TOKEN = 'ghp_aB3dE5fG7hI9jK1lM3nO5pQ7rS9tU1vW3xY5z'\n";
    let leaking = archive(&[("COPY . /app", tar_of(&[("app/main.py", token, 0o644)]))]);
    {
        let mut state = world.engine.world();
        let foreign: Vec<String> =
            state.platforms.iter().filter(|(_, platform)| *platform == "linux/arm64").map(|(id, _)| id.clone()).collect();
        foreign.into_iter().for_each(|id| drop(state.archives.insert(id, leaking.clone())));
    }
    let found = on(&world, &both).await.unwrap();
    assert!(!found.ok && found.verified["web"].image.ends_with("for linux/arm64"), "{found:#?}");
}

#[tokio::test]
async fn a_release_for_other_machines_only_is_looked_into() {
    let world = site();
    let request = for_platforms("v1", &["linux/arm64"]);
    for was_there in [false, true] {
        let done = on(&world, &request).await.unwrap();
        assert!(done.ok && done.verified["web"].checks.is_empty() && done.resumed.is_empty() != was_there, "{done:#?}");
        assert!(done.warnings[0].contains("is for other machines than linux/amd64"), "{:?}", done.warnings);
        world.engine.world().images.retain(|_, image| !image.tags.iter().any(|tag| tag.contains("shop")));
    }
    assert!(calls(&world, "engine.pull_image") == 1);
}

#[tokio::test]
async fn a_version_whose_image_says_another_is_refused() {
    let world = site();
    released(&world, "v0").await.unwrap();
    let pushing = PushRequest { registry: "r.example".into(), version: Some("v1".into()), ..PushRequest::default() };
    Box::pin(push(&world.context(), &pushing)).await.unwrap();
    let refused = released(&world, "v1").await.unwrap_err();
    assert!(refused.message.ends_with("and its label says that it is v0") && refused.hint.contains("another version"), "{refused:?}");
    assert_eq!(refused.kind, FailureKind::Conflict);
}
