//! Verify and repair with the store at hand: one beginning and one end for each deployment, and nothing lost.

use std::fs;
use std::path::Path;
use std::time::Duration;

use chora_core::model::deployment::{Deployment, Outcome, OutcomeKind};
use chora_core::model::event::{Event, EventStatus};
use chora_core::ports::Store as _;
use chora_testkit::faults::Faults;
use chora_testkit::memory_store::MemoryStore;
use chora_testkit::store_contract::sample;

use super::super::account::{beginning, remembered_end};
use super::super::{Added, EventLog, EventQuery, Part, repair, verify};
use super::log_of;

/// A deployment that was refused, as the store keeps it.
fn refused(id: &str) -> Deployment {
    let outcome = Outcome { cause: "`web` failed level 2".into(), ..sample::outcome(OutcomeKind::Kept) };
    let (ended_at, took) = (Some(sample::moment(23)), Some(Duration::from_secs(3)));
    Deployment { ended_at, took, outcome: Some(outcome), ..sample::deployment(id, "shop") }
}

fn text(events: &[Event]) -> String {
    events.iter().map(|event| serde_json::to_string(event).unwrap() + "\n").collect()
}

fn both(deployment: &Deployment) -> [Event; 2] {
    [beginning(deployment), remembered_end(deployment).unwrap()]
}

async fn store(deployments: &[Deployment]) -> MemoryStore {
    let store = MemoryStore::new(Faults::new());
    for deployment in deployments {
        let open = Deployment { ended_at: None, took: None, outcome: None, ..deployment.clone() };
        store.put_release(&sample::release("r1")).await.unwrap();
        store.put_deployment(&open).await.unwrap();
        if let (Some(outcome), Some(at), Some(took)) = (&deployment.outcome, deployment.ended_at, deployment.took) {
            store.finish_deployment(&deployment.id, outcome, at, took, None).await.unwrap();
        }
    }
    store
}

fn events(log: &EventLog) -> Vec<Event> {
    log.events(&EventQuery::default()).unwrap().into_iter().map(|entry| entry.event).collect()
}

fn damaged(folder: &Path) -> Vec<serde_json::Value> {
    let text = fs::read_to_string(folder.join(".chora/memory/events/deployment.damaged.jsonl")).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn ends_that_say_the_same_are_one_and_the_others_are_kept_aside() {
    let [begun, ended] = both(&refused("d1"));
    let later = Event { timestamp: sample::moment(99), ..ended.clone() };
    let original = text(&[begun.clone(), ended.clone(), ended.clone(), later]);
    let (folder, log) = log_of(&original);
    let report = verify(&log, None).await.unwrap();
    assert_eq!((report.ended_twice, report.next), (vec!["d1".to_owned()], vec!["chora events repair".to_owned()]));
    let mended = repair(&log, None).await.unwrap();
    assert_eq!((mended.kept, mended.duplicates.as_slice(), mended.after.is_sound()), (2, &[3, 4][..], true));
    assert_eq!(events(&log), [begun, ended]);
    assert_eq!(fs::read_to_string(mended.backup.unwrap()).unwrap(), original);
    let aside = damaged(folder.path());
    assert_eq!((&aside[0]["line"], &aside[0]["reason"]), (&3.into(), &"line 2 tells the end of deployment d1".into()));
    assert_eq!(aside[1]["text"], original.lines().last().unwrap());
    assert_eq!(repair(&log, None).await.unwrap().backup, None, "once is enough");
}

#[tokio::test]
async fn the_store_decides_between_ends_that_contradict_each_other() {
    let deployment = refused("d1");
    let [begun, ended] = both(&deployment);
    let lie = Event { status: EventStatus::Success, ..ended.clone() };
    let (_folder, log) = log_of(text(&[begun.clone(), lie, ended.clone()]));
    let next = verify(&log, None).await.unwrap().next;
    assert_eq!(next, ["delete the wrong end of deployment d1 by hand: lines 2 and 3 contradict each other"]);
    assert_eq!(repair(&log, None).await.unwrap().after.next, next, "nobody guesses");
    let store = store(&[deployment]).await;
    assert_eq!(verify(&log, Some(&store)).await.unwrap().next, ["chora events repair"]);
    let mended = repair(&log, Some(&store)).await.unwrap();
    assert_eq!((mended.duplicates.as_slice(), mended.after.is_sound()), (&[2][..], true));
    assert_eq!(events(&log), [begun, ended]);
}

#[tokio::test]
async fn an_end_that_was_torn_is_written_again_from_the_store() {
    let deployment = refused("d1");
    let [begun, ended] = both(&deployment);
    let whole = text(&[begun, ended.clone()]);
    let (folder, log) = log_of(whole.split_at(whole.len() - 30).0);
    let store = store(&[deployment]).await;
    assert_eq!(verify(&log, Some(&store)).await.unwrap().next, ["chora events repair"]);
    let mended = repair(&log, Some(&store)).await.unwrap();
    assert_eq!(mended.added, [Added { deployment: "d1".into(), part: Part::End }]);
    assert!(mended.after.is_sound());
    let again = events(&log).pop().unwrap();
    assert_eq!(again.notes.as_deref(), Some("written again by `chora events repair`"));
    assert_eq!(Event { notes: None, ..again }, ended);
    assert_eq!(damaged(folder.path())[0]["line"], 2);
}

#[tokio::test]
async fn a_beginning_comes_from_the_store_or_from_the_end() {
    let deployment = refused("d1");
    let [begun, ended] = both(&deployment);
    for store in [Some(store(&[deployment]).await), None] {
        let store = store.as_ref().map(|store| store as &dyn chora_core::ports::Store);
        let (_folder, log) = log_of(text(std::slice::from_ref(&ended)));
        assert_eq!(verify(&log, store).await.unwrap().next, ["chora events repair"]);
        let mended = repair(&log, store).await.unwrap();
        assert_eq!((mended.added, mended.after.is_sound()), (vec![Added { deployment: "d1".into(), part: Part::Beginning }], true));
        let told = events(&log);
        assert_eq!((&Event { notes: None, ..told[0].clone() }, &told[1]), (&begun, &ended));
    }
}

#[tokio::test]
async fn what_nobody_knows_is_left_and_the_next_command_named() {
    let running = sample::deployment("d1", "shop");
    let (_folder, log) = log_of(text(&[beginning(&running)]));
    let store = store(&[running]).await;
    assert_eq!(verify(&log, Some(&store)).await.unwrap().next, ["chora status --env shop"]);
    assert_eq!(
        verify(&log, None).await.unwrap().next,
        ["`chora events repair` where deployment d1 was made: the store here does not know it"]
    );
    let mended = repair(&log, Some(&store)).await.unwrap();
    assert_eq!((mended.backup, mended.added.len(), mended.after.next), (None, 0, vec!["chora status --env shop".to_owned()]));
}
