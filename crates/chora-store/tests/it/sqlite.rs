//! The store contract on `SQLite`.

use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

use async_trait::async_trait;
use chora_core::ports::store::Store;
use chora_store::SqliteStore;
use chora_testkit::store_contract::StoreFixture;
use tempfile::TempDir;

struct Fixture(TempDir);

impl Fixture {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }
}

#[async_trait]
impl StoreFixture for Fixture {
    async fn open(&self) -> Arc<dyn Store> {
        Arc::new(SqliteStore::open(&self.0.path().join(".chora/storage.db")).unwrap())
    }
}

chora_testkit::store_contract!(Fixture::new());

#[test]
fn only_the_owner_may_look_inside() {
    let folder = TempDir::new().unwrap();
    let store = SqliteStore::open(&folder.path().join(".chora/storage.db")).unwrap();
    let mode = |name: &str| folder.path().join(name).metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(".chora"), mode(".chora/storage.db")), (0o700, 0o600));
    assert_eq!(mode(".chora/storage.db-wal"), 0o600);
    drop(store);
}
