//! Patterns from elsewhere: a directory, a repository at a tag or commit, with questions, hooks and migrations of their own.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use crate::support::{Chora, Ran, Source};
use insta::assert_snapshot;

/// A pattern of one version, with more lines of its manifest.
fn manifest(version: u32, more: &str) -> String {
    format!("title: A service\nsummary: a service and its settings\nversion: {version}\n{more}")
}

const QUESTIONS: &str = "questions:\n  name: {ask: the name, form: slug}\n  port: {ask: the port, type: integer, default: 8000}\n";
const FILES: &str = "files:\n  - {path: app.conf, from: app.j2}\n  - {path: run.sh, from: run.j2, executable: true}\n  - {path: logo.png, from: logo.png}\n";

/// A project with a source of two versions beside it.
fn versions() -> (Chora, Source) {
    let project = Chora::new();
    let source = Source::beside(&project.path(), "templates");
    source.put("patterns/service.yaml", manifest(1, &format!("{QUESTIONS}{FILES}"))).put("logo.png", b"\x89PNG\0one");
    source
        .put("app.j2", "name = {{ name }}\nport = {{ port }}\nworkers = 1\nqueue = 10\nlog = info\n")
        .put("run.j2", "#!/bin/sh\nexec {{ name }}\n");
    source.tag("v1.0.0");
    let more = "  tls: {ask: whether it has TLS, type: boolean, default: false}\n";
    let moved = "migrations:\n  - {to: 2, answers: {port: http_port}, files: {run.sh: bin/run}}\n";
    let questions = QUESTIONS.replace("port:", "http_port:");
    let files = FILES.replace("path: run.sh", "path: bin/run");
    source.put("patterns/service.yaml", manifest(2, &format!("{questions}{more}{files}{moved}"))).put("logo.png", b"\x89PNG\0two");
    source.put(
        "app.j2",
        "name = {{ name }}\nport = {{ http_port }}\nworkers = 2\nqueue = 10\nlog = info\n{% if tls %}\ntls = on\n{% endif %}\n",
    );
    source.put("run.j2", "#!/bin/sh\nset -e\nexec {{ name }}\n");
    source.tag("v1.10.0");
    source.put("app.j2", "not tagged yet\n");
    (project, source)
}

fn init(project: &Chora, from: &str) -> Ran {
    project.run(["init", "--from", from, "--set", "name=shop"])
}

/// What differs from run to run: where the source is, and its commits.
fn plain(ran: &Ran, source: &Source) -> String {
    let text = ran.to_string().replace(&source.path(), "[source]");
    let commit = |word: &str| word.len() >= 10 && word.bytes().all(|c| c.is_ascii_hexdigit());
    let words = text.split_inclusive([' ', '\n', '(', ')', ',']).map(|word| {
        let bare = word.trim_end_matches([' ', '\n', '(', ')', ',']);
        if commit(bare) { word.replace(bare, "[commit]") } else { word.to_owned() }
    });
    words.collect()
}

#[test]
fn a_directory_is_taken_as_it_stands() {
    let project = Chora::new();
    let source = Source::beside(&project.path(), "templates");
    source.put("patterns/service.yaml", manifest(1, &format!("{QUESTIONS}{FILES}"))).put("app.j2", "port = {{ port }}\n");
    source.put("run.j2", "#!/bin/sh\n").put("logo.png", b"\x89PNG\0\xff");
    assert_snapshot!(plain(&project.run(["patterns", "--from", "../templates"]), &source));
    assert_snapshot!(plain(&project.run(["patterns", "show", "service", "--from", "../templates"]), &source));
    assert_snapshot!(plain(&init(&project, "../templates"), &source));
    assert_eq!(
        (project.read("app.conf").as_str(), fs::read(project.path().join("logo.png")).unwrap()),
        ("port = 8000\n", b"\x89PNG\0\xff".to_vec())
    );
    let mode = fs::metadata(project.path().join("run.sh")).unwrap().permissions().mode();
    assert_eq!(mode & 0o100, 0o100);
    assert_snapshot!(project.read(".chora/answers.yaml"));
    source.put("app.j2", "port = {{ port }}\nworkers = 2\n");
    assert_eq!(project.run(["upgrade", "--check"]).code, 1);
    assert_snapshot!(plain(&project.run(["upgrade"]), &source));
    assert_eq!(project.read("app.conf"), "port = 8000\nworkers = 2\n");
}

