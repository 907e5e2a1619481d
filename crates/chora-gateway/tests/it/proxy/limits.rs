//! Replicas and clients that do not do their part.

use hyper::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::stack::{Stack, http, service, table};
use super::upstream::Replica;

fn at(addresses: &[&str], limits: &Value) -> Value {
    table(&json!({ "active": { "name": "r1", "addresses": addresses }, "limits": limits }))
}

#[tokio::test]
async fn a_service_that_is_down_is_told_at_once() {
    let replica = Replica::start("r1").await;
    let stack = Stack::of(&replica).await;
    let mut client = stack.client().await;
    assert_eq!(client.get("/").await.status, 200);
    replica.stop();
    crate::support::eventually("its port is closed", async || TcpStream::connect(&replica.address).await.is_err()).await;
    let got = client.send(Method::POST, "/", &[], "body").await;
    assert_eq!(got.status, 502);
    assert!(got.headers.contains_key("retry-after"));
    assert_eq!(stack.state().await["services"]["web"]["failures"], 1);
}

#[tokio::test]
async fn other_replicas_answer_for_one_that_is_down() {
    let replica = Replica::start("r1").await;
    // A port that is taken and that nobody listens on.
    let taken = tokio::net::TcpSocket::new_v4().expect("a socket");
    taken.bind("127.0.0.1:0".parse().expect("an address")).expect("a free port");
    let gone = taken.local_addr().expect("an address").to_string();
    let stack = Stack::with(&at(&[&gone, &replica.address], &json!({}))).await;
    let mut client = stack.client().await;
    for _ in 0..10 {
        assert_eq!(client.send(Method::POST, "/", &[], "body").await.body, "r1 /");
    }
}

/// A replica that reads a head and answers with these bytes; it keeps the connection open only when there are none.
async fn scripted(answer: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address").to_string();
    tokio::spawn(async move {
        let mut silent = Vec::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(stream.read_u8().await.expect("a head"));
            }
            stream.write_all(answer.as_bytes()).await.expect("a write");
            if answer.is_empty() {
                silent.push(stream);
            }
        }
    });
    address
}

#[tokio::test]
async fn a_replica_that_never_answers_is_a_time_out() {
    let silent = scripted("").await;
    let stack = Stack::with(&at(&[&silent], &json!({ "response_ms": 1 }))).await;
    let got = stack.get("/").await;
    assert_eq!(got.status, 504);
    assert!(got.headers.contains_key("retry-after"));
}

#[tokio::test]
async fn an_answer_that_is_not_http_is_a_bad_gateway() {
    let garbled = scripted("220 mail.example ESMTP\r\n\r\n").await;
    let stack = Stack::with(&at(&[&garbled], &json!({}))).await;
    assert_eq!(stack.get("/").await.status, 502);
}

#[tokio::test]
async fn an_answer_that_is_cut_short_does_not_look_whole() {
    let short = scripted("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n").await;
    let stack = Stack::with(&at(&[&short], &json!({}))).await;
    let got = stack.raw("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert!(got.contains("hello") && !got.contains("\r\n0\r\n"), "{got}");
}

#[tokio::test]
async fn an_answer_that_falls_silent_ends() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address").to_string();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("a connection");
        // An answer to nothing would end the connection.
        stream.readable().await.expect("a request");
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello").await.expect("a write");
        std::future::pending::<()>().await;
    });
    let stack = Stack::with(&at(&[&address], &json!({ "idle_ms": 50 }))).await;
    let got = stack.raw("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    // It ends, and what came of it is not whole.
    assert!(got.is_empty() || got.ends_with("\r\n\r\nhello"), "{got}");
}

#[tokio::test]
async fn a_head_that_never_ends_closes_the_connection() {
    let replica = Replica::start("r1").await;
    let mut listener = http(&json!([{ "service": "web" }]));
    listener["limits"] = json!({ "head_ms": 50 });
    let stack = Stack::with(&json!({ "version": 1, "listeners": [listener], "services": { "web": service(&replica) } })).await;
    assert_eq!(stack.raw("GET / HTTP/1.1\r\nHost: a\r\nX-Slow: ").await, "");
    assert_eq!(stack.raw("").await, "");
    assert_eq!(replica.requests(), 0);
}

#[tokio::test]
async fn a_head_that_is_too_large_is_refused() {
    let replica = Replica::start("r1").await;
    let stack = Stack::of(&replica).await;
    let got = stack.raw(&format!("GET / HTTP/1.1\r\nHost: a\r\nX-Large: {}\r\n\r\n", "x".repeat(128 * 1024))).await;
    assert!(got.is_empty() || got.starts_with("HTTP/1.1 431 "), "{got}");
    assert_eq!(replica.requests(), 0);
}

#[tokio::test]
async fn connections_beyond_the_limit_wait_for_a_place() {
    let replica = Replica::start("r1").await;
    let mut listener = http(&json!([{ "service": "web" }]));
    listener["limits"] = json!({ "connections": 1 });
    let stack = Stack::with(&json!({ "version": 1, "listeners": [listener], "services": { "web": service(&replica) } })).await;
    let mut first = stack.client().await;
    assert_eq!(first.get("/").await.status, 200);
    let mut second = stack.client().await;
    let second = tokio::spawn(async move { second.get("/second").await });
    assert_eq!(first.get("/first").await.body, "r1 /first");
    assert_eq!(replica.requests(), 2);
    drop(first);
    assert_eq!(second.await.expect("an answer").body, "r1 /second");
}
