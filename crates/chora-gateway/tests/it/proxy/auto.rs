//! Ports at which HTTP and everything else are told apart.

use std::time::Duration;

use hyper::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::stack::Stack;
use super::tcp::{echo, says, switch};
use super::upstream::Replica;
use crate::support::eventually;

async fn stack(address: &str, limits: &Value) -> Stack {
    let services = json!({ "web:8000": { "active": { "name": "r1", "addresses": [address] } } });
    let listener = json!({ "bind": "127.0.0.1:0", "auto": { "service": "web:8000" }, "limits": limits });
    Stack::with(&json!({ "version": 1, "listeners": [listener], "services": services })).await
}

async fn connect(stack: &Stack) -> TcpStream {
    TcpStream::connect(&stack.address).await.expect("a connection")
}

#[tokio::test]
async fn http_goes_to_the_release_of_each_request() {
    let (first, second) = tokio::join!(Replica::start("r1"), Replica::start("r2"));
    let stack = stack(&first.address, &json!({})).await;
    let mut client = stack.client().await;
    for method in [Method::GET, Method::POST, Method::OPTIONS, Method::DELETE, Method::from_bytes(b"PROPFIND").expect("a method")] {
        assert_eq!(client.send(method, "/any", &[], "").await.body, "r1 /any");
    }
    let release = json!({ "name": "r2", "addresses": [second.address] });
    stack.told(Method::POST, "/v1/switch", &json!({ "service": "web:8000", "release": release })).await;
    assert_eq!(client.get("/").await.body, "r2 /");
    assert_eq!(first.requests(), 5);
}

#[tokio::test]
async fn heads_of_a_proxy_that_can_be_believed_are_kept() {
    let replica = Replica::start("r1").await;
    let stack = stack(&replica.address, &json!({})).await;
    let sent = [("x-forwarded-proto", "https")];
    let got = stack.client().await.send(Method::GET, "/head", &sent, "").await;
    assert!(got.body.contains("x-forwarded-proto: http\n"), "{}", got.body);
    let mut table = stack.state().await["table"].clone();
    table["listeners"][0]["auto"]["behind_proxy"] = json!(true);
    stack.told(Method::PUT, "/v1/table", &table).await;
    let got = stack.client().await.send(Method::GET, "/head", &sent, "").await;
    assert!(got.body.contains("x-forwarded-proto: https\n"), "{}", got.body);
}

#[tokio::test]
async fn http_that_comes_in_pieces_is_http() {
    let replica = Replica::start("r1").await;
    let stack = stack(&replica.address, &json!({})).await;
    let mut stream = connect(&stack).await;
    for piece in ["G", "E", "T", " ", "/x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"] {
        stream.write_all(piece.as_bytes()).await.expect("a write");
        // So that the pieces are seen one after the other.
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
    let mut got = String::new();
    stream.read_to_string(&mut got).await.expect("an answer");
    assert!(got.ends_with("r1 /x"), "{got}");
    assert!(replica.connections() == 1 && stack.state().await["services"]["web:8000"]["requests"] == 1);
}

#[tokio::test]
async fn everything_else_is_passed_through_as_it_is() {
    let address = echo("r1").await;
    let stack = stack(&address, &json!({})).await;
    for said in [
        "\x16\x03\x01\x02\0\x01\0",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "SSH-2.0-client\r\n",
        "PING\r\n",
        "*1\r\n$4\r\nPING\r\n",
        "get / HTTP/1.1\r\n\r\n",
        "NICK someone\r\n",
        "CONNECT a.example:443 HTTP/1.1\r\n\r\n",
        "THISISMUCHTOOLONGFORAMETHODOFHTTP",
        "\0",
    ] {
        let mut stream = connect(&stack).await;
        stream.write_all(said.as_bytes()).await.expect("a write");
        says(&mut stream, &format!("r1{said}")).await;
    }
    assert_eq!(stack.state().await["services"]["web:8000"]["requests"], 0);
}

#[tokio::test]
async fn a_server_that_speaks_first_is_heard() {
    let address = echo("220 mail.example").await;
    let stack = stack(&address, &json!({})).await;
    let mut stream = connect(&stack).await;
    says(&mut stream, "220 mail.example").await;
    // From now on nothing is judged any more.
    stream.write_all(b"GET / HTTP/1.1\r\n").await.expect("a write");
    says(&mut stream, "GET / HTTP/1.1\r\n").await;
}

#[tokio::test]
async fn what_could_still_be_http_is_passed_through_in_the_end() {
    let address = echo("r1").await;
    let stack = stack(&address, &json!({ "head_ms": 50 })).await;
    let mut stalled = connect(&stack).await;
    stalled.write_all(b"GE").await.expect("a write");
    says(&mut stalled, "r1GE").await;
}

#[tokio::test]
async fn what_could_be_http_but_ends_is_passed_through() {
    let address = echo("r1").await;
    let stack = stack(&address, &json!({})).await;
    let mut whole = connect(&stack).await;
    whole.write_all(b"GE").await.expect("a write");
    whole.shutdown().await.expect("an end");
    let mut got = String::new();
    whole.read_to_string(&mut got).await.expect("an end");
    assert_eq!(got, "r1GE");
}

#[tokio::test]
async fn a_client_that_leaves_is_no_connection_of_the_service() {
    let replica = Replica::start("r1").await;
    let stack = stack(&replica.address, &json!({ "connections": 1 })).await;
    for _ in 0..10 {
        drop(connect(&stack).await);
    }
    assert_eq!(stack.get("/").await.body, "r1 /");
    let metrics = stack.control(Method::GET, "/metrics", &json!({})).await.body;
    assert!(metrics.contains("chora_gateway_connections_total{service=\"web:8000\"} 0\n"), "{metrics}");
}

/// A connection that has said too little to be judged.
async fn undecided(stack: &Stack) -> TcpStream {
    let mut stream = connect(stack).await;
    stream.write_all(b"GE").await.expect("a write");
    // Accepted after it: then it is accepted itself.
    assert_eq!(stack.get("/").await.status, 200);
    stream
}

async fn ends_unheard(mut stream: TcpStream) {
    let mut got = Vec::new();
    // A reset is an end, too.
    _ = tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut got)).await.expect("an end");
    assert!(got.is_empty(), "{got:?}");
}

