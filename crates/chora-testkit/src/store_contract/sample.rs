//! Small values for the contract and for whoever tests against a store.

use std::time::Duration;

use chora_core::compose::Stack;
use chora_core::model::bridge::Bridge;
use chora_core::model::deployment::{Deployment, DeploymentAction, JournalEntry, JournalMark, Lease, Outcome, OutcomeKind, Owner};
use chora_core::model::digest::Digest;
use chora_core::model::environment::{Environment, EnvironmentClass, WatchRules};
use chora_core::model::event::DeployedBy;
use chora_core::model::ids::{DeploymentId, EnvironmentName, ImageId, ReleaseId};
use chora_core::model::image::ImagePin;
use chora_core::model::release::Release;
use indexmap::IndexMap;
use jiff::Timestamp;

/// A moment, in seconds and one odd nanosecond after the epoch.
#[must_use]
pub fn moment(second: i64) -> Timestamp {
    Timestamp::new(second, 1).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// A process.
#[must_use]
pub fn owner(pid: u32) -> Owner {
    Owner { host: "here".into(), pid, started: format!("boot/{pid}") }
}

/// A lease of that process.
#[must_use]
pub fn lease(environment: &str, pid: u32) -> Lease {
    let environment = EnvironmentName::new(environment);
    Lease { environment, owner: owner(pid), purpose: "deploy v1".into(), since: moment(1), heartbeat: moment(1) }
}

/// A release with an image and some hashes, for environment `shop`.
#[must_use]
pub fn release(id: &str) -> Release {
    let image = ImagePin { reference: "web:1".into(), id: ImageId::new("sha256:1"), digest: None };
    Release {
        id: ReleaseId::new(id),
        version: "v1".into(),
        environment: EnvironmentName::new("shop"),
        created_at: moment(10),
        stack: Stack::default(),
        images: IndexMap::from([("web".to_owned(), image)]),
        files: IndexMap::from([("secret:key".to_owned(), Digest::of(b"key"))]),
        fingerprints: IndexMap::from([("web".to_owned(), Digest::of(b"web")), ("db".to_owned(), Digest::of(b"db"))]),
        bridges: IndexMap::from([("web".to_owned(), Bridge { port: 8000, why: "asked for".into(), ..Bridge::default() })]),
    }
}

/// A deployment that has begun.
#[must_use]
pub fn deployment(id: &str, environment: &str) -> Deployment {
    Deployment {
        id: DeploymentId::new(id),
        trace_id: "CHORA-DEPLOY-2026-1a2b3c4d".into(),
        action: DeploymentAction::Deploy,
        repository: "shop".into(),
        deployed_by: DeployedBy::Human,
        environment: Environment {
            drain: Duration::from_secs(30),
            name: EnvironmentName::new(environment),
            class: EnvironmentClass::Production,
            project: environment.to_owned(),
            releases_kept: 5,
            gate_timeout: Duration::from_millis(1500),
            gap_timeout: Some(Duration::from_millis(500)),
            drains: [("web".to_owned(), Duration::from_secs(60))].into(),
            watch: Some(Duration::from_secs(600)),
            watch_rules: WatchRules { every_ms: 500, failures: 5, errors: 10 },
        },
        release: ReleaseId::new("r1"),
        version: "v1".into(),
        previous: None,
        previous_version: None,
        owner: owner(1),
        started_at: moment(20),
        plan: None,
        ended_at: None,
        took: None,
        outcome: None,
    }
}

/// An end.
#[must_use]
pub fn outcome(kind: OutcomeKind) -> Outcome {
    Outcome {
        kind,
        cause: String::new(),
        log: vec!["last line".into()],
        gaps: Vec::new(),
        traffic: chora_core::model::deployment::Traffic::default(),
    }
}

/// A journal entry.
#[must_use]
pub fn entry(step: u32, mark: JournalMark) -> JournalEntry {
    JournalEntry { step, mark, at: moment(30), note: format!("step {step}\n\"quoted\" \u{1f600}") }
}
