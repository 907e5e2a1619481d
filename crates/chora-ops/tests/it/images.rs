//! Images on their way out: verified apart from everything, released once, with every call going wrong once in every way.

use std::io::Write as _;
use std::time::Duration;

use bytes::Bytes;
use chora_core::model::container::ContainerFilter;
use chora_core::model::health::Verdict;
use chora_core::plan::labels;
use chora_core::ports::Engine as _;
use chora_ops::failure::{Failure, FailureKind};
use chora_ops::multi::{MultiRequest, build_multi};
use chora_ops::publish::{PublishOutcome, PublishRequest, publish};
use chora_ops::push::{PushRequest, push};
use chora_ops::stack::{PruneRequest, prune};
use chora_ops::verify::{VerifyOutcome, VerifyRequest, verify};
use chora_testkit::fake_engine::Behaviour;
use chora_testkit::faults::Kind;
use chora_testkit::test_image::tar_of;
use indexmap::IndexMap;
use ruzstd::encoding::{CompressionLevel, compress_to_vec};
use serde_json::json;

use crate::world::World;

const BUILT: &str =
    "name: shop\nservices:\n  web: { build: . }\n  api: { build: ., image: 'old.example/shop/api:1' }\n  db: { image: 'db:1' }\n";

/// A project that builds two images.
pub(crate) fn site() -> World {
    let world = World::new();
    std::fs::write(world.project.path().join("compose.yaml"), BUILT).unwrap();
    std::fs::write(world.project.path().join("Dockerfile"), "FROM scratch\nCOPY key.txt /\n").unwrap();
    world
}

pub(crate) fn labelled(world: &World, reference: &str) {
    let labels = ["version", "created", "revision", "source"].map(|name| (format!("org.opencontainers.image.{name}"), "v1".to_owned()));
    world.engine.world().images.get_mut(&format!("sha256:{reference}")).unwrap().labels = labels.into_iter().collect();
}

pub(crate) async fn verified(world: &World, request: &VerifyRequest) -> Result<VerifyOutcome, Failure> {
    Box::pin(verify(&world.context(), request)).await
}

pub(crate) fn of(image: &str) -> VerifyRequest {
    VerifyRequest { image: image.to_owned(), ..VerifyRequest::default() }
}

/// Names of what verifications made and did not remove.
async fn left(world: &World) -> Vec<String> {
    let marked = IndexMap::from([(labels::SPECIMEN.to_owned(), "verify".to_owned())]);
    let containers = world.engine.containers(&ContainerFilter { labels: marked.clone(), all: true }).await.unwrap();
    let networks = world.engine.networks(&marked).await.unwrap();
    containers.into_iter().map(|container| container.name).chain(networks.into_iter().map(|network| network.name)).collect()
}

#[tokio::test]
async fn an_image_is_started_apart_and_nothing_is_left() {
    let world = World::new();
    labelled(&world, "web:1");
    let good = verified(&world, &of("web:1")).await.unwrap();
    assert!(good.ok, "{good:#?}");
    assert_eq!(good.layers[0].instruction, "COPY main /app/main");
    let levels: Vec<u8> = good.checks.iter().map(|check| check.level.number()).collect();
    assert_eq!((levels, left(&world).await), (vec![1, 2, 3, 4, 5], vec![]));
    // Apart: the network has no way out, and is not the project's.
    let bad = verified(&world, &VerifyRequest { version: Some("v2".to_owned()), limit_ms: Some(1000), ..of("web:bad") }).await.unwrap();
    let failing: Vec<&str> =
        bad.remarks.iter().filter(|remark| remark.verdict == Verdict::Fail).map(|remark| remark.aspect.as_str()).collect();
    assert_eq!((bad.ok, failing), (false, vec!["labels", "version"]));
    let level = bad.checks.last().unwrap();
    assert!(level.level.number() == 1 && level.verdict == Verdict::Fail && !bad.log.is_empty(), "{bad:#?}");
    assert_eq!(left(&world).await, Vec::<String>::new());
    world.engine.world().add_image("ends:1", Behaviour::Exits(3));
    let ended = verified(&world, &of("ends:1")).await.unwrap();
    assert!(ended.checks[0].answered.contains("exit code 3"), "{ended:#?}");
    let only_looked = verified(&world, &VerifyRequest { no_start: true, ..of("web:bad") }).await.unwrap();
    assert!(only_looked.checks.is_empty());
    let unknown = verified(&world, &of("nothing:1")).await.unwrap_err();
    assert_eq!((unknown.kind, unknown.state.as_str()), (FailureKind::NotFound, "the engine has no such image"));
}

