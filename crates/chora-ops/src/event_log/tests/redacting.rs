//! No secret ever appears.

use std::fs;

use chora_core::model::event::{Event, EventStatus};
use proptest::prelude::{prop_assert, proptest};

use super::super::redact::Needles;
use super::{event, project};

fn needles(values: &[&str]) -> Needles {
    let mut needles = Needles::default();
    values.iter().for_each(|value| needles.learn(value.as_bytes()));
    needles
}

fn redact(told: &Event, values: &[&str]) -> Event {
    needles(values).event(told)
}

#[test]
fn every_text_of_an_event_is_searched() {
    let (_folder, log) = project();
    let mut told = event("d1", EventStatus::Failure);
    told.errors = vec!["password hunter2 refused".into(), "hunter2hunter2".into()];
    told.notes = Some("key:\nMIIEabcdefgh\n".into());
    told.services = vec!["web-hunter2".into()];
    told.metadata.insert("hunter2".into(), serde_json::json!({"deep": ["hunter2", 4711, 47110, true]}));
    let written = redact(&told, &["hunter2\n", "4711", "", "-----BEGIN KEY-----\nMIIEabcdefgh\n-----END KEY-----\n"]);
    log.append(&written).unwrap();
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
    assert_eq!(redact(&told, &["abc", "abcdef"]).notes.as_deref(), Some("x=[redacted]"));
    assert_eq!(redact(&told, &[]), told);
}

#[test]
fn usual_encodings_of_a_secret_are_hidden() {
    let known = needles(&["pa\"ss w\u{f6}rd/1\n", "hunter2-long"]);
    for told in [
        r#"{"key": "pa\"ss wörd/1"}"#,
        "postgres://app:pa%22ss%20w%C3%B6rd%2F1@db/app",
        // base64 of the value, and of `user:hunter2-long`, `ab:hunter2-long;`, `abc:hunter2-long`, `a:hunter2-long??`.
        "Bearer cGEic3Mgd8O2cmQvMQ==",
        "Basic dXNlcjpodW50ZXIyLWxvbmc=",
        "YWI6aHVudGVyMi1sb25nOw==",
        "YWJjOmh1bnRlcjItbG9uZw==",
        "YTpodW50ZXIyLWxvbmc_Pw",
    ] {
        let clean = known.clean(told);
        assert!(clean.contains("[redacted]"), "{told}: {clean}");
        assert!(
            !clean.contains("rd")
                && !clean.contains("3Mgd")
                && !clean.contains("nRlc")
                && !clean.contains("50ZX")
                && !clean.contains("bnRl"),
            "{told}: {clean}"
        );
    }
    assert_eq!(known.clean("aHVudGVyIGlzIG5vdCBpdA=="), "aHVudGVyIGlzIG5vdCBpdA==");
}

proptest! {
    #[test]
    fn a_secret_anywhere_in_any_text_is_gone(before in ".{0,20}", secret in "[A-Za-z0-9\"\\\\/é\n ]{4,20}", after in ".{0,20}") {
        let mut told = event("d1", EventStatus::Failure);
        told.notes = Some(format!("{before}{secret}{after}"));
        let clean = redact(&told, &[&secret]).notes.unwrap();
        let shown = clean.replace("[redacted]", "\0");
        prop_assert!(!shown.contains(&secret), "{}", shown);
    }
}
