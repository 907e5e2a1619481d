//! No secret ever appears.

use std::fs;

use chora_core::model::event::EventStatus;
use chora_core::model::secret::Secret;
use proptest::prelude::{prop_assert, proptest};

use super::super::redact::redact;
use super::{event, project};

fn secrets(values: &[&str]) -> Vec<Secret<Vec<u8>>> {
    values.iter().map(|value| Secret::new(value.as_bytes().to_vec())).collect()
}

#[test]
fn every_text_of_an_event_is_searched() {
    let (_folder, log) = project();
    let mut told = event("d1", EventStatus::Failure);
    told.errors = vec!["password hunter2 refused".into(), "hunter2hunter2".into()];
    told.notes = Some("key:\nMIIEabcdefgh\n".into());
    told.services = vec!["web-hunter2".into()];
    told.metadata.insert("hunter2".into(), serde_json::json!({"deep": ["hunter2", 4711, 47110, true]}));
    let written =
        log.append_redacted(&told, &secrets(&["hunter2\n", "4711", "", "-----BEGIN KEY-----\nMIIEabcdefgh\n-----END KEY-----\n"])).unwrap();
    assert_eq!(written.errors, ["password [redacted] refused", "[redacted][redacted]"]);
    assert_eq!(written.notes.as_deref(), Some("key:\n[redacted]\n"));
    assert_eq!(written.metadata["[redacted]"], serde_json::json!({"deep": ["[redacted]", "[redacted]", 47110, true]}));
    let text = fs::read_to_string(log.path()).unwrap();
    assert!(!text.contains("hunter2") && !text.contains("MIIE"), "{text}");
}

#[test]
fn the_longest_of_overlapping_secrets_is_hidden_whole() {
    let mut told = event("d1", EventStatus::Failure);
    told.notes = Some("x=abcdef".into());
    assert_eq!(redact(&told, &secrets(&["abc", "abcdef"])).notes.as_deref(), Some("x=[redacted]"));
    assert_eq!(redact(&told, &[]), told);
}

proptest! {
    #[test]
    fn a_secret_anywhere_in_any_text_is_gone(before in ".{0,20}", secret in "[A-Za-z0-9\"\\\\/é\n ]{4,20}", after in ".{0,20}") {
        let mut told = event("d1", EventStatus::Failure);
        told.notes = Some(format!("{before}{secret}{after}"));
        let clean = redact(&told, &secrets(&[&secret])).notes.unwrap();
        let shown = clean.replace("[redacted]", "\0");
        prop_assert!(!shown.contains(&secret), "{}", shown);
    }
}
