//! Containers live, end and go.

use std::time::Duration;

use chora_core::model::container::{ContainerFilter, ContainerState};
use chora_core::model::ids::ImageId;
use chora_core::ports::EngineError;

use super::Workbench;

/// Every state on the way is seen.
pub async fn a_life_from_creation_to_removal(bench: &Workbench) {
    let spec = bench.spec("life");
    let id = bench.engine.create_container(&spec).await.unwrap();
    let created = bench.inspect(&id).await;
    assert_eq!((created.state, created.name.as_str(), created.exit_code), (ContainerState::Created, spec.name.as_str(), None));
    assert_eq!((created.image, created.labels), (bench.image.clone(), spec.labels.clone()));
    assert_eq!((created.started_at, created.pid), (None, 0));
    assert!(created.created_at.is_some());

    bench.engine.start_container(id.as_str()).await.unwrap();
    let running = bench.inspect(&id).await;
    assert_eq!((running.state, running.exit_code, running.restarts), (ContainerState::Running, None, 0));
    assert!(running.pid > 0 && running.started_at.is_some());
    assert_eq!(running.exposed, ["8080/tcp"]);

    let renamed = bench.name("renamed");
    bench.engine.rename_container(id.as_str(), &renamed).await.unwrap();
    assert_eq!(bench.engine.container(&renamed).await.unwrap().unwrap().id, id);
    assert!(bench.engine.container(&spec.name).await.unwrap().is_none());

    bench.engine.stop_container(&renamed, Some(Duration::from_secs(20))).await.unwrap();
    let ended = bench.inspect(&id).await;
    assert_eq!((ended.state, ended.exit_code, ended.oom_killed), (ContainerState::Exited, Some(0), false));
    assert!(ended.finished_at >= ended.started_at);

    bench.engine.start_container(id.as_str()).await.unwrap();
    bench.engine.kill_container(id.as_str(), "SIGKILL").await.unwrap();
    assert_eq!(bench.engine.wait_container(id.as_str()).await.unwrap(), 137);
    bench.engine.remove_container(id.as_str(), true).await.unwrap();
    assert!(bench.engine.container(id.as_str()).await.unwrap().is_none());
}

/// A name in use is a conflict, for creation and for renaming.
pub async fn names_are_taken_once(bench: &Workbench) {
    bench.engine.create_container(&bench.spec("taken")).await.unwrap();
    let again = bench.engine.create_container(&bench.spec("taken")).await.unwrap_err();
    assert!(matches!(again, EngineError::Conflict { .. }), "{again:?}");
    let other = bench.engine.create_container(&bench.spec("other")).await.unwrap();
    let renamed = bench.engine.rename_container(other.as_str(), &bench.name("taken")).await.unwrap_err();
    assert!(matches!(renamed, EngineError::Conflict { .. }), "{renamed:?}");
}

/// What is done already is fine; recovery repeats calls.
pub async fn calls_are_forgiving(bench: &Workbench) {
    let id = bench.run(&bench.spec("again")).await;
    bench.engine.start_container(id.as_str()).await.unwrap();
    for _ in 0..2 {
        bench.engine.stop_container(id.as_str(), Some(Duration::from_secs(20))).await.unwrap();
    }
    for _ in 0..2 {
        bench.engine.remove_container(id.as_str(), true).await.unwrap();
    }
    let running = bench.run(&bench.spec("forced")).await;
    bench.engine.remove_container(running.as_str(), true).await.unwrap();
}

/// What is not there is `NotFound`, with its name, or `None`.
pub async fn what_is_gone_is_said(bench: &Workbench) {
    let gone = bench.name("gone");
    assert!(bench.engine.container(&gone).await.unwrap().is_none());
    let what = format!("container `{gone}`");
    let calls = [
        bench.engine.start_container(&gone).await,
        bench.engine.stop_container(&gone, None).await,
        bench.engine.kill_container(&gone, "SIGTERM").await,
        bench.engine.rename_container(&gone, "x").await,
        bench.engine.wait_container(&gone).await.map(drop),
        bench.engine.processes(&gone).await.map(drop),
        bench.engine.read_file(&gone, "/etc/passwd", 10).await.map(drop),
    ];
    for result in calls {
        assert_eq!(result, Err(EngineError::NotFound { what: what.clone() }));
    }
    let mut spec = bench.spec("imageless");
    spec.image = ImageId::new(format!("sha256:{}", "0".repeat(64)));
    let error = bench.engine.create_container(&spec).await.unwrap_err();
    assert!(matches!(&error, EngineError::NotFound { what } if what.starts_with("image")), "{error:?}");
}