#[test]
fn a_repository_is_taken_at_its_newest_version_and_upgraded() {
    let (project, source) = versions();
    assert_snapshot!(plain(&init(&project, &format!("{}@v1.0.0", source.path())), &source));
    assert_eq!(project.read("app.conf"), "name = shop\nport = 8000\nworkers = 1\nqueue = 10\nlog = info\n");
    project.write("app.conf", project.read("app.conf").replace("log = info", "log = debug"));
    assert_snapshot!(plain(&project.run(["upgrade", "--dry-run"]), &source));
    assert_snapshot!(plain(&project.run(["upgrade"]), &source));
    assert_eq!(project.read("app.conf"), "name = shop\nport = 8000\nworkers = 2\nqueue = 10\nlog = debug\n");
    assert!(project.read("bin/run").contains("set -e") && !project.path().join("run.sh").exists());
    assert!(project.read(".chora/answers.yaml").contains("\"http_port\": 8000"));
    assert_eq!(project.run(["upgrade", "--check"]).code, 0);
}

#[test]
fn a_url_without_a_version_is_its_newest_one() {
    let (project, source) = versions();
    let ran = init(&project, &format!("file://{}", source.path()));
    assert_eq!(ran.code, 0, "{ran}");
    assert!(project.read("app.conf").contains("workers = 2") && project.read(".chora/answers.yaml").contains("ref: \"v1.10.0\""));
}

#[test]
fn a_branch_is_followed_and_a_commit_is_what_it_is() {
    let (project, source) = versions();
    let first = source.tag("later");
    assert_eq!(init(&project, &format!("{}@main", source.path())).code, 0);
    assert_eq!(project.read("app.conf"), "not tagged yet\n");
    source.put("app.j2", "later\n").tag("latest");
    assert_eq!(project.run(["upgrade"]).code, 0);
    assert_eq!(project.read("app.conf"), "later\n");
    let other = Chora::new();
    let ran = init(&other, &format!("{}@{}", source.path(), first.get(..12).unwrap()));
    assert_eq!((ran.code, other.read("app.conf").as_str()), (0, "not tagged yet\n"), "{ran}");
}

#[test]
fn an_upgrade_goes_where_it_is_told_and_not_back() {
    let (project, source) = versions();
    assert_eq!(init(&project, &format!("{}@v1.0.0", source.path())).code, 0);
    assert_snapshot!(plain(&project.run(["upgrade", "--to", "v9"]), &source));
    assert_snapshot!(plain(&project.run(["upgrade", "--to", "--upload-pack=x"]), &source));
    assert_eq!(project.run(["upgrade", "--to", "v1.0.0", "--check"]).code, 0);
    assert_eq!(project.run(["upgrade", "--to", "v1.10.0"]).code, 0);
    assert_snapshot!(plain(&project.run(["upgrade", "--to", "v1.0.0"]), &source));
    let built_in = Chora::new();
    assert_eq!(built_in.run(["init", "--set", "name=shop", "--set", "language=go"]).code, 0);
    assert_eq!(built_in.run(["upgrade", "--to", "1"]).code, 0);
    assert_snapshot!(built_in.run(["upgrade", "--to", "7"]));
}

#[test]
fn a_source_that_moved_or_was_rewritten_is_upgraded_from_what_is_kept() {
    let (project, mut source) = versions();
    assert_eq!(init(&project, &format!("{}@v1.0.0", source.path())).code, 0);
    project.write("app.conf", project.read("app.conf").replace("log = info", "log = debug"));
    let before = source.path();
    source.rename("moved");
    let failed = project.run(["upgrade"]).replace(&before, "[source]");
    assert_snapshot!(failed);
    // Another history: no commit of before is left.
    fs::remove_dir_all(Path::new(&source.path()).join(".git")).unwrap();
    source.put("app.j2", "name = {{ name }}\nport = {{ http_port }}\nworkers = 3\nqueue = 10\nlog = info\n").tag("v2.0.0");
    assert_snapshot!(plain(&project.run(["upgrade", "--from", &source.path()]), &source));
    assert_eq!(project.read("app.conf"), "name = shop\nport = 8000\nworkers = 3\nqueue = 10\nlog = debug\n");
    assert!(project.read(".chora/answers.yaml").contains("/moved\""));
}

