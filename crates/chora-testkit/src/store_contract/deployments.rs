//! Deployments and their journals.

use std::time::Duration;

use chora_core::model::deployment::{Deployment, DeploymentAction, JournalMark, MadeLive, OutcomeKind};
use chora_core::model::ids::{DeploymentId, EnvironmentName, ReleaseId};
use chora_core::model::release::Release;
use chora_core::plan::Plan;
use chora_core::ports::store::StoreError;

use super::StoreFixture;
use super::sample::{deployment, entry, moment, outcome, release};

/// Every field survives.
pub async fn a_deployment_comes_back_whole(fixture: &dyn StoreFixture) {
    let begun = Deployment { previous: Some(ReleaseId::new("r0")), ..deployment("d1", "shop") };
    fixture.open().await.put_deployment(&begun).await.expect("put");
    assert_eq!(fixture.open().await.deployment(&DeploymentId::new("d1")).await, Ok(Some(begun)));
}

/// Putting again completes the one that is there.
pub async fn a_plan_completes_it(fixture: &dyn StoreFixture) {
    let store = fixture.open().await;
    store.put_deployment(&deployment("d1", "shop")).await.expect("put");
    store.append_journal(&DeploymentId::new("d1"), &[entry(0, JournalMark::Begun)], None).await.expect("append");
    let planned = Deployment { plan: Some(Plan::default()), ..deployment("d1", "shop") };
    store.put_deployment(&planned).await.expect("put again");
    assert_eq!(store.deployments(&EnvironmentName::new("shop"), 10).await, Ok(vec![planned]));
    assert_eq!(store.journal(&DeploymentId::new("d1")).await.expect("read").len(), 1);
}

/// The order is that of recording, also when the clock went backwards; the limit and the environment hold.
pub async fn newest_first_whatever_the_clock_says(fixture: &dyn StoreFixture) {
    let store = fixture.open().await;
    for (id, second) in [("a", 300), ("c", 100), ("b", 200)] {
        let begun = Deployment { started_at: moment(second), ..deployment(id, "shop") };
        store.put_deployment(&begun).await.expect("put");
        store.put_deployment(&deployment(&format!("other-{id}"), "forum")).await.expect("put");
    }
    let planned = Deployment { plan: Some(Plan::default()), ..deployment("a", "shop") };
    store.put_deployment(&planned).await.expect("put again");
    let shop = EnvironmentName::new("shop");
    let ids = |found: Vec<Deployment>| found.into_iter().map(|one| one.id.to_string()).collect::<Vec<_>>();
    assert_eq!(ids(store.deployments(&shop, 10).await.expect("list")), ["b", "c", "a"]);
    assert_eq!(ids(store.deployments(&shop, 2).await.expect("list")), ["b", "c"]);
    assert!(store.deployments(&shop, 0).await.expect("list").is_empty());
    assert!(store.deployments(&EnvironmentName::new("none"), 10).await.expect("list").is_empty());
}

/// Those that made a release live are told, newest first, whatever else was tried; all are counted.
pub async fn what_made_releases_live_is_told(fixture: &dyn StoreFixture) {
    let store = fixture.open().await;
    let shop = EnvironmentName::new("shop");
    assert_eq!((store.made_live(&shop).await, store.deployment_count(&shop).await), (Ok(Vec::new()), Ok(0)));
    let (deploy, back) = (DeploymentAction::Deploy, DeploymentAction::Rollback);
    let (deployed, kept) = (Some(OutcomeKind::Deployed), Some(OutcomeKind::Kept));
    for (id, action, end) in [("a", deploy, deployed), ("b", deploy, kept), ("c", back, deployed), ("d", deploy, None)] {
        let (release, version) = (ReleaseId::new(format!("r-{id}")), format!("v-{id}"));
        store.put_deployment(&Deployment { action, release, version, ..deployment(id, "shop") }).await.expect("put");
        store.put_deployment(&deployment(&format!("other-{id}"), "forum")).await.expect("put");
        for (id, end) in end.into_iter().flat_map(|end| [(id.to_owned(), end), (format!("other-{id}"), end)]) {
            store.finish_deployment(&DeploymentId::new(id), &outcome(end), moment(40), Duration::ZERO, None).await.expect("ends");
        }
    }
    let made_live = |id: &str, action| MadeLive {
        deployment: DeploymentId::new(id),
        action,
        release: ReleaseId::new(format!("r-{id}")),
        version: format!("v-{id}"),
    };
    let again = fixture.open().await;
    assert_eq!(again.made_live(&shop).await, Ok(vec![made_live("c", back), made_live("a", deploy)]));
    assert_eq!(again.deployment_count(&shop).await, Ok(4));
}

/// The first end stays; the same again is fine, another is refused, and so is a late beginning.
pub async fn the_end_comes_once(fixture: &dyn StoreFixture) {
    let store = fixture.open().await;
    let id = DeploymentId::new("d1");
    let took = Duration::from_millis(1234);
    store.put_deployment(&deployment("d1", "shop")).await.expect("put");
    store.finish_deployment(&id, &outcome(OutcomeKind::Kept), moment(40), took, None).await.expect("ends");
    store.finish_deployment(&id, &outcome(OutcomeKind::Kept), moment(50), took, None).await.expect("the same end");
    let other = store.finish_deployment(&id, &outcome(OutcomeKind::Deployed), moment(60), took, None).await;
    assert!(matches!(other, Err(StoreError::Exists(_))), "{other:?}");
    assert!(matches!(store.put_deployment(&deployment("d1", "shop")).await, Err(StoreError::Exists(_))));
    let ended = fixture.open().await.deployment(&id).await.expect("read").expect("there");
    assert_eq!(ended.outcome, Some(outcome(OutcomeKind::Kept)));
    assert_eq!((ended.ended_at, ended.took), (Some(moment(40)), Some(took)));
}

