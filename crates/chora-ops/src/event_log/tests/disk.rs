//! Full and read-only disks, real ones.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use chora_core::model::event::EventStatus;
use tempfile::TempDir;

use super::super::{EventLog, LogError};
use super::event;

struct Tmpfs(TempDir);

impl Tmpfs {
    fn mount() -> Self {
        let point = TempDir::new().unwrap();
        mount(&["-t", "tmpfs", "-o", "size=256k", "tmpfs"], point.path());
        Self(point)
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        assert!(Command::new("umount").arg("-l").arg(self.0.path()).status().unwrap().success());
    }
}

fn mount(arguments: &[&str], point: &Path) {
    let output = Command::new("mount").args(arguments).arg(point).output().expect("mount is installed");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "this test mounts a small file system and must run as root with CAP_SYS_ADMIN: {said}");
}

#[test]
fn a_full_disk_is_said_and_no_half_line_stays() {
    let disk = Tmpfs::mount();
    let log = EventLog::at(disk.0.path());
    let mut long = event("d1", EventStatus::InProgress);
    long.notes = Some("x".repeat(3000));
    let mut written = 0;
    let error = loop {
        match log.append(&long) {
            Ok(()) => written += 1,
            Err(error) => break error,
        }
        assert!(written < 1000, "the disk never became full");
    };
    assert!(matches!(error, LogError::DiskFull(_)), "{error:?}");
    let report = log.verify().unwrap();
    assert_eq!((report.valid, report.damaged.len()), (written, 0));
    assert!(fs::read(log.path()).unwrap().ends_with(b"\n"));
}

#[test]
fn a_repair_on_a_full_disk_leaves_the_log_as_it_was() {
    let disk = Tmpfs::mount();
    let log = EventLog::at(disk.0.path());
    fs::create_dir_all(log.path().parent().unwrap()).unwrap();
    let text = "damage\n".repeat(20_000);
    fs::write(log.path(), &text).unwrap();
    assert!(matches!(log.repair_knowing(&BTreeMap::new()), Err(LogError::DiskFull(_))));
    assert_eq!(fs::read_to_string(log.path()).unwrap(), text);
    assert!(!log.path().with_file_name("deployment.backup-1.jsonl").exists());
}

#[test]
fn a_read_only_disk_is_said_and_can_be_read() {
    let disk = Tmpfs::mount();
    let log = EventLog::at(disk.0.path());
    log.append(&event("d1", EventStatus::Success)).unwrap();
    mount(&["-o", "remount,ro"], disk.0.path());
    assert!(matches!(log.append(&event("d2", EventStatus::Success)), Err(LogError::ReadOnly(_))));
    assert_eq!(log.verify().unwrap().valid, 1);
    let never = EventLog::at(&disk.0.path().join("elsewhere"));
    assert!(matches!(never.append(&event("d2", EventStatus::Success)), Err(LogError::ReadOnly(_))));
}
