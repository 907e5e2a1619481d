//! Questions about files and processes of this machine.

use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

use chora_core::model::health::ProbeVerdict;
use chora_ops::probe::{FileQuestion, ProcessQuestion, probe_file, probe_process};

#[test]
fn files_are_judged_by_presence_size_age_and_digest() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ready");
    let question = FileQuestion { path: path.clone(), ..FileQuestion::default() };
    assert_eq!(probe_file(&question).verdict, ProbeVerdict::NoAnswer);
    std::fs::write(&path, "").unwrap();
    assert_eq!(probe_file(&question).verdict, ProbeVerdict::Pass);
    assert_eq!(probe_file(&FileQuestion { non_empty: true, ..question.clone() }).answered, "the file is empty");
    std::fs::write(&path, "abc").unwrap();
    let digest = "sha256:BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD";
    let all =
        FileQuestion { non_empty: true, younger_than: Some(Duration::from_secs(600)), sha256: Some(digest.to_owned()), ..question.clone() };
    assert_eq!(probe_file(&all).verdict, ProbeVerdict::Pass);
    let old = std::fs::File::options().write(true).open(&path).unwrap();
    old.set_modified(SystemTime::now() - Duration::from_secs(3600)).unwrap();
    let answer = probe_file(&all);
    assert!(answer.answered.ends_with("more than 600s"), "{}", answer.answered);
    let answer = probe_file(&FileQuestion { sha256: Some("00".to_owned()), ..question });
    assert!(answer.answered.starts_with("its SHA-256 is ba7816bf"), "{}", answer.answered);
}

#[test]
fn a_process_runs_until_it_has_ended() {
    let mut child = Command::new("sleep").arg("987.6543").stdout(Stdio::null()).spawn().unwrap();
    let question = ProcessQuestion { name: "sleep 987.6543".to_owned() };
    let answer = probe_process(&question);
    assert_eq!(answer.answered, format!("runs as process {}", child.id()));
    child.kill().unwrap();
    // Killed and not waited for, it is a zombie: there, and not running.
    while std::fs::read_to_string(format!("/proc/{}/stat", child.id())).unwrap().split(") ").nth(1).unwrap().starts_with(['S', 'R', 'D']) {
        std::thread::yield_now();
    }
    assert_eq!(probe_process(&question).verdict, ProbeVerdict::NoAnswer);
    child.wait().unwrap();
    assert_eq!(probe_process(&ProcessQuestion::default()).verdict, ProbeVerdict::Refused);
}