/// An archive as engines write it, with these layers and what made them.
pub(crate) fn archive(layers: &[(&str, Bytes)]) -> Bytes {
    let history: Vec<_> = layers.iter().map(|(made_by, _)| json!({ "created_by": made_by })).collect();
    let config = json!({ "architecture": "amd64", "config": { "User": "10001" }, "history": history }).to_string();
    let names: Vec<String> = (0..layers.len()).map(|number| format!("blobs/sha256/{number}")).collect();
    let manifest = json!([{ "Config": "blobs/sha256/config", "Layers": names }]).to_string();
    let mut files: Vec<(&str, &[u8], u32)> = vec![("blobs/sha256/config", config.as_bytes(), 0o644)];
    files.extend(names.iter().zip(layers).map(|(name, (_, layer))| (name.as_str(), &layer[..], 0o644)));
    files.push(("manifest.json", manifest.as_bytes(), 0o644));
    tar_of(&files)
}

fn packed(layer: &[u8]) -> Bytes {
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packer.write_all(layer).unwrap();
    packer.finish().unwrap().into()
}

#[tokio::test]
async fn secrets_are_found_in_every_layer_whatever_later_ones_hide() {
    let world = World::new();
    let token = b"TOKEN = 'ghp_aB3dE5fG7hI9jK1lM3nO5pQ7rS9tU1vW3xY5z'\n";
    let layers = [
        ("COPY . /app", packed(&tar_of(&[("app/.env", b"DB_PASSWORD=hunter2\n", 0o600), ("app/cfg/a.py", token, 0o644)]))),
        (
            "RUN |1 API_TOKEN=hunter2 /bin/sh -c rm -r /app/.env /app/cfg # buildkit",
            tar_of(&[("app/.wh..env", b"", 0o644), ("app/.wh.cfg", b"", 0o644)]),
        ),
        ("COPY zipped /", compress_to_vec(&tar_of(&[("zipped/c.py", token, 0o644)])[..], CompressionLevel::Fastest).into()),
        (
            "COPY tests /tests",
            tar_of(&[("tests/a.py", token, 0o644), ("tests/b.bin", b"\0ghp_aB3dE5fG7hI9jK1lM3nO5pQ7rS9tU1vW3xY5z", 0o644)]),
        ),
        ("COPY broken /", packed(&[7; 600])),
    ];
    world.engine.world().archives.insert("sha256:web:1".to_owned(), archive(&layers));
    let request = VerifyRequest { no_start: true, ..of("web:1") };
    let found = verified(&world, &request).await.unwrap();
    let leaks: Vec<String> = found.leaks.iter().map(ToString::to_string).collect();
    assert_eq!(
        leaks,
        [
            "build argument API_TOKEN: a value by whose name it is a secret (from RUN rm -r /app/.env /app/cfg)",
            "/app/.env: values of DB_PASSWORD, which a later layer hides and does not take away (from COPY . /app)",
            "/app/cfg/a.py:1: a GitHub token, which a later layer hides and does not take away (from COPY . /app)",
            "/zipped/c.py:1: a GitHub token (from COPY zipped /)",
            "/tests/a.py:1: a GitHub token (from COPY tests /tests)",
        ]
    );
    assert!(!format!("{found:?}").contains("hunter2"));
    assert_eq!(found.layers.len(), 5);
    let allow = vec!["/app".to_owned()];
    let allowed = verified(&world, &VerifyRequest { allow, ..request.clone() }).await.unwrap();
    assert_eq!(allowed.leaks.len(), 3);
    let torn = layers[2].1.slice(..layers[2].1.len() - 9);
    let clean = [("COPY . /app", layers[3].1.clone()), ("COPY zipped /", torn), ("COPY broken /", layers[4].1.clone())];
    world.engine.world().archives.insert("sha256:web:1".to_owned(), archive(&clean));
    let doubtful = verified(&world, &request).await.unwrap();
    let secrets = doubtful.remarks.iter().find(|remark| remark.aspect.as_str() == "secrets").unwrap();
    assert!(
        secrets.verdict == Verdict::Warning && secrets.found.contains("layer 2 (COPY zipped /): ") && secrets.found.contains("; layer 3"),
        "{secrets:?}"
    );
    for torn in [Bytes::from_static(b"not an archive"), tar_of(&[("manifest.json", b"[]", 0o644)]), archive(&layers).slice(..3000)] {
        world.engine.world().archives.insert("sha256:web:1".to_owned(), torn);
        let broken = verified(&world, &request).await.unwrap_err();
        assert_eq!(broken.kind, FailureKind::Unavailable, "{broken:?}");
    }
}

