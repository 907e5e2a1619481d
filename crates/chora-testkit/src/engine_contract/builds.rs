//! Builds.

use std::sync::Mutex;

use chora_core::compose::Build;
use chora_core::model::image::ImageBuild;
use chora_core::model::secret::Secret;
use chora_core::ports::EngineError;
use indexmap::IndexMap;

use super::Workbench;
use crate::test_image::{SERVER, server_program, tar_of};

fn silent(_: &str) {}

/// Describes a build of a Dockerfile beside the test server and other files.
///
/// # Panics
/// When the test server cannot be read.
#[must_use]
pub fn build(bench: &Workbench, dockerfile: &str, files: &[(&str, &[u8], u32)]) -> ImageBuild {
    let program = std::fs::read(server_program()).expect("the program can be read");
    let own: [(&str, &[u8], u32); 2] = [("Dockerfile.test", dockerfile.as_bytes(), 0o644), ("server", &program, 0o755)];
    ImageBuild {
        service: "web".into(),
        build: Build::default(),
        args: IndexMap::new(),
        dockerfile: "Dockerfile.test".into(),
        tags: vec![format!("{}:built", bench.unique)],
        labels: bench.labels(),
        platform: None,
        secrets: IndexMap::new(),
        context: tar_of(&[&own, files].concat()),
    }
}

/// Arguments, target, labels and tags are honoured; progress is told.
pub async fn a_build_honours_its_section(bench: &Workbench) {
    let dockerfile = "FROM scratch AS base\nARG VERSION\nCOPY server /chora-test-server\nENV VERSION=$VERSION\n\
        ENTRYPOINT [\"/chora-test-server\"]\nFROM base AS wanted\nCOPY note /note\nFROM base AS last\nENV LAST=1\n";
    let mut build = build(bench, dockerfile, &[("note", b"hello", 0o640)]);
    build.build.target = Some("wanted".into());
    build.build.labels = IndexMap::from([("from.section".to_owned(), "yes".to_owned())]);
    build.args = IndexMap::from([("VERSION".to_owned(), "1.2 \"quoted\"".to_owned())]);
    build.tags.push(format!("{}:second", bench.unique));
    let lines = Mutex::new(Vec::new());
    let progress = |line: &str| lines.lock().unwrap().push(line.to_owned());
    let id = bench.engine.build_image(&build, &progress).await.unwrap();
    let image = bench.engine.image(id.as_str()).await.unwrap().unwrap();
    assert_eq!(image.tags.len(), 2, "{:?}", image.tags);
    assert_eq!(image.labels.get("from.section").map(String::as_str), Some("yes"));
    assert_eq!(image.labels.get(super::LABEL), Some(&bench.unique));
    assert!(lines.lock().unwrap().iter().any(|line| line.contains("COPY")), "{lines:?}");
    let mut spec = bench.spec("built");
    spec.image = id;
    let container = bench.run(&spec).await;
    assert_eq!(bench.ask(&container, &["cat", "/note"]).await.output, "hello");
    let told = bench.ask(&container, &["env"]).await.output;
    assert!(told.contains("VERSION=1.2 \"quoted\"\n") && !told.contains("LAST"), "{told}");
}

/// A secret is there for the step that asks for it, and nowhere in the image or the output.
pub async fn a_secret_reaches_its_step_only(bench: &Workbench) {
    if !bench.engine.facts().await.unwrap().buildkit {
        panic!("this contract needs an engine with BuildKit");
    }
    let dockerfile = "FROM scratch\nCOPY server /chora-test-server\n\
        RUN --mount=type=secret,id=token,required=true [\"/chora-test-server\", \"cat\", \"/run/secrets/token\"]\n";
    let mut build = build(bench, dockerfile, &[]);
    // Steps that an earlier run left in the cache say nothing.
    build.build.no_cache = true;
    build.secrets = IndexMap::from([("token".to_owned(), Secret::new(b"hunter2-hunter2".to_vec()))]);
    let lines = Mutex::new(Vec::new());
    let progress = |line: &str| lines.lock().unwrap().push(line.to_owned());
    let id = bench.engine.build_image(&build, &progress).await.unwrap();
    let told = lines.lock().unwrap().join("\n");
    assert!(told.contains("[redacted]") && !told.contains("hunter2"), "{told}");
    let mut spec = bench.spec("without");
    spec.image = id;
    spec.service.entrypoint = Some(vec![SERVER.to_owned()]);
    let container = bench.run(&spec).await;
    assert_ne!(bench.ask(&container, &["cat", "/run/secrets/token"]).await.output, "hunter2-hunter2");
    build.secrets.clear();
    assert!(matches!(bench.engine.build_image(&build, &silent).await, Err(EngineError::BuildFailed { .. })));
}

/// A step that fails is told with its instruction and the last lines it said.
pub async fn a_failed_step_is_told_with_its_last_lines(bench: &Workbench) {
    let dockerfile = "FROM scratch\nCOPY server /chora-test-server\n\
        RUN [\"/chora-test-server\", \"complain\", \"about\", \"everything\"]\nRUN [\"/chora-test-server\", \"fail\", \"3\"]\n";
    let mut failing = build(bench, dockerfile, &[]);
    failing.build.no_cache = true;
    let error = bench.engine.build_image(&failing, &silent).await.unwrap_err();
    let EngineError::BuildFailed { service, reason, log } = &error else { panic!("{error:?}") };
    assert_eq!(service, "web");
    assert!(reason.contains("fail") && reason.contains('3'), "{reason}");
    assert!(log.len() <= 20 && log.iter().any(|line| line.contains("about everything")), "{log:?}");
    let broken = bench.engine.build_image(&build(bench, "FORM scratch\n", &[]), &silent).await.unwrap_err();
    assert!(matches!(&broken, EngineError::BuildFailed { reason, .. } if reason.to_lowercase().contains("form")), "{broken:?}");
    let absent = bench.engine.build_image(&build(bench, "FROM scratch\nCOPY absent /\n", &[]), &silent).await.unwrap_err();
    assert!(matches!(&absent, EngineError::BuildFailed { reason, .. } if reason.contains("absent")), "{absent:?}");
    let base = bench.engine.build_image(&build(bench, "FROM 127.0.0.1:1/chora/none:1\n", &[]), &silent).await.unwrap_err();
    assert!(matches!(base, EngineError::RegistryUnreachable { .. }), "{base:?}");
}

/// The image that a `# syntax=` line asks for is named when it cannot be had.
pub async fn a_front_end_that_cannot_be_pulled_is_named(bench: &Workbench) {
    let dockerfile = "# syntax=127.0.0.1:1/front/end:1\nFROM scratch\nCOPY server /\n";
    let error = bench.engine.build_image(&build(bench, dockerfile, &[]), &silent).await.unwrap_err();
    assert!(matches!(&error, EngineError::RegistryUnreachable { image, .. } if image == "127.0.0.1:1/front/end:1"), "{error:?}");
}
