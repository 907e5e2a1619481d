//! How much there may be at once, and that whoever leaves makes room.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use chora_gateway::{Bridge, BridgeSettings, ChildCommand, ChildSharing, FrontSettings, Guard, serve};
use futures_util::future::join_all;
use hyper::Method;
use serde_json::json;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::client::{Client, Got, call, read_until};
use crate::crowd::{Metrics, tasks};
use crate::proxy::stack::Folder;
use crate::support::{Served, Setup, eventually};

const HELLO: &str = r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{}}}"#;

async fn set_up(era: &'static str, sharing: ChildSharing, max_sessions: usize) -> Served {
    Setup { era, sharing, max_sessions, ..Setup::default() }.serve().await
}

fn is_refused(got: &Got) {
    let error = &got.json()["error"];
    assert_eq!((got.status, error["data"]["retry"].as_bool()), (503, Some(true)), "{}", got.body);
    assert!(got.headers.contains_key("retry-after") && error["message"].as_str().is_some_and(|why| why.contains("too many requests")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_that_stand_alone_have_a_cap_whatever_the_server_speaks() {
    for (era, sharing) in [
        ("modern", ChildSharing::Shared),
        ("modern", ChildSharing::Request),
        ("both", ChildSharing::Session),
        ("legacy", ChildSharing::Shared),
        ("legacy", ChildSharing::Request),
    ] {
        let served = set_up(era, sharing, 2).await;
        let metrics = Metrics::of(&served).await;
        let client = served.client();
        // What all share is there.
        client.lone(json!(0), "server/discover", json!({})).await;
        eventually("nothing is under way", async || served.told().await["lone_calls"] == 0).await;
        let before = metrics.get("chora_bridge_children_started_total").await;
        let got = join_all((0..20).map(|id| client.lone_call(json!(id), "sleep", json!({ "seconds": 2 })))).await;
        let (answered, refused): (Vec<_>, Vec<_>) = got.iter().partition(|got| got.status == 200);
        assert_eq!((answered.len(), refused.len()), (2, 18), "{era} {sharing:?}");
        refused.into_iter().for_each(is_refused);
        let own = if sharing == ChildSharing::Request { 2 } else { 0 };
        assert_eq!(metrics.get("chora_bridge_children_started_total").await - before, own, "none is started for who is refused");
        eventually("the places are free", async || metrics.get("chora_bridge_lone_calls").await == 0).await;
        assert_eq!(client.lone_call(json!(1), "sleep", json!({ "seconds": 0 })).await.status, 200);
        served.stop().await;
    }
}

#[tokio::test]
async fn a_subscription_has_a_place_for_as_long_as_it_is_open() {
    for era in ["modern", "legacy"] {
        let served = set_up(era, ChildSharing::Shared, 1).await;
        let client = served.client();
        let wanted = json!({ "notifications": { "resourceSubscriptions": ["file:///a"], "toolsListChanged": true } });
        let (sender, message) = client.lone_message(json!(1), "subscriptions/listen", wanted);
        let mut body = sender.send(Method::POST, "/mcp", message.to_string()).await.into_body();
        read_until(&mut body, "notifications/").await;
        is_refused(&client.lone_call(json!(2), "sleep", json!({ "seconds": 0 })).await);
        let session = served.session("2025-11-25").await;
        drop(body);
        eventually("it makes room", async || client.lone_call(json!(3), "sleep", json!({ "seconds": 0 })).await.status == 200).await;
        is_session(&session).await;
        served.stop().await;
    }
}

async fn is_session(client: &Client) {
    assert_eq!(client.call(json!(9), "echo", json!({ "text": "here" })).await.text(), "here");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_more_processes_are_started_than_there_may_be_sessions() {
    let served = set_up("legacy", ChildSharing::Session, 2).await;
    let metrics = Metrics::of(&served).await;
    served.client().lone(json!(0), "server/discover", json!({})).await;
    let before = metrics.get("chora_bridge_children_started_total").await;
    let client = served.client();
    let got = join_all((0..20).map(|_| client.request(Method::POST, "/mcp", HELLO))).await;
    let opened: Vec<_> = got.iter().filter(|got| got.status == 200).collect();
    assert_eq!((opened.len(), got.iter().filter(|got| got.status == 503).count()), (2, 18));
    assert_eq!(metrics.get("chora_bridge_children_started_total").await - before, 2);
    served.stop().await;
}

#[tokio::test]
async fn sessions_before_a_server_without_a_handshake_start_no_processes_of_their_own() {
    let served = set_up("modern", ChildSharing::Request, 10).await;
    let (one, other) = (served.session("2025-11-25").await, served.session("2025-06-18").await);
    let pid = one.call(json!(1), "pid", json!({})).await.text();
    for client in [&one, &other, &one] {
        assert_eq!(client.call(json!(2), "pid", json!({})).await.text(), pid);
    }
    served.stop().await;
}

#[tokio::test]
async fn clients_that_leave_make_room_and_leave_nothing_behind() {
    let served = set_up("legacy", ChildSharing::Shared, 4).await;
    let client = served.client();
    client.lone_call(json!(0), "echo", json!({ "text": "hello" })).await;
    let (sender, message) = client.lone_message(json!(1), "tools/call", json!({ "name": "sleep", "arguments": { "seconds": 600 } }));
    let before = tasks();
    for _ in 0..4 {
        sender.post_and_leave(&message).await;
    }
    eventually("the places are free", async || served.told().await["lone_calls"] == 0).await;
    eventually("no task is left", async || tasks() <= before).await;
    served.stop().await;
}

#[tokio::test]
async fn a_call_ends_with_its_session() {
    for era in ["legacy", "modern"] {
        let served = set_up(era, ChildSharing::Shared, 4).await;
        let client = served.session("2025-11-25").await;
        let before = served.session("2025-11-25").await;
        let body = client.send(Method::POST, "/mcp", call(json!(1), "sleep", json!({ "seconds": 600 })).to_string());
        let mut body = std::pin::pin!(body);
        let waited = tokio::time::timeout(Duration::from_millis(300), &mut body).await;
        assert!(waited.is_err(), "it is under way");
        client.request(Method::DELETE, "/mcp", "").await;
        tokio::time::timeout(Duration::from_secs(10), body).await.expect("an end");
        is_session(&before).await;
        served.stop().await;
    }
}

/// The first process answers; those after it never say a word.
#[tokio::test]
async fn a_client_that_does_not_wait_for_a_process_leaves_none() {
    let folder = Folder::new();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/servers/server.py");
    let begin = r#"mkdir "$1" 2>/dev/null && exec python3 "$0" legacy; echo $$ >>"$1/pids"; exec sleep 1000"#;
    let command = vec!["sh".into(), "-c".into(), begin.into(), script.into_os_string(), folder.0.join("first").into_os_string()];
    let command = ChildCommand { command, environment: Vec::new(), directory: None, patience: chora_gateway::PATIENCE };
    let settings =
        BridgeSettings { server: command.into(), sharing: ChildSharing::Request, max_sessions: 2, idle: Duration::from_secs(600) };
    let bridge = Bridge::new(settings);
    bridge.warm().await.expect("the first answers");
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let client = Client::new(&listener.local_addr().expect("an address").to_string());
    let front = FrontSettings { guard: Guard::default(), body_bytes: 65536, max_connections: 100 };
    tokio::spawn(serve(listener, Arc::clone(&bridge), front, CancellationToken::new()));
    let told = async |what: &str| client.get("/health").await.json()["metadata"][what].clone();
    let (sender, message) = client.lone_message(json!(1), "tools/call", json!({ "name": "echo", "arguments": { "text": "hello" } }));
    sender.post_and_leave(&message).await;
    client.post_and_leave(&serde_json::from_str(HELLO).expect("JSON")).await;
    let pids = || std::fs::read_to_string(folder.0.join("first/pids")).unwrap_or_default();
    eventually("both have ended", async || pids().lines().count() == 2 && !pids().lines().any(crate::support::runs)).await;
    eventually("there is room", async || told("lone_calls").await == 0 && told("sessions").await == 0).await;
    bridge.stop().await;
}