#[tokio::test]
async fn whatever_goes_wrong_the_specimen_is_removed() {
    for kind in [Kind::Error, Kind::Timeout, Kind::Death] {
        let mut met = 0;
        for index in 0.. {
            let mut world = World::new();
            world.write("1");
            labelled(&world, "web:1");
            world.faults.fail_at(index, kind);
            let request = of("web:1");
            let work = async {
                tokio::select! {
                    biased;
                    result = verified(&world, &request) => Some(result),
                    () = world.faults.died() => None,
                }
            };
            let result = tokio::time::timeout(Duration::from_secs(20), work).await.unwrap();
            let Some(call) = world.faults.calls().into_iter().nth(index) else { break };
            met += 1;
            let case = format!("{kind:?} at {} ({index})", call.name);
            world.faults.revive();
            if result.is_none() {
                world.kill();
                world.faults.revive();
                Box::pin(prune(&world.context(), &PruneRequest::default())).await.unwrap();
            }
            assert_eq!(left(&world).await, Vec::<String>::new(), "{case}");
            if let Some(Err(failure)) = result {
                assert!(!failure.message.is_empty() && !failure.hint.is_empty(), "{case}: {failure:?}");
            }
        }
        assert!(met > 6, "only {met} calls");
    }
}

#[tokio::test]
async fn a_living_verification_is_left_alone() {
    let world = World::new();
    world.write("1");
    labelled(&world, "web:1");
    world.engine.world().add_image("slow:1", Behaviour::Unhealthy);
    let (context, request) = (world.context(), VerifyRequest { limit_ms: Some(60_000), ..of("slow:1") });
    let cancel = context.cancel.clone();
    let running = tokio::spawn(async move { Box::pin(verify(&context, &request)).await });
    while left(&world).await.len() < 2 {
        tokio::task::yield_now().await;
    }
    let pruned = Box::pin(prune(&world.another().context(), &PruneRequest::default())).await;
    assert!(pruned.is_err() || left(&world).await.len() == 2, "{pruned:?}");
    cancel.cancel();
    let failure = running.await.unwrap().unwrap_err();
    assert_eq!((failure.message.as_str(), left(&world).await), ("interrupted", vec![]));
}

const REACHING: &str = "name: shop
services:
  web:
    image: web:1
    depends_on: [db]
    links: ['db:database']
    networks: { default: { aliases: [shop.internal] } }
    volumes: ['./engine.sock:/var/run/docker.sock:ro', './engine.sock:/engine.sock', './:/here:ro', './key.txt:/etc/key', '/dev/null:/null']
  db: { image: 'db:1', container_name: the-db }
";

#[tokio::test]
async fn a_specimen_is_found_by_every_name_and_reaches_no_socket() {
    let world = World::new();
    std::fs::write(world.project.path().join("compose.yaml"), REACHING).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(world.project.path().join("engine.sock")).unwrap();
    labelled(&world, "web:1");
    let done = verified(&world, &of("web:1")).await.unwrap();
    assert!(done.ok && done.warnings[0].contains("`web` is started without /var/run/docker.sock, /engine.sock, /null"), "{done:#?}");
    let created = world.engine.world().created.clone();
    let aliases: Vec<&[String]> = created.iter().map(|spec| spec.attachments[0].aliases.as_slice()).collect();
    assert_eq!(
        aliases,
        [["db", "the-db", "database"].map(str::to_owned).as_slice(), ["web", "shop.internal"].map(str::to_owned).as_slice()]
    );
    assert_eq!(created[1].mounts.iter().map(|mount| mount.target.as_str()).collect::<Vec<_>>(), ["/here", "/etc/key"]);
    assert!(created.iter().all(|spec| spec.labels[labels::PROJECT].starts_with("chora-specimen-")), "none is of the project");
}