/// An exit code is an answer, not an error.
pub async fn exit_codes_come_back(bench: &Workbench) {
    for code in ["0", "3"] {
        let spec = bench.spec_with(code, &[("EXIT_AFTER_MS", "1"), ("EXIT_CODE", code)]);
        let id = bench.run(&spec).await;
        let expected: i64 = code.parse().unwrap();
        for _ in 0..2 {
            assert_eq!(bench.engine.wait_container(id.as_str()).await, Ok(expected));
        }
        assert_eq!(bench.inspect(&id).await.exit_code, Some(expected));
    }
}

/// A process that ignores its stop signal is killed when the grace is over.
pub async fn a_deaf_process_is_killed_after_its_grace(bench: &Workbench) {
    let id = bench.run(&bench.spec_with("deaf", &[("IGNORE_SIGTERM", "1")])).await;
    bench.engine.stop_container(id.as_str(), Some(Duration::from_secs(1))).await.unwrap();
    assert_eq!(bench.inspect(&id).await.exit_code, Some(137));
}

/// A container that outgrows its memory is killed, and that is told, if not always in the same moment.
pub async fn memory_has_an_end(bench: &Workbench) {
    let mut spec = bench.spec_with("hungry", &[("EAT_MEMORY", "1")]);
    spec.service.mem_limit = Some(chora_core::compose::ByteSize(32 << 20));
    spec.service.memswap_limit = Some(chora_core::compose::ByteSize(32 << 20));
    let id = bench.run(&spec).await;
    let ended = bench.until(&id, "killed for memory", |seen| seen.state == ContainerState::Exited && seen.oom_killed).await;
    assert_eq!(ended.exit_code, Some(137));
}

/// Lists hold what carries every label, running or also ended.
pub async fn lists_follow_labels(bench: &Workbench) {
    let running = bench.run(&bench.spec("running")).await;
    let ended = bench.run(&bench.spec_with("ended", &[("EXIT_AFTER_MS", "1")])).await;
    bench.until_ended(&ended).await;
    let mut filter = ContainerFilter { labels: bench.labels(), all: false };
    let listed = bench.engine.containers(&filter).await.unwrap();
    assert_eq!(listed.len(), 1);
    let summary = &listed[0];
    assert_eq!((&summary.id, &summary.name, &summary.image), (&running, &bench.name("running"), &bench.image));
    assert_eq!((summary.state, &summary.labels), (ContainerState::Running, &bench.labels()));
    assert!(summary.status.starts_with("Up"), "{}", summary.status);
    assert_eq!(summary.networks.len(), 1);
    filter.all = true;
    assert_eq!(bench.engine.containers(&filter).await.unwrap().len(), 2);
    filter.labels.insert("chora.test.none".into(), "x".into());
    assert!(bench.engine.containers(&filter).await.unwrap().is_empty());
}

/// A step that fails after the creation takes the container with it.
pub async fn a_failed_creation_leaves_nothing(bench: &Workbench) {
    let first = bench.network("first").await;
    let mut spec = bench.spec("half");
    spec.attachments = vec![Workbench::attachment(&first, &[]), Workbench::attachment(&bench.name("missing"), &[])];
    let created = bench.engine.create_container(&spec).await;
    // Engines that join networks at the start find out then.
    if let Ok(id) = &created {
        let error = bench.engine.start_container(id.as_str()).await.unwrap_err();
        assert!(matches!(error, EngineError::NotFound { .. }), "{error:?}");
        return;
    }
    assert!(matches!(created, Err(EngineError::NotFound { .. })), "{created:?}");
    assert!(bench.engine.container(&spec.name).await.unwrap().is_none());
}

/// Running processes are listed; a stopped container has none to list.
pub async fn processes_are_listed(bench: &Workbench) {
    let id = bench.run(&bench.spec("processes")).await;
    let listed = bench.engine.processes(id.as_str()).await.unwrap();
    assert_eq!(listed, [crate::test_image::SERVER]);
    bench.engine.stop_container(id.as_str(), Some(Duration::from_secs(20))).await.unwrap();
    let error = bench.engine.processes(id.as_str()).await.unwrap_err();
    assert!(matches!(error, EngineError::Conflict { .. }), "{error:?}");
}
