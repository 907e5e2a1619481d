//! Pulls from a registry of the test's own, with and without a login.

use std::os::unix::fs::PermissionsExt;
use std::sync::Mutex;

use base64::Engine as _;
use chora_core::ports::{Engine, EngineError};
use chora_docker::{DockerEngine, EndpointRequest};
use chora_testkit::docker_registry::DockerRegistry;
use chora_testkit::engine_contract::run_case;
use chora_testkit::registry::Registry;
use chora_testkit::test_image::TestImage;

fn encoded(login: &str) -> String {
    base64::engine::general_purpose::STANDARD.encode(login)
}

fn with_configuration(directory: &std::path::Path, configuration: &serde_json::Value) -> DockerEngine {
    std::fs::write(directory.join("config.json"), configuration.to_string()).unwrap();
    let request = EndpointRequest {
        explicit: Some(format!("unix://{}", crate::socket().display())),
        docker_config: Some(directory.to_owned()),
        ..EndpointRequest::default()
    };
    DockerEngine::connect(&request).unwrap()
}

#[tokio::test]
async fn an_image_is_pulled_and_refusals_are_told_apart() {
    run_case(crate::engine(), |bench| async move {
        let image = TestImage { tag: "unused:1".into(), labels: bench.labels(), environment: vec!["PULLED=1".into()], ..TestImage::default() };
        let registry = Registry::start(&image, None);
        let lines = Mutex::new(Vec::new());
        let progress = |line: &str| lines.lock().unwrap().push(line.to_owned());
        let reference = format!("{}/{}:1", registry.address, bench.unique);
        bench.engine.pull_image(&reference, None, &progress).await.unwrap();
        let pulled = bench.engine.image(&reference).await.unwrap().unwrap();
        assert_eq!(pulled.digests.len(), 1);
        assert!(pulled.digests[0].starts_with(&format!("{}/{}@sha256:", registry.address, bench.unique)), "{:?}", pulled.digests);
        assert!(!lines.lock().unwrap().is_empty());
        bench.engine.pull_image(&pulled.digests[0], None, &progress).await.unwrap();
        for (repository, is_bad_world) in [("absent", false), ("busy", true), ("broken", true)] {
            let reference = format!("{}/{repository}/{}:1", registry.address, bench.unique);
            let error = bench.engine.pull_image(&reference, None, &progress).await.unwrap_err();
            assert_eq!(error.is_bad_world(), is_bad_world, "{error:?}");
            let is_told = matches!(&error, EngineError::ImageUnavailable { image, .. } | EngineError::RegistryUnreachable { image, .. } if *image == reference);
            assert!(is_told, "{error:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn logins_come_from_the_configuration_and_from_helpers() {
    run_case(crate::engine(), |bench| async move {
        let image = TestImage { labels: bench.labels(), environment: vec!["LOCKED=1".into()], ..TestImage::default() };
        let registry = Registry::start(&image, Some(&format!("Basic {}", encoded("me:se:cret"))));
        let reference = format!("{}/{}/locked:1", registry.address, bench.unique);
        let directory = tempfile::tempdir().unwrap();
        let host = registry.address.to_string();
        let pull = async |configuration: serde_json::Value| {
            let engine = with_configuration(directory.path(), &configuration);
            engine.pull_image(&reference, None, &|_| {}).await
        };
        let anonymous = pull(serde_json::json!({})).await.unwrap_err();
        assert!(matches!(anonymous, EngineError::ImageUnavailable { .. }), "{anonymous:?}");
        let wrong = pull(serde_json::json!({"auths": {&host: {"auth": encoded("me:hunter2")}}})).await.unwrap_err();
        assert!(matches!(wrong, EngineError::ImageUnavailable { .. }) && !format!("{wrong:?}").contains("hunter2"), "{wrong:?}");
        pull(serde_json::json!({"auths": {&host: {"auth": encoded("me:se:cret")}}})).await.unwrap();
        // A helper is found on PATH only, so its absence is what can be seen from here; `helper_answers_are_read` asks a real one.
        let missing = pull(serde_json::json!({"credHelpers": {&host: "chora-test-absent"}})).await.unwrap_err();
        assert!(
            matches!(&missing, EngineError::Invalid { reason } if reason.contains("docker-credential-chora-test-absent")),
            "{missing:?}"
        );
    })
    .await;
}

/// Run by the next test, in a process whose PATH has the helper.
#[tokio::test]
#[ignore = "run by helper_answers_are_read with a helper on its PATH"]
async fn with_a_helper_on_path() {
    let bench = chora_testkit::engine_contract::Workbench::new(crate::engine()).await;
    let image = TestImage { labels: bench.labels(), environment: vec!["HELPED=1".into()], ..TestImage::default() };
    let registry = Registry::start(&image, Some(&format!("Basic {}", encoded("me:se:cret"))));
    let directory = tempfile::tempdir().unwrap();
    let engine = with_configuration(directory.path(), &serde_json::json!({"credsStore": "chora-test"}));
    let pulled = engine.pull_image(&format!("{}/{}/helped:1", registry.address, bench.unique), None, &|_| {}).await;
    bench.clean_up().await;
    pulled.unwrap();
}

#[test]
fn helper_answers_are_read() {
    let directory = tempfile::tempdir().unwrap();
    let helper = directory.path().join("docker-credential-chora-test");
    let script = "#!/bin/sh\n[ \"$1\" = get ] && server=$(cat) && echo '{\"ServerURL\":\"'\"$server\"'\",\"Username\":\"me\",\"Secret\":\"se:cret\"}'\n";
    std::fs::write(&helper, script).unwrap();
    std::fs::set_permissions(&helper, std::fs::Permissions::from_mode(0o755)).unwrap();
    crate::ssh::rerun("registry::with_a_helper_on_path", directory.path());
}

#[tokio::test]
async fn a_registry_of_this_machine_may_speak_tls() {
    run_case(crate::engine(), |bench| async move {
        // Nobody that this machine trusts has certified it.
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap().self_signed(&key).unwrap();
        let registry = DockerRegistry::with_tls(&certificate.pem(), &key.serialize_pem());
        let reference = format!("{}/{}:1", registry.address, bench.unique);
        bench.engine.tag_image(&bench.image, &reference).await.unwrap();
        assert_eq!(bench.engine.published(&reference).await.unwrap(), None);
        let digest = bench.engine.push_image(&reference, &|_| {}).await.unwrap();
        assert_eq!(bench.engine.published(&reference).await.unwrap().as_ref(), Some(&digest));
        let images = bench.engine.published_images(&reference).await.unwrap();
        assert_eq!(images.len(), 1);
        let facts = bench.engine.facts().await.unwrap();
        assert_eq!((&images[0].platform, &images[0].labels), (&format!("{}/{}", facts.os, facts.arch), &bench.labels()));
        assert_eq!(images[0].created.map(|at| at.to_string()).as_deref(), Some("2026-01-01T00:00:00Z"));
        bench.engine.remove_image(&reference).await.unwrap();
    })
    .await;
}