#[tokio::test]
async fn an_archive_is_read_whatever_its_order_and_its_length() {
    let world = World::new();
    let large = vec![b'x'; 1_200_000];
    let layers = [
        ("COPY . /app", tar_of(&[("app/model", &large[..], 0o644)])),
        ("RUN /bin/sh -c chown -R app /app # buildkit", tar_of(&[("app/model", &large[..], 0o600)])),
    ];
    // Engines write layers in the order of their digests.
    let turned = |archive: &Bytes| {
        let mut files: Vec<(String, Vec<u8>)> = Vec::new();
        for entry in tar::Archive::new(&archive[..]).entries().unwrap().map(Result::unwrap) {
            let path = entry.path().unwrap().display().to_string();
            files.push((path, std::io::Read::bytes(entry).map(Result::unwrap).collect()));
        }
        let files: Vec<(&str, &[u8], u32)> = files.iter().rev().map(|(path, bytes)| (path.as_str(), bytes.as_slice(), 0o644)).collect();
        tar_of(&files)
    };
    let request = VerifyRequest { no_start: true, ..of("web:1") };
    for archive in [archive(&layers), turned(&archive(&layers))] {
        world.engine.world().archives.insert("sha256:web:1".to_owned(), archive);
        let found = verified(&world, &request).await.unwrap();
        assert!(found.layers[0].advice.is_empty() && found.layers[1].advice[0].contains("a layer below has"), "{found:#?}");
    }
    // What is allowed does not take the place of what is not.
    let token = b"TOKEN = 'ghp_aB3dE5fG7hI9jK1lM3nO5pQ7rS9tU1vW3xY5z'\n";
    let names: Vec<String> = (0..1100).map(|number| format!("app/known/{number}.py")).chain(["app/main.py".to_owned()]).collect();
    let files: Vec<(&str, &[u8], u32)> = names.iter().map(|name| (name.as_str(), &token[..], 0o644)).collect();
    world.engine.world().archives.insert("sha256:web:1".to_owned(), archive(&[("COPY . /app", tar_of(&files))]));
    let found = verified(&world, &VerifyRequest { allow: vec!["/app/known".to_owned()], ..request.clone() }).await.unwrap();
    assert_eq!(found.leaks.iter().map(|leak| leak.place.as_str()).collect::<Vec<_>>(), ["/app/main.py:1"]);
    // Until an archive begins a person may have had enough.
    world.engine.world().holds_exports = true;
    let context = world.context();
    let cancel = context.cancel.clone();
    let running = tokio::spawn(async move { Box::pin(verify(&context, &request)).await });
    tokio::task::yield_now().await;
    cancel.cancel();
    let ended = tokio::time::timeout(Duration::from_secs(20), running).await.unwrap().unwrap();
    assert_eq!(ended.unwrap_err().message, "interrupted");
}

#[tokio::test]
async fn a_job_is_fit_when_it_ends_well() {
    let world = World::new();
    std::fs::write(world.project.path().join("compose.yaml"), DEPENDENT).unwrap();
    labelled(&world, "migrate:1");
    let config = json!({ "architecture": "amd64", "config": { "User": "10001" }, "history": [] }).to_string();
    let manifest = json!([{ "Config": "c.json", "Layers": [] }]).to_string();
    let archive = tar_of(&[("c.json", config.as_bytes(), 0o644), ("manifest.json", manifest.as_bytes(), 0o644)]);
    world.engine.world().archives.insert("sha256:migrate:1".to_owned(), archive);
    let done = verified(&world, &of("migrate:1")).await.unwrap();
    let check = &done.checks[0];
    assert_eq!((done.checks.len(), check.verdict, check.asked.as_str()), (1, Verdict::Pass, "exit code"), "{done:#?}");
    let healthcheck = done.remarks.iter().find(|remark| remark.aspect.as_str() == "healthcheck").unwrap();
    assert_eq!((healthcheck.verdict, healthcheck.found.as_str()), (Verdict::Pass, "none of its own; a job, which runs to its end"));
    world.engine.world().behaviours.insert("sha256:migrate:1".to_owned(), Behaviour::Exits(3));
    let failed = verified(&world, &of("migrate:1")).await.unwrap();
    assert!(!failed.ok && failed.checks[0].answered.contains("exit code 3"), "{failed:#?}");
}

