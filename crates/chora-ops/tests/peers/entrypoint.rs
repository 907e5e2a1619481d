//! The entry point as a process of its own: what it leaves on its streams, how it ends, whom signals reach.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use chora_ops::entrypoint::{EntrypointRequest, enter};
use chora_testkit::steady::SteadyClock;
use rustix::process::{Pid, Signal, kill_process};

/// Holds the request of the child process.
const REQUEST: &str = "CHORA_TEST_ENTRYPOINT";

#[test]
#[ignore = "the other tests start it as a child process"]
#[expect(clippy::exit, reason = "the exit code is what is tested")]
fn child() {
    let request = std::env::var(REQUEST).unwrap();
    let error = enter(&SteadyClock::default(), &serde_json::from_str(&request).unwrap(), &|line| eprintln!("{line}")).unwrap_err();
    eprintln!("{error}");
    std::process::exit(error.exit_code().into());
}

fn start(wait: &[&str], run: &[&str], server: &[&str]) -> Child {
    let owned = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    let request = EntrypointRequest { wait: owned(wait), limit: Duration::from_secs(20), run: owned(run), server: owned(server) };
    Command::new(std::env::current_exe().unwrap())
        .args(["entrypoint::child", "--exact", "--ignored", "--nocapture"])
        .env(REQUEST, serde_json::to_string(&request).unwrap())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Exit code, standard output without the test harness's own line, standard error.
fn end(mut child: Child, input: &str) -> (i32, String, String) {
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let stdout = String::from_utf8(output.stdout).unwrap().replace("\nrunning 1 test\n", "");
    (output.status.code().unwrap(), stdout, String::from_utf8(output.stderr).unwrap())
}

#[test]
fn the_server_gets_the_process_and_both_streams_to_itself() {
    let child = start(&[], &["sh -c 'echo migrating; cat'"], &["sh", "-c", "echo $$; cat"]);
    let pid = child.id();
    let (code, stdout, stderr) = end(child, "hello");
    assert_eq!((code, stdout), (0, format!("{pid}\nhello")));
    assert_eq!(stderr, "running sh -c 'echo migrating; cat'\nmigrating\nstarting sh\n");
}

#[test]
fn what_fails_stops_the_start_with_its_code() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let closed = format!("postgres://me:secret@{free}/db");
    #[expect(clippy::type_complexity, reason = "a table: waits, runs, server, exit code, words")]
    let cases: [(&[&str], &[&str], &[&str], i32, &str); 6] = [
        (&[], &["true", "sh -c 'exit 7'", "echo late"], &["echo", "served"], 7, "`sh -c 'exit 7'` failed with exit code 7"),
        (&[], &["sh -c 'kill -9 $$'"], &["echo", "served"], 137, "failed with exit code 137"),
        (&[], &["no-such-program-here"], &["echo", "served"], 127, "`no-such-program-here` cannot be started"),
        (&[], &[], &["no-such-program-here"], 127, "`no-such-program-here` cannot be started"),
        (&[], &["a && b"], &["echo", "served"], 64, "`&` needs a shell"),
        (&[&closed], &["echo late"], &["echo", "served"], 69, "not ready within 20s: postgres://me@127.0.0.1"),
    ];
    for (wait, run, server, code, words) in cases {
        let (found, stdout, stderr) = end(start(wait, run, server), "");
        assert_eq!((found, stdout.as_str()), (code, ""), "{stderr}");
        assert!(stderr.contains(words), "{stderr}");
        assert!(!stderr.contains("secret") && !stderr.contains("late\n"), "{stderr}");
    }
}

#[test]
fn a_signal_reaches_the_command_and_ends_the_start() {
    let script = r#"sh -c 'trap "echo caught; exit 0" TERM; echo ready; while :; do sleep 0.1; done'"#;
    let (code, stdout, stderr) = signalled(start(&[], &[script], &["echo", "served"]), "ready");
    assert_eq!((code, stdout.as_str()), (Some(143), ""), "{stderr}");
    assert!(stderr.ends_with("caught\nstopped by SIGTERM before the server was started\n"), "{stderr}");
}

#[test]
fn a_signal_ends_the_waiting() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let child = start(&[&format!("http://{}/", listener.local_addr().unwrap())], &[], &["echo", "served"]);
    // It is waiting once it has connected, and gets no answer.
    let connection = listener.accept().unwrap();
    let (code, stdout, stderr) = signalled(child, "");
    drop(connection);
    assert_eq!((code, stdout.as_str(), stderr.as_str()), (Some(143), "", "stopped by SIGTERM before the server was started\n"));
}

/// Sends SIGTERM once standard error has had this line.
fn signalled(mut child: Child, after: &str) -> (Option<i32>, String, String) {
    let mut lines = BufReader::new(child.stderr.take().unwrap());
    let mut stderr = String::new();
    while !after.is_empty() && stderr.lines().last() != Some(after) {
        assert_ne!(lines.read_line(&mut stderr).unwrap(), 0, "{stderr}");
    }
    kill_process(Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap(), Signal::TERM).unwrap();
    lines.read_to_string(&mut stderr).unwrap();
    let mut stdout = String::new();
    child.stdout.take().unwrap().read_to_string(&mut stdout).unwrap();
    (child.wait().unwrap().code(), stdout.replace("\nrunning 1 test\n", ""), stderr)
}
