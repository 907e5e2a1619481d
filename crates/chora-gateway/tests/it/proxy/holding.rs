//! Requests that wait while their service is held.

use hyper::Method;
use serde_json::{Value, json};

use super::stack::{Stack, release, table};
use super::upstream::Replica;
use crate::support::eventually;

async fn hold(stack: &Stack, limit_ms: u64) -> Value {
    stack.control(Method::POST, "/v1/hold", &json!({ "service": "web", "limit_ms": limit_ms })).await.json()
}

#[tokio::test]
async fn requests_of_a_hold_go_to_the_new_release() {
    let (first, second) = tokio::join!(Replica::start("r1"), Replica::start("r2"));
    let stack = Stack::of(&first).await;
    assert_eq!(hold(&stack, 30_000).await["in_flight"], 0);
    let mut waiting = Vec::new();
    for _ in 0..20 {
        let mut client = stack.client().await;
        waiting.push(tokio::spawn(async move { client.send(Method::POST, "/", &[], "body").await }));
    }
    eventually("all wait", async || stack.state().await["services"]["web"]["hold"]["waiting"] == 20).await;
    // The old one ends before the new one begins to be used.
    first.stop();
    stack.switch(&second, 0).await;
    let figures = stack.control(Method::POST, "/v1/release-hold", &json!({ "service": "web" })).await.json();
    assert_eq!((&figures["held"], &figures["refused"]), (&json!(20), &json!(0)), "{figures}");
    assert!(figures["longest_wait_ms"].is_u64());
    for got in waiting {
        let got = got.await.expect("an answer");
        assert_eq!((got.status, got.body.as_str()), (200, "r2 /"));
    }
    assert_eq!((first.requests(), second.requests()), (0, 20));
}

#[tokio::test]
async fn a_hold_that_lasts_too_long_says_when_to_come_back() {
    let replica = Replica::start("r1").await;
    let stack = Stack::of(&replica).await;
    hold(&stack, 1).await;
    let got = stack.get("/").await;
    assert_eq!(got.status, 503);
    assert!(got.headers.contains_key("retry-after"));
    assert_eq!(stack.state().await["services"]["web"]["hold"]["figures"]["refused"], 1);
    stack.control(Method::POST, "/v1/release-hold", &json!({ "service": "web" })).await;
    assert_eq!(stack.get("/").await.status, 200);
}

#[tokio::test]
async fn no_more_wait_than_may() {
    let replica = Replica::start("r1").await;
    let stack = Stack::with(&table(&json!({ "active": release(&replica), "limits": { "waiting": 1 } }))).await;
    hold(&stack, 30_000).await;
    let mut first = stack.client().await;
    let first = tokio::spawn(async move { first.get("/").await });
    eventually("one waits", async || stack.state().await["services"]["web"]["hold"]["waiting"] == 1).await;
    assert_eq!(stack.get("/").await.status, 503);
    stack.control(Method::POST, "/v1/release-hold", &json!({ "service": "web" })).await;
    assert_eq!(first.await.expect("an answer").status, 200);
}

#[tokio::test]
async fn a_hold_can_wait_for_what_is_under_way() {
    let replica = Replica::start("r1").await;
    let stack = Stack::of(&replica).await;
    let mut client = stack.client().await;
    let slow = tokio::spawn(async move { client.get("/slow").await });
    eventually("it is under way", async || replica.requests() == 1).await;
    assert_eq!(hold(&stack, 30_000).await["in_flight"], 1);
    let busy = stack.control(Method::GET, "/v1/drain/web?wait_ms=1", &json!({})).await.json();
    assert_eq!((&busy["done"], &busy["active"]["in_flight"]), (&json!(false), &json!(1)));
    replica.open_gate();
    assert_eq!(stack.drained().await["active"]["in_flight"], 0);
    assert_eq!(slow.await.expect("an answer").status, 200);
}