#[test]
fn what_could_make_git_run_something_is_refused() {
    let project = Chora::new();
    let marker = project.path().join("touched");
    let command = format!("touch {}", marker.display());
    for from in [
        format!("ext::sh -c {}", command.replace(' ', "% ")),
        format!("--upload-pack={command}"),
        format!("ssh://-oProxyCommand={}/x", command.replace('/', "")),
        "git://localhost/t".to_owned(),
        "https://name:word@localhost/t".to_owned(),
        "..@--upload-pack=x".to_owned(),
    ] {
        let ran = project.run(["init", &format!("--from={from}"), "--set", "name=shop"]);
        assert_eq!(ran.code, 64, "{from}: {ran}");
        assert!(ran.stderr.contains("nothing was written"), "{ran}");
    }
    assert!(!marker.exists());
    assert_snapshot!(project.run(["init", "--from", "ext::sh -c touch% x"]));
    assert_snapshot!(project.run(["init", "--from", "nowhere"]));
    assert_snapshot!(project.run(["init", "--from", "https://token@localhost/t"]));
}

#[test]
fn a_repository_that_cannot_be_had_asks_nobody() {
    let project = Chora::new();
    let ran = project.run(["init", "--from", "https://127.0.0.1:1/templates.git", "--set", "name=shop"]);
    assert_eq!(ran.code, 69, "{ran}");
    assert!(ran.stderr.contains("the templates of https://127.0.0.1:1/templates.git cannot be had: git ls-remote failed"), "{ran}");
    let source = Source::beside(&project.path(), "empty");
    assert_snapshot!(plain(&project.run(["init", "--from", &source.path()]), &source));
}

/// A source that goes wrong somewhere.
fn wrong(make: impl FnOnce(&Source, &Chora)) -> String {
    let project = Chora::new();
    let source = Source::beside(&project.path(), "templates");
    source.put("app.j2", "name = {{ name }}\n");
    make(&source, &project);
    let ran = init(&project, "../templates");
    let left: Vec<_> = fs::read_dir(project.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| name == "docs"), "nothing was written: {left:?}");
    plain(&ran, &source)
}

fn with_files(files: &str) -> String {
    manifest(1, &format!("{QUESTIONS}files: {files}\n"))
}

#[test]
fn a_source_stays_inside_of_the_project_and_of_itself() {
    let elsewhere = |path: &str| {
        let manifest = with_files(&format!("[{{path: ok, from: app.j2}}, {{path: '{path}', from: app.j2}}]"));
        wrong(|source, _| {
            source.put("patterns/service.yaml", manifest);
        })
    };
    assert_snapshot!(elsewhere("../outside"));
    assert_snapshot!(elsewhere("/etc/cron.d/outside"));
    assert_snapshot!(elsewhere("{{ \"..\" }}/outside"));
    assert_snapshot!(elsewhere(".git/hooks/post-checkout"));
    assert_snapshot!(elsewhere("ok/below"));
    assert_snapshot!(wrong(|source, project| {
        source.put("patterns/service.yaml", with_files("[{path: docs/a, from: app.j2}]"));
        symlink("/tmp", project.path().join("docs")).unwrap();
    }));
    assert_snapshot!(wrong(|source, _| {
        source
            .put("patterns/service.yaml", with_files("[{path: a, from: app.j2}, {path: passwd, from: passwd}]"))
            .link("passwd", "/etc/passwd");
    }));
    assert_snapshot!(wrong(|source, _| {
        source.put("patterns/service.yaml", with_files("[{path: a, from: linked.j2}]")).link("linked.j2", "/etc/passwd");
    }));
    assert_snapshot!(wrong(|source, _| {
        source.put("patterns/service.yaml", with_files("[{path: a, from: film}]")).put("film", vec![b'x'; (1 << 20) + 1]);
    }));
    assert_snapshot!(wrong(|source, _| {
        source.put("patterns/service.yaml", with_files("[{path: a, from: ../../secret}]"));
    }));
}

#[test]
fn a_source_that_is_wrong_says_where() {
    assert_snapshot!(wrong(|_, _| ()));
    assert_snapshot!(wrong(|source, _| {
        source.put("patterns/service.yaml", "title: t\nversoin: 1\n");
    }));
    assert_snapshot!(wrong(|source, _| {
        let half = with_files("[{path: first, from: app.j2}, {path: second, from: broken.j2}]");
        source.put("patterns/service.yaml", half).put("broken.j2", "a\n{{ nmae }}\n");
    }));
    assert_snapshot!(wrong(|source, _| {
        source.put("patterns/service.yaml", b"\xff\xfe".as_slice());
    }));
    assert_snapshot!(wrong(|source, _| {
        source.put("patterns/a.yaml", with_files("[]")).put("patterns/b.yaml", with_files("[]"));
    }));
}

const HOOK: &str = "#!/bin/sh\nset -e\necho \"made by $CHORA_HOOK of $CHORA_PATTERN $CHORA_VERSION\" > made\nsed -i s/shop/SHOP/ app.conf\ntest \"$1\" != fail\n";

