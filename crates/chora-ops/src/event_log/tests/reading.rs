//! Reading: both older vocabularies, damage, queries, and any bytes at all.

use chora_core::model::environment::EnvironmentClass;
use chora_core::model::event::{DeployedBy, EventStatus, EventType};
use proptest::prelude::{any, prop_assert_eq, proptest};

use super::super::{EventQuery, Line, lines};
use super::{event, line, log_of};

const OLDER: &str = include_str!("../../../testdata/event-log/older-vocabularies.jsonl");

#[test]
fn every_sample_of_the_older_vocabularies_is_read() {
    let (_folder, log) = log_of(OLDER);
    let report = log.verify().unwrap();
    assert_eq!(report.damaged, []);
    assert_eq!(report.lines, OLDER.lines().count());
    let entries = log.events(&EventQuery::default()).unwrap();
    let read: Vec<_> = entries.iter().map(|entry| (entry.event.event_type, entry.event.status)).collect();
    let (deployment, rollback, health) = (EventType::Deployment, EventType::Rollback, EventType::HealthCheck);
    let (begun, well, ill) = (EventStatus::InProgress, EventStatus::Success, EventStatus::Failure);
    let verbs =
        [(deployment, begun), (deployment, well), (deployment, ill), (rollback, begun), (rollback, well), (health, well), (health, ill)];
    assert_eq!(read[..7], verbs);
}

fn one(text: &str) -> Result<(chora_core::model::event::Event, Vec<String>), String> {
    match lines(text.as_bytes()).next().unwrap() {
        Line::Event(entry) => Ok((entry.event, entry.normalised)),
        Line::Damaged(damaged) => Err(damaged.reason),
    }
}

#[test]
fn the_second_vocabulary_loses_nothing() {
    let (event, changes) =
        one(r#"{"timestamp":"2025-11-11T09:00:00","event":"deployment_failed","environment":"prod","version":"v1","duration_seconds":null,
        "deployed_by":"ai_agent","deployment_method":"docker-compose","rollback_available":true,"solution":"more memory",
        "resolution_time_seconds":300,"CHORA_TRACE_ID":"CHORA-DEPLOY-2025-11-11-001","metadata":{"solution":"other"}}"#
            .replace('\n', " ")
            .as_str())
        .unwrap();
    assert_eq!(event.timestamp, "2025-11-11T09:00:00Z".parse().unwrap());
    assert_eq!((event.environment, event.status), (EnvironmentClass::Production, EventStatus::Failure));
    assert_eq!((event.deployed_by, event.repository.as_str()), (Some(DeployedBy::Agent), ""));
    assert_eq!(event.trace_id.as_deref(), Some("CHORA-DEPLOY-2025-11-11-001"));
    let metadata = serde_json::json!({"solution": "other", "deployment_method": "docker-compose", "rollback_available": true,
        "solution_": "more memory", "resolution_time_seconds": 300});
    assert_eq!(serde_json::Value::Object(event.metadata), metadata);
    assert_eq!(changes.len(), 13, "{changes:#?}");
}

#[test]
fn every_way_of_being_damaged_is_named() {
    let base = line("d1", EventStatus::Success);
    for (text, reason) in [
        ("{\"timestamp\":", "ends too early"),
        ("[1]", "not an object"),
        ("# a comment", "no JSON"),
        ("{}", "no timestamp"),
        (&base.replace("2026-11-21T10", "yesterday"), "timestamp `yesterday:00:00Z` is none"),
        (&base.replace("\"deployment\"", "\"party\""), "event_type `party` is unknown"),
        (&base.replace("\"deployment\"", "\"deployment_celebrated\""), "event_type `deployment_celebrated` is unknown"),
        (&base.replace("\"success\"", "\"maybe\""), "status `maybe` is unknown"),
        (&base.replace("\"production\"", "\"the moon\""), "environment `the moon` is none of"),
        (&base.replace("\"status\":\"success\",", ""), "no status"),
    ] {
        let said = one(text).unwrap_err();
        assert!(said.starts_with(reason), "{text}\n{said}");
    }
}

