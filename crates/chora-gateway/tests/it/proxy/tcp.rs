//! Ports that are passed through.

use hyper::Method;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::stack::Stack;
use crate::support::eventually;

/// A server that says its name and then repeats what it hears.
pub(super) async fn echo(name: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address").to_string();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                // A client that has left by then is none of its concern.
                _ = stream.write_all(name.as_bytes()).await;
                let (mut read, mut write) = stream.split();
                _ = tokio::io::copy(&mut read, &mut write).await;
            });
        }
    });
    address
}

async fn stack(address: &str) -> Stack {
    let services = json!({ "web": { "active": { "name": "r1", "addresses": [address] } } });
    let listener = json!({ "bind": "127.0.0.1:0", "tcp": { "service": "web" } });
    Stack::with(&json!({ "version": 1, "listeners": [listener], "services": services })).await
}

pub(super) async fn switch(stack: &Stack, address: &str, drain_ms: u64) {
    let release = json!({ "name": "r2", "addresses": [address] });
    let body = json!({ "service": "web", "release": release, "drain_ms": drain_ms });
    assert_eq!(stack.control(Method::POST, "/v1/switch", &body).await.status, 200);
}

pub(super) async fn says(stream: &mut TcpStream, expected: &str) {
    let mut got = vec![0; expected.len()];
    stream.read_exact(&mut got).await.expect("bytes");
    assert_eq!(String::from_utf8_lossy(&got), expected);
}

#[tokio::test]
async fn connections_stay_and_new_ones_go_to_the_new_release() {
    let (first, second) = tokio::join!(echo("r1"), echo("r2"));
    let stack = stack(&first).await;
    let mut old = TcpStream::connect(&stack.address).await.expect("a connection");
    says(&mut old, "r1").await;
    switch(&stack, &second, 30_000).await;
    let mut new = TcpStream::connect(&stack.address).await.expect("a connection");
    says(&mut new, "r2").await;
    for (stream, word) in [(&mut old, "still"), (&mut new, "here")] {
        stream.write_all(word.as_bytes()).await.expect("a write");
        says(stream, word).await;
    }
    old.shutdown().await.expect("an end");
    assert_eq!(stack.drained().await["releases"][0]["state"], "drained");
}

#[tokio::test]
async fn connections_end_when_the_drain_does() {
    let (first, second) = tokio::join!(echo("r1"), echo("r2"));
    let stack = stack(&first).await;
    let mut old = TcpStream::connect(&stack.address).await.expect("a connection");
    says(&mut old, "r1").await;
    switch(&stack, &second, 1).await;
    assert_eq!(old.read(&mut [0]).await.expect("a clean end"), 0);
    let ended = stack.drained().await;
    assert_eq!((&ended["releases"][0]["state"], &ended["releases"][0]["end"]["cut_in_flight"]), (&json!("cut"), &json!(1)));
}

#[tokio::test]
async fn connections_of_a_hold_go_to_the_new_release() {
    let (first, second) = tokio::join!(echo("r1"), echo("r2"));
    let stack = stack(&first).await;
    stack.control(Method::POST, "/v1/hold", &json!({ "service": "web" })).await;
    let mut held = TcpStream::connect(&stack.address).await.expect("a connection");
    eventually("it waits", async || stack.state().await["services"]["web"]["hold"]["waiting"] == 1).await;
    switch(&stack, &second, 0).await;
    stack.control(Method::POST, "/v1/release-hold", &json!({ "service": "web" })).await;
    says(&mut held, "r2").await;
}