fn hooked(project: &Chora, argument: &str) -> Source {
    let source = Source::beside(&project.path(), "templates");
    let hooks = format!(
        "hooks:\n  init: [[../source/hooks/make, '{{{{ name }}}}'], [../source/hooks/make, {argument}]]\n  upgrade: [[../source/hooks/make, ok]]\n"
    );
    source.put("patterns/service.yaml", manifest(1, &format!("{QUESTIONS}files: [{{path: app.conf, from: app.j2}}]\n{hooks}")));
    source.put("app.j2", "name = {{ name }}\n").program("hooks/make", HOOK);
    source
}

#[test]
fn hooks_run_only_when_their_source_is_trusted_by_name() {
    let project = Chora::new();
    let source = hooked(&project, "ok");
    assert_snapshot!(plain(&init(&project, "../templates"), &source));
    assert_eq!((project.read("app.conf").as_str(), project.path().join("made").exists()), ("name = shop\n", false));
    let trusting = Chora::new();
    let source = hooked(&trusting, "ok");
    let ran = trusting.run(["init", "--from", "../templates", "--set", "name=shop", "--trust", "../templates"]);
    assert_snapshot!(plain(&ran, &source));
    assert_eq!((trusting.read("app.conf").as_str(), trusting.read("made").as_str()), ("name = SHOP\n", "made by init of service 1\n"));
    // Who does not trust it any more sees that, and what hooks made stays.
    let ran = trusting.run(["upgrade", "--check"]);
    assert!(ran.code == 0 && ran.stderr.contains("was not run"), "{ran}");
    let ran = trusting.run(["upgrade", "--trust", &source.path()]);
    assert_eq!((ran.code, trusting.read("made").as_str()), (0, "made by upgrade of service 1\n"), "{ran}");
}

#[test]
fn hooks_are_trusted_in_a_file_of_the_person_s_own() {
    let project = Chora::new();
    let source = hooked(&project, "ok");
    let home = project.path().with_file_name("home");
    fs::create_dir_all(home.join(".config/chora")).unwrap();
    let parent = source.path().replace("/templates", "/");
    fs::write(home.join(".config/chora/config.yaml"), format!("trust: [\"{parent}\"]\n")).unwrap();
    assert_eq!(init(&project, "../templates").code, 0);
    assert_eq!(project.read("made"), "made by init of service 1\n");
    fs::write(home.join(".config/chora/config.yaml"), "trsut: []\n").unwrap();
    let ran = project.run(["upgrade"]).replace(&home.display().to_string(), "[home]");
    assert_snapshot!(ran);
}

#[test]
fn a_hook_that_fails_leaves_the_project_as_before() {
    let project = Chora::new();
    let source = hooked(&project, "fail");
    let ran = project.run(["init", "--from", "../templates", "--set", "name=shop", "--trust", "../templates"]);
    assert_snapshot!(plain(&ran, &source));
    assert_eq!(fs::read_dir(project.path()).unwrap().count(), 0);
    let missing = with_files("[{path: app.conf, from: app.j2}]\nhooks: {init: [[chora-has-no-such-program]]}");
    source.put("patterns/service.yaml", missing);
    assert_snapshot!(plain(&project.run(["init", "--from", "../templates", "--set", "name=shop", "--trust", "../templates"]), &source));
    source.put("patterns/service.yaml", with_files("[{path: app.conf, from: app.j2}]\nhooks: {init: [[ln, -s, /etc/passwd, passwd]]}"));
    assert_snapshot!(plain(&project.run(["init", "--from", "../templates", "--set", "name=shop", "--trust", "../templates"]), &source));
    assert_eq!(fs::read_dir(project.path()).unwrap().count(), 0);
    source.put("patterns/service.yaml", with_files("[{path: app.conf, from: app.j2}]\nhooks: {upgrade: [[rm, app.conf], ['false']]}"));
    assert_eq!(init(&project, "../templates").code, 0);
    source.put("app.j2", "newer\n");
    let ran = project.run(["upgrade", "--trust", "../templates"]);
    assert!(ran.code == 64 && ran.stderr.contains("the hook `false` ended with 1"), "{ran}");
    assert_eq!((project.read("app.conf").as_str(), project.path().join(".chora/pending").exists()), ("name = shop\n", false));
}

#[test]
fn a_hook_works_in_no_repository_of_somebody_else_s() {
    let project = Chora::new().env("GIT_DIR", "/nowhere/.git").env("GIT_INDEX_FILE", "/nowhere/index").env("GIT_WORK_TREE", "/nowhere");
    let source = hooked(&project, "ok");
    source.program("hooks/make", "#!/bin/sh\nenv | grep '^GIT_' > made\ntrue\n");
    let ran = project.run(["init", "--from", "../templates", "--set", "name=shop", "--trust", "../templates"]);
    assert_eq!((ran.code, project.read("made").as_str()), (0, ""), "{ran}");
}

