//! `chora upgrade` where a project is in Git, where conflicts are told apart, where it is taken back, and where it dies.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use crate::support::{Chora, Source, git};
use insta::assert_snapshot;

const MANIFEST: &str = "title: t\nsummary: s\nversion: 1\nquestions: {name: {ask: the name, default: shop}}\n\
    files: [{path: a.conf, from: a.j2}, {path: bin/run, from: run.j2, executable: true}, {path: docs/deep/guide, from: guide.j2}]\n";

/// A project written from a source of its own.
fn project() -> (Chora, Source) {
    let project = Chora::new();
    let source = Source::beside(&project.path(), "templates");
    source.put("patterns/p.yaml", MANIFEST).put("a.j2", "one\ntwo\nthree\n").put("run.j2", "#!/bin/sh\n").put("guide.j2", "guide\n");
    assert_eq!(project.run(["init", "--from", "../templates"]).code, 0);
    (project, source)
}

/// The same in a repository, everything committed, then a line of a person's and another one of the source.
fn conflicting() -> (Chora, Source) {
    let (project, source) = project();
    project.write("a.conf", "one\nmine\nthree\n");
    commit(&project);
    source.put("a.j2", "one\ntheirs\nthree\nfour\n").put("guide.j2", "newer guide\n");
    (project, source)
}

fn commit(project: &Chora) {
    if !project.path().join(".git").exists() {
        git(&project.path(), &["init", "--quiet"]);
    }
    git(&project.path(), &["add", "--all"]);
    git(&project.path(), &["commit", "--quiet", "--message", "x"]);
}

#[test]
fn what_is_not_committed_is_in_the_way_unless_told() {
    let (project, source) = project();
    source.put("a.j2", "one\ntwo\nthree\nfour\n");
    git(&project.path(), &["init", "--quiet"]);
    assert_snapshot!(project.run(["upgrade"]));
    commit(&project);
    project.write("other", "not the upgrade's business\n");
    project.write("bin/run", "#!/bin/sh\nexit\n");
    assert_snapshot!(project.run(["upgrade", "--dry-run"]));
    assert_snapshot!(project.run(["upgrade"]));
    assert_eq!(project.read("a.conf"), "one\ntwo\nthree\n");
    git(&project.path(), &["checkout", "--quiet", "bin/run"]);
    assert_eq!(project.run(["upgrade"]).code, 0, "an untracked file is in nobody's way");
    assert_eq!(project.read("a.conf"), "one\ntwo\nthree\nfour\n");
    source.put("a.j2", "zero\none\ntwo\nthree\nfour\n");
    assert_eq!(project.run(["upgrade", "--dirty"]).code, 0);
    assert_eq!(project.read("a.conf"), "zero\none\ntwo\nthree\nfour\n");
}

#[test]
fn what_git_ignores_is_looked_at_where_it_was_edited() {
    let (project, source) = project();
    project.write(".gitignore", "*.conf\n/docs/\nbuild/\n");
    project.write("build/other", "not the upgrade's business\n");
    commit(&project);
    source.put("a.j2", "one\ntwo\nthree\nfour\n").put("guide.j2", "newer guide\n");
    for (path, text) in [("a.conf", "one\ntwo\nmine\n"), ("docs/deep/guide", "my guide\n")] {
        let before = project.read(path);
        project.write(path, text);
        let ran = project.run(["upgrade", "--dry-run", "--json"]).json();
        assert_eq!(ran["uncommitted"], serde_json::json!([path]));
        let ran = project.run(["upgrade"]);
        assert!(ran.code == 75 && ran.stderr.contains("not committed") && project.read(path) == text, "{ran}");
        project.write(path, before);
    }
    assert_eq!(project.run(["upgrade"]).code, 0, "as they were written they are in nobody's way");
    assert_eq!(project.read("a.conf"), "one\ntwo\nthree\nfour\n");
    // The whole project in a folder that its repository ignores.
    let top = project.path().parent().unwrap().to_owned();
    fs::remove_dir_all(project.path().join(".git")).unwrap();
    git(&top, &["init", "--quiet"]);
    fs::write(top.join(".gitignore"), "/project/\n").unwrap();
    source.put("a.j2", "one\ntwo\nthree\nfour\nfive\n");
    project.write("a.conf", "mine\n");
    assert_eq!(project.run(["upgrade", "--dry-run", "--json"]).json()["uncommitted"], serde_json::json!(["a.conf"]));
}

