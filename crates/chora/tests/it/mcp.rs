//! The MCP door, through the program: raw messages, raw HTTP, and the official Python SDK.

mod bridge;
mod http;
mod many;
pub(crate) mod sdk;
mod stdio;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

/// How long anything may take before a test gives up.
const LIMIT: Duration = Duration::from_secs(30);

/// The program, kept away from this machine's engine.
pub(crate) fn chora() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_chora"));
    for name in ["DOCKER_CONTEXT", "DOCKER_CONFIG", "CI", "CHORA_PROJECT"] {
        command.env_remove(name);
    }
    command.env("DOCKER_HOST", "unix:///nowhere/engine.sock");
    command
}

/// A folder that no project lies above: Compose files are looked for upwards.
pub(crate) fn empty_folder() -> TempDir {
    tempfile::tempdir().expect("a folder")
}

/// A folder with one service, and perhaps an engine.
pub(crate) struct Project {
    folder: TempDir,
}

impl Project {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("compose.yaml"), "name: shop\nservices:\n  web:\n    image: shop/web:1\n").expect("written");
        Self { folder }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// `chora serve` for this project, with further arguments.
    pub(crate) fn serve(&self, arguments: &[&str]) -> Command {
        let mut command = chora();
        command
            .arg("serve")
            .args(arguments)
            .arg("--project")
            .arg(self.path())
            .env("DOCKER_HOST", format!("unix://{}", self.socket().display()));
        command
    }

    /// `chora serve` for this project, on the machine's own engine.
    pub(crate) fn serve_on_engine(&self, arguments: &[&str]) -> Command {
        let mut command = self.serve(arguments);
        match std::env::var_os("DOCKER_HOST") {
            Some(host) => command.env("DOCKER_HOST", host),
            None => command.env_remove("DOCKER_HOST"),
        };
        command
    }

    fn socket(&self) -> PathBuf {
        self.path().join("engine.sock")
    }

    /// Appears when the engine was asked something.
    pub(crate) fn asked(&self) -> PathBuf {
        self.path().join("asked")
    }

    /// An engine that has nothing: every list is empty.
    pub(crate) fn with_empty_engine(self) -> Self {
        self.answer(true)
    }

    /// An engine that takes questions and never answers.
    pub(crate) fn with_silent_engine(self) -> Self {
        self.answer(false)
    }

    fn answer(self, speaks: bool) -> Self {
        let listener = UnixListener::bind(self.socket()).expect("a socket");
        let asked = self.asked();
        std::thread::spawn(move || {
            let mut kept = Vec::new();
            for stream in listener.incoming() {
                let Ok(stream) = stream else { return };
                _ = std::fs::write(&asked, "");
                if speaks {
                    std::thread::spawn(move || say_nothing_is_there(stream));
                } else {
                    kept.push(stream);
                }
            }
        });
        self
    }
}

