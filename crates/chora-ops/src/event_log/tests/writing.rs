//! Appending: whole lines, in order, whoever writes and whoever was killed.

use std::collections::BTreeMap;
use std::fs;
use std::thread;

use chora_core::model::event::EventStatus;

use super::super::{EventQuery, LogError};
use super::{event, line, log_of, project};

#[test]
fn one_event_is_one_line_and_comes_back_whole() {
    let (_folder, log) = project();
    let mut hard = event("d1", EventStatus::Failure);
    hard.notes = Some("two\nlines, \"quotes\", \u{2028} and \u{1f600}".into());
    log.append(&event("d1", EventStatus::InProgress)).unwrap();
    log.append(&hard).unwrap();
    assert_eq!(fs::read_to_string(log.path()).unwrap().lines().count(), 2);
    let entries = log.events(&EventQuery::default()).unwrap();
    assert_eq!(entries.iter().map(|entry| entry.number).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(entries[1].event, hard);
    assert!(entries.iter().all(|entry| entry.normalised.is_empty()));
}

#[test]
fn an_unfinished_line_keeps_its_line() {
    let (_folder, log) = log_of(r#"{"timestamp":"2026-"#);
    log.append(&event("d1", EventStatus::InProgress)).unwrap();
    let written = fs::read_to_string(log.path()).unwrap();
    assert_eq!(written, format!("{{\"timestamp\":\"2026-\n{}\n", line("d1", EventStatus::InProgress)));
    let report = log.verify().unwrap();
    assert_eq!((report.valid, report.damaged.len(), report.damaged[0].number), (1, 1, 1));
}

#[test]
fn many_writers_write_whole_lines() {
    let (_folder, log) = project();
    let writers: Vec<_> = (0..8)
        .map(|writer| {
            let log = log.clone();
            thread::spawn(move || {
                for round in 0..25 {
                    let mut event = event(&format!("d{writer}"), EventStatus::InProgress);
                    event.notes = Some(format!("{round} {}", "x".repeat(9000)));
                    log.append(&event).unwrap();
                }
            })
        })
        .collect();
    writers.into_iter().for_each(|writer| writer.join().unwrap());
    let report = log.verify().unwrap();
    assert_eq!((report.lines, report.valid), (200, 200));
    for writer in 0..8 {
        let query = EventQuery::default();
        let id = format!("d{writer}");
        let mine = log.events(&query).unwrap().into_iter().filter(|entry| entry.event.metadata["deployment_id"] == id.as_str());
        let rounds: Vec<u32> = mine.map(|entry| entry.event.notes.unwrap().split(' ').next().unwrap().parse().unwrap()).collect();
        assert!(rounds.iter().copied().eq(0..25), "{rounds:?}");
    }
}

#[test]
fn writers_and_a_repair_do_not_lose_each_others_lines() {
    let (_folder, log) = log_of("torn {\n");
    let writer = {
        let log = log.clone();
        thread::spawn(move || (0..200).for_each(|_| log.append(&event("d1", EventStatus::InProgress)).unwrap()))
    };
    while !writer.is_finished() {
        log.repair_knowing(&BTreeMap::new()).unwrap();
    }
    writer.join().unwrap();
    log.repair_knowing(&BTreeMap::new()).unwrap();
    let report = log.verify().unwrap();
    assert_eq!((report.valid, report.damaged.len()), (200, 0));
}

#[test]
fn a_folder_in_its_place_is_an_error() {
    let (_folder, log) = project();
    fs::create_dir_all(log.path()).unwrap();
    assert!(matches!(log.append(&event("d1", EventStatus::Success)), Err(LogError::Failed(_))));
}