const DEPENDENT: &str = "name: shop
services:
  web:
    image: web:1
    depends_on: { migrate: { condition: service_completed_successfully }, db: { condition: service_started } }
    secrets: [key]
    volumes: ['data:/data', './key.txt:/etc/key']
  migrate: { image: 'migrate:1', depends_on: [db] }
  db: { image: 'db:1', volumes: ['data:/data'] }
  other: { image: 'api:1' }
volumes: { data: {} }
secrets: { key: { file: key.txt } }
";

#[tokio::test]
async fn what_a_service_depends_on_is_started_beside_it() {
    let world = World::new();
    std::fs::write(world.project.path().join("compose.yaml"), DEPENDENT).unwrap();
    labelled(&world, "web:1");
    let created = |world: &World| {
        let calls = world.faults.calls();
        calls.iter().filter(|call| call.name == "engine.create_container").count()
    };
    let good = verified(&world, &of("web:1")).await.unwrap();
    assert!(good.ok && good.service.as_deref() == Some("web"), "{good:#?}");
    assert_eq!((created(&world), left(&world).await, world.engine.world().volumes.len()), (3, vec![], 0));
    assert!(good.checks.iter().all(|check| check.service == "web"));
    world.engine.world().behaviours.insert("sha256:migrate:1".to_owned(), Behaviour::Exits(3));
    let failed = verified(&world, &of("web:1")).await.unwrap();
    let (check, found) = (&failed.checks[0], left(&world).await);
    assert_eq!((failed.ok, check.service.as_str(), failed.checks.len(), found), (false, "migrate", 1, vec![]));
    assert!(check.answered.contains("exit code 3") && failed.log[0].contains("log of chora-specimen-"), "{failed:#?}");
    assert!(!format!("{failed:?}{}", world.listener.text()).contains(crate::world::SECRET));
    std::fs::remove_file(world.project.path().join("key.txt")).unwrap();
    let lacking = verified(&world, &of("web:1")).await.unwrap_err();
    assert!(lacking.hint.contains("without starting it"), "{lacking:?}");
    assert!(verified(&world, &VerifyRequest { no_start: true, ..of("web:1") }).await.unwrap().ok);
}

pub(crate) async fn released(world: &World, version: &str) -> Result<PublishOutcome, Failure> {
    let request = PublishRequest { version: version.to_owned(), registry: "r.example".to_owned(), ..PublishRequest::default() };
    Box::pin(publish(&world.context(), &request)).await
}

/// Digests in the registry, by reference.
pub(crate) fn published(world: &World) -> Vec<(String, String)> {
    world.engine.world().published.clone().into_iter().collect()
}

