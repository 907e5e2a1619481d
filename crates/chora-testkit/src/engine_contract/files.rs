//! Files written before the start and read at any time.

use chora_core::compose::{Mount, MountKind};
use chora_core::model::container::{ContainerSpec, FileContent};
use chora_core::model::secret::Secret;
use chora_core::ports::EngineError;

use super::Workbench;

fn file(path: &str, content: &str, (uid, gid, mode): (u64, u64, u32)) -> FileContent {
    FileContent { path: path.to_owned(), content: Secret::new(content.as_bytes().to_vec()), uid, gid, mode }
}

fn with_file(bench: &Workbench, suffix: &str, path: &str) -> ContainerSpec {
    let mut spec = bench.spec(suffix);
    spec.files = vec![file(path, "content", (0, 0, 0o444))];
    spec
}

/// Owner, group and mode are the file's; new directories are 0755, old ones stay as they are.
pub async fn files_are_written_with_owner_and_mode(bench: &Workbench) {
    let mut spec = bench.spec("files");
    spec.files = vec![
        file("/run/secrets/key", "hunter2", (65534, 65533, 0o400)),
        file("/tmp/new/deep/config", "x = 1", (0, 0, 0o644)),
        file("/top", "", (0, 0, 0o600)),
    ];
    let id = bench.run(&spec).await;
    for (path, facts) in [
        ("/run/secrets/key", "400 65534 65533\n"),
        ("/run/secrets", "755 0 0\n"),
        ("/tmp", "1777 0 0\n"),
        ("/tmp/new/deep", "755 0 0\n"),
        ("/tmp/new/deep/config", "644 0 0\n"),
        ("/top", "600 0 0\n"),
    ] {
        assert_eq!(bench.ask(&id, &["stat", path]).await.output, facts, "{path}");
    }
    assert_eq!(bench.ask(&id, &["cat", "/run/secrets/key"]).await.output, "hunter2");
}

/// Below a read-only root, `/run/secrets` still takes files, and they are there after a restart.
pub async fn a_read_only_root_takes_secrets(bench: &Workbench) {
    let mut spec = with_file(bench, "sealed", "/run/secrets/key");
    spec.service.read_only = true;
    let id = bench.run(&spec).await;
    bench.engine.stop_container(id.as_str(), Some(std::time::Duration::from_secs(20))).await.unwrap();
    bench.engine.start_container(id.as_str()).await.unwrap();
    assert_eq!(bench.ask(&id, &["cat", "/run/secrets/key"]).await.output, "content");
    assert_eq!(bench.ask(&id, &["write", "/x", "y"]).await.exit_code, 1);
}

/// Memory above `/run/secrets` does not hide the secrets, which are there after a restart and can be read.
pub async fn a_tmpfs_over_run_takes_secrets(bench: &Workbench) {
    let mut spec = with_file(bench, "volatile", "/run/secrets/key");
    spec.service.tmpfs = vec!["/run:size=1m".into()];
    let id = bench.run(&spec).await;
    bench.engine.stop_container(id.as_str(), Some(std::time::Duration::from_secs(20))).await.unwrap();
    bench.engine.start_container(id.as_str()).await.unwrap();
    assert_eq!(bench.ask(&id, &["cat", "/run/secrets/key"]).await.output, "content");
    assert_eq!(bench.engine.read_file(id.as_str(), "/run/secrets/key", 100).await.unwrap().unwrap(), b"content");
    assert_eq!(bench.ask(&id, &["write", "/run/x", "y"]).await.exit_code, 0);
}

/// Where a file could not be written or would be lost, the request is refused and says why.
pub async fn places_that_lose_files_are_refused(bench: &Workbench) {
    let mut sealed = with_file(bench, "sealed", "/etc/app.conf");
    sealed.service.read_only = true;
    let mut volatile = with_file(bench, "volatile", "/run/app.conf");
    volatile.service.tmpfs = vec!["/run:size=1m".into()];
    let mut mounted = with_file(bench, "mounted", "/data/app.conf");
    mounted.mounts = vec![Mount { kind: MountKind::Tmpfs, target: "/data".into(), ..Mount::default() }];
    let escaping = with_file(bench, "escaping", "/tmp/../../etc/x");
    for (spec, words) in [(sealed, "read-only"), (volatile, "tmpfs"), (mounted, "tmpfs"), (escaping, "plain")] {
        let error = bench.engine.create_container(&spec).await.unwrap_err();
        assert!(matches!(&error, EngineError::Invalid { reason } if reason.contains(words)), "{error:?}");
        assert!(bench.engine.container(&spec.name).await.unwrap().is_none());
    }
}

/// Files are read from containers that run and that do not; links are followed, length is bounded.
pub async fn files_are_read(bench: &Workbench) {
    let id = bench.engine.create_container(&with_file(bench, "read", "/tmp/a")).await.unwrap();
    let read = async |path: &str, limit: usize| bench.engine.read_file(id.as_str(), path, limit).await;
    assert_eq!(read("/tmp/a", 100).await.unwrap().unwrap(), b"content");
    assert_eq!(read("/tmp/a", 3).await.unwrap().unwrap(), b"con");
    assert!(read("/etc/users", 1000).await.unwrap().unwrap().starts_with(b"root:"));
    assert_eq!(read("/tmp/none", 10).await.unwrap(), None);
    assert_eq!(read("/none/at/all", 10).await.unwrap(), None);
    assert!(matches!(read("/tmp", 10).await, Err(EngineError::Invalid { .. })));
    bench.engine.start_container(id.as_str()).await.unwrap();
    assert_eq!(read("/tmp/a", 100).await.unwrap().unwrap(), b"content");
}

/// What is written into files shows neither in the inspection nor in a failure.
pub async fn secrets_show_nowhere(bench: &Workbench) {
    let mut spec = bench.spec("silent");
    spec.files = vec![file("/run/secrets/key", "hunter2-hunter2", (0, 0, 0o400))];
    let id = bench.engine.create_container(&spec).await.unwrap();
    let seen = bench.inspect(&id).await;
    assert!(!format!("{seen:?} {:?}", seen.environment.expose()).contains("hunter2"));
    let again = bench.engine.create_container(&spec).await.unwrap_err();
    assert!(!format!("{again:?} {again}").contains("hunter2"));
}