#[test]
fn queries_are_conditions_that_all_hold() {
    let (_folder, log) = log_of("");
    let mut other = event("d2", EventStatus::Failure);
    other.timestamp = "2026-11-20T00:00:00Z".parse().unwrap();
    other.services = vec!["db".into()];
    other.trace_id = Some("t-2".into());
    other.event_type = EventType::Rollback;
    other.environment = EnvironmentClass::Staging;
    for event in [event("d1", EventStatus::Success), other] {
        log.append(&event).unwrap();
    }
    let all = EventQuery::default;
    let found = |query: EventQuery| log.events(&query).unwrap().into_iter().map(|entry| entry.number).collect::<Vec<_>>();
    assert_eq!(found(all()), [1, 2], "the order of the file, though the clock went backwards");
    let since = |time: &str| EventQuery { since: time.parse().ok(), ..all() };
    assert_eq!(found(since("2026-11-21T10:00:00Z")), [1, 2], "a clock that was set back hides nothing");
    assert_eq!(found(since("2026-11-21T10:00:01Z")), [0; 0]);
    assert_eq!(found(EventQuery { event_type: Some(EventType::Rollback), ..all() }), [2]);
    assert_eq!(found(EventQuery { status: Some(EventStatus::Success), ..all() }), [1]);
    assert_eq!(found(EventQuery { service: Some("db".into()), ..all() }), [2]);
    assert_eq!(found(EventQuery { environment: Some("eu".into()), ..all() }), [1, 2]);
    assert_eq!(found(EventQuery { environment: Some("staging".into()), ..all() }), [2]);
    assert_eq!(found(EventQuery { trace_id: Some("COORD-2025-008".into()), service: Some("db".into()), ..all() }), [0; 0]);
}

#[test]
fn beginnings_and_ends_are_counted() {
    use EventStatus::{Failure, InProgress, Success};
    let script = [
        ("good", InProgress),
        ("killed", InProgress),
        ("good", Success),
        ("twice", InProgress),
        ("twice", Failure),
        ("twice", Success),
        ("late", Failure),
    ];
    let text: Vec<String> = script.into_iter().map(|(id, status)| line(id, status)).collect();
    let report = log_of(text.join("\n")).1.verify().unwrap();
    assert_eq!((report.without_end.as_slice(), report.ended_twice.as_slice()), (&["killed".to_owned()][..], &["twice".to_owned()][..]));
    assert_eq!(report.without_beginning, ["late"]);
    assert!(!report.is_sound());
    assert!(log_of(text[0].clone() + "\n" + &text[2]).1.verify().unwrap().is_sound());
    assert!(log_of("").1.verify().unwrap().is_sound());
}

proptest! {
    #[test]
    fn any_bytes_are_read(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
        let blank = bytes.split(|byte| *byte == b'\n').filter(|line| line.trim_ascii().is_empty()).count();
        let all = bytes.split(|byte| *byte == b'\n').count();
        prop_assert_eq!(lines(&bytes).count(), all - blank);
    }

    #[test]
    fn any_object_with_the_known_keys_is_read(values in proptest::collection::vec("null|0|-1[.]5|true|\"\"|\"success\"|\"x y\"|\\[1,\"a\"\\]|\\{\\}|1e308", 13)) {
        let keys = ["timestamp", "event_type", "repository", "environment", "version", "status", "duration_seconds", "errors", "notes", "deployed_by", "trace_id", "services", "metadata"];
        let strange: Vec<String> = keys.iter().zip(&values).map(|(key, value)| format!("\"{key}\":{value}")).collect();
        prop_assert_eq!(lines(format!("{{{}}}", strange.join(",")).as_bytes()).count(), 1);
        let fixed = format!("{{\"timestamp\":\"2025-01-01\",\"event_type\":\"backup\",\"environment\":\"dev\",\"status\":\"ok\",{}}}", strange[6..].join(","));
        prop_assert_eq!(one(&fixed).map(|(event, _)| event.status), Ok(EventStatus::Success));
    }
}
