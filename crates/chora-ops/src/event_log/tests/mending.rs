//! Repair: nothing is lost, nothing that can be read is set aside.

use std::collections::BTreeMap;
use std::fs;

use chora_core::model::event::EventStatus;
use proptest::prelude::{Strategy, any, prop_assert, prop_assert_eq, prop_oneof, proptest};

use super::super::mend::{Mended, mend};
use super::super::{EventLog, Line, Repair, lines};
use super::{event, line, log_of, project};

/// With nothing known but the log.
fn repair(log: &EventLog) -> Repair {
    log.repair_knowing(&BTreeMap::new()).unwrap()
}

fn good() -> String {
    line("d1", EventStatus::Success)
}

fn pretty() -> String {
    serde_json::to_string_pretty(&event("d1", EventStatus::Success)).unwrap()
}

fn texts(mended: &Mended) -> (usize, Vec<&str>) {
    (mended.kept.len(), mended.aside.iter().map(|(_, bytes, _)| std::str::from_utf8(bytes).unwrap()).collect())
}

#[test]
fn a_sound_log_is_not_touched() {
    let text = format!("{}\n{}\n", line("d1", EventStatus::InProgress), good());
    let (folder, log) = log_of(&text);
    let report = repair(&log);
    assert_eq!((report.kept, report.backup), (2, None));
    assert_eq!(fs::read_to_string(log.path()).unwrap(), text);
    assert_eq!(fs::read_dir(folder.path().join(".chora/memory/events")).unwrap().count(), 1);
    assert_eq!(repair(&project().1).kept, 0, "no log, nothing to do");
}

#[test]
fn objects_over_several_lines_are_joined() {
    let mended = mend(format!("{}\n{}\n{}", good(), pretty(), good()).as_bytes());
    assert_eq!((texts(&mended), mended.joined.as_slice()), ((3, vec![]), &[2][..]));
    let Some(Line::Event(joined)) = lines(&mended.kept[1].1).next() else { panic!("it can be read") };
    assert_eq!(joined.event, event("d1", EventStatus::Success));
}

#[test]
fn glued_lines_are_split() {
    let torn = r#"{"timestamp":"2026-11-21T10:00:0"#;
    let mended = mend(format!("{}{} {}\n{torn}{}\n{}}}", good(), good(), good(), good(), good()).as_bytes());
    assert_eq!((texts(&mended), mended.split.as_slice()), ((5, vec![torn, "}"]), &[1, 2, 3][..]));
}

#[test]
fn a_torn_line_does_not_swallow_the_next() {
    let torn = r#"{"timestamp":"2026-11-21T10:00:00Z","metadata":"#;
    let mended = mend(format!("{torn}\n{}\n# note\n", good()).as_bytes());
    assert_eq!(texts(&mended), (1, vec![torn, "# note"]));
}

#[test]
fn a_repair_keeps_the_original_and_tells_where_everything_is() {
    let text = b"# header\n{\"a\":1}\n\xff\xfe\n".to_vec();
    let (folder, log) = log_of([text.as_slice(), pretty().as_bytes()].concat());
    let report = repair(&log);
    assert_eq!((report.kept, report.set_aside.as_slice(), report.joined.as_slice()), (2, &[1, 2, 3][..], &[4][..]));
    let events = folder.path().join(".chora/memory/events");
    assert_eq!(report.backup, Some(events.join("deployment.backup-1.jsonl")));
    assert_eq!(fs::read(report.backup.unwrap()).unwrap(), [text.as_slice(), pretty().as_bytes()].concat());
    let aside = fs::read_to_string(events.join("deployment.damaged.jsonl")).unwrap();
    let aside: Vec<serde_json::Value> = aside.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((&aside[0]["line"], &aside[0]["text"]), (&1.into(), &"# header".into()));
    assert_eq!(aside[1]["reason"], "no timestamp");
    assert_eq!((&aside[2]["bytes"], &aside[2]["of"]), (&serde_json::json!([255, 254]), &"deployment.backup-1.jsonl".into()));
    assert!(log.verify().unwrap().damaged.is_empty());
    assert_eq!(repair(&log).backup, None, "once is enough");
}

fn without_blanks(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect()
}

/// Pieces of logs as they are found, whole and broken, with and without line ends.
fn pieces() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        3 => proptest::strategy::Just(good().into_bytes()),
        3 => proptest::strategy::Just(b"\n".to_vec()),
        1 => proptest::strategy::Just(pretty().into_bytes()),
        1 => (0..pretty().len()).prop_map(|cut| pretty().as_bytes()[..cut].to_vec()),
        1 => (0..good().len()).prop_map(|cut| good().as_bytes()[cut..].to_vec()),
        1 => proptest::collection::vec(any::<u8>(), 0..20),
    ];
    proptest::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn repair_never_loses_a_byte(bytes in pieces()) {
        let mended = mend(&bytes);
        let parts = mended.kept.iter().map(|(_, bytes)| bytes).chain(mended.aside.iter().map(|(_, bytes, _)| bytes));
        let (mut there, mut original) = (without_blanks(&parts.flatten().copied().collect::<Vec<u8>>()), without_blanks(&bytes));
        there.sort_unstable();
        original.sort_unstable();
        prop_assert_eq!(there, original);
        prop_assert!(mended.kept.iter().all(|(_, line)| !line.contains(&b'\n') && matches!(lines(line).next(), Some(Line::Event(_)))));
        let kept = |mended: Mended| mended.kept.into_iter().map(|(_, line)| line).collect::<Vec<_>>();
        let once = kept(mended);
        let again = mend(&once.join(&b'\n'));
        prop_assert_eq!((again.aside.len(), kept(again)), (0, once));
    }

    #[test]
    fn what_could_be_read_still_can(bytes in pieces()) {
        let readable = lines(&bytes).filter(|line| matches!(line, Line::Event(_))).count();
        prop_assert!(mend(&bytes).kept.len() >= readable);
    }
}
