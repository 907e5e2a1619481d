//! What tests of other crates take for granted of the server in their containers.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use chora_testkit::free_port;
use chora_testkit::test_image::server_program;

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Asks until there is an answer; its status line and body.
fn get(port: u16, path: &str) -> (String, String) {
    let deadline = Instant::now() + Duration::from_secs(20);
    let mut stream = loop {
        match TcpStream::connect(("127.0.0.1", port)) {
            Ok(stream) => break stream,
            Err(error) => assert!(Instant::now() < deadline, "nobody listens: {error}"),
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    write!(stream, "GET {path} HTTP/1.0\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
    (head.lines().next().unwrap_or_default().to_owned(), body.to_owned())
}

#[test]
fn it_is_the_one_that_was_built_with_this_test() {
    assert_eq!(server_program(), std::path::Path::new(env!("CARGO_BIN_EXE_chora-test-server")));
}

#[test]
fn it_serves_its_version_and_the_health_it_is_told() {
    let port = free_port();
    let settings = [("PORT", port.to_string()), ("VERSION", "v7".to_owned()), ("STATUS", "503".to_owned())];
    let _server = Running(Command::new(server_program()).envs(settings).stdout(Stdio::null()).spawn().unwrap());
    let (status, body) = get(port, "/");
    assert!(status.contains(" 200 ") && body == "v7", "{status} {body}");
    assert!(get(port, "/health").0.contains(" 503 "));
}

#[test]
fn it_does_one_thing_and_ends_where_told() {
    let ran = |words: &[&str]| {
        let output = Command::new(server_program()).args(words).output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    assert_eq!(ran(&["echo", "a", "b"]), (Some(0), "a b\n".to_owned()));
    assert_eq!(ran(&["fail", "7"]), (Some(7), String::new()));
    assert_eq!(ran(&["flood", "5"]), (Some(0), "xxxxx".to_owned()));
}
