//! A bug at every report of a deployment: the lease is given back, what was begun is settled at once, the log has an end.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use chora_core::model::event::{Event, Progress};
use chora_core::model::ids::EnvironmentName;
use chora_core::ports::{Reporter, Store as _};
use chora_ops::Context;
use chora_ops::deploy::{DeployRequest, deploy};
use chora_ops::failure::FailureKind;
use chora_ops::publish::{PublishRequest, publish};
use serde_json::json;

use crate::world::{World, expected};

/// Panics when it is told something for the nth time.
struct Fragile {
    told: AtomicUsize,
    last: usize,
}

impl Fragile {
    fn hear(&self) {
        assert!(self.told.fetch_add(1, Ordering::SeqCst) != self.last, "it cannot hear any more");
    }
}

impl Reporter for Fragile {
    fn event(&self, _: &Event) {
        self.hear();
    }

    fn progress(&self, _: &Progress) {
        self.hear();
    }
}

/// Deploys a version and breaks off at the nth report; gives the failure's kind, state and message, none when all was told before.
async fn broken(version: &str, last: usize) -> (World, Option<(FailureKind, String, String)>) {
    let world = World::new();
    world.deploy("1").await.unwrap();
    world.write(version);
    let cx = Context { reporter: Arc::new(Fragile { told: AtomicUsize::new(0), last }), ..world.context() };
    let request = DeployRequest { version: Some(format!("v{version}")), ..DeployRequest::default() };
    let result = Box::pin(deploy(&cx, &request)).await;
    (world, result.err().map(|failure| (failure.kind, failure.state, failure.message)))
}

async fn check(version: &str) {
    let mut bugs = 0;
    for last in 0.. {
        let (world, failure) = broken(version, last).await;
        let Some((FailureKind::Internal, state, message)) = failure else { break };
        bugs += 1;
        let case = format!("at report {last} of {version}: {state}");
        assert!(message.contains("a bug in chora: it cannot hear any more"), "{case}: {message}");
        let production = EnvironmentName::new("production");
        assert_eq!(world.store.lease(&production).await.unwrap(), None, "{case}: the lease is held");
        let deployments = world.store.deployments(&production, 10).await.unwrap();
        assert!(deployments.iter().all(|deployment| deployment.ended_at.is_some()), "{case}: a deployment is open");
        let live = world.live().await.unwrap();
        assert_eq!(world.running(), expected(live.trim_start_matches('v')), "{case}: {live} is recorded and something else runs");
        let lines = world.log();
        let count = |terminal: bool| lines.iter().filter(|line| (line["status"] != json!("in_progress")) == terminal).count();
        assert_eq!((count(true), lines.last().unwrap()["status"] == json!("in_progress")), (count(false), false), "{case}: {lines:#?}");
        // Another process takes over at once.
        let next = world.deploy("2").await;
        assert_eq!(next.unwrap_or_else(|failure| panic!("{case}: {failure:?}")).version, "v2", "{case}");
    }
    assert!(bugs > 20, "only {bugs}");
}

#[tokio::test]
async fn a_deploy_that_meets_a_bug_anywhere_is_settled() {
    check("2").await;
}

#[tokio::test]
async fn a_refused_deploy_that_meets_a_bug_anywhere_is_settled() {
    check("bad").await;
}

#[tokio::test]
async fn a_bug_in_a_release_leaves_no_line_without_an_end() {
    let request = PublishRequest { version: "v1".into(), registry: "r.example".into(), ..PublishRequest::default() };
    let mut bugs = 0;
    for last in 0.. {
        let world = crate::images::site();
        let cx = Context { reporter: Arc::new(Fragile { told: AtomicUsize::new(0), last }), ..world.context() };
        let Err(failure) = Box::pin(publish(&cx, &request)).await else { break };
        bugs += 1;
        let lines = world.log();
        let ends = lines.iter().filter(|line| line["status"] != "in_progress").count();
        assert_eq!((failure.kind, lines.len() - ends), (FailureKind::Internal, ends), "at report {last}: {failure:?} {lines:#?}");
    }
    assert!(bugs > 6, "only {bugs} reports");
}
