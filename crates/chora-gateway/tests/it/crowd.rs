//! Ten thousand sessions that are opened and abandoned, in a process of its own, so that its memory can be measured.

use std::process::{Command, Stdio};
use std::time::Duration;

use hyper::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::client::Client;
use crate::proxy::stack::{self, Stack};
use crate::proxy::upstream::Replica;
use crate::support::{Served, Setup, eventually};

const SESSIONS: usize = 10_000;
const CLIENTS: usize = 20;
/// Requests that a client sends before it reads.
const AT_A_TIME: usize = 20;
/// Rounds after the one that warms up.
const ROUNDS: usize = 1;

/// Runs a test of this file in a process of its own.
async fn in_its_own_process(name: &'static str) {
    let run = move || {
        Command::new(std::env::current_exe().expect("this program"))
            .args(["--ignored", "--exact", "--nocapture", "--test-threads=1", name])
            .stdin(Stdio::null())
            .output()
            .expect("it starts")
    };
    let output = tokio::task::spawn_blocking(run).await.expect("no panic");
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    println!("{told}");
    assert!(output.status.success() && told.contains("1 passed"), "{told}{}", String::from_utf8_lossy(&output.stderr));
}

#[tokio::test]
async fn abandoned_sessions_of_the_bridge_leave_nothing() {
    in_its_own_process("crowd::of_the_bridge").await;
}

#[tokio::test]
async fn abandoned_sessions_of_the_gateway_leave_nothing() {
    in_its_own_process("crowd::of_the_gateway").await;
}

/// Resident memory of this process, in KiB.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("the process");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("its memory");
    line.trim().trim_end_matches(" kB").trim().parse().expect("a number")
}

/// Processes that this one has started and that are still there.
fn children() -> usize {
    let parent = std::process::id().to_string();
    let stat = |entry: std::fs::DirEntry| std::fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
    let entries = std::fs::read_dir("/proc").expect("processes").flatten();
    // The name may hold spaces; the state and the parent follow it.
    entries.map(stat).filter(|stat| stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.split(' ').nth(1) == Some(&parent))).count()
}

pub(crate) fn tasks() -> usize {
    tokio::runtime::Handle::current().metrics().num_alive_tasks()
}

/// Lets several clients send the same request again and again, many at a time, until there are enough sessions.
async fn open(address: &str, path: &'static str, body: &str) {
    let head = "host: localhost\r\ncontent-type: application/json\r\naccept: application/json, text/event-stream";
    let request = format!("POST {path} HTTP/1.1\r\n{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    let clients = (0..CLIENTS).map(|_| {
        let (address, requests) = (address.to_owned(), request.repeat(AT_A_TIME));
        tokio::spawn(async move {
            let mut stream = TcpStream::connect(address).await.expect("a connection");
            for _ in 0..SESSIONS / CLIENTS / AT_A_TIME {
                stream.write_all(requests.as_bytes()).await.expect("a write");
                let mut got = Vec::new();
                while String::from_utf8_lossy(&got).matches("mcp-session-id: ").count() < AT_A_TIME {
                    assert!(stream.read_buf(&mut got).await.expect("an answer") > 0, "{}", String::from_utf8_lossy(&got));
                }
            }
        })
    });
    for client in futures_util::future::join_all(clients).await {
        client.expect("no panic");
    }
}

fn is_back(round: usize, baseline: u64) {
    let now = resident();
    println!("round {round}: {now} KiB resident, baseline {baseline} KiB, {} tasks", tasks());
    assert!(now <= baseline + baseline / 5, "{now} KiB after {baseline} KiB");
}

/// What the bridge counts.
pub(crate) struct Metrics(Client);

impl Metrics {
    pub(crate) async fn of(served: &Served) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address").to_string();
        let stop = tokio_util::sync::CancellationToken::new();
        tokio::spawn(chora_gateway::serve_metrics(listener, std::sync::Arc::clone(&served.bridge), stop));
        Self(Client::new(&address))
    }

    pub(crate) async fn get(&self, name: &str) -> usize {
        let text = self.0.get("/metrics").await.body;
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')).expect("a metric");
        value.parse().expect("a number")
    }
}

#[tokio::test]
#[ignore = "another test runs it in a process of its own"]
async fn of_the_bridge() {
    let served = Setup { max_sessions: 2 * SESSIONS, idle: Duration::from_millis(200), tended: false, ..Setup::default() }.serve().await;
    let metrics = Metrics::of(&served).await;
    let hello =
        json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": { "protocolVersion": "2025-11-25", "capabilities": {} } });
    let (mut baseline, mut before) = (0, 0);
    for round in 0..=ROUNDS {
        open(&served.address, "/mcp", &hello.to_string()).await;
        assert_eq!(metrics.get("chora_bridge_sessions").await, SESSIONS);
        println!("opened: {SESSIONS} sessions at once, {} KiB resident", resident());
        let tending = tokio::spawn(std::sync::Arc::clone(&served.bridge).tend());
        eventually("no session is left", async || metrics.get("chora_bridge_sessions").await == 0).await;
        assert_eq!(metrics.get("chora_bridge_sessions_expired_total").await, (round + 1) * SESSIONS);
        tending.abort();
        if round == 0 {
            (baseline, before) = (resident(), tasks());
        }
        eventually("no task is left", async || tasks() <= before).await;
        is_back(round, baseline);
    }
    served.stop().await;
    assert_eq!(children(), 0);
}

#[tokio::test]
#[ignore = "another test runs it in a process of its own"]
async fn of_the_gateway() {
    let replica = Replica::start("r1").await;
    let table = |idle_ms: u64| {
        let mut table = stack::table(&stack::service(&replica));
        table["services"]["web"]["limits"] = json!({ "session_idle_ms": idle_ms });
        table
    };
    let stack = Stack::with(&table(600_000)).await;
    let sessions = async || stack.state().await["services"]["web"]["active"]["sessions"].clone();
    let (mut baseline, mut before) = (0, 0);
    for round in 0..=ROUNDS {
        stack.told(Method::PUT, "/v1/table", &table(600_000)).await;
        open(&stack.address_now().await, "/mcp", "initialize").await;
        assert_eq!(sessions().await, Value::from(SESSIONS));
        println!("opened: {SESSIONS} sessions at once, {} KiB resident", resident());
        stack.told(Method::PUT, "/v1/table", &table(200)).await;
        eventually("no session is left", async || sessions().await == 0).await;
        if round == 0 {
            (baseline, before) = (resident(), tasks());
        }
        eventually("no task is left", async || tasks() <= before).await;
        is_back(round, baseline);
    }
    assert_eq!(children(), 0);
    stack.stop().await;
}

#[tokio::test]
async fn blank_lines_without_end_need_no_memory() {
    in_its_own_process("crowd::of_blank_lines").await;
}

#[tokio::test]
#[ignore = "another test runs it in a process of its own"]
async fn of_blank_lines() {
    let served = Setup::default().serve().await;
    let client = served.session("2025-11-25").await;
    client.call(json!(1), "echo", json!({ "text": "warm" })).await;
    let baseline = resident();
    let flood = tokio::spawn(async move { client.call(json!(7), "unruly", json!({ "how": "blank" })).await.body });
    tokio::time::sleep(Duration::from_secs(2)).await;
    println!("{baseline} KiB resident before blank lines, {} KiB after two seconds of them", resident());
    assert!(resident() <= baseline + 4096);
    flood.abort();
    served.stop().await;
    assert_eq!(children(), 0);
}
