//! Clients that send a byte now and then.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::stack::{Stack, http};
use super::upstream::Replica;
use crate::support::eventually;

const PAUSE: Duration = Duration::from_millis(20);

async fn stack(replica: &Replica, listener_limits: &Value, limits: &Value) -> Stack {
    let mut listener = http(&json!([{ "service": "web" }]));
    listener["limits"] = listener_limits.clone();
    let web = json!({ "active": super::stack::release(replica), "limits": limits });
    Stack::with(&json!({ "version": 1, "listeners": [listener], "services": { "web": web } })).await
}

/// Sends a beginning and then so many bytes, one at a time, as long as they are taken; what came back until the end.
async fn trickle(address: String, beginning: &'static str, most: usize) -> String {
    let mut stream = TcpStream::connect(address).await.expect("a connection");
    stream.write_all(beginning.as_bytes()).await.expect("a write");
    let (mut reader, mut writer) = stream.into_split();
    let reading = tokio::spawn(async move {
        let mut got = Vec::new();
        // A reset is an end, too.
        _ = reader.read_to_end(&mut got).await;
        String::from_utf8_lossy(&got).into_owned()
    });
    for _ in 0..most {
        tokio::time::sleep(PAUSE).await;
        if reading.is_finished() || writer.write_all(b"x").await.is_err() {
            break;
        }
    }
    tokio::time::timeout(Duration::from_secs(20), reading).await.expect("an end").expect("what came")
}

#[tokio::test]
async fn heads_that_trickle_end_and_others_are_served() {
    let replica = Replica::start("r1").await;
    let stack = stack(&replica, &json!({ "head_ms": 1000, "connections": 4 }), &json!({})).await;
    let head = "GET / HTTP/1.1\r\nHost: a\r\nX-Slow: ";
    let slow: Vec<_> = (0..3).map(|_| tokio::spawn(trickle(stack.address.clone(), head, 100_000))).collect();
    tokio::time::sleep(PAUSE).await;
    for _ in 0..20 {
        assert_eq!(stack.get("/").await.body, "r1 /");
    }
    for slow in slow {
        let got = slow.await.expect("an end");
        assert!(got.is_empty() || got.starts_with("HTTP/1.1 408 "), "{got}");
    }
    // All four places are free again.
    let mut clients = Vec::new();
    for _ in 0..4 {
        clients.push(stack.client().await);
    }
    for client in &mut clients {
        assert_eq!(client.get("/").await.body, "r1 /");
    }
    assert_eq!(replica.requests(), 24);
}

#[tokio::test]
async fn bodies_that_trickle_keep_nobody_and_end_when_they_stop() {
    let replica = Replica::start("r1").await;
    let stack = stack(&replica, &json!({ "connections": 4 }), &json!({ "response_ms": 1000 })).await;
    let head = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n";
    let slow: Vec<_> = (0..3).map(|_| tokio::spawn(trickle(stack.address.clone(), head, 20))).collect();
    eventually("they are under way", async || stack.state().await["services"]["web"]["active"]["in_flight"] == 3).await;
    for _ in 0..20 {
        assert_eq!(stack.get("/").await.body, "r1 /");
    }
    for slow in slow {
        let got = slow.await.expect("an end");
        assert!(got.starts_with("HTTP/1.1 408 "), "{got}");
    }
    let web = &stack.state().await["services"]["web"];
    assert_eq!((&web["active"]["in_flight"], &web["failures"]), (&json!(0), &json!(0)), "{web}");
}
