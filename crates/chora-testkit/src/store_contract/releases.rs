//! Releases, and which one is live.

use chora_core::model::ids::{EnvironmentName, ReleaseId};
use chora_core::model::release::Release;
use chora_core::ports::store::StoreError;

use super::StoreFixture;
use super::sample::release;

/// Every field and the order of maps survive.
pub async fn a_release_comes_back_whole(fixture: &dyn StoreFixture) {
    fixture.open().await.put_release(&release("r1")).await.expect("put");
    let store = fixture.open().await;
    let back = store.release(&ReleaseId::new("r1")).await.expect("read").expect("there");
    assert_eq!(back, release("r1"));
    assert!(back.fingerprints.keys().eq(["web", "db"]));
    assert_eq!(store.release(&ReleaseId::new("r2")).await, Ok(None));
}

/// Recording twice is one recording.
pub async fn the_same_release_again_is_fine(fixture: &dyn StoreFixture) {
    let store = fixture.open().await;
    store.put_release(&release("r1")).await.expect("put");
    store.put_release(&release("r1")).await.expect("put again");
}

/// A release is immutable.
pub async fn another_release_under_the_same_id_is_refused(fixture: &dyn StoreFixture) {
    let store = fixture.open().await;
    store.put_release(&release("r1")).await.expect("put");
    let other = Release { version: "v2".into(), ..release("r1") };
    assert!(matches!(store.put_release(&other).await, Err(StoreError::Exists(_))));
    assert_eq!(store.release(&ReleaseId::new("r1")).await, Ok(Some(release("r1"))));
}

/// The live release is what was set last, per environment, or none.
pub async fn live_follows_what_is_set(fixture: &dyn StoreFixture) {
    let store = fixture.open().await;
    let shop = EnvironmentName::new("shop");
    assert_eq!(store.live_release(&shop).await, Ok(None));
    for id in ["r1", "r2"] {
        store.put_release(&release(id)).await.expect("put");
        store.set_live_release(&shop, Some(&ReleaseId::new(id))).await.expect("set");
        assert_eq!(fixture.open().await.live_release(&shop).await, Ok(Some(ReleaseId::new(id))));
    }
    assert_eq!(store.live_release(&EnvironmentName::new("forum")).await, Ok(None));
    store.set_live_release(&shop, None).await.expect("unset");
    assert_eq!(store.live_release(&shop).await, Ok(None));
}

/// Only a recorded release can be live.
pub async fn live_must_be_recorded(fixture: &dyn StoreFixture) {
    let store = fixture.open().await;
    let shop = EnvironmentName::new("shop");
    assert!(matches!(store.set_live_release(&shop, Some(&ReleaseId::new("r9"))).await, Err(StoreError::NotFound(_))));
    assert_eq!(store.live_release(&shop).await, Ok(None));
}
