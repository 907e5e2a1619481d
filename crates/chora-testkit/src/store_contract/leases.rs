//! Leases: who may change an environment.

use chora_core::model::ids::EnvironmentName;
use chora_core::ports::store::StoreError;

use super::StoreFixture;
use super::sample::{lease, moment, owner};

/// The second one is refused and told who has it, even when it is the same process.
pub async fn one_owner_at_a_time(fixture: &dyn StoreFixture) {
    let (mine, theirs) = (fixture.open().await, fixture.open().await);
    let shop = EnvironmentName::new("shop");
    mine.acquire_lease(&lease("shop", 1), None).await.expect("free");
    let held = StoreError::LeaseHeld { environment: shop.clone(), holder: owner(1), since: moment(1) };
    assert_eq!(theirs.acquire_lease(&lease("shop", 2), None).await, Err(held.clone()));
    assert_eq!(mine.acquire_lease(&lease("shop", 1), None).await, Err(held));
    assert_eq!(theirs.lease(&shop).await, Ok(Some(lease("shop", 1))));
    mine.release_lease(&shop, &owner(1)).await.expect("given back");
    assert_eq!(theirs.lease(&shop).await, Ok(None));
    theirs.acquire_lease(&lease("shop", 2), None).await.expect("free again");
}

/// Of many that ask at once exactly one gets it.
pub async fn of_many_one_wins(fixture: &dyn StoreFixture) {
    let mut tasks = Vec::new();
    for pid in 1..=16 {
        let store = fixture.open().await;
        tasks.push(tokio::spawn(async move { store.acquire_lease(&lease("shop", pid), None).await }));
    }
    let mut winners = 0;
    for task in tasks {
        match task.await.expect("no panic") {
            Ok(()) => winners += 1,
            Err(error) => assert!(matches!(error, StoreError::LeaseHeld { .. }), "{error}"),
        }
    }
    assert_eq!(winners, 1);
}

/// Stealing takes the lease from the owner it names and from no other; of two thieves one wins.
pub async fn only_the_named_owner_is_stolen_from(fixture: &dyn StoreFixture) {
    let store = fixture.open().await;
    let shop = EnvironmentName::new("shop");
    store.acquire_lease(&lease("shop", 1), None).await.expect("free");
    let reused = chora_core::model::deployment::Owner { started: "boot/later".into(), ..owner(1) };
    assert!(matches!(store.acquire_lease(&lease("shop", 2), Some(&reused)).await, Err(StoreError::LeaseHeld { .. })));
    store.acquire_lease(&lease("shop", 2), Some(&owner(1))).await.expect("stolen");
    let late = store.acquire_lease(&lease("shop", 3), Some(&owner(1))).await;
    assert!(matches!(late, Err(StoreError::LeaseHeld { holder, .. }) if holder == owner(2)));
    assert_eq!(store.lease(&shop).await, Ok(Some(lease("shop", 2))));
}

/// Renewing moves the heartbeat and nothing else.
pub async fn a_heartbeat_is_kept(fixture: &dyn StoreFixture) {
    let store = fixture.open().await;
    let shop = EnvironmentName::new("shop");
    store.acquire_lease(&lease("shop", 1), None).await.expect("free");
    store.renew_lease(&shop, &owner(1), moment(9)).await.expect("ours");
    let seen = fixture.open().await.lease(&shop).await.expect("read").expect("held");
    assert_eq!(seen, chora_core::model::deployment::Lease { heartbeat: moment(9), ..lease("shop", 1) });
}

/// Whoever was stolen from, or never had it, learns it when renewing.
pub async fn a_lost_lease_is_said(fixture: &dyn StoreFixture) {
    let store = fixture.open().await;
    let shop = EnvironmentName::new("shop");
    let lost = Err(StoreError::LeaseLost { environment: shop.clone() });
    assert_eq!(store.renew_lease(&shop, &owner(1), moment(2)).await, lost);
    store.acquire_lease(&lease("shop", 1), None).await.expect("free");
    store.acquire_lease(&lease("shop", 2), Some(&owner(1))).await.expect("stolen");
    assert_eq!(store.renew_lease(&shop, &owner(1), moment(3)).await, lost);
}

/// Giving back what one does not hold changes nothing.
pub async fn giving_back_is_forgiving(fixture: &dyn StoreFixture) {
    let store = fixture.open().await;
    let shop = EnvironmentName::new("shop");
    store.release_lease(&shop, &owner(1)).await.expect("nothing to give back");
    store.acquire_lease(&lease("shop", 1), None).await.expect("free");
    store.release_lease(&shop, &owner(2)).await.expect("not theirs");
    assert_eq!(store.lease(&shop).await, Ok(Some(lease("shop", 1))));
}

/// Each environment has a lease of its own.
pub async fn environments_do_not_meet(fixture: &dyn StoreFixture) {
    let store = fixture.open().await;
    store.acquire_lease(&lease("shop", 1), None).await.expect("free");
    store.acquire_lease(&lease("forum", 2), None).await.expect("free");
    store.release_lease(&EnvironmentName::new("forum"), &owner(2)).await.expect("given back");
    assert_eq!(store.lease(&EnvironmentName::new("shop")).await, Ok(Some(lease("shop", 1))));
}