#[test]
fn what_is_untracked_in_a_submodule_is_in_nobody_s_way() {
    let (project, source) = project();
    commit(&project);
    let other = Source::beside(&project.path(), "other");
    other.put("file", "x\n").tag("v1");
    git(&project.path(), &["-c", "protocol.file.allow=always", "submodule", "--quiet", "add", &other.path(), "module"]);
    commit(&project);
    project.write("module/build/output", "made\n");
    project.write("module/file", "edited\n");
    source.put("a.j2", "one\ntwo\nthree\nfour\n");
    let ran = project.run(["upgrade"]);
    assert_eq!((ran.code, project.read("a.conf").as_str()), (0, "one\ntwo\nthree\nfour\n"), "{ran}");
}

#[test]
fn a_project_may_be_a_part_of_a_repository() {
    let (project, source) = project();
    let top = project.path().parent().unwrap().to_owned();
    git(&top, &["init", "--quiet"]);
    git(&top, &["add", "project"]);
    git(&top, &["commit", "--quiet", "--message", "x"]);
    source.put("a.j2", "one\ntwo\nthree\nfour\n").put("patterns/p.yaml", MANIFEST.replace("files: [", "files: [{path: new, from: a.j2}, "));
    project.write("new", "not committed\n");
    project.write("bin/run", "#!/bin/sh\nexit\n");
    let ran = project.run(["upgrade", "--dry-run", "--json"]).json();
    assert_eq!(ran["uncommitted"], serde_json::json!(["bin/run", "new"]), "what is beside the project does not count");
    git(&top, &["add", "project"]);
    git(&top, &["commit", "--quiet", "--message", "y"]);
    assert_eq!(project.run(["upgrade", "--conflict", "rej"]).code, 75);
    assert_eq!(project.read("a.conf"), "one\ntwo\nthree\nfour\n");
}

/// As a program does that looks for versions of images everywhere, and commits what it has found.
#[test]
fn what_the_pattern_wrote_is_not_what_somebody_says_it_wrote() {
    let (project, source) = project();
    commit(&project);
    for path in ["a.conf", ".chora/base/a.conf"] {
        project.write(path, "one\ntwo newer\nthree\n");
    }
    commit(&project);
    source.put("a.j2", "one\ntwo\nthree\nfour\n");
    assert_snapshot!(project.run(["upgrade"]));
    assert_eq!(project.run(["upgrade", "--check"]).code, 75);
    assert_eq!(project.read("a.conf"), "one\ntwo newer\nthree\n");
    git(&project.path(), &["checkout", "--quiet", "HEAD~1", "--", ".chora/base/a.conf"]);
    commit(&project);
    assert_eq!(project.run(["upgrade"]).code, 0);
    assert_eq!(project.read("a.conf"), "one\ntwo newer\nthree\nfour\n");
}

#[test]
fn git_may_change_how_lines_of_what_was_written_end() {
    let (project, source) = project();
    source
        .put("patterns/p.yaml", MANIFEST.replace("files: [", "files: [{path: dos.txt, from: dos.txt}, "))
        .put("dos.txt", "one\r\ntwo\r\n");
    assert_eq!(project.run(["upgrade"]).code, 0);
    project.write(".chora/base/dos.txt", "one\ntwo\n");
    project.write(".chora/base/a.conf", "one\r\ntwo\r\nthree\r\n");
    source.put("a.j2", "one\ntwo\nthree\nfour\n").put("dos.txt", "one\r\ntwo\r\nthree\r\n");
    let ran = project.run(["upgrade"]);
    assert_eq!((ran.code, project.read("a.conf").as_str()), (0, "one\ntwo\nthree\nfour\n"), "{ran}");
    assert_eq!(project.read("dos.txt"), "one\r\ntwo\r\nthree\r\n");
}

