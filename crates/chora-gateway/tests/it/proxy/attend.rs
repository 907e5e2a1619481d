//! The control API over standard streams.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use chora_gateway::attend;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader, DuplexStream, Lines, duplex, split};
use tokio::net::{TcpSocket, UnixListener};
use tokio::task::JoinHandle;

use super::stack::{Folder, Stack, release, service, table};
use super::upstream::Replica;

/// All answers to lines that are there from the start.
async fn answers(socket: &Path, lines: &str) -> Vec<Value> {
    let mut written = Vec::new();
    attend(socket, lines.as_bytes(), &mut written).await.expect("an end");
    let written = String::from_utf8(written).expect("text");
    written.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}

/// Somebody who calls and waits for the answer.
struct Caller {
    calls: tokio::io::WriteHalf<DuplexStream>,
    answers: Lines<BufReader<tokio::io::ReadHalf<DuplexStream>>>,
    attending: JoinHandle<std::io::Result<()>>,
}

impl Caller {
    fn of(socket: PathBuf) -> Self {
        let (here, there) = duplex(1024);
        let (calls, answers) = (split(here), split(there));
        let attending = tokio::spawn(async move { attend(&socket, answers.0, answers.1).await });
        Self { calls: calls.1, answers: BufReader::new(calls.0).lines(), attending }
    }

    async fn call(&mut self, call: &Value) -> Value {
        self.calls.write_all(format!("{call}\n").as_bytes()).await.expect("a write");
        let line = self.answers.next_line().await.expect("a line").expect("an answer");
        serde_json::from_str(&line).expect("JSON")
    }

    async fn end(mut self) {
        self.calls.shutdown().await.expect("an end");
        assert_eq!(self.answers.next_line().await.expect("an end"), None);
        self.attending.await.expect("an end").expect("no failure");
    }
}

fn state() -> Value {
    json!({ "method": "GET", "path": "/v1/state" })
}

#[tokio::test]
async fn each_call_has_its_answer_in_order() {
    let (first, second) = tokio::join!(Replica::start("r1"), Replica::start("r2"));
    let stack = Stack::of(&first).await;
    let calls = [
        json!({ "method": "PUT", "path": "/v1/table?drain_ms=1", "body": table(&service(&first)) }),
        json!({ "method": "POST", "path": "/v1/switch", "body": { "service": "web", "release": release(&second) } }),
        json!({ "method": "GET", "path": "/v1/drain/web?wait_ms=30000", "body": null }),
        json!({ "method": "POST", "path": "/v1/release-hold", "body": { "service": "web" } }),
        json!({ "method": "GET", "path": "/metrics" }),
    ];
    let lines: Vec<String> = calls.iter().map(Value::to_string).collect();
    // The last line may end with the input.
    let got = answers(&stack.socket(), &lines.join("\n")).await;
    let statuses: Vec<&Value> = got.iter().map(|answer| &answer["status"]).collect();
    assert_eq!(statuses, [200, 200, 200, 409, 200], "{got:?}");
    assert_eq!(got[0]["body"], json!({ "switched": [] }));
    assert_eq!(got[1]["body"]["to"], "r2");
    assert_eq!(got[2]["body"]["done"], true);
    assert_eq!(got[3]["body"], json!({ "error": "service web is not held" }));
    assert!(got[4]["body"].as_str().expect("text").starts_with("# HELP"), "{}", got[4]);
    assert_eq!(stack.get("/").await.body, "r2 /");
}

#[tokio::test]
async fn an_answer_comes_before_the_next_call() {
    let replica = Replica::start("r1").await;
    let stack = Stack::of(&replica).await;
    let mut caller = Caller::of(stack.socket());
    for _ in 0..3 {
        assert_eq!(caller.call(&state()).await["body"]["services"]["web"]["active"]["name"], "r1");
    }
    caller.end().await;
}

