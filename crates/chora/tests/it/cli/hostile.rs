//! What a project that somebody else made may bring along: names that look trusted, links, lists of what is pending.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use crate::support::{Chora, Source};
use insta::assert_snapshot;

const QUESTIONS: &str = "questions:\n  name: {ask: the name, default: shop}\n";
const HOOK: &str = "#!/bin/sh\necho \"made by $CHORA_HOOK\" > made\n";

/// A source with a hook, as files that can be put anywhere.
fn hooked(folder: &Path) -> Source {
    let source = Source::beside(&folder.join("x"), "templates");
    let hooks = "hooks: {init: [[../source/make]], upgrade: [[../source/make]]}\n";
    let manifest = format!("title: t\nsummary: s\nversion: 1\n{QUESTIONS}files: [{{path: app.conf, from: app.j2}}]\n{hooks}");
    source.put("patterns/p.yaml", manifest).put("app.j2", "one\n").program("make", HOOK);
    source
}

/// What a person trusts, in their own file.
fn trusting(project: &Chora, name: &str) {
    let folder = project.path().with_file_name("home").join(".config/chora");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("config.yaml"), format!("trust: [\"{name}\"]\n")).unwrap();
}

#[test]
fn a_directory_that_is_called_like_a_trusted_repository_is_not_it() {
    let url = "https://127.0.0.1:1/acme/templates";
    let project = Chora::new();
    let source = hooked(&project.path().join("https:/127.0.0.1:1/acme"));
    assert!(project.path().join(url).join("make").exists() && source.path().contains("https:/127"));
    let _below = hooked(&project.path().join("below/https:/127.0.0.1:1/acme"));
    trusting(&project, url);
    let ran = project.run(["init", "--from", url]);
    assert!(ran.code == 69 && ran.stderr.contains("git ls-remote failed"), "{ran}");
    // The same with a record that is there already, and from a directory below the project.
    assert_eq!(project.run(["init", "--from", "./https:/127.0.0.1:1/acme/templates"]).code, 0);
    let record = project.read(".chora/answers.yaml");
    assert!(record.contains("./https:/"), "{record}");
    project.write(".chora/answers.yaml", record.replace("./https:/127", "https://127"));
    project.write("https:/127.0.0.1:1/acme/templates/app.j2", "two\n");
    for arguments in [&["upgrade"][..], &["upgrade", "--check"], &["upgrade", "--dry-run"]] {
        let ran = project.run(arguments);
        assert!(ran.code == 69 && ran.stderr.contains("git ls-remote failed"), "{arguments:?}: {ran}");
    }
    let program = Path::new(env!("CARGO_BIN_EXE_chora"));
    let mut below = project.command(program);
    below.current_dir(project.path().join("below")).args(["upgrade", "--project", "..", "--from", url, "--trust", url]);
    assert_eq!(below.output().unwrap().status.code(), Some(69));
    assert!(!project.path().join("made").exists());
}

#[test]
fn a_path_that_is_read_otherwise_by_the_server_is_refused() {
    let project = Chora::new();
    trusting(&project, "https://127.0.0.1:1/ours/");
    assert_snapshot!(project.run(["init", "--from", "https://127.0.0.1:1/ours/%2e%2e/theirs/templates"]));
}

