//! Following: whole lines, once each, also over a repair.

use std::fs::OpenOptions;
use std::io::Write;
use std::time::Duration;

use async_trait::async_trait;
use chora_core::model::event::EventStatus;
use chora_core::ports::clock::Clock;
use jiff::Timestamp;

use super::super::{EventLog, Follower, Line, Start};
use super::{event, line, log_of, project};

fn told(follower: &mut Follower) -> Vec<String> {
    let lines = follower.poll().unwrap().into_iter();
    lines
        .map(|line| match line {
            Line::Event(entry) => entry.event.metadata["deployment_id"].as_str().unwrap().to_owned(),
            Line::Damaged(damaged) => format!("damaged {}", damaged.number),
        })
        .collect()
}

fn add(log: &EventLog, text: &str) {
    OpenOptions::new().append(true).open(log.path()).unwrap().write_all(text.as_bytes()).unwrap();
}

#[test]
fn lines_are_told_once_and_whole() {
    let (_folder, log) = project();
    let mut follower = log.follow(Start::Beginning);
    assert_eq!(told(&mut follower), [""; 0]);
    log.append(&event("d1", EventStatus::InProgress)).unwrap();
    assert_eq!(told(&mut follower), ["d1"]);
    let next = line("d2", EventStatus::InProgress);
    let (head, tail) = next.split_at(20);
    add(&log, head);
    assert_eq!(told(&mut follower), [""; 0]);
    add(&log, tail);
    add(&log, "\nnonsense\n\n");
    assert_eq!(told(&mut follower), ["d2", "damaged 3"]);
    assert_eq!(told(&mut follower), [""; 0]);
}

#[test]
fn following_from_the_end_leaves_out_what_is_there() {
    let (_folder, log) = log_of(line("old", EventStatus::Success) + "\n");
    let mut follower = log.follow(Start::End);
    log.append(&event("new", EventStatus::Success)).unwrap();
    assert_eq!(told(&mut follower), ["new"]);
}

#[test]
fn a_repair_in_between_repeats_and_loses_nothing() {
    let (_folder, log) = log_of(format!("# header\n{}\n", line("d1", EventStatus::Success)));
    let mut follower = log.follow(Start::Beginning);
    assert_eq!(told(&mut follower), ["damaged 1", "d1"]);
    log.repair_knowing(&std::collections::BTreeMap::new()).unwrap();
    log.append(&event("d2", EventStatus::Success)).unwrap();
    assert_eq!(told(&mut follower), ["d2"]);
}

/// A clock on which something is written to the log while one waits.
struct Waiting(EventLog);

#[async_trait]
impl Clock for Waiting {
    fn now(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH
    }

    fn elapsed(&self) -> Duration {
        Duration::ZERO
    }

    async fn sleep(&self, pause: Duration) {
        if pause == Duration::from_millis(320) {
            self.0.append(&event("d1", EventStatus::Success)).unwrap();
        }
    }
}

#[tokio::test]
async fn waiting_looks_less_and_less_often() {
    let (_folder, log) = project();
    let lines = log.follow(Start::End).next(&Waiting(log.clone())).await.unwrap();
    assert_eq!(lines.len(), 1);
}
