//! Full and read-only disks, real ones: a tmpfs of one MiB.

use std::path::Path;
use std::process::Command;

use chora_core::model::deployment::{JournalEntry, JournalMark};
use chora_core::model::ids::DeploymentId;
use chora_core::ports::store::{Store, StoreError};
use chora_store::SqliteStore;
use chora_testkit::store_contract::sample::{deployment, entry};
use tempfile::TempDir;

/// A small file system of its own, unmounted when dropped.
pub(crate) struct Tmpfs(TempDir);

impl Tmpfs {
    pub(crate) fn mount(size: &str) -> Self {
        let point = TempDir::new().unwrap();
        let options = format!("size={size}");
        run(Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(point.path()));
        Self(point)
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    fn make_read_only(&self) {
        run(Command::new("mount").args(["-o", "remount,ro"]).arg(self.path()));
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        run(Command::new("umount").arg("-l").arg(self.0.path()));
    }
}

fn run(command: &mut Command) {
    let output = command.output().expect("mount and umount are installed");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "this test mounts a small file system and must run as root with CAP_SYS_ADMIN: {said}");
}

fn long_entry(step: u32) -> JournalEntry {
    JournalEntry { note: "x".repeat(4000), ..entry(step, JournalMark::Begun) }
}

#[tokio::test]
async fn a_full_disk_is_said_and_what_was_kept_stays() {
    let disk = Tmpfs::mount("1m");
    let path = disk.path().join(".chora/storage.db");
    let store = SqliteStore::open(&path).unwrap();
    let id = DeploymentId::new("d1");
    store.put_deployment(&deployment("d1", "shop")).await.unwrap();
    let mut kept = 0;
    let error = loop {
        match store.append_journal(&id, &[long_entry(kept)], None).await {
            Ok(()) => kept += 1,
            Err(error) => break error,
        }
        assert!(kept < 1000, "the disk never became full");
    };
    assert!(matches!(error, StoreError::DiskFull(_)), "{error:?}");
    let kept = usize::try_from(kept).unwrap();
    assert_eq!(store.journal(&id).await.unwrap().len(), kept);
    drop(store);
    let again = SqliteStore::open(&path).unwrap();
    assert_eq!(again.journal(&id).await.unwrap().len(), kept);
}

#[test]
fn a_store_cannot_begin_on_a_full_disk() {
    let disk = Tmpfs::mount("16k");
    let error = SqliteStore::open(&disk.path().join(".chora/storage.db")).unwrap_err();
    assert!(matches!(error, StoreError::DiskFull(_)), "{error:?}");
}

#[test]
fn a_read_only_disk_is_said() {
    let disk = Tmpfs::mount("1m");
    let path = disk.path().join(".chora/storage.db");
    drop(SqliteStore::open(&path).unwrap());
    disk.make_read_only();
    assert!(matches!(SqliteStore::open(&path), Err(StoreError::ReadOnly(_))));
    let absent = disk.path().join("other/.chora/storage.db");
    assert!(matches!(SqliteStore::open(&absent), Err(StoreError::ReadOnly(_))));
}
