//! Builds on the classic builder: what an engine without `BuildKit` does, and every engine when it is asked to.

use std::sync::{Arc, Mutex};

use chora_core::model::secret::Secret;
use chora_core::ports::{Engine, EngineError};
use chora_docker::{DockerEngine, EndpointRequest};
use chora_testkit::engine_contract::{builds, run_case};
use indexmap::IndexMap;

fn classic() -> Arc<dyn Engine> {
    let request = EndpointRequest { docker_buildkit: Some("0".to_owned()), ..crate::request() };
    Arc::new(DockerEngine::connect(&request).expect("the engine's address is usable"))
}

#[tokio::test]
async fn the_section_is_honoured() {
    assert!(!classic().facts().await.unwrap().buildkit);
    run_case(classic(), |bench| async move { builds::a_build_honours_its_section(&bench).await }).await;
}

#[tokio::test]
async fn failures_are_told() {
    run_case(classic(), |bench| async move { builds::a_failed_step_is_told_with_its_last_lines(&bench).await }).await;
}

#[tokio::test]
async fn secrets_are_refused_by_name() {
    run_case(classic(), |bench| async move {
        let mut build = builds::build(&bench, "FROM scratch\nCOPY server /server\n", &[]);
        build.secrets = IndexMap::from([("token".to_owned(), Secret::new(b"hunter2-hunter2".to_vec()))]);
        let error = bench.engine.build_image(&build, &|_| {}).await.unwrap_err();
        let EngineError::Invalid { reason } = &error else { panic!("{error:?}") };
        assert!(reason.contains("`web`") && reason.contains("`secrets (this engine has no BuildKit)`"), "{reason}");
        assert!(!reason.contains("hunter2"));
    })
    .await;
}

/// Layers of an image that is named are taken over where the steps are the same, although the builder itself knows none.
#[tokio::test]
async fn cache_from_is_a_cache() {
    run_case(classic(), |bench| async move {
        let dockerfile = format!("FROM scratch\nLABEL of={}\nCOPY server /server\n", bench.unique);
        let told = async |build: &chora_core::model::image::ImageBuild| {
            let lines = Mutex::new(Vec::new());
            let id = bench.engine.build_image(build, &|line| lines.lock().unwrap().push(line.to_owned())).await.unwrap();
            (id, lines.into_inner().unwrap().join("\n"))
        };
        let mut build = builds::build(&bench, &dockerfile, &[]);
        let (first, lines) = told(&build).await;
        assert!(!lines.contains("Using cache"), "{lines}");
        build.build.cache_from = vec![build.tags[0].clone()];
        let (second, lines) = told(&build).await;
        assert!(lines.contains("Using cache"), "{lines}");
        build.build.no_cache = true;
        let (_, lines) = told(&build).await;
        assert!(!lines.contains("Using cache"), "{lines}");
        assert_eq!(first, second);
    })
    .await;
}
