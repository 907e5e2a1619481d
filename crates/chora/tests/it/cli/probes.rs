//! `chora probe`, `chora wait` and `chora entrypoint`: no project, no engine.

use std::net::TcpListener;

use crate::support::Chora;
use insta::assert_snapshot;

#[test]
fn a_file_is_asked_about() {
    let chora = Chora::new().file("ready", "yes");
    assert_snapshot!(chora.run(["probe", "file", "nothing-here"]).replace("(0 ms)", "(time)"), @r#"
    exit 1
    --- stdout
    failed file nothing-here: no such file (time)
    "#);
    let ran = chora.run(["probe", "file", "ready", "--non-empty", "--json"]);
    assert_eq!((ran.code, &ran.json()["ok"], &ran.json()["answer"]["verdict"]), (0, &true.into(), &"pass".into()));
}

#[test]
fn a_port_is_asked_about() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let target = listener.local_addr().unwrap().to_string();
    assert_eq!(Chora::new().run(["probe", "tcp", &target]).code, 0);
    drop(listener);
    let ran = Chora::new().run(["probe", "tcp", &target]);
    assert!(ran.code == 1 && ran.stdout.contains("connection refused"), "{ran}");
}

#[test]
fn a_name_that_is_nobodys_is_a_no_and_not_a_wrong_question() {
    let ran = Chora::new().run(["probe", "tcp", "nobody.invalid:5432"]);
    assert!(ran.code == 1 && ran.stdout.contains("nobody.invalid"), "{ran}");
}

#[test]
fn targets_that_are_none_are_refused() {
    assert_snapshot!(Chora::new().run(["wait", "db:5432"]), @r#"
    exit 64
    --- stderr
    error: `db:5432` is not a target: it should begin with `tcp://`, `http://` or `postgres://`
    next: chora wait --help
    "#);
    assert_snapshot!(Chora::new().run(["probe", "http", "ftp://x"]), @r#"
    exit 64
    --- stderr
    error: `ftp://x` is not a target: it should begin with `http://`
    next: chora probe --help
    "#);
}

#[test]
fn waiting_tells_what_was_missing() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (there, gone) = (listener.local_addr().unwrap(), TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap());
    let ran = Chora::new().run(["wait", &format!("tcp://{there}"), &format!("tcp://{gone}"), "--timeout", "100ms", "--json"]);
    let targets = ran.json()["targets"].clone();
    assert_eq!((ran.code, &targets[0]["ready"], &targets[1]["ready"]), (1, &true.into(), &false.into()), "{ran}");
}

#[test]
fn the_entry_point_runs_what_comes_first_and_becomes_the_server() {
    let chora = Chora::new();
    assert_snapshot!(chora.run(["entrypoint", "--run", "echo migrated", "--", "sh", "-c", "echo served; exit 3"]), @r#"
    exit 3
    --- stdout
    served
    --- stderr
    chora: running echo migrated
    migrated
    chora: starting sh
    "#);
    assert_snapshot!(chora.run(["entrypoint", "--run", "false", "--", "echo", "served"]), @r#"
    exit 1
    --- stderr
    chora: running false
    chora: `false` failed with exit code 1; the server was not started
    "#);
    assert_snapshot!(chora.run(["entrypoint", "--", "/no/such/server"]), @r#"
    exit 127
    --- stderr
    chora: starting /no/such/server
    chora: `/no/such/server` cannot be started: No such file or directory (os error 2)
    "#);
}

#[test]
fn signals_reach_the_server_behind_the_entry_point() {
    let running =
        Chora::new().start(["entrypoint", "--", "sh", "-c", "trap 'echo stopped; exit 0' TERM; echo up; while :; do sleep 0.05; done"]);
    running.wait_for("up");
    running.signal("TERM");
    let ran = running.wait();
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "up\nstopped\n"));
}