#[test]
fn a_repository_of_very_many_files_is_refused() {
    let project = Chora::new();
    let source = Source::beside(&project.path(), "templates");
    for number in 0..=5_000 {
        source.put(&format!("files/{number}"), "x\n");
    }
    source.put("patterns/service.yaml", with_files("[{path: a, from: files/0}]")).tag("v1.0.0");
    let ran = init(&project, &format!("file://{}", source.path()));
    assert!(ran.code == 64 && ran.stderr.contains("it has more than 5000 files"), "{ran}");
}

#[test]
fn a_question_that_does_not_apply_needs_no_answer() {
    let project = Chora::new();
    let source = Source::beside(&project.path(), "templates");
    let asking = "questions:\n  name: {ask: n}\n  tls: {ask: t, type: boolean, default: false}\n  cert: {ask: c, when: tls}\n";
    source.put("patterns/service.yaml", manifest(1, &format!("{asking}files: [{{path: app.conf, from: app.j2}}]\n")));
    source.put("app.j2", "name = {{ name }}\n{% if tls %}\ncert = {{ cert }}\n{% endif %}\n");
    let ran = init(&project, "../templates");
    assert_eq!((ran.code, project.read("app.conf").as_str()), (0, "name = shop\n"), "{ran}");
    let ran = project.run(["upgrade", "--set", "tls=yes"]);
    assert!(ran.code == 64 && ran.stderr.contains("`cert` has no answer"), "{ran}");
    assert_eq!(project.run(["upgrade", "--set", "tls=yes", "--set", "cert=c.pem"]).code, 0);
    assert_eq!(project.read("app.conf"), "name = shop\ncert = c.pem\n");
    assert_eq!(project.run(["upgrade", "--set", "tls=no"]).code, 0);
    assert!(!project.read(".chora/answers.yaml").contains("cert"));
}

/// Runs a command at a terminal where a person types these lines; gives what is to be seen there.
fn at_a_terminal(project: &Chora, arguments: &str, typed: &str) -> String {
    let mut command = project.command(Path::new("script"));
    command.args(["-qec", &format!("{} {arguments}", env!("CARGO_BIN_EXE_chora")), "/dev/null"]);
    let mut child = command.spawn().expect("script is installed");
    child.stdin.take().unwrap().write_all(typed.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let seen = String::from_utf8_lossy(&output.stdout).replace("\r\n", "\n");
    assert!(output.status.success(), "{seen}");
    seen
}

#[test]
fn a_person_at_a_terminal_is_asked_what_cannot_be_told() {
    let project = Chora::new().env("NO_COLOR", "1");
    let seen = at_a_terminal(&project, "init", "cobol\n1\nuv\n\nmany\n9000\n\"\"\n");
    for words in [
        "the language it is written in\n  1) python\n  2) node\n  3) go\n  4) rust\nlanguage: ",
        "the answer `cobol` to `language` is not one of python, node, go, rust",
        "package_manager [pip]: ",
        "command [python -m project]: ",
        "the answer `many` to `port` is not a whole number",
        "port [8000]: ",
        "health_path [/health]: ",
        "assumed: ",
    ] {
        assert!(seen.contains(words), "`{words}` is not in\n{seen}");
    }
    assert!(!seen.contains("uid [") && !seen.contains("name ["), "what has a good default or was found out is not asked:\n{seen}");
    let answers = project.read(".chora/answers.yaml");
    for line in ["\"language\": \"python\"", "\"package_manager\": \"uv\"", "\"port\": 9000", "\"health_path\": \"\""] {
        assert!(answers.contains(line), "{line}\n{answers}");
    }
    let silent = Chora::new().file("go.mod", "module shop\n");
    let seen = at_a_terminal(&silent, "init --yes", "");
    assert!(!seen.contains("port [") && seen.contains("assumed: ") && seen.contains("port 8000"), "{seen}");
}

#[test]
fn an_upgrade_asks_what_is_new() {
    let (project, source) = versions();
    assert_eq!(init(&project, &format!("{}@v1.0.0", source.path())).code, 0);
    let seen = at_a_terminal(&project, "upgrade", "yes\n");
    assert!(seen.contains("whether it has TLS\ntls [no]: ") && !seen.contains("http_port ["), "{seen}");
    assert!(project.read("app.conf").ends_with("tls = on\n"));
}
