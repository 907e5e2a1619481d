//! Real files in temporary folders; one file per concern.

mod balancing;
mod disk;
mod following;
mod mending;
mod reading;
mod redacting;
mod writing;

use chora_core::model::environment::EnvironmentClass;
use chora_core::model::event::{DeployedBy, Event, EventStatus, EventType};
use tempfile::TempDir;

use super::EventLog;

fn project() -> (TempDir, EventLog) {
    let folder = TempDir::new().unwrap();
    let log = EventLog::at(folder.path());
    (folder, log)
}

/// A log that holds these bytes.
fn log_of(bytes: impl AsRef<[u8]>) -> (TempDir, EventLog) {
    let (folder, log) = project();
    std::fs::create_dir_all(log.path().parent().unwrap()).unwrap();
    std::fs::write(log.path(), bytes).unwrap();
    (folder, log)
}

fn event(deployment: &str, status: EventStatus) -> Event {
    let metadata = serde_json::json!({"deployment_id": deployment, "environment_name": "eu"});
    Event {
        timestamp: "2026-11-21T10:00:00Z".parse().unwrap(),
        event_type: EventType::Deployment,
        repository: "shop".into(),
        environment: EnvironmentClass::Production,
        version: "v1".into(),
        status,
        duration_seconds: 1.5,
        errors: Vec::new(),
        notes: None,
        deployed_by: Some(DeployedBy::Human),
        trace_id: Some("COORD-2025-008".into()),
        services: vec!["web".into()],
        metadata: metadata.as_object().unwrap().clone(),
    }
}

fn line(deployment: &str, status: EventStatus) -> String {
    serde_json::to_string(&event(deployment, status)).unwrap()
}