fn say_nothing_is_there(stream: std::os::unix::net::UnixStream) {
    let mut reader = BufReader::new(stream);
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if reader.read_line(&mut head).is_ok_and(|read| read == 0) {
                return;
            }
        }
        let target = head.split_whitespace().nth(1).unwrap_or_default();
        let list = |what: &str| target.split('?').next().is_some_and(|path| path.ends_with(what));
        let (status, body) = match target {
            _ if target.contains("/version") => {
                ("200 OK", r#"{"ApiVersion":"1.41","MinAPIVersion":"1.12","Version":"20.10.0","Os":"linux","Arch":"amd64"}"#)
            }
            _ if target.contains("/info") => {
                ("200 OK", r#"{"ID":"x","Name":"x","ServerVersion":"20.10.0","OSType":"linux","Architecture":"x86_64"}"#)
            }
            _ if list("/networks") || list("/containers/json") || list("/images/json") => ("200 OK", "[]"),
            _ if list("/volumes") => ("200 OK", r#"{"Volumes":[],"Warnings":[]}"#),
            _ if list("/_ping") => ("200 OK", "\"OK\""),
            _ => ("404 Not Found", r#"{"message":"it has nothing"}"#),
        };
        let answer = format!(
            "HTTP/1.1 {status}\r\nApi-Version: 1.41\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        if reader.get_mut().write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}

/// A server over standard input and output, spoken to line by line.
pub(crate) struct Pipe {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    last: u64,
}

impl Pipe {
    pub(crate) fn open(command: &mut Command) -> Self {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().expect("it starts");
        let input = child.stdin.take();
        let output = BufReader::new(child.stdout.take().expect("standard output"));
        Self { child, input, output, last: 0 }
    }

    pub(crate) fn send(&mut self, message: &Value) {
        let input = self.input.as_mut().expect("open");
        writeln!(input, "{message}").and_then(|()| input.flush()).expect("sent");
    }

    pub(crate) fn receive(&mut self) -> Value {
        let mut line = String::new();
        self.output.read_line(&mut line).expect("a line");
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("no message ({error}): {line:?}"))
    }

    /// Asks, and gives the answer; what comes before it is dropped.
    #[expect(clippy::needless_pass_by_value, reason = "callers write the value in place")]
    pub(crate) fn ask(&mut self, method: &str, params: Value) -> Value {
        self.last += 1;
        let id = self.last;
        self.send(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }));
        loop {
            let message = self.receive();
            if message["id"] == id {
                return message;
            }
        }
    }

    pub(crate) fn shake_hands(&mut self, revision: &str) -> Value {
        let hello = self.ask(
            "initialize",
            json!({ "protocolVersion": revision, "capabilities": {}, "clientInfo": { "name": "test", "version": "1" } }),
        );
        self.send(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }));
        hello["result"].clone()
    }

    #[expect(clippy::needless_pass_by_value, reason = "callers write the value in place")]
    pub(crate) fn call(&mut self, tool: &str, arguments: Value) -> Value {
        self.ask("tools/call", json!({ "name": tool, "arguments": arguments }))
    }

    /// Closes its input and waits for it to end.
    pub(crate) fn close(mut self) -> std::process::ExitStatus {
        self.input = None;
        let mut rest = String::new();
        self.output.read_to_string(&mut rest).expect("the rest");
        self.child.wait().expect("it ends")
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

/// The tools on offer.
pub(crate) fn offered(pipe: &mut Pipe) -> Vec<Value> {
    pipe.shake_hands("2025-11-25");
    pipe.ask("tools/list", json!({}))["result"]["tools"].as_array().expect("tools").clone()
}

/// A server over HTTP, on a port of its own.
pub(crate) struct Server {
    child: Child,
    address: String,
}

impl Server {
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child = command.stderr(Stdio::piped()).spawn().expect("it starts");
        let mut said = BufReader::new(child.stderr.take().expect("standard error"));
        let mut line = String::new();
        said.read_line(&mut line).expect("a line");
        let address =
            line.split("http://").nth(1).and_then(|rest| rest.split('/').next()).unwrap_or_else(|| panic!("it did not start: {line}"));
        let address = address.replace("0.0.0.0", "127.0.0.1");
        // Somebody has to go on reading, or the server would meet a closed pipe.
        std::thread::spawn(move || _ = std::io::copy(&mut said, &mut std::io::sink()));
        Self { child, address }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Sends one request with these headers, and gives status, head and body.
    pub(crate) fn request(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let host = if headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
            String::new()
        } else {
            format!("Host: {}\r\n", self.address)
        };
        let more: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let mut stream = TcpStream::connect(&self.address).expect("connected");
        stream.set_read_timeout(Some(LIMIT)).expect("a time limit");
        let head = format!("{method} {path} HTTP/1.1\r\n{host}{more}Content-Length: {}\r\nConnection: close\r\n\r\n", body.len());
        stream.write_all(head.as_bytes()).expect("sent");
        // A server that refuses early may close before it has read all.
        _ = stream.write_all(body);
        let mut answer = Vec::new();
        _ = stream.read_to_end(&mut answer);
        Answer::read(&String::from_utf8_lossy(&answer))
    }

    pub(crate) fn health(&self) -> Value {
        serde_json::from_str(&self.request("GET", "/health", &[], b"").body).expect("a document")
    }

    /// Waits until no operation is under way.
    pub(crate) fn wait_until_idle(&self) {
        let begun = Instant::now();
        while self.health()["metadata"]["operations_under_way"] != 0 {
            assert!(begun.elapsed() < LIMIT, "an operation goes on and on");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Tells it to stop and waits.
    pub(crate) fn stop(mut self) -> std::process::ExitStatus {
        let status = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().expect("kill");
        assert!(status.success());
        self.child.wait().expect("it ends")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

/// An HTTP answer.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    fn read(text: &str) -> Self {
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((text, ""));
        let status = head.split_whitespace().nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        Self { status, head: head.to_ascii_lowercase(), body: body.to_owned() }
    }
}