/// Either both change or neither.
pub async fn the_end_and_live_change_together(fixture: &dyn StoreFixture) {
    let store = fixture.open().await;
    let (id, shop) = (DeploymentId::new("d1"), EnvironmentName::new("shop"));
    let (end, took) = (outcome(OutcomeKind::Deployed), Duration::from_secs(1));
    store.put_deployment(&deployment("d1", "shop")).await.expect("put");
    let missing = store.finish_deployment(&id, &end, moment(40), took, Some(&ReleaseId::new("r1"))).await;
    assert!(matches!(missing, Err(StoreError::NotFound(_))), "{missing:?}");
    assert_eq!(store.deployment(&id).await.expect("read").expect("there").outcome, None);
    store.put_release(&release("r1")).await.expect("put");
    store.finish_deployment(&id, &end, moment(40), took, Some(&ReleaseId::new("r1"))).await.expect("ends");
    assert_eq!(store.live_release(&shop).await, Ok(Some(ReleaseId::new("r1"))));
    assert_eq!(store.deployment(&id).await.expect("read").expect("there").outcome, Some(end));
}

/// What was never recorded is not there and cannot end.
pub async fn unknown_is_not_found(fixture: &dyn StoreFixture) {
    let store = fixture.open().await;
    let id = DeploymentId::new("d9");
    assert_eq!(store.deployment(&id).await, Ok(None));
    assert_eq!(store.journal(&id).await, Ok(Vec::new()));
    let end = store.finish_deployment(&id, &outcome(OutcomeKind::Kept), moment(40), Duration::ZERO, None).await;
    assert!(matches!(end, Err(StoreError::NotFound(_))), "{end:?}");
}

/// Entries come back as they were appended, duplicates included, per deployment.
pub async fn the_journal_keeps_its_order(fixture: &dyn StoreFixture) {
    let store = fixture.open().await;
    for id in ["d1", "d2"] {
        store.put_deployment(&deployment(id, "shop")).await.expect("put");
    }
    let marks = [
        JournalMark::Begun,
        JournalMark::Done,
        JournalMark::Begun,
        JournalMark::Failed,
        JournalMark::UndoBegun,
        JournalMark::UndoFailed,
        JournalMark::Undone,
        JournalMark::Undone,
    ];
    let mut written = Vec::new();
    for (mark, step) in marks.into_iter().zip([0, 0, 1, 1, 1, 1, 0, 0]) {
        store.append_journal(&DeploymentId::new("d1"), &[entry(step, mark)], None).await.expect("append");
        store.append_journal(&DeploymentId::new("d2"), &[entry(99, JournalMark::Begun)], None).await.expect("append");
        written.push(entry(step, mark));
    }
    assert_eq!(fixture.open().await.journal(&DeploymentId::new("d1")).await, Ok(written));
}

/// Several entries are appended at once, and the record of what is live with them; all or none.
pub async fn the_journal_and_live_change_together(fixture: &dyn StoreFixture) {
    let store = fixture.open().await;
    let (id, shop, live) = (DeploymentId::new("d1"), EnvironmentName::new("shop"), ReleaseId::new("r1"));
    store.put_deployment(&deployment("d1", "shop")).await.expect("put");
    let entries = [entry(0, JournalMark::Done), entry(1, JournalMark::Begun), entry(2, JournalMark::Begun)];
    let missing = store.append_journal(&id, &entries, Some(&live)).await;
    assert!(matches!(missing, Err(StoreError::NotFound(_))), "{missing:?}");
    assert_eq!((store.journal(&id).await, store.live_release(&shop).await), (Ok(Vec::new()), Ok(None)));
    store.put_release(&release("r1")).await.expect("put");
    store.append_journal(&id, &entries, Some(&live)).await.expect("append");
    let again = fixture.open().await;
    assert_eq!((again.journal(&id).await, again.live_release(&shop).await), (Ok(entries.to_vec()), Ok(Some(live))));
}

/// A deployment and its release are recorded together; both or neither.
pub async fn a_deployment_begins_with_its_release(fixture: &dyn StoreFixture) {
    let store = fixture.open().await;
    let (id, begun) = (DeploymentId::new("d1"), deployment("d1", "shop"));
    store.put_release(&release("r1")).await.expect("put");
    let other = Release { version: "another".to_owned(), ..release("r1") };
    let refused = store.begin_deployment(&begun, &other).await;
    assert!(matches!(refused, Err(StoreError::Exists(_))), "{refused:?}");
    assert_eq!(store.deployment(&id).await, Ok(None));
    store.begin_deployment(&begun, &release("r2")).await.expect("begin");
    let again = fixture.open().await;
    assert_eq!((again.deployment(&id).await, again.release(&ReleaseId::new("r2")).await), (Ok(Some(begun)), Ok(Some(release("r2")))));
}

/// An entry without a deployment is refused.
pub async fn a_journal_needs_its_deployment(fixture: &dyn StoreFixture) {
    let refused = fixture.open().await.append_journal(&DeploymentId::new("d9"), &[entry(0, JournalMark::Begun)], None).await;
    assert!(matches!(refused, Err(StoreError::NotFound(_))), "{refused:?}");
}
