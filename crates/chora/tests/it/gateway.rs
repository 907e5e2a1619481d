//! The gateway as a process, with real servers behind it: it switches under load, and comes back as it was.

use std::io::{BufRead as _, BufReader, Read as _, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use chora_testkit::free_port;
use chora_testkit::test_image::server_program;
use insta::assert_snapshot;
use serde_json::{Value, json};

use crate::support::{Chora, Running};

/// How long anything may take before a test gives up.
const LIMIT: Duration = Duration::from_secs(30);
/// How often traffic goes from one release to the other.
const SWITCHES: usize = 40;
/// Connections that ask all the time.
const CLIENTS: usize = 4;

/// A release: a server that answers with its version.
struct Release {
    version: &'static str,
    port: u16,
    process: Child,
}

impl Release {
    fn start(version: &'static str) -> Self {
        let port = free_port();
        let mut command = Command::new(server_program());
        command.env("PORT", port.to_string()).env("VERSION", version).stdout(Stdio::null());
        let release = Self { version, port, process: command.spawn().expect("the test server starts") };
        connect(port);
        release
    }

    fn entry(&self) -> Value {
        json!({ "name": self.version, "addresses": [format!("127.0.0.1:{}", self.port)] })
    }
}

impl Drop for Release {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// A gateway for one service at one port.
struct Site {
    chora: Chora,
    port: u16,
}

impl Site {
    fn new(active: &Release) -> Self {
        let (chora, port) = (Chora::new(), free_port());
        let table = json!({
            "version": 1,
            "listeners": [{ "bind": format!("127.0.0.1:{port}"), "http": { "routes": [{ "service": "web" }] } }],
            "services": { "web": { "active": active.entry() } },
        });
        Self { chora: chora.file("gateway.json", table.to_string()), port }
    }

    fn start(&self) -> Running {
        let gateway = self.chora.start(["gateway", "--state", "gateway.json", "--control", "control.sock"]);
        gateway.wait_for("control on");
        gateway
    }

    /// Asks over the control socket.
    fn control(&self, method: &str, path: &str, body: &Value) -> Value {
        let mut stream = UnixStream::connect(self.chora.path().join("control.sock")).expect("the control socket");
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let head = format!("{method} {path} HTTP/1.1\r\nHost: gateway\r\nConnection: close\r\nContent-Type: application/json");
        write!(stream, "{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len()).unwrap();
        let (status, body) = answer(&mut BufReader::new(stream)).expect("an answer");
        assert_eq!(status, 200, "{method} {path}: {body}");
        serde_json::from_str(&body).expect("JSON")
    }

    fn switch(&self, to: &Release) -> Value {
        self.control("POST", "/v1/switch", &json!({ "service": "web", "release": to.entry() }))
    }

    /// Asks over a new connection.
    fn get(&self) -> (u16, String) {
        ask(&mut BufReader::new(connect(self.port))).expect("an answer")
    }
}

fn connect(port: u16) -> TcpStream {
    let deadline = Instant::now() + LIMIT;
    loop {
        match TcpStream::connect(("127.0.0.1", port)) {
            Ok(stream) => {
                stream.set_read_timeout(Some(LIMIT)).unwrap();
                return stream;
            }
            Err(error) => assert!(Instant::now() < deadline, "nobody listens at port {port}: {error}"),
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn ask(stream: &mut BufReader<TcpStream>) -> std::io::Result<(u16, String)> {
    stream.get_mut().write_all(b"GET / HTTP/1.1\r\nHost: shop.example\r\n\r\n")?;
    answer(stream)
}

/// Status and body of an answer that names its length.
fn answer<S: std::io::Read>(stream: &mut BufReader<S>) -> std::io::Result<(u16, String)> {
    let (mut status, mut length) = (0, 0);
    for number in 0.. {
        let mut line = String::new();
        if stream.read_line(&mut line)? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        let line = line.trim_end().to_ascii_lowercase();
        if number == 0 {
            status = line.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        } else if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap_or(0);
        } else if line.is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body)?;
    Ok((status, String::from_utf8_lossy(&body).into_owned()))
}

#[test]
fn no_request_fails_while_releases_are_switched() {
    let releases = [Release::start("v1"), Release::start("v2")];
    let site = Site::new(&releases[0]);
    let gateway = site.start();
    let done = AtomicBool::new(false);
    let asked: usize = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|_| {
                scope.spawn(|| {
                    let (mut stream, mut count) = (BufReader::new(connect(site.port)), 0);
                    while !done.load(Ordering::Relaxed) {
                        let (status, body) = ask(&mut stream).unwrap_or_else(|error| panic!("request {count} failed: {error}"));
                        assert!(status == 200 && ["v1", "v2"].contains(&body.as_str()), "request {count}: {status} {body}");
                        count += 1;
                    }
                    count
                })
            })
            .collect();
        for round in 1..=SWITCHES {
            let to = &releases[round % 2];
            let told = site.switch(to);
            assert_eq!((&told["switched"], &told["to"]), (&true.into(), &to.version.into()), "{told}");
            // What comes after the acknowledgement is of the new release.
            assert_eq!(site.get(), (200, to.version.to_owned()));
        }
        done.store(true, Ordering::Relaxed);
        clients.into_iter().map(|client| client.join().expect("no request fails")).sum()
    });
    println!("{asked} requests over {SWITCHES} switches");
    assert!(asked > SWITCHES, "only {asked} requests");
    gateway.signal("TERM");
    assert_eq!(gateway.wait().code, 0);
}

#[test]
fn a_gateway_that_was_killed_serves_the_same_routes_again() {
    let releases = [Release::start("v1"), Release::start("v2")];
    let site = Site::new(&releases[0]);
    let gateway = site.start();
    assert_eq!(site.get(), (200, "v1".to_owned()));
    let mode = std::fs::metadata(site.chora.path().join("control.sock")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    site.switch(&releases[1]);
    gateway.kill();
    let gateway = site.start();
    assert_eq!(site.get(), (200, "v2".to_owned()));
    assert_eq!(site.control("GET", "/v1/state", &Value::Null)["services"]["web"]["active"]["name"], "v2");
    gateway.signal("TERM");
    assert_eq!(gateway.wait().code, 0);
}

#[test]
fn requests_wait_for_a_release_that_must_stop_first() {
    let old = Release::start("v1");
    let site = Site::new(&old);
    let gateway = site.start();
    let held = site.control("POST", "/v1/hold", &json!({ "service": "web" }));
    assert_eq!(held["held"], true, "{held}");
    drop(old);
    let waiting: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let mut stream = BufReader::new(connect(site.port));
            std::thread::spawn(move || ask(&mut stream).expect("an answer"))
        })
        .collect();
    let new = Release::start("v2");
    let deadline = Instant::now() + LIMIT;
    while site.control("GET", "/v1/state", &Value::Null)["services"]["web"]["hold"]["waiting"] != CLIENTS {
        assert!(Instant::now() < deadline, "{}", site.control("GET", "/v1/state", &Value::Null));
    }
    site.switch(&new);
    let freed = site.control("POST", "/v1/release-hold", &json!({ "service": "web" }));
    for client in waiting {
        assert_eq!(client.join().unwrap(), (200, "v2".to_owned()));
    }
    assert!(freed["longest_wait_ms"].is_u64(), "{freed}");
    gateway.signal("TERM");
    assert_eq!(gateway.wait().code, 0);
}

#[test]
fn a_table_that_cannot_be_served_is_told() {
    let chora = Chora::new();
    let arguments = ["gateway", "--state", "gateway.json", "--control", "control.sock"];
    assert_snapshot!(chora.run(arguments), @r"
    exit 64
    --- stderr
    error: there is no state file gateway.json
    state: nothing is served
    next: write the table, or begin with an empty one: --new; docs/guide/gateway.md describes it
    ");
    chora.write("gateway.json", r#"{"version":1,"listeners":[{"bind""#);
    assert_snapshot!(chora.run(arguments), @r"
    exit 64
    --- stderr
    error: the state file gateway.json holds no whole table: the table is not what was expected: EOF while parsing an object at line 1 column 33
    state: nothing is served
    next: write or mend the table; docs/guide/gateway.md describes it
    ");
}

/// Makes calls of the control API over standard streams; their answers, and the exit code.
fn attend(chora: &Chora, calls: &[Value]) -> (Vec<Value>, Option<i32>) {
    let mut command = chora.command(Path::new(env!("CARGO_BIN_EXE_chora")));
    let mut process = command.args(["gateway", "attend", "--control", "control.sock"]).spawn().expect("the program starts");
    let mut input = process.stdin.take().expect("an input");
    for call in calls {
        writeln!(input, "{call}").expect("a call is read");
    }
    drop(input);
    let ended = process.wait_with_output().expect("an end");
    let lines = String::from_utf8(ended.stdout).expect("text");
    (lines.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect(), ended.status.code())
}

#[test]
fn a_gateway_without_a_table_is_told_everything_over_standard_streams() {
    let (release, chora, port) = (Release::start("v1"), Chora::new(), free_port());
    let gateway = chora.start(["gateway", "--state", "gateway.json", "--control", "control.sock", "--new"]);
    gateway.wait_for("control on");
    let table = json!({
        "version": 1,
        "listeners": [{ "bind": format!("127.0.0.1:{port}"), "auto": { "service": "web:8000" } }],
        "services": { "web:8000": { "active": release.entry() } },
    });
    let (answers, code) = attend(
        &chora,
        &[
            json!({ "method": "PUT", "path": "/v1/table", "body": table }),
            json!({ "method": "GET", "path": "/v1/drain/web:8000" }),
            json!({ "method": "POST", "path": "/v1/release-hold", "body": { "services": ["web:8000"] } }),
            json!("no call"),
        ],
    );
    let statuses: Vec<&Value> = answers.iter().map(|answer| &answer["status"]).collect();
    assert_eq!((statuses, code), (vec![&json!(200), &json!(200), &json!(409), &json!(400)], Some(0)), "{answers:?}");
    assert_eq!(answers[1]["body"]["active"]["name"], "v1", "{answers:?}");
    assert_eq!(ask(&mut BufReader::new(connect(port))).expect("an answer"), (200, "v1".to_owned()));
    gateway.signal("TERM");
    assert_eq!(gateway.wait().code, 0);
}