#[tokio::test]
async fn a_release_is_pushed_as_verified_and_then_is_the_latest() {
    let world = site();
    let done = released(&world, "v1").await.unwrap();
    assert!(done.ok && done.latest && done.resumed.is_empty(), "{done:#?}");
    let references: Vec<String> = published(&world).into_iter().map(|(reference, _)| reference).collect();
    let expected =
        ["r.example/shop-production-web:latest", "r.example/shop-production-web:v1", "r.example/shop/api:latest", "r.example/shop/api:v1"];
    assert_eq!(references, expected.map(|name| name.replace("shop-production-web", "shop-web")));
    for (service, image) in &done.images {
        assert_eq!(done.verified[service].id, image.id, "what was verified is what was pushed");
    }
    let again = released(&world, "v1").await.unwrap();
    assert_eq!((again.ok, again.resumed, &again.images), (true, vec!["web".to_owned(), "api".to_owned()], &done.images));
    let calls: Vec<String> = world.faults.calls().into_iter().map(|call| call.name).collect();
    assert_eq!(calls.iter().filter(|call| *call == "engine.push_image").count(), 2, "nothing is pushed twice");

    std::fs::write(world.project.path().join("key.txt"), "another").unwrap();
    let refused = released(&world, "v1").await.unwrap_err();
    assert_eq!(refused.kind, FailureKind::Conflict, "{refused:?}");
    assert!(refused.message.contains("made from other files") && refused.hint.contains("another version"), "{refused:?}");
    let next = released(&world, "v2").await.unwrap();
    assert!(next.ok && next.latest);
    let lines = world.log();
    let told: Vec<String> =
        lines.iter().map(|line| format!("{} {} {}", line["version"], line["status"], line["metadata"]["outcome"])).collect();
    assert_eq!(told.len(), 8, "{told:?}");
    assert_eq!(told[5], r#""v1" "failure" "failed""#);
    assert_eq!(told[7], r#""v2" "success" "released""#);
}

#[tokio::test]
async fn a_release_for_several_platforms_has_one_name() {
    let world = site();
    let platforms = vec!["linux/arm64".to_owned(), "linux/amd64".to_owned()];
    let request = PublishRequest {
        version: "v1".into(),
        registry: "r.example".into(),
        platforms,
        services: vec!["web".into()],
        ..PublishRequest::default()
    };
    for was_there in [false, true] {
        let done = Box::pin(publish(&world.context(), &request)).await.unwrap();
        assert!(done.ok && done.latest && done.resumed.is_empty() != was_there, "{done:#?}");
        let names: Vec<String> = published(&world).into_iter().map(|(name, _)| name.replace("r.example/shop-web:", "")).collect();
        assert_eq!(names, ["latest", "v1", "v1-amd64", "v1-arm64"]);
        assert_eq!(world.engine.world().published["r.example/shop-web:latest"], done.images["web"].digest.clone().unwrap());
    }
    let fewer = PublishRequest { platforms: vec!["linux/amd64".into()], ..request.clone() };
    let refused = Box::pin(publish(&world.context(), &fewer)).await.unwrap_err();
    assert!(
        refused.kind == FailureKind::Conflict && refused.message.ends_with("for linux/arm64, linux/amd64, not for linux/amd64"),
        "{refused:?}"
    );
    let other = PublishRequest { platforms: vec!["plan9/amd64".into()], ..request };
    assert_eq!(Box::pin(publish(&world.context(), &other)).await.unwrap_err().kind, FailureKind::Invalid);
}

#[tokio::test]
async fn images_for_several_platforms_say_that_they_are_made_from_the_same() {
    let world = site();
    let request = MultiRequest {
        registry: "r.example".into(),
        services: vec!["web".into()],
        version: Some("v1".into()),
        builder: Some("engine".into()),
        ..MultiRequest::default()
    };
    let hashes = || -> Vec<String> {
        let state = world.engine.world();
        let built = state.images.values().filter(|image| image.tags.iter().any(|tag| tag.contains(":inputs-")));
        built.map(|image| image.labels[labels::BUILD_INPUTS].clone()).collect()
    };
    let built = Box::pin(build_multi(&world.context(), &request)).await.unwrap();
    assert_eq!((built.builder.to_string().as_str(), built.images["web"].platforms.len()), ("engine", 2));
    let (first, count) = (hashes()[0].clone(), hashes().len());
    assert_eq!((count, hashes().iter().all(|hash| *hash == first)), (2, true));
    let index = world.engine.published_index("r.example/shop-web:v1").await.unwrap().unwrap();
    assert_eq!(index.digest, built.images["web"].digest);
    assert!(index.images.iter().all(|image| image.labels[labels::BUILD_INPUTS] == first), "{index:?}");
    // For other platforms it is something else.
    let fewer = MultiRequest { platforms: vec!["linux/arm64".into()], ..request };
    Box::pin(build_multi(&world.context(), &fewer)).await.unwrap();
    assert_eq!((hashes().len(), hashes().iter().filter(|hash| **hash == first).count()), (3, 2));
}

#[tokio::test]
async fn an_older_release_does_not_become_the_latest_again() {
    let world = site();
    released(&world, "v1").await.unwrap();
    let files = std::fs::read(world.project.path().join("key.txt")).unwrap();
    std::fs::write(world.project.path().join("key.txt"), "another").unwrap();
    released(&world, "v2").await.unwrap();
    let before = published(&world);
    std::fs::write(world.project.path().join("key.txt"), files).unwrap();
    let again = released(&world, "v1").await.unwrap();
    assert!(again.ok && !again.latest && again.warnings[0].contains("moved on"), "{again:#?}");
    assert_eq!(published(&world), before);
}

#[tokio::test]
async fn an_image_that_is_not_fit_is_not_pushed() {
    let world = site();
    let request =
        PublishRequest { version: "v1".into(), registry: "r.example".into(), max_size_bytes: Some(1), ..PublishRequest::default() };
    let refused = Box::pin(publish(&world.context(), &request)).await.unwrap();
    assert!(!refused.ok && refused.next.contains("mend the image of web, api"), "{refused:#?}");
    assert_eq!(published(&world), vec![]);
    let last = world.log().pop().unwrap();
    assert_eq!(
        (&last["status"], &last["metadata"]["outcome"], &last["errors"][0]),
        (&json!("failure"), &json!("refused"), &json!("the image of `web` is not fit"))
    );
    let foreseen = Box::pin(publish(&world.context(), &PublishRequest { dry_run: true, ..request })).await.unwrap();
    assert_eq!((foreseen.plan.len(), world.log().len()), (8, 2), "{foreseen:#?}");
}

#[tokio::test]
async fn whatever_goes_wrong_a_release_is_gone_on_with() {
    for kind in [Kind::Error, Kind::Timeout, Kind::Death] {
        let mut met = 0;
        for index in 0.. {
            let mut world = site();
            world.faults.fail_at(index, kind);
            let work = async {
                tokio::select! {
                    biased;
                    result = released(&world, "v1") => Some(result),
                    () = world.faults.died() => None,
                }
            };
            let result = tokio::time::timeout(Duration::from_secs(20), work).await.unwrap();
            let Some(call) = world.faults.calls().into_iter().nth(index) else { break };
            met += 1;
            let case = format!("{kind:?} at {} ({index})", call.name);
            let latest = published(&world).into_iter().filter(|(name, _)| name.ends_with(":latest")).count();
            let versions = published(&world).into_iter().filter(|(name, _)| name.ends_with(":v1")).count();
            assert!(latest == 0 || versions == 2, "{case}: latest before everything is there");
            if let Some(Err(failure)) = &result {
                assert!(!failure.state.is_empty() && !failure.hint.is_empty(), "{case}: {failure:?}");
            }
            if result.is_none() {
                world.kill();
            }
            world.faults.revive();
            let done = released(&world, "v1").await.unwrap_or_else(|failure| panic!("{case}: {failure:?}"));
            assert!(done.ok && done.latest, "{case}: {done:#?}");
            let state = published(&world);
            assert_eq!(state.len(), 4, "{case}: {state:?}");
            let lines = world.log();
            for line in lines.iter().filter(|line| line["status"] == "in_progress") {
                let same = |other: &&serde_json::Value| other["metadata"]["publication_id"] == line["metadata"]["publication_id"];
                assert_eq!(lines.iter().filter(same).count(), 2, "{case}: one end in {lines:#?}");
            }
        }
        assert!(met > 20, "only {met} calls");
    }
}

#[tokio::test]
async fn a_push_sends_what_is_built_and_says_what_is_missing() {
    let world = site();
    let request = PushRequest { registry: "r.example".into(), version: Some("v1".into()), ..PushRequest::default() };
    let missing = Box::pin(push(&world.context(), &request)).await.unwrap_err();
    assert_eq!((missing.kind, missing.hint.as_str()), (FailureKind::NotFound, "`chora build web --version v1`"));
    released(&world, "v0").await.unwrap();
    let pushed = Box::pin(push(&world.context(), &request)).await.unwrap();
    assert_eq!(pushed.images["api"].reference, "r.example/shop/api:v1");
    assert!(pushed.images.values().all(|image| image.digest.is_some()));
    let login = PushRequest { registry: "r.example/locked".into(), ..request.clone() };
    let refused = Box::pin(push(&world.context(), &login)).await.unwrap_err();
    assert_eq!((refused.kind, refused.state.as_str()), (FailureKind::Denied, "nothing was pushed"));
    assert!(refused.hint.starts_with("log in with `docker login"));
    for (services, kind) in [(vec!["db".to_owned()], FailureKind::NotFound), (vec!["none".to_owned()], FailureKind::NotFound)] {
        let refused = Box::pin(push(&world.context(), &PushRequest { services, ..request.clone() })).await.unwrap_err();
        assert_eq!(refused.kind, kind, "{refused:?}");
    }
}
