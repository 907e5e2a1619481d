//! A writer killed in the middle: what it was told is kept is kept, nothing is half there.

use std::io::{BufRead, BufReader};

use chora_core::model::ids::DeploymentId;
use chora_core::ports::store::Store;
use chora_store::SqliteStore;
use chora_testkit::store_contract::sample::deployment;
use tempfile::TempDir;

use super::another_process::start;

#[tokio::test]
async fn a_killed_writer_loses_nothing_that_was_acknowledged() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join(".chora/storage.db");
    let id = DeploymentId::new("d1");
    SqliteStore::open(&path).unwrap().put_deployment(&deployment("d1", "shop")).await.unwrap();
    let mut before = 0;
    for kill_after in [1, 7, 40, 150] {
        let mut child = start("journal", &path);
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut acknowledged = (&mut lines).take(kill_after).map(Result::unwrap).count();
        child.kill().unwrap();
        assert!(!child.wait().unwrap().success(), "it was to be killed, not to end");
        acknowledged += lines.count();
        let journal = SqliteStore::open(&path).unwrap().journal(&id).await.unwrap();
        let written = journal.len() - before;
        assert!(written == acknowledged || written == acknowledged + 1, "{acknowledged} acknowledged, {written} there");
        let steps: Vec<u32> = journal.iter().skip(before).map(|entry| entry.step).collect();
        assert!(steps.iter().copied().eq(0..u32::try_from(written).unwrap()), "{steps:?}");
        before = journal.len();
    }
    let sound: String = rusqlite::Connection::open(&path).unwrap().query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(sound, "ok");
}