#[test]
fn git_takes_what_is_of_the_project_and_leaves_the_state_of_a_machine() {
    let (project, source) = project();
    let mine = [
        ".chora/storage.db",
        ".chora/storage.db-wal",
        ".chora/schema_version.txt",
        ".chora/blobs/00/00ff",
        ".chora/aborted-1/a",
        ".chora/files/x",
    ];
    mine.iter().for_each(|path| project.write(path, "of this machine\n"));
    let ours = [".chora/contracts/web.json", ".chora/memory/events/deployment.jsonl"];
    ours.iter().for_each(|path| project.write(path, "{}\n"));
    project.write(".gitignore", "*.conf\n");
    commit(&project);
    let taken = git(&project.path(), &["ls-files", ".chora"]);
    let memory = [
        ".gitignore",
        "answers.yaml",
        "base/a.conf",
        "base/bin/run",
        "base/docs/deep/guide",
        "contracts/web.json",
        "memory/events/deployment.jsonl",
    ];
    assert_eq!(taken.lines().collect::<Vec<_>>(), memory.map(|path| format!(".chora/{path}")));
    // What somebody has said there stays, and what an older program did not write is written by the next upgrade.
    project.write(".chora/.gitignore", "*\n");
    source.put("a.j2", "other\n");
    assert_eq!((project.run(["upgrade", "--dirty"]).code, project.read(".chora/.gitignore").as_str()), (0, "*\n"));
    fs::remove_file(project.path().join(".chora/.gitignore")).unwrap();
    source.put("a.j2", "and another\n");
    assert_eq!(project.run(["upgrade", "--dirty"]).code, 0);
    assert!(project.read(".chora/.gitignore").contains("!/answers.yaml\n"));
}

#[test]
fn what_is_closed_to_others_stays_so() {
    let (project, source) = project();
    let mode = |path: &str| fs::metadata(project.path().join(path)).unwrap().permissions().mode() & 0o777;
    let close = |path: &str, mode: u32| fs::set_permissions(project.path().join(path), fs::Permissions::from_mode(mode)).unwrap();
    close("a.conf", 0o600);
    close("bin/run", 0o700);
    close("docs/deep/guide", 0o640);
    project.write("a.conf", "one\ntwo\nmine\n");
    let moved = MANIFEST.replace("docs/deep/guide", "docs/guide").replace("version: 1", "version: 2");
    source.put("patterns/p.yaml", moved + "migrations: [{to: 2, files: {docs/deep/guide: docs/guide}}]\n");
    source.put("a.j2", "one\ntwo\ntheirs\n").put("run.j2", "#!/bin/sh\nexit\n");
    assert_eq!(project.run(["upgrade"]).code, 75);
    assert_eq!([mode("a.conf"), mode("bin/run"), mode("docs/guide")], [0o600, 0o700, 0o640]);
    project.write("a.conf", "edited since\n");
    assert_eq!(project.run(["upgrade", "--abort"]).code, 0);
    let copy = mode(".chora/aborted-1/a.conf");
    assert_eq!([mode("a.conf"), mode("bin/run"), mode("docs/deep/guide"), copy], [0o600, 0o700, 0o640, 0o600]);
    project.write("a.conf", "one\nzwei\nthree\n");
    source.put("a.j2", "zero\none\ntwo\nthree\n");
    assert_eq!(project.run(["upgrade"]).code, 0);
    assert_eq!((mode("a.conf"), project.read("a.conf").as_str()), (0o600, "zero\none\nzwei\nthree\n"));
}

#[test]
fn the_index_of_git_is_left_usable() {
    let (project, _source) = conflicting();
    assert_eq!(project.run(["upgrade"]).code, 75);
    let root = project.path();
    assert_eq!(git(&root, &["diff", "--cached", "--name-only"]), "", "nothing is staged");
    assert_eq!(git(&root, &["diff", "--name-only", "--", ":!.chora"]), "a.conf\ndocs/deep/guide\n");
    project.write("a.conf", "one\nmine and theirs\nthree\nfour\n");
    assert_eq!(project.run(["upgrade", "--continue"]).code, 0);
    commit(&project);
    assert_eq!(git(&root, &["status", "--porcelain"]), "");
    assert_eq!(project.run(["upgrade", "--check"]).code, 0);
}

#[test]
fn conflicts_stand_apart_where_asked_for() {
    let (project, _source) = conflicting();
    assert_snapshot!(project.run(["upgrade", "--conflict", "rej"]));
    assert_eq!(project.read("a.conf"), "one\nmine\nthree\nfour\n", "what did not conflict is merged");
    assert_snapshot!(project.read("a.conf.rej"));
    assert_snapshot!(project.run(["upgrade", "--continue"]));
    fs::remove_file(project.path().join("a.conf.rej")).unwrap();
    assert_eq!(project.run(["upgrade", "--continue"]).code, 0);
    assert_eq!(project.run(["upgrade", "--check", "--dirty"]).code, 0);
    let (project, _source) = conflicting();
    project.write("a.conf.rej", "of another program\n");
    assert_snapshot!(project.run(["upgrade", "--conflict", "rej"]));
}

