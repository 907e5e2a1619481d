//! Commands that write a project's files at the same time, or one after another that died.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::support::{Chora, Source};
use insta::assert_snapshot;

const MANIFEST: &str = "title: t\nsummary: s\nversion: 1\nquestions: {name: {ask: the name, default: shop}}\n\
    files: [{path: a.conf, from: a.j2}, {path: bin/run, from: run.j2, executable: true}, {path: docs/deep/guide, from: guide.j2}]\n";

/// An empty project, with a source of three files beside it.
fn empty() -> (Chora, Source) {
    let project = Chora::new();
    let source = Source::beside(&project.path(), "templates");
    source.put("patterns/p.yaml", MANIFEST).put("a.j2", "one\ntwo\nthree\n").put("run.j2", "#!/bin/sh\n").put("guide.j2", "guide\n");
    (project, source)
}

/// A project written from it.
fn project() -> (Chora, Source) {
    let (project, source) = empty();
    assert_eq!(project.run(["init", "--from", "../templates"]).code, 0);
    (project, source)
}

/// A hook that says that it runs, and waits until it may go on; gives both marks.
fn waiting(source: &Source) -> (PathBuf, PathBuf) {
    let (begun, go_on) = (PathBuf::from(source.path()).with_file_name("begun"), PathBuf::from(source.path()).with_file_name("go-on"));
    let wait = format!("#!/bin/sh\n: > {}\nwhile ! test -e {}; do sleep 0.05; done\n", begun.display(), go_on.display());
    source
        .program("wait", &wait)
        .put("patterns/p.yaml", format!("{MANIFEST}hooks: {{init: [[../source/wait]], upgrade: [[../source/wait]]}}\n"));
    (begun, go_on)
}

fn wait_for(mark: &Path) {
    let begin = Instant::now();
    while !mark.exists() {
        assert!(begin.elapsed() < Duration::from_secs(30), "it never began");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn one_command_at_a_time_writes() {
    let (project, source) = project();
    source.put("a.j2", "one\ntwo\nthree\nfour\n");
    let (begun, go_on) = waiting(&source);
    let first = project.start(["upgrade", "--trust", "../templates"]);
    wait_for(&begun);
    assert_snapshot!(project.run(["upgrade"]));
    for arguments in [&["init", "--from", "../templates"][..], &["upgrade", "--continue"], &["upgrade", "--abort"]] {
        let ran = project.run(arguments);
        assert!(ran.code == 75 && ran.stderr.contains("another chora"), "{arguments:?}: {ran}");
    }
    assert_eq!(project.run(["upgrade", "--check"]).code, 1, "who only asks is in nobody's way");
    fs::write(go_on, "").unwrap();
    let ran = first.wait();
    assert_eq!((ran.code, project.read("a.conf").as_str()), (0, "one\ntwo\nthree\nfour\n"), "{ran}");
    assert_eq!(project.run(["upgrade"]).code, 0, "the lock is gone with its holder");
}

/// A command that dies after it has moved its first file to its place.
fn dies(project: &Chora, arguments: &[&str], at: &str) {
    assert_eq!(project.start_with(&[("CHORA_PAUSE_AT", at)], arguments).wait().code, 137);
}

#[test]
fn what_was_edited_since_a_death_is_not_written_over() {
    let (project, source) = project();
    source.put("a.j2", "one\nnew\nthree\n").put("guide.j2", "newer guide\n");
    dies(&project, &["upgrade"], "0:after");
    assert_eq!(project.read("a.conf"), "one\nnew\nthree\n");
    project.write("a.conf", "my hour of work, after it was placed\n");
    project.write("docs/deep/guide", "my hour of work\n");
    assert_snapshot!(project.run(["upgrade"]));
    for arguments in [&["init", "--from", "../templates"][..], &["upgrade", "--abort"]] {
        let ran = project.run(arguments);
        assert!(ran.code == 75 && ran.stderr.contains("was edited since"), "{ran}");
    }
    assert_eq!(project.read("docs/deep/guide"), "my hour of work\n");
    // As the hint says.
    fs::rename(project.path().join("docs/deep/guide"), project.path().join("mine")).unwrap();
    assert_snapshot!(project.run(["upgrade"]));
    assert_eq!((project.read("docs/deep/guide").as_str(), project.read("mine").as_str()), ("newer guide\n", "my hour of work\n"));
    assert_eq!(project.read("a.conf"), "my hour of work, after it was placed\n");
}

#[test]
fn half_written_files_are_no_project() {
    let project = Chora::new().file("go.mod", "module shop\n");
    assert_eq!(project.run(["init", "--yes"]).code, 0);
    assert_eq!(project.run(["config", "--check"]).code, 0);
    dies(&project, &["upgrade", "--set", "port=9000"], "1:after");
    assert_snapshot!(project.run(["config", "--check"]));
    for command in ["plan", "deploy", "build", "up", "down", "status"] {
        let ran = project.run([command]);
        assert!(ran.code == 75 && ran.stderr.contains("died while it did"), "{command}: {ran}");
    }
    // As the hint says.
    assert_eq!(project.run(["upgrade"]).code, 0);
    assert_eq!(project.run(["config", "--check"]).code, 0);
    assert!(project.run(["config"]).stdout.contains("9000"));
}

#[test]
fn an_init_after_a_killed_one_says_what_it_wrote() {
    let (project, _source) = empty();
    dies(&project, &["init", "--from", "../templates"], "0:after");
    assert_snapshot!(project.run(["init", "--from", "../templates"]));
    assert_eq!(project.read("docs/deep/guide"), "guide\n");
}

#[test]
fn a_record_that_cannot_be_read_is_not_upgraded_either() {
    let (project, _source) = project();
    let record = project.read(".chora/answers.yaml");
    for (broken, hint) in [
        (record.replace("format: 2", "format: 3"), "use the newer chora that wrote it"),
        (record.replace("pattern:", "patern:"), "take .chora/answers.yaml back from version control"),
    ] {
        project.write(".chora/answers.yaml", broken);
        for arguments in [&["init", "--from", "../templates"][..], &["upgrade"]] {
            let ran = project.run(arguments);
            assert!(ran.code != 0 && ran.stderr.contains(&format!("next: {hint}")), "{arguments:?}: {ran}");
        }
    }
}

#[test]
fn what_could_not_be_ended_in_order_is_not_written_later() {
    let (project, source) = empty();
    for folder in [PathBuf::from(source.path()), PathBuf::from(source.path()).join("patterns"), project.path().with_file_name("home")] {
        fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).unwrap();
    }
    fs::create_dir(project.path().join(".chora")).unwrap();
    fs::set_permissions(project.path(), fs::Permissions::from_mode(0o777)).unwrap();
    // Everything can be written there, but the folder itself cannot be opened to be waited for.
    fs::set_permissions(project.path().join(".chora"), fs::Permissions::from_mode(0o333)).unwrap();
    let ran = project.run_as_nobody(["init", "--from", "../templates"]);
    assert!(ran.code == 77 && ran.stderr.contains("state: nothing was written"), "{ran}");
    fs::set_permissions(project.path().join(".chora"), fs::Permissions::from_mode(0o777)).unwrap();
    assert_eq!(fs::read_dir(project.path().join(".chora")).unwrap().count(), 0);
    let ran = project.run_as_nobody(["upgrade"]);
    assert!(ran.code == 66 && !project.path().join("a.conf").exists(), "{ran}");
}