#[tokio::test]
async fn a_listener_that_ends_does_not_wait_for_what_is_undecided() {
    let replica = Replica::start("r1").await;
    let stack = stack(&replica.address, &json!({})).await;
    let stream = undecided(&stack).await;
    let none = json!({ "version": 1, "listeners": [], "services": {} });
    stack.told(Method::PUT, "/v1/table", &none).await;
    ends_unheard(stream).await;
    assert_eq!(replica.connections(), 1);
}

#[tokio::test]
async fn a_gateway_that_ends_does_not_wait_for_what_is_undecided() {
    let replica = Replica::start("r1").await;
    let stack = stack(&replica.address, &json!({})).await;
    let stream = undecided(&stack).await;
    stack.stop().await;
    ends_unheard(stream).await;
    assert_eq!(replica.connections(), 1);
}

#[tokio::test]
async fn both_kinds_wait_while_their_service_is_held() {
    let (http, other) = tokio::join!(Replica::start("r2"), echo("r2"));
    let stack = stack("127.0.0.1:1", &json!({})).await;
    let services = json!({ "service": "web:8000" });
    for address in [&http.address, &other] {
        stack.told(Method::POST, "/v1/hold", &services).await;
        let mut client = stack.client().await;
        let asked = (address == &http.address).then(|| tokio::spawn(async move { client.get("/").await.body }));
        let mut stream = connect(&stack).await;
        let waits = if asked.is_some() { 2 } else { 1 };
        eventually("all wait", async || stack.state().await["services"]["web:8000"]["hold"]["waiting"] == waits).await;
        let release = json!({ "name": address, "addresses": [address] });
        stack.told(Method::POST, "/v1/switch", &json!({ "service": "web:8000", "release": release })).await;
        stack.told(Method::POST, "/v1/release-hold", &services).await;
        match asked {
            Some(asked) => assert_eq!(asked.await.expect("an answer"), "r2 /"),
            None => says(&mut stream, "r2").await,
        }
    }
}

#[tokio::test]
async fn a_port_can_change_what_it_is() {
    let address = echo("r1").await;
    let stack = stack(&address, &json!({})).await;
    let services = json!({ "web": { "active": { "name": "r1", "addresses": [address] } } });
    let listener = json!({ "bind": "127.0.0.1:0", "tcp": { "service": "web" } });
    stack.told(Method::PUT, "/v1/table", &json!({ "version": 1, "listeners": [listener], "services": services })).await;
    let mut stream = connect(&stack).await;
    stream.write_all(b"GET / HTTP/1.1\r\n").await.expect("a write");
    says(&mut stream, "r1GET / HTTP/1.1\r\n").await;
    let next = echo("r2").await;
    switch(&stack, &next, 0).await;
    says(&mut connect(&stack).await, "r2").await;
}