#[tokio::test]
async fn what_is_no_call_is_told_and_the_next_is_made() {
    let replica = Replica::start("r1").await;
    let stack = Stack::of(&replica).await;
    let long = format!(r#"{{"method":"GET","path":"/{}"}}"#, "x".repeat(9 * 1024 * 1024));
    let bad = [
        "nonsense",
        "",
        "{}",
        "[]",
        r#"{"method":"GET"}"#,
        r#"{"method":"G T","path":"/v1/state"}"#,
        r#"{"method":"GET","path":"v1/state"}"#,
        r#"{"method":"GET","path":"/v1/ state"}"#,
        r#"{"method":"GET","path":"/v1/state","else":1}"#,
        &long,
    ];
    for line in bad {
        let got = answers(&stack.socket(), &format!("{line}\n{}\n", state())).await;
        let shown = line.get(..line.len().min(80));
        assert_eq!(got.len(), 2, "{shown:?}: {got:?}");
        assert!(got[0]["status"] == 400 && got[0]["body"]["error"].is_string(), "{shown:?}: {}", got[0]);
        assert_eq!(got[1]["status"], 200, "{shown:?}: {}", got[1]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_gateway_that_is_not_there_is_told() {
    let folder = Folder::new();
    let got = answers(&folder.0.join("control.sock"), &format!("{}\n{}\n", state(), state())).await;
    assert_eq!(got.len(), 2);
    for answer in got {
        assert!(answer["status"] == 503 && answer["body"]["error"].is_string(), "{answer}");
    }
}

#[tokio::test]
async fn a_gateway_that_only_begins_is_waited_for() {
    let folder = Folder::new();
    let mut caller = Caller::of(folder.0.join("control.sock"));
    let (answer, stack) = tokio::join!(
        async {
            let answer = caller.call(&state()).await;
            (answer, caller)
        },
        async {
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            Stack::empty(folder).await
        }
    );
    let (answer, mut caller) = answer;
    assert_eq!(answer["status"], 200, "{answer}");
    // The same over a restart in between.
    let stack = Stack::start(stack.stop().await).await;
    assert_eq!(caller.call(&state()).await["status"], 200);
    caller.end().await;
    drop(stack);
}

/// A control socket that takes so many connections, reads one call after the other, and answers with these bytes; with
/// none it breaks off. Counts the calls.
async fn scripted(folder: &Folder, connections: usize, answer: &'static str) -> Arc<AtomicUsize> {
    let listener = UnixListener::bind(folder.0.join("control.sock")).expect("a socket");
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    tokio::spawn(async move {
        for _ in 0..connections {
            let (mut stream, _) = listener.accept().await.expect("a connection");
            let mut head = Vec::new();
            while let Ok(byte) = stream.read_u8().await {
                head.push(byte);
                if head.ends_with(b"\r\n\r\n") {
                    head.clear();
                    counted.fetch_add(1, Ordering::SeqCst);
                    if answer.is_empty() {
                        break;
                    }
                    stream.write_all(answer.as_bytes()).await.expect("a write");
                }
            }
        }
    });
    calls
}

#[tokio::test]
async fn all_calls_go_over_one_connection() {
    let folder = Folder::new();
    let calls = scripted(&folder, 1, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}").await;
    let lines = format!("{}\n", state()).repeat(3);
    let got = answers(&folder.0.join("control.sock"), &lines).await;
    assert_eq!(got, vec![json!({ "status": 200, "body": {} }); 3]);
    assert_eq!(calls.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn a_call_that_may_have_been_done_is_not_made_again() {
    let folder = Folder::new();
    let calls = scripted(&folder, 9, "").await;
    let got = answers(&folder.0.join("control.sock"), &format!("{}\n", state())).await;
    assert_eq!(got[0]["status"], 503, "{got:?}");
    assert_eq!((got.len(), calls.load(Ordering::SeqCst)), (1, 1));
}

/// Not of the gateway, but what a controller does with it: everything about a release that is not there yet.
#[tokio::test]
async fn a_release_can_be_held_switched_and_let_go_over_it() {
    let old = Replica::start("r1").await;
    let stack = Stack::of(&old).await;
    let later = TcpSocket::new_v4().expect("a socket");
    later.bind("127.0.0.1:0".parse().expect("an address")).expect("a free port");
    let address = later.local_addr().expect("an address").to_string();
    let mut caller = Caller::of(stack.socket());
    let call = |path: &str, body: Value| json!({ "method": "POST", "path": path, "body": body });
    let held = caller.call(&call("/v1/hold", json!({ "services": ["web"], "limit_ms": 30_000 }))).await;
    assert_eq!(held["body"]["held"], true, "{held}");
    let mut client = stack.client().await;
    let asked = tokio::spawn(async move { client.get("/").await.body });
    let release = json!({ "name": "r2", "addresses": [address] });
    assert_eq!(caller.call(&call("/v1/switch", json!({ "service": "web", "release": release }))).await["status"], 200);
    crate::support::eventually("it waits", async || stack.state().await["services"]["web"]["hold"]["waiting"] == 1).await;
    let _new = Replica::on(later.listen(16).expect("a listener"), "r2");
    let freed = caller.call(&call("/v1/release-hold", json!({ "services": ["web"], "ready_ms": 30_000 }))).await;
    assert_eq!((&freed["status"], &freed["body"]["held"]), (&json!(200), &json!(1)), "{freed}");
    assert_eq!(asked.await.expect("an answer"), "r2 /");
    caller.end().await;
}
