//! `chora patterns`, `chora init` and `chora upgrade`.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use crate::support::{Chora, git};
use insta::assert_snapshot;

/// A project of Python with a file of its own.
fn python() -> Chora {
    Chora::new().file("pyproject.toml", "[project]\nname = \"notes\"\ndependencies = [\"mcp[cli]\"]\n").file("uv.lock", "version = 1\n")
}

fn written() -> Chora {
    let project = python();
    assert_eq!(project.run(["init"]).code, 0);
    project
}

/// SHA-256 of a file of the project in hexadecimal, as the record has it.
fn sha256(project: &Chora, path: &str) -> String {
    let output = project.command(Path::new("sha256sum")).arg(path).output().expect("sha256sum is installed");
    String::from_utf8(output.stdout).unwrap().split(' ').next().unwrap().to_owned()
}

/// Names of everything in the project's directory.
fn entries(project: &Chora) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(project.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn patterns_are_listed_and_shown() {
    assert_snapshot!(Chora::new().run(["patterns"]));
    assert_snapshot!(Chora::new().run(["patterns", "show", "mcp-server"]));
}

#[test]
fn a_project_is_found_out_about_and_written() {
    let project = python();
    assert_snapshot!(project.run(["init", "--dry-run"]));
    assert_eq!(entries(&project), ["pyproject.toml", "uv.lock"]);
    assert_snapshot!(project.run(["init"]));
    assert_snapshot!(project.read(".chora/answers.yaml"));
    assert!(project.read("Dockerfile").contains("uv sync --locked"));
    for environment in ["development", "test", "staging", "production"] {
        let ran = project.run(["config", "--check", "--env", environment]);
        assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{environment}");
    }
    assert_snapshot!(project.run(["init"]));
}

#[test]
fn answers_come_from_a_file_and_from_the_command_line() {
    let project = Chora::new().file("answers.yaml", "language: go\nport: 9000\nsecrets: [api_key]\n");
    let file = project.path().join("answers.yaml").display().to_string();
    let ran = project.run(["init", "--answers", &file, "--set", "port=9001", "--set", "name=shop", "--json"]).json();
    assert_eq!((&ran["answers"]["port"], &ran["answers"]["language"], &ran["ok"]), (&9001.into(), &"go".into(), &true.into()));
    assert!(project.read("compose.production.yaml").contains("127.0.0.1:${PORT:-9001}:9001"));
    assert!(project.read("secrets/.gitignore").contains("!.gitignore"));
}

#[test]
fn what_is_asked_wrongly_is_refused_and_nothing_is_written() {
    let project = Chora::new();
    assert_snapshot!(project.run(["init", "--pattern", "maximal"]));
    assert_snapshot!(project.run(["init", "--set", "name=shop"]));
    assert_snapshot!(project.run(["init", "--set", "name=shop", "--set", "language=cobol"]));
    assert_snapshot!(project.run(["init", "--set", "name=shop", "--set", "language=go", "--set", "port=many"]));
    assert_snapshot!(project.run(["init", "--set", "langauge=go"]));
    assert_snapshot!(project.run(["init", "--set", "language"]));
    assert_snapshot!(project.run(["init", "--answers", "/nonexistent/answers.yaml"]));
    let taken = ["init", "--pattern", "full-stack", "--set", "name=shop", "--set", "language=go", "--set", "service=redis"];
    assert_snapshot!(project.run(taken));
    assert_eq!(entries(&project), Vec::<String>::new());
}

#[test]
fn what_is_there_is_never_overwritten() {
    let project = python().file("Dockerfile", "FROM mine\n").file("docker-compose.yml", "services: {}\n");
    assert_snapshot!(project.run(["init"]));
    assert_eq!(project.read("Dockerfile"), "FROM mine\n");
    assert_eq!(entries(&project), ["Dockerfile", "docker-compose.yml", "pyproject.toml", "uv.lock"]);
    assert_eq!(project.run(["init", "--replace"]).code, 0);
    assert!(project.read("Dockerfile").contains("uv sync"));
}

#[test]
fn a_project_is_begun_where_one_stands() {
    let project = Chora::new().file("docker-compose.yml", "services: {}\n").file("services/api/go.mod", "module api\n");
    let part = project.path().join("services/api");
    let init = |arguments: &[&str]| {
        let mut command = project.command(Path::new(env!("CARGO_BIN_EXE_chora")));
        let output = command.current_dir(&part).arg("init").args(arguments).output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (code, stderr) = init(&["--project", "../.."]);
    assert!(code == Some(75) || code == Some(64), "the language of the whole is not known: {stderr}");
    assert_eq!(init(&["--yes", "--set", "ci=github"]).0, Some(0));
    assert!(part.join("compose.yaml").exists() && part.join(".chora/answers.yaml").exists());
    assert_eq!(entries(&project), ["docker-compose.yml", "services"]);
    let (code, stderr) = init(&["--yes", "--project", "../..", "--set", "language=go"]);
    assert_eq!(code, Some(75));
    assert!(stderr.contains(&format!("{} has files of its own", project.path().display())), "{stderr}");
}

#[test]
fn the_next_command_is_about_the_same_answers() {
    let project = Chora::new().file("go.mod", "module shop\n");
    assert_eq!(project.run(["init", "--dry-run", "--json"]).json()["next"], "chora init");
    let other = ["init", "--pattern", "full-stack", "--set", "migrate=/app/migrate up"];
    let dry = [&other[..], &["--dry-run", "--json"]].concat();
    assert_eq!(project.run(&dry).json()["next"], "the same command without --dry-run");
    project.write("compose.yaml", "services: {}\n");
    assert_snapshot!(project.run(other));
    // As the hint says.
    assert_eq!(project.run([&other[..], &["--replace"]].concat()).code, 0);
    assert!(project.read(".chora/answers.yaml").contains("pattern: \"full-stack\""));
    let next = |arguments: &[&str]| project.run([arguments, &["--json"]].concat()).json()["next"].clone();
    assert_eq!(next(&["upgrade", "--check"]), "chora config", "there is nothing to do");
    assert_eq!(next(&["upgrade", "--check", "--set", "port=9000"]), "the same command without --check and --dry-run");
}

#[test]
fn a_project_with_docker_files_of_its_own_gets_ci_alone() {
    let project = Chora::new().file("docker-compose.yml", "services: {app: {image: 'app:1'}}\n");
    assert_snapshot!(project.run(["init", "--pattern", "github-actions", "--set", "name=shop"]));
    assert!(project.read(".github/workflows/docker.yml").contains("scripts/ci/deploy.sh production"));
    assert_eq!(project.run(["upgrade", "--check"]).code, 0);
    assert_eq!(project.run(["init", "--pattern", "minimal"]).code, 75, "it has a pattern already");
}

#[test]
fn a_project_gets_ci_where_its_repository_is() {
    let project = python().file(".git/config", "[remote \"origin\"]\n\turl = git@github.com:acme/notes.git\n");
    assert_eq!(project.run(["init"]).code, 0);
    assert!(project.read("docs/CI.md").contains("GitHub Actions"));
    assert!(!project.read("Dockerfile.test").contains("--no-dev"));
    assert_eq!(project.run(["upgrade", "--set", "ci=none"]).code, 0);
    assert!(!project.path().join(".github/workflows/docker.yml").exists());
}

#[test]
fn ci_that_nobody_reads_is_told() {
    let project = python();
    git(project.path().parent().unwrap(), &["init", "--quiet"]);
    let top = project.path().parent().unwrap().display().to_string();
    for (ci, path) in [("github", ".github/workflows/docker.yml"), ("gitlab", ".gitlab-ci.yml")] {
        let answer = format!("ci={ci}");
        let ran = project.run(["init", "--dry-run", "--set", &answer]);
        assert!(ran.stderr.contains(&format!("{path} is not read where it is: the top of the repository is {top}")), "{ran}");
    }
    assert!(!project.run(["init", "--dry-run"]).stderr.contains("is not read"));
    git(&project.path(), &["init", "--quiet"]);
    assert!(!project.run(["init", "--dry-run", "--set", "ci=github"]).stderr.contains("is not read"));
}

#[test]
fn a_file_or_a_link_where_a_folder_should_be_is_refused() {
    let project = python().file("docs", "a file\n");
    assert_snapshot!(project.run(["init"]));
    fs::remove_file(project.path().join("docs")).unwrap();
    symlink("/tmp", project.path().join("docs")).unwrap();
    assert_snapshot!(project.run(["init"]));
    assert_eq!(entries(&project), ["docs", "pyproject.toml", "uv.lock"]);
    let folder = python().file("compose.yaml/keep", "");
    assert_snapshot!(folder.run(["init"]));
}

#[test]
fn a_project_without_changes_is_up_to_date() {
    let project = written();
    assert_snapshot!(project.run(["upgrade", "--check"]));
    assert_snapshot!(project.run(["upgrade"]));
    assert_snapshot!(Chora::new().run(["upgrade"]));
    assert_snapshot!(project.run(["upgrade", "--continue"]));
}

#[test]
fn an_upgrade_keeps_edits_and_deletions() {
    let project = written();
    let mine = project.read("compose.production.yaml").replace("pids: 256", "pids: 512");
    project.write("compose.production.yaml", &mine);
    fs::remove_file(project.path().join("justfile")).unwrap();
    let other = ["--set", "port=9000", "--set", "secrets=api_key"];
    assert_snapshot!(project.run([&["upgrade", "--check"], &other[..]].concat()));
    assert_eq!(project.read("compose.production.yaml"), mine);
    assert_snapshot!(project.run([&["upgrade"], &other[..]].concat()));
    let merged = project.read("compose.production.yaml");
    assert!(merged.contains("pids: 512") && merged.contains("9000") && !merged.contains("8000"), "{merged}");
    assert!(!project.path().join("justfile").exists());
    assert_eq!(project.run(["upgrade", "--check"]).code, 0);
}

#[test]
fn an_upgrade_from_an_older_version_is_seen() {
    let project = written();
    // As an older pattern wrote it: another text, another version.
    let newer = sha256(&project, "compose.yaml");
    let older = project.read("compose.yaml").replace("max-file: \"3\"", "max-file: \"1\"");
    project.write("compose.yaml", &older);
    project.write(".chora/base/compose.yaml", &older);
    let record = project.read(".chora/answers.yaml").replace(&newer, &sha256(&project, "compose.yaml"));
    project.write(".chora/answers.yaml", record.replace("version: 1", "version: 0"));
    assert_snapshot!(project.run(["upgrade", "--check"]));
    assert_snapshot!(project.run(["upgrade"]));
    assert!(project.read("compose.yaml").contains("max-file: \"3\""));
    project.write(".chora/answers.yaml", project.read(".chora/answers.yaml").replace("version: 1", "version: 9"));
    assert_snapshot!(project.run(["upgrade"]));
}

#[test]
fn a_conflict_waits_for_a_person() {
    let project = written();
    let before = project.read("compose.production.yaml");
    let mine = before.replace("${PORT:-8000}:8000", "7000:8000");
    project.write("compose.production.yaml", &mine);
    assert_snapshot!(project.run(["upgrade", "--set", "port=9000"]));
    assert_snapshot!(project.read("compose.production.yaml"));
    assert_snapshot!(project.run(["upgrade"]));
    assert_snapshot!(project.run(["upgrade", "--continue"]));
    assert_snapshot!(project.run(["upgrade", "--abort"]));
    assert_eq!(project.read("compose.production.yaml"), mine);
    assert_eq!(project.run(["upgrade", "--check"]).code, 0, "answers and base are as before");
    assert_eq!(project.run(["upgrade", "--set", "port=9000"]).code, 75);
    project.write("compose.production.yaml", before.replace("8000", "9000"));
    assert_snapshot!(project.run(["upgrade", "--continue"]));
    assert_eq!(project.run(["upgrade", "--check"]).code, 0);
    assert!(!project.path().join(".chora/upgrade.json").exists());
}