#[test]
fn what_is_pending_in_somebody_s_project_does_not_get_into_git() {
    for path in [".git/config", "sub/.GIT/hooks/post-checkout"] {
        for list in ["changes.json", "undo.json"] {
            let project = Chora::new().file("go.mod", "module shop\n").file(path, "theirs\n");
            project.write(
                &format!(".chora/pending/{list}"),
                format!(r#"{{"changes": [{{"path": "{path}", "new": 0, "old": 1, "folder": null}}]}}"#),
            );
            project.write(".chora/pending/0.new", "[core]\n\tfsmonitor = touch touched\n");
            project.write(".chora/pending/1.old", "[core]\n\tfsmonitor = touch touched\n");
            for arguments in [&["init", "--yes"][..], &["upgrade"], &["upgrade", "--abort"]] {
                let ran = project.run(arguments);
                assert!(ran.code == 75 && ran.stderr.contains("belongs to Git"), "{path} {arguments:?}: {ran}");
            }
            assert_eq!(project.read(path), "theirs\n");
        }
    }
}

#[test]
fn taking_an_upgrade_back_removes_nothing_of_git() {
    let project = Chora::new().file(".git/config", "theirs\n").file("go.mod", "module shop\n");
    assert_eq!(project.run(["init", "--yes"]).code, 0);
    let note = r#"{"conflicts": [], "before": [{"path": ".git/config", "was_there": false, "executable": false}]}"#;
    project.write(".chora/upgrade.json", note);
    assert_snapshot!(project.run(["upgrade", "--abort"]));
    assert_eq!(project.read(".git/config"), "theirs\n");
}

#[test]
fn no_link_leads_what_is_remembered_out_of_the_project() {
    for (link, target) in
        [(".chora/base", "../.."), (".chora/base/scripts", "../../.."), (".chora/pending", "../../outside"), (".chora", "../outside")]
    {
        let project = Chora::new().file("go.mod", "module shop\n");
        let outside = project.path().with_file_name("outside");
        fs::create_dir(&outside).unwrap();
        let link = project.path().join(link);
        fs::create_dir_all(link.parent().unwrap()).unwrap();
        symlink(target, &link).unwrap();
        let ran = project.run(["init", "--yes", "--set", "ci=github"]);
        assert!(ran.code == 75 && ran.stderr.contains("is a link, which may lead elsewhere"), "{link:?}: {ran}");
        let entries = |folder: &Path| fs::read_dir(folder).unwrap().count();
        assert_eq!((entries(&outside), entries(project.path().parent().unwrap())), (0, 3), "{link:?}: home, outside, project");
    }
    let project = Chora::new().file("go.mod", "module shop\n");
    fs::create_dir_all(project.path().join(".chora/base")).unwrap();
    symlink("../../go.mod", project.path().join(".chora/base/Dockerfile")).unwrap();
    let ran = project.run(["init", "--yes"]);
    assert!(ran.code == 75 && ran.stderr.contains("`.chora/base/Dockerfile` is a link or a device"), "{ran}");
    assert_eq!(fs::read_dir(project.path()).unwrap().count(), 2, "go.mod, .chora");
}

#[test]
fn an_audit_fetches_nothing_and_runs_no_hook() {
    let project = Chora::new();
    let source = hooked(project.path().parent().unwrap());
    project.write("compose.yaml", "services: {web: {image: 'nginx:1'}}\n");
    assert_eq!(project.run(["init", "--from", &source.path()]).code, 0);
    trusting(&project, &source.path());
    let mark = project.path().with_file_name("ran");
    source.program("make", &format!("#!/bin/sh\n: > {}\n", mark.display()));
    assert!(project.read(".chora/answers.yaml").contains("source:") && !project.read(".chora/answers.yaml").contains("commit:"));
    let ran = project.run(["audit", "--json"]).json();
    assert!(!mark.exists(), "{ran:#}");
    let features = ran["features"].as_array().unwrap();
    let of_pattern = features.iter().find(|feature| feature["id"] == "project.pattern").unwrap();
    assert_eq!(of_pattern["state"], "adopted", "{of_pattern:#}");
    // A repository that nobody has to be asked for.
    let record = project.read(".chora/answers.yaml").replace(&source.path(), "https://127.0.0.1:1/templates");
    project.write(".chora/answers.yaml", record);
    assert!(!project.run(["audit"]).stdout.contains("cannot be had"));
    assert_eq!(project.run(["upgrade", "--check"]).code, 69);
}

#[test]
fn only_whole_paths_are_trusted_in_every_project() {
    let project = Chora::new();
    let source = hooked(project.path().parent().unwrap());
    for (name, runs) in [("../templates", false), (source.path().as_str(), true)] {
        trusting(&project, name);
        let ran = project.run(["init", "--from", "../templates"]);
        assert_eq!((ran.code, project.path().join("made").exists()), (0, runs), "{name}: {ran}");
        fs::remove_dir_all(project.path().join(".chora")).unwrap();
        fs::remove_file(project.path().join("app.conf")).unwrap();
    }
}