#[test]
fn what_was_edited_since_is_kept_when_an_upgrade_is_taken_back() {
    let (project, _source) = conflicting();
    assert_eq!(project.run(["upgrade"]).code, 75);
    project.write("a.conf", "one\nan hour of work\nthree\nfour\n");
    assert_snapshot!(project.run(["upgrade", "--abort"]));
    assert_eq!(project.read("a.conf"), "one\nmine\nthree\n");
    assert_eq!(project.read(".chora/aborted-1/a.conf"), "one\nan hour of work\nthree\nfour\n");
    assert_eq!(project.run(["upgrade"]).code, 75);
    project.write("docs/deep/guide", "my guide\n");
    let ran = project.run(["upgrade", "--abort"]);
    assert!(ran.stdout.contains(".chora/aborted-2/docs/deep/guide") && project.read("docs/deep/guide") == "guide\n", "{ran}");
    let ran = project.run(["upgrade", "--abort"]);
    assert_eq!(ran.code, 66, "there is nothing to take back twice: {ran}");
}

/// Everything in a project but what is on its way.
fn tree(root: &Path) -> BTreeMap<String, Vec<u8>> {
    let (mut found, mut open) = (BTreeMap::new(), vec![root.to_owned()]);
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else {
                found.insert(path.strip_prefix(root).unwrap().display().to_string(), fs::read(&path).unwrap());
            }
        }
    }
    found
}

/// Kills a command with SIGKILL at every point of its writing, one after the other, and lets `next` look at what was left. Gives how
/// often it died.
fn kill_everywhere(begin: impl Fn() -> (Chora, Source), arguments: &[&str], next: impl Fn(&Chora)) -> usize {
    let mut deaths = 0;
    for place in ["before", "after"] {
        for step in 0.. {
            let (project, _source) = begin();
            let before = tree(&project.path());
            let ran = project.start_with(&[("CHORA_PAUSE_AT", &format!("{step}:{place}"))], arguments).wait();
            if ran.code != 137 {
                assert!(matches!(ran.code, 0 | 75) && step > 3, "{step}:{place}: {ran}");
                break;
            }
            if place == "before" {
                let untouched = |files: BTreeMap<String, Vec<u8>>| {
                    files.into_iter().filter(|(path, _)| !path.starts_with(".chora/pending")).collect::<BTreeMap<_, _>>()
                };
                assert_eq!(untouched(tree(&project.path())), before, "{step}:{place}");
            }
            next(&project);
            deaths += 1;
        }
    }
    deaths
}

#[test]
fn an_init_that_is_killed_anywhere_has_written_all_or_nothing() {
    let empty = || {
        let project = Chora::new();
        let source = Source::beside(&project.path(), "templates");
        source.put("patterns/p.yaml", MANIFEST).put("a.j2", "one\n").put("run.j2", "#!/bin/sh\n").put("guide.j2", "guide\n");
        (project, source)
    };
    let whole = {
        let (project, _source) = empty();
        assert_eq!(project.run(["init", "--from", "../templates"]).code, 0);
        tree(&project.path())
    };
    let deaths = kill_everywhere(empty, &["init", "--from", "../templates"], |project| {
        let ran = project.run(["init", "--from", "../templates"]);
        // What was staged as a whole is completed first: then the project has its pattern.
        assert!(ran.code == 0 || ran.code == 75 && ran.stderr.contains("has the pattern `p`, version 1, already"), "{ran}");
        assert_eq!(tree(&project.path()), whole);
    });
    assert!(deaths > 12, "{deaths} deaths");
}

