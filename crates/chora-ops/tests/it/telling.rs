//! What a person sees of a gate that waits, and of a deployment that was interrupted or never began.

use std::sync::Arc;

use chora_core::model::event::{Event, Progress};
use chora_core::model::ids::EnvironmentName;
use chora_core::ports::{Reporter, Store as _};
use chora_ops::context::Context;
use chora_ops::deploy::{DeployRequest, deploy};
use chora_ops::event_log::{EventLog, verify};
use chora_ops::failure::{Failure, FailureKind};
use chora_ops::logs::{LogsRequest, logs};
use chora_ops::status::{HistoryRequest, StatusRequest, history, status};
use chora_testkit::steady::Listener;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::world::{SECRET, World, expected, log_file};

/// A person who loses patience when told that a gate still waits.
struct Impatient {
    listener: Listener,
    cancel: CancellationToken,
}

impl Reporter for Impatient {
    fn event(&self, event: &Event) {
        self.listener.event(event);
    }

    fn progress(&self, progress: &Progress) {
        self.listener.progress(progress);
        if progress.note.contains("still fails") {
            self.cancel.cancel();
        }
    }
}

fn patient_world() -> World {
    let world = World::new();
    std::fs::write(world.project.path().join("chora.yaml"), "environments: {production: {gate_timeout: 90s}}\n").unwrap();
    world
}

async fn deploy_with(cx: &Context, version: &str) -> Failure {
    let request = DeployRequest { version: Some(version.into()), ..DeployRequest::default() };
    Box::pin(deploy(cx, &request)).await.unwrap_err()
}

#[tokio::test]
async fn a_gate_that_waits_says_once_what_is_failing_and_how_long_it_goes_on() {
    let world = patient_world();
    world.deploy("bad").await.unwrap_err();
    let told = world.listener.text();
    assert_eq!(told.matches("`web` still fails level 1 (container)").count(), 1, "{told}");
    assert!(told.contains(" s left"), "{told}");
}

#[tokio::test]
async fn an_interrupted_gate_names_what_it_was_waiting_for() {
    let world = patient_world();
    world.deploy("1").await.unwrap();
    world.write("bad");
    let mut cx = world.context();
    cx.reporter = Arc::new(Impatient { listener: world.listener.clone(), cancel: cx.cancel.clone() });
    let failure = deploy_with(&cx, "vbad").await;
    assert!(
        failure.message.contains("was broken off: ") && failure.message.contains("interrupted while `web` failed level 1"),
        "{failure:?}"
    );
    assert!(failure.hint.contains("interrupted it") && !failure.hint.contains("disk"), "{failure:?}");
    assert_eq!(world.running(), expected("1"));
    let history = history(&world.context(), &HistoryRequest::default()).await.unwrap();
    let cause = serde_json::to_value(&history.deployments[0]).unwrap()["cause"].to_string();
    let last = world.log().pop().unwrap();
    for told in [cause, last["errors"][0].to_string()] {
        assert!(told.contains("interrupted while `web` failed level 1"), "{told}");
    }
}

#[tokio::test]
async fn a_deployment_whose_beginning_cannot_be_written_never_began() {
    let world = World::new();
    world.deploy("1").await.unwrap();
    let log = log_file(world.project.path());
    let before = std::fs::read(&log).unwrap();
    std::fs::remove_file(&log).unwrap();
    std::fs::create_dir(&log).unwrap();
    let failure = world.deploy("2").await.unwrap_err();
    assert_eq!((failure.kind, failure.state.as_str()), (FailureKind::Unavailable, "nothing was changed"));
    let now = status(&world.context(), &StatusRequest::default()).await.unwrap();
    assert_eq!((now.version.as_deref(), now.unfinished.len()), (Some("v1"), 0));
    std::fs::remove_dir(&log).unwrap();
    std::fs::write(&log, before).unwrap();
    let outcome = world.deploy("2").await.unwrap();
    assert_eq!(outcome.warnings, Vec::<String>::new(), "nobody was killed");
    let told: Vec<_> = world.log().into_iter().map(|line| (line["version"].clone(), line["status"].clone())).collect();
    let line = |version: &str, status: &str| (json!(version), json!(status));
    let expected =
        [("v1", "in_progress"), ("v1", "success"), ("v2", "in_progress"), ("v2", "failure"), ("v2", "in_progress"), ("v2", "success")];
    assert_eq!(told, expected.map(|(version, status)| line(version, status)));
    let report = verify(&EventLog::at(world.project.path()), Some(&world.store)).await.unwrap();
    assert!(report.is_sound(), "{report:?}");
}

#[tokio::test]
async fn a_secret_that_the_stack_says_in_the_open_is_told_and_never_shown() {
    let world = World::new();
    world.write("1");
    let compose = world.project.path().join("compose.yaml");
    let text = std::fs::read_to_string(&compose).unwrap();
    let open = format!("image: db:1\n    environment: {{PGPASSWORD: {SECRET}, URL: \"postgres://app:{SECRET}@db/app\", OTHER: x}}");
    std::fs::write(&compose, text.replace("image: db:1", &open)).unwrap();
    let request = DeployRequest { version: Some("v1".into()), ..DeployRequest::default() };
    let outcome = Box::pin(deploy(&world.context(), &request)).await.unwrap();
    let warned: Vec<&str> = outcome.warnings.iter().map(String::as_str).collect();
    assert_eq!(warned.len(), 2, "{warned:#?}");
    assert!(
        warned[0].starts_with("the value of secret `key` is also in environment variable `PGPASSWORD` of service `db`: "),
        "{warned:#?}"
    );
    assert!(warned[1].contains("environment variable `URL` of service `db`"), "{warned:#?}");
    let config = chora_ops::project::config(&world.context().settings, &chora_ops::project::ConfigRequest::default()).unwrap();
    let environment = &config.stack["services"]["db"]["environment"];
    assert_eq!(environment, &json!({"PGPASSWORD": "[redacted]", "URL": "postgres://app:[redacted]@db/app", "OTHER": "x"}));
    let told = format!("{}{:?}{warned:?}{}", world.listener.text(), world.log(), config.stack);
    assert!(!told.contains(SECRET), "{told}");
    // The store needs the value to make the container again.
    let live = world.store.live_release(&EnvironmentName::new("production")).await.unwrap().unwrap();
    let release = world.store.release(&live).await.unwrap().unwrap();
    assert_eq!(release.stack.services["db"].environment["PGPASSWORD"].as_deref(), Some(SECRET));
}

#[tokio::test]
async fn a_value_from_before_a_rotation_stays_out_of_the_logs_of_its_containers() {
    let world = World::new();
    world.deploy("1").await.unwrap();
    for value in [Some("another-value"), None] {
        let key = world.project.path().join("key.txt");
        value.map_or_else(|| std::fs::remove_file(&key), |value| std::fs::write(&key, value)).unwrap();
        let told = logs(&world.context(), &LogsRequest::default()).await.unwrap();
        let told = serde_json::to_string(&told).unwrap();
        // The fake engine's programs print the secrets that they were given.
        assert!(told.contains("[redacted]") && !told.contains(SECRET), "{told}");
    }
}
