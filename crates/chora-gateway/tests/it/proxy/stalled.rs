//! Clients and replicas that stop reading.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::stack::{Stack, http, release, service};
use super::upstream::Replica;
use crate::support::eventually;

/// More than the buffers between a replica and two clients that do not read can hold; the kernel has four for each.
const BUFFERS: usize = 64 << 20;

async fn stack(web: &Value, limits: &Value) -> Stack {
    let mut listener = http(&json!([{ "service": "web" }]));
    listener["limits"] = limits.clone();
    Stack::with(&json!({ "version": 1, "listeners": [listener], "services": { "web": web } })).await
}

async fn unread(stack: &Stack, path: &str) -> TcpStream {
    let mut stream = TcpStream::connect(&stack.address).await.expect("a connection");
    stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes()).await.expect("a write");
    stream
}

/// Waits until nothing more is asked of the replica.
async fn is_held_back(replica: &Replica) {
    let mut before = 0;
    eventually("the replica is held back", async || {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let sent = replica.sent();
        sent > 0 && std::mem::replace(&mut before, sent) == sent
    })
    .await;
    assert!(replica.sent() < BUFFERS, "{}", replica.sent());
}

async fn in_flight(stack: &Stack) -> Value {
    stack.state().await["services"]["web"]["active"]["in_flight"].clone()
}

#[tokio::test]
async fn a_client_that_reads_nothing_is_held_back_and_ends() {
    for path in ["/endless", "/flood"] {
        let replica = Replica::start("r1").await;
        let stack = stack(&service(&replica), &json!({ "write_ms": 1500 })).await;
        let streams = [unread(&stack, path).await, unread(&stack, path).await];
        is_held_back(&replica).await;
        assert_eq!(stack.get("/").await.body, "r1 /", "others are served");
        eventually("they end, and free the replica", async || in_flight(&stack).await == 0).await;
        assert!(replica.sent() < BUFFERS, "{path}: {}", replica.sent());
        drop(streams);
    }
}

#[tokio::test]
async fn a_client_that_reads_slowly_does_not_end() {
    let replica = Replica::start("r1").await;
    let stack = stack(&service(&replica), &json!({ "write_ms": 1500 })).await;
    let mut stream = unread(&stack, "/endless").await;
    let mut piece = vec![0; 128 * 1024];
    // Longer than the limit, and slower than the buffers empty.
    for _ in 0..30 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        stream.read_exact(&mut piece).await.expect("it goes on");
    }
    assert_eq!(in_flight(&stack).await, 1);
}

#[tokio::test]
async fn a_passed_through_connection_ends_only_where_the_table_says_so() {
    for (limits, ends) in [(json!({}), false), (json!({ "write_ms": 1000 }), true)] {
        let replica = Replica::start("r1").await;
        let listener = json!({ "bind": "127.0.0.1:0", "tcp": { "service": "web" }, "limits": limits });
        let services = json!({ "web": { "active": release(&replica) } });
        let stack = Stack::with(&json!({ "version": 1, "listeners": [listener], "services": services })).await;
        let stream = unread(&stack, "/endless").await;
        is_held_back(&replica).await;
        if ends {
            eventually("it ends", async || in_flight(&stack).await == 0).await;
        } else {
            tokio::time::sleep(Duration::from_millis(1500)).await;
            assert_eq!(in_flight(&stack).await, 1);
        }
        drop(stream);
    }
}

#[tokio::test]
async fn a_replica_that_reads_nothing_is_late() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address").to_string();
    tokio::spawn(async move {
        let mut kept = Vec::new();
        while let Ok((stream, _)) = listener.accept().await {
            kept.push(stream);
        }
    });
    let web = json!({ "active": { "name": "r1", "addresses": [address] }, "limits": { "response_ms": 500 } });
    let stack = stack(&web, &json!({})).await;
    let stream = TcpStream::connect(&stack.address).await.expect("a connection");
    let (mut reader, mut writer) = stream.into_split();
    tokio::spawn(async move {
        writer.write_all(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000000000\r\n\r\n").await.expect("a write");
        while writer.write_all(&[b'x'; 64 * 1024]).await.is_ok() {}
    });
    let mut got = vec![0; 12];
    reader.read_exact(&mut got).await.expect("an answer");
    assert_eq!(String::from_utf8_lossy(&got), "HTTP/1.1 504");
    assert_eq!(in_flight(&stack).await, 0);
}

/// Answers at once, and reads what it is sent beside that.
async fn eager() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address").to_string();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("a connection");
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.expect("a head"));
        }
        let (mut from, mut to) = stream.into_split();
        let sent = async {
            to.write_all(format!("HTTP/1.1 200 OK\r\nContent-Length: {BUFFERS}\r\n\r\n").as_bytes()).await.expect("a head");
            to.write_all(&vec![b'x'; BUFFERS]).await.expect("a body");
        };
        let mut taken = vec![0; BUFFERS];
        let (read, ()) = tokio::join!(from.read_exact(&mut taken), sent);
        read.expect("a whole body");
    });
    address
}

#[tokio::test]
async fn an_answer_that_nobody_reads_yet_does_not_hold_up_the_request() {
    let web = json!({ "active": { "name": "r1", "addresses": [eager().await] } });
    let stack = stack(&web, &json!({})).await;
    let mut client = TcpStream::connect(&stack.address).await.expect("a connection");
    client.write_all(format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {BUFFERS}\r\n\r\n").as_bytes()).await.expect("a head");
    let body = vec![b'x'; BUFFERS];
    tokio::time::timeout(Duration::from_secs(30), client.write_all(&body)).await.expect("it is taken").expect("a body");
    let mut answer = 0;
    while answer < BUFFERS {
        let read = client.read(&mut vec![0; 1 << 16]).await.expect("an answer");
        assert!(read > 0, "the answer ended after {answer} bytes");
        answer += read;
    }
}