#[test]
fn an_upgrade_that_is_killed_anywhere_is_as_before_or_done() {
    let begin = || {
        let (project, source) = project();
        project.write("a.conf", "one\nmine\nthree\n");
        source.put("a.j2", "one\ntheirs\nthree\nfour\n").put("guide.j2", "newer guide\n");
        source.put("patterns/p.yaml", MANIFEST.replace("{path: bin/run, from: run.j2, executable: true}, ", ""));
        (project, source)
    };
    let (before, after) = {
        let (project, _source) = begin();
        let before = tree(&project.path());
        assert_eq!(project.run(["upgrade"]).code, 75);
        (before, tree(&project.path()))
    };
    let deaths = kill_everywhere(begin, &["upgrade"], |project| {
        // A command that writes nothing does not take half an upgrade for the project.
        let told = project.run(["upgrade", "--check"]);
        assert!(matches!(told.code, 1 | 75), "{told}");
        assert_eq!(project.run(["upgrade"]).code, 75);
        assert_eq!(tree(&project.path()), after);
        assert_eq!(project.run(["upgrade", "--abort"]).code, 0);
        assert_eq!(tree(&project.path()), before);
    });
    assert!(deaths > 12, "{deaths} deaths");
}

#[test]
fn a_file_that_becomes_a_folder_and_a_folder_that_becomes_a_file_die_anywhere() {
    let begin = || {
        let (project, source) = project();
        project.write("a.conf", "one\nmine\nthree\n");
        let turned = MANIFEST.replace("{path: bin/run,", "{path: bin,").replace("docs/deep/guide", "docs/deep/guide/one");
        source.put("a.j2", "one\ntheirs\nthree\n").put("patterns/p.yaml", turned);
        (project, source)
    };
    let (before, after) = {
        let (project, _source) = begin();
        let before = tree(&project.path());
        assert_eq!(project.run(["upgrade"]).code, 75);
        assert_eq!((project.read("bin"), project.read("docs/deep/guide/one")), ("#!/bin/sh\n".to_owned(), "guide\n".to_owned()));
        (before, tree(&project.path()))
    };
    let deaths = kill_everywhere(begin, &["upgrade"], |project| {
        assert_eq!(project.run(["upgrade"]).code, 75);
        assert_eq!(tree(&project.path()), after);
        assert_eq!(project.run(["upgrade", "--abort"]).code, 0);
        assert_eq!(tree(&project.path()), before);
    });
    assert!(deaths > 12, "{deaths} deaths");
    // What somebody has put there is in the way, and stays.
    let (project, _source) = begin();
    project.write("bin/mine", "mine");
    let refused = project.run(["upgrade"]);
    assert!(refused.code == 75 && refused.stderr.contains("`bin` is a folder, a file should be there"), "{refused}");
    assert_eq!(project.read("docs/deep/guide"), "guide\n");
}

#[test]
fn a_way_back_that_is_killed_anywhere_is_gone_on_with() {
    let begin = || {
        let (project, source) = project();
        project.write("a.conf", "one\nmine\nthree\n");
        source.put("a.j2", "one\ntheirs\nthree\nfour\n");
        assert_eq!(project.run(["upgrade"]).code, 75);
        project.write("a.conf", "edited since\n");
        (project, source)
    };
    let deaths = kill_everywhere(begin, &["upgrade", "--abort"], |project| {
        let again = project.run(["upgrade", "--abort"]);
        assert!(again.code == 0 || again.code == 66, "it was completed, or is done now: {again}");
        assert_eq!(project.read("a.conf"), "one\nmine\nthree\n");
        assert_eq!(project.read(".chora/aborted-1/a.conf"), "edited since\n");
        assert!(!project.path().join(".chora/upgrade.json").exists() && !project.path().join(".chora/pending").exists());
    });
    assert!(deaths > 8, "{deaths} deaths");
}

