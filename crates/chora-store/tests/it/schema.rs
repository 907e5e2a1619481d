//! Stores of other versions.

use std::fs;
use std::path::{Path, PathBuf};

use chora_core::model::deployment::OutcomeKind;
use chora_core::model::ids::{DeploymentId, EnvironmentName, ReleaseId};
use chora_core::ports::store::{Store, StoreError};
use chora_store::SqliteStore;
use rusqlite::Connection;
use tempfile::TempDir;

fn fresh() -> (TempDir, PathBuf) {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join(".chora/storage.db");
    drop(SqliteStore::open(&path).unwrap());
    (folder, path)
}

fn newer() -> StoreError {
    StoreError::NewerSchema { found: 7, known: 1 }
}

#[test]
fn the_schema_stands_beside_the_store() {
    let (_folder, path) = fresh();
    assert_eq!(fs::read_to_string(path.with_file_name("schema_version.txt")).unwrap(), "1\n");
}

#[test]
fn a_newer_version_file_is_refused_before_the_store_is_touched() {
    let (_folder, path) = fresh();
    fs::write(path.with_file_name("schema_version.txt"), "7\n").unwrap();
    let before = fs::read(&path).unwrap();
    assert_eq!(SqliteStore::open(&path).unwrap_err(), newer());
    assert_eq!(fs::read(&path).unwrap(), before);
    assert!(!path.with_file_name("storage.db-wal").exists());
}

#[test]
fn a_newer_store_is_refused_and_not_written() {
    let (_folder, path) = fresh();
    Connection::open(&path).unwrap().pragma_update(None, "user_version", 7).unwrap();
    let before = fs::read(&path).unwrap();
    assert_eq!(SqliteStore::open(&path).unwrap_err(), newer());
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[test]
fn a_newer_store_that_is_open_elsewhere_is_refused_too() {
    let (_folder, path) = fresh();
    let elsewhere = Connection::open(&path).unwrap();
    elsewhere.pragma_update(None, "user_version", 7).unwrap();
    assert_eq!(SqliteStore::open(&path).unwrap_err(), newer(), "the version is in the write-ahead log only");
}

#[test]
fn something_else_under_the_name_is_refused_and_kept() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("storage.db");
    let text = "this is a letter, not a store\n".repeat(40);
    fs::write(&path, &text).unwrap();
    assert!(SqliteStore::open(&path).is_err());
    assert_eq!(fs::read_to_string(&path).unwrap(), text);
}

#[test]
fn an_empty_file_and_a_lost_version_file_are_mended() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("storage.db");
    fs::write(&path, "").unwrap();
    fs::write(path.with_file_name("schema_version.txt"), "?").unwrap();
    drop(SqliteStore::open(&path).unwrap());
    assert_eq!(fs::read_to_string(path.with_file_name("schema_version.txt")).unwrap(), "1\n");
}

#[tokio::test]
async fn a_store_of_schema_1_still_opens() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("storage.db");
    fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/schema-1.db"), &path).unwrap();
    let store = SqliteStore::open(&path).unwrap();
    let shop = EnvironmentName::new("shop");
    let live = store.live_release(&shop).await.unwrap().unwrap();
    let release = store.release(&live).await.unwrap().unwrap();
    assert_eq!((release.id, release.version.as_str()), (ReleaseId::new("r1"), "v1"));
    let kinds: Vec<_> = store.deployments(&shop, 9).await.unwrap().into_iter().map(|one| one.outcome.map(|end| end.kind)).collect();
    assert_eq!(kinds, [None, Some(OutcomeKind::Deployed)]);
    assert_eq!(store.journal(&DeploymentId::new("d1")).await.unwrap().len(), 2);
    assert_eq!(store.lease(&shop).await.unwrap().unwrap().owner.pid, 1);
}

/// Writes `testdata/schema-1.db` anew; only for a change of the schema, under the next number then.
#[tokio::test]
#[ignore = "writes the sample store"]
async fn write_the_sample() {
    use chora_core::model::deployment::JournalMark;
    use chora_testkit::store_contract::sample::{deployment, entry, lease, moment, outcome, release};
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/schema-1.db");
    assert!(!path.exists(), "a sample is never changed");
    let folder = TempDir::new().unwrap();
    let store = SqliteStore::open(&folder.path().join("storage.db")).unwrap();
    store.acquire_lease(&lease("shop", 1), None).await.unwrap();
    store.put_release(&release("r1")).await.unwrap();
    store.put_deployment(&deployment("d1", "shop")).await.unwrap();
    let id = DeploymentId::new("d1");
    store.append_journal(&id, &[entry(0, JournalMark::Begun)], None).await.unwrap();
    store.append_journal(&id, &[entry(0, JournalMark::Done)], None).await.unwrap();
    let took = std::time::Duration::from_millis(1500);
    store.finish_deployment(&id, &outcome(OutcomeKind::Deployed), moment(40), took, Some(&ReleaseId::new("r1"))).await.unwrap();
    store.put_deployment(&deployment("d2", "shop")).await.unwrap();
    drop(store);
    fs::copy(folder.path().join("storage.db"), path).unwrap();
}
