//! MCP sessions over a switch.

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::Method;
use hyper::body::Incoming;
use serde_json::json;

use super::stack::{Client, Got, Stack, request};
use super::upstream::Replica;

const LONG: u64 = 60_000;

async fn initialize(stack: &Stack) -> String {
    let got = stack.client().await.send(Method::POST, "/mcp", &[], "initialize").await;
    got.headers["mcp-session-id"].to_str().expect("text").to_owned()
}

async fn call(stack: &Stack, session: &str, revision: &str) -> Got {
    let headers = [("mcp-session-id", session), ("mcp-protocol-version", revision)];
    stack.client().await.send(Method::POST, "/mcp", &headers, "call").await
}

/// A stream whose first event has been read.
async fn stream(client: &mut Client<Full<Bytes>>, path: &str, headers: &[(&str, &str)]) -> (Incoming, String) {
    let mut body = client.open(request(Method::GET, path, headers, "")).await.into_body();
    let first = body.frame().await.expect("an event").expect("no failure").into_data().expect("bytes");
    (body, String::from_utf8_lossy(&first).into_owned())
}

#[tokio::test]
async fn a_session_stays_with_its_release_until_it_ends() {
    let (first, second) = tokio::join!(Replica::start("r1"), Replica::start("r2"));
    let stack = Stack::of(&first).await;
    let session = initialize(&stack).await;
    let switched = stack.switch(&second, LONG).await;
    assert_eq!((&switched["sessions"], &switched["from"]), (&json!(1), &json!("r1")), "{switched}");
    assert_eq!(call(&stack, &session, "2025-11-25").await.body, "r1");
    // Those without a session go on: new ones, and those of the revision that has none.
    assert_eq!(stack.get("/").await.body, "r2 /");
    assert_eq!(call(&stack, &session, "2026-07-28").await.body, "r2");
    assert!(initialize(&stack).await.starts_with("r2-"));
    let headers = [("mcp-session-id", session.as_str())];
    assert_eq!(stack.client().await.send(Method::DELETE, "/mcp", &headers, "").await.status, 200);
    assert_eq!(stack.drained().await["releases"][0]["state"], "drained");
}

#[tokio::test]
async fn a_cut_session_is_not_found_and_its_streams_end_cleanly() {
    let (first, second) = tokio::join!(Replica::start("r1"), Replica::start("r2"));
    let stack = Stack::of(&first).await;
    let session = initialize(&stack).await;
    let mut client = stack.client().await;
    let (mut events, _) = stream(&mut client, "/mcp", &[("mcp-session-id", &session)]).await;
    stack.switch(&second, 1).await;
    let end = &stack.drained().await["releases"][0]["end"];
    assert_eq!((&end["cut_in_flight"], &end["cut_sessions"], &end["left"]), (&json!(1), &json!(1), &json!(0)), "{end}");
    assert!(events.frame().await.is_none());
    // The connection of the ended stream can be used again: it ended as a stream ends.
    assert_eq!(client.get("/").await.body, "r2 /");
    let got = call(&stack, &session, "2025-11-25").await;
    assert_eq!(got.status, 404);
    assert_eq!(got.json()["error"]["code"], -32001);
    assert!(initialize(&stack).await.starts_with("r2-"));
}

#[tokio::test]
async fn a_session_of_the_oldest_transport_lives_as_long_as_its_stream() {
    let (first, second) = tokio::join!(Replica::start("r1"), Replica::start("r2"));
    let stack = Stack::of(&first).await;
    let mut client = stack.client().await;
    let (events, endpoint) = stream(&mut client, "/sse", &[]).await;
    assert!(endpoint.contains("sessionId=old-r1"), "{endpoint}");
    stack.switch(&second, LONG).await;
    let post = async || stack.client().await.send(Method::POST, "/messages?sessionId=old-r1", &[], "call").await.body;
    assert_eq!(post().await, "r1 /messages");
    assert_eq!(stack.state().await["services"]["web"]["releases"][0]["sessions"], 1);
    drop(events);
    drop(client);
    assert_eq!(stack.drained().await["releases"][0]["state"], "drained");
    assert_eq!(post().await, "r2 /messages");
}

#[tokio::test]
async fn a_release_that_comes_back_has_its_sessions() {
    let (first, second) = tokio::join!(Replica::start("r1"), Replica::start("r2"));
    let stack = Stack::of(&first).await;
    let session = initialize(&stack).await;
    stack.switch(&second, LONG).await;
    stack.switch(&first, LONG).await;
    assert_eq!(call(&stack, &session, "2025-06-18").await.body, "r1");
    let state = stack.state().await;
    assert_eq!(state["services"]["web"]["active"]["sessions"], 1, "{state}");
    assert_eq!(stack.drained().await["releases"][0]["name"], "r2");
    assert_eq!(stack.get("/").await.body, "r1 /");
}

#[tokio::test]
async fn a_session_stays_with_its_replica() {
    let (first, second) = tokio::join!(Replica::start("a"), Replica::start("b"));
    let web = json!({ "active": { "name": "r1", "addresses": [first.address, second.address] } });
    let stack = Stack::with(&super::stack::table(&web)).await;
    for _ in 0..4 {
        let session = initialize(&stack).await;
        let owner = session.split('-').next().expect("a name");
        for _ in 0..3 {
            assert_eq!(call(&stack, &session, "2025-11-25").await.body, owner);
        }
    }
    assert!(first.requests() > 0 && second.requests() > 0);
}

#[tokio::test]
async fn a_session_whose_release_died_is_left_to_the_active_one() {
    let (first, second) = tokio::join!(Replica::start("r1"), Replica::start("r2"));
    let stack = Stack::of(&first).await;
    let session = initialize(&stack).await;
    stack.switch(&second, LONG).await;
    first.stop();
    crate::support::eventually("its port is closed", async || tokio::net::TcpStream::connect(&first.address).await.is_err()).await;
    assert_eq!(call(&stack, &session, "2025-11-25").await.body, "r2");
}