/// What copier's documentation says of `copier update`, and what its users meet: each has to end at least as well.
#[test]
fn copier_s_scenarios() {
    let project = Chora::new();
    let source = Source::beside(&project.path(), "templates");
    let manifest = |version: u32, more: &str, file: &str| {
        format!(
            "title: t\nsummary: s\nversion: {version}\nquestions: {{owner: {{ask: o}}{more}}}\nfiles: [{{path: {file}, from: hooks.j2}}, {{path: LICENSE, from: licence.j2}}]\n"
        )
    };
    source.put("patterns/p.yaml", manifest(1, "", "hooks.yml")).put("licence.j2", "of {{ owner }}\n");
    source.put("hooks.j2", "hooks:\n- a 1\n- b 1\n- c 1\n").tag("v0.9.0");
    assert_eq!(project.run(["init", "--from", &format!("file://{}", source.path()), "--set", "owner=us"]).code, 0);
    // Their own change beside the template's, and a file that they do not want.
    project.write("hooks.yml", "hooks:\n- a 1\n- b 1\n- c 1\n- mine 1\n");
    fs::remove_file(project.path().join("LICENSE")).unwrap();
    commit(&project);
    // The newest version is the greatest, not the last in the alphabet, and not what is made before one.
    source.put("hooks.j2", "hooks:\n- a 2\n- b 1\n- c 1\n").tag("v0.10.0");
    source.put("hooks.j2", "hooks:\n- not yet\n").tag("v0.11.0-rc1");
    assert_eq!(project.run(["upgrade"]).code, 0);
    assert_eq!(project.read("hooks.yml"), "hooks:\n- a 2\n- b 1\n- c 1\n- mine 1\n");
    assert!(!project.path().join("LICENSE").exists(), "what was deleted does not come back");
    commit(&project);
    // A file is renamed: copier leaves the old one as it was and the changes out.
    let moved = manifest(2, "", "hooks.yaml") + "migrations: [{to: 2, files: {hooks.yml: hooks.yaml}}]\n";
    source.put("patterns/p.yaml", moved).put("hooks.j2", "hooks:\n- a 2\n- b 2\n- c 1\n").tag("v1.0.0");
    assert_eq!(project.run(["upgrade"]).code, 0);
    assert_eq!(project.read("hooks.yaml"), "hooks:\n- a 2\n- b 2\n- c 1\n- mine 1\n");
    assert!(!project.path().join("hooks.yml").exists());
    commit(&project);
    // A new question has its default, an answer can be changed on the way, and a branch can be ahead of its versions.
    let asking = manifest(3, ", year: {ask: y, default: '2026'}", "hooks.yaml") + "migrations: [{to: 2, files: {hooks.yml: hooks.yaml}}]\n";
    source.put("patterns/p.yaml", asking).put("hooks.j2", "hooks:\n- a {{ year }} {{ owner }}\n- b 2\n- c 1\n");
    git(Path::new(&source.path()), &["add", "--all"]);
    git(Path::new(&source.path()), &["commit", "--quiet", "--message", "ahead"]);
    assert_eq!(project.run(["upgrade", "--check"]).code, 0, "no newer version");
    assert_eq!(project.run(["upgrade", "--to", "HEAD", "--set", "owner=them"]).code, 0);
    assert_eq!(project.read("hooks.yaml"), "hooks:\n- a 2026 them\n- b 2\n- c 1\n- mine 1\n");
}

#[test]
fn what_may_not_be_written_is_not_begun() {
    let (project, source) = project();
    assert_eq!(project.run_as_nobody(["upgrade", "--check"]).code, 0, "reading is enough for it");
    source.put("a.j2", "one\nother\nthree\n");
    assert_snapshot!(project.run_as_nobody(["upgrade"]));
    assert_eq!(project.read("a.conf"), "one\ntwo\nthree\n");
    let empty = Chora::new();
    assert_snapshot!(empty.run_as_nobody(["init", "--set", "name=shop", "--set", "language=go"]));
    assert_eq!(fs::read_dir(empty.path()).unwrap().count(), 0);
}

#[test]
fn what_somebody_else_wrote_down_leads_nowhere_else() {
    let (project, _source) = project();
    let outside = project.path().with_file_name("outside");
    fs::write(&outside, "theirs\n").unwrap();
    // As a project from elsewhere may bring it along.
    project.write(".chora/base/x", "theirs\n");
    let record = project.read(".chora/answers.yaml");
    project.write(".chora/answers.yaml", record.replace("  \"a.conf\":", "  \"../outside\": \"00\"\n  \"a.conf\":"));
    assert_snapshot!(project.run(["upgrade"]));
    project.write(".chora/answers.yaml", &record);
    project
        .write(".chora/upgrade.json", r#"{"conflicts": [], "before": [{"path": "../outside", "was_there": false, "executable": false}]}"#);
    assert_eq!(project.run(["upgrade", "--abort"]).code, 75);
    project.write(".chora/pending/changes.json", r#"{"changes": [{"path": "../outside", "new": null, "old": null, "folder": null}]}"#);
    assert_snapshot!(project.run(["upgrade"]));
    assert_eq!(fs::read_to_string(&outside).unwrap(), "theirs\n");
}
