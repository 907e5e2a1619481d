//! Named volumes.

use chora_core::compose::{Mount, MountKind};
use chora_core::ports::EngineError;

use super::Workbench;

/// Creation and removal can be repeated; lists follow labels; a volume in use stays.
pub async fn volumes_come_and_go(bench: &Workbench) {
    let spec = bench.volume("data");
    for _ in 0..2 {
        bench.engine.create_volume(&spec).await.unwrap();
    }
    let listed = bench.engine.volumes(&bench.labels()).await.unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!(bench.engine.volume(&spec.name).await.unwrap().as_ref(), listed.first());
    assert_eq!((&listed[0].name, listed[0].driver.as_str(), &listed[0].labels), (&spec.name, "local", &bench.labels()));
    let mut user = bench.spec("user");
    user.mounts = vec![Mount { kind: MountKind::Volume, source: Some(spec.name.clone()), target: "/data".into(), ..Mount::default() }];
    let id = bench.engine.create_container(&user).await.unwrap();
    let error = bench.engine.remove_volume(&spec.name).await.unwrap_err();
    assert!(matches!(error, EngineError::Conflict { .. }), "{error:?}");
    bench.engine.remove_container(id.as_str(), true).await.unwrap();
    assert!(bench.engine.volume(&spec.name).await.unwrap().is_some(), "a named volume outlives its containers");
    for _ in 0..2 {
        bench.engine.remove_volume(&spec.name).await.unwrap();
    }
    assert!(bench.engine.volume(&spec.name).await.unwrap().is_none());
}

/// What one container wrote, the next one reads.
pub async fn data_outlives_its_container(bench: &Workbench) {
    let volume = bench.volume("kept");
    bench.engine.create_volume(&volume).await.unwrap();
    let mount = Mount { kind: MountKind::Volume, source: Some(volume.name.clone()), target: "/data".into(), ..Mount::default() };
    let mut spec = bench.spec("writer");
    spec.mounts = vec![mount.clone()];
    let writer = bench.run(&spec).await;
    assert_eq!(bench.ask(&writer, &["write", "/data/x", "kept"]).await.exit_code, 0);
    bench.engine.remove_container(writer.as_str(), true).await.unwrap();
    let mut spec = bench.spec("reader");
    spec.mounts = vec![Mount { read_only: true, ..mount }];
    let reader = bench.run(&spec).await;
    assert_eq!(bench.ask(&reader, &["cat", "/data/x"]).await.output, "kept");
    assert_eq!(bench.ask(&reader, &["write", "/data/x", "new"]).await.exit_code, 1);
}
