//! Streams beside each other: one that its client does not read, or whose release is cut, ends alone.

use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::Method;
use hyper::body::Incoming;
use hyper::client::conn::http2::Builder;
use hyper_util::rt::TokioExecutor;
use serde_json::json;
use tokio::net::TcpStream;

use super::super::stack::Stack;
use super::super::upstream::Replica;
use super::{Client, request, stack};
use crate::support::eventually;

/// A client that lets little come of what it does not read.
async fn narrow(stack: &Stack) -> Client {
    let mut settings = Builder::new(TokioExecutor::new());
    settings.initial_stream_window_size(64 * 1024).initial_connection_window_size(16 * 1024 * 1024);
    Client::on(TcpStream::connect(&stack.address).await.expect("a connection"), &settings).await.0
}

/// A stream that began.
async fn begun(client: &mut Client, path: &str, headers: &[(&str, &str)]) -> Incoming {
    let mut body = client.open(request(Method::GET, path, headers, Bytes::new())).await.into_body();
    body.frame().await.expect("a piece").expect("no failure");
    body
}

async fn to_its_end(mut body: Incoming) -> Result<(), hyper::Error> {
    while let Some(frame) = body.frame().await {
        frame?;
    }
    Ok(())
}

#[tokio::test]
async fn a_stream_that_is_not_read_frees_its_replica_and_harms_no_other() {
    for path in ["/endless", "/flood"] {
        let replica = Replica::start("r1").await;
        let stack = stack(&replica, &json!({ "write_ms": 700 })).await;
        let mut client = narrow(&stack).await;
        let unread = begun(&mut client, path, &[]).await;
        let mut beside = begun(&mut client, "/stream", &[]).await;
        assert_eq!(stack.state().await["services"]["web"]["active"]["in_flight"], 2);
        eventually("it is taken away", async || stack.state().await["services"]["web"]["active"]["in_flight"] == 1).await;
        // A stream on which nothing happens is no stream that is not read.
        tokio::select! {
            frame = beside.frame() => panic!("{frame:?}"),
            () = tokio::time::sleep(std::time::Duration::from_millis(1000)) => {}
        }
        assert_eq!(client.get("/").await.body, "r1 /");
        // Whoever reads after all is told that it is not whole.
        assert!(to_its_end(unread).await.is_err());
        assert_eq!(client.get("/").await.body, "r1 /");
    }
}

#[tokio::test]
async fn a_stream_that_is_read_slowly_stays() {
    let replica = Replica::start("r1").await;
    let stack = stack(&replica, &json!({ "write_ms": 500 })).await;
    let mut slow = begun(&mut narrow(&stack).await, "/endless", &[]).await;
    for _ in 0..10 {
        tokio::time::sleep(std::time::Duration::from_millis(150)).await;
        for _ in 0..8 {
            slow.frame().await.expect("more").expect("no failure");
        }
    }
    assert_eq!(stack.state().await["services"]["web"]["active"]["in_flight"], 1);
}

#[tokio::test]
async fn what_a_cut_ends_is_the_streams_of_the_release_and_nothing_else() {
    let (first, second) = tokio::join!(Replica::start("r1"), Replica::start("r2"));
    let stack = stack(&first, &json!({})).await;
    let mut client = narrow(&stack).await;
    let opened = client.send(Method::POST, "/mcp", &[], "initialize").await;
    let session = opened.headers["mcp-session-id"].to_str().expect("text").to_owned();
    let events = begun(&mut client, "/mcp", &[("mcp-session-id", &session)]).await;
    let unread = begun(&mut client, "/endless", &[]).await;
    let mut asking = client.clone();
    let slow = tokio::spawn(async move { asking.send(Method::POST, "/slow", &[], "").await });
    eventually("all are under way", async || stack.state().await["services"]["web"]["active"]["in_flight"] == 3).await;
    assert_eq!(stack.switch(&second, 1).await["in_flight"], 3);
    let beside = begun(&mut client, "/stream", &[]).await;
    let end = &stack.drained().await["releases"][0]["end"];
    assert_eq!((&end["cut_in_flight"], &end["cut_sessions"], &end["left"]), (&json!(3), &json!(1), &json!(0)), "{end}");
    // An event stream ends as one; what was cut short does not look whole; who waited is told to come back.
    to_its_end(events).await.expect("a clean end");
    assert!(to_its_end(unread).await.is_err());
    assert_eq!(slow.await.expect("an answer").status, 503);
    let got = client.send(Method::POST, "/mcp", &[("mcp-session-id", &session)], "call").await;
    assert_eq!((got.status, &got.json()["error"]["code"]), (404, &json!(-32001)));
    assert_eq!(stack.state().await["services"]["web"]["active"]["in_flight"], 1);
    drop(beside);
    eventually("a stream that is dropped ends", async || stack.state().await["services"]["web"]["active"]["in_flight"] == 0).await;
}

#[tokio::test]
async fn requests_beyond_the_limit_of_a_connection_wait_for_a_place() {
    let replica = Replica::start("r1").await;
    let stack = stack(&replica, &json!({ "streams": 2 })).await;
    let mut client = Client::to(&stack.address).await;
    // The limit is known once the gateway has said it.
    assert_eq!(client.get("/").await.body, "r1 /");
    let asked: Vec<_> = (0..5)
        .map(|_| {
            let mut client = client.clone();
            tokio::spawn(async move { client.get("/slow").await.body })
        })
        .collect();
    eventually("two are under way", async || replica.requests() == 3).await;
    assert_eq!(stack.state().await["services"]["web"]["active"]["in_flight"], 2);
    replica.open_gate();
    for asked in asked {
        assert_eq!(asked.await.expect("an answer"), "r1");
    }
    let state = stack.state().await;
    assert_eq!(state["table"]["listeners"][0]["limits"]["streams"], 2);
}
