//! A new release under watch.

use hyper::Method;
use serde_json::{Value, json};

use super::stack::{Stack, release};
use super::upstream::Replica;
use crate::support::eventually;

/// A watch of `new`, with `old` to go back to.
fn watch(old: &Replica, new: &Replica, seconds: i64) -> Value {
    json!({
        "name": "d2", "until_ms": jiff::Timestamp::now().as_millisecond() + seconds * 1000, "every_ms": 20, "drain_ms": 1000,
        "back": { "web": release(old) }, "questions": [new.address], "back_questions": [old.address],
    })
}

/// Switched from `old` to `new`, and watched.
async fn watched(old: &Replica, new: &Replica, seconds: i64) -> Stack {
    let stack = Stack::of(old).await;
    stack.switch(new, 1000).await;
    stack.told(Method::POST, "/v1/watch", &watch(old, new, seconds)).await;
    stack
}

async fn end(stack: &Stack) -> Value {
    stack.told(Method::GET, "/v1/watch", &json!({})).await["watch"]["end"].clone()
}

async fn ended(stack: &Stack) -> Value {
    eventually("the watch ends", async || end(stack).await.is_object()).await;
    end(stack).await
}

async fn serves(stack: &Stack) -> String {
    stack.state().await["services"]["web"]["active"]["name"].as_str().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn a_release_that_stops_answering_is_switched_back_and_stays_so() {
    let (old, new) = (Replica::start("r1").await, Replica::start("r2").await);
    let stack = watched(&old, &new, 600).await;
    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    assert_eq!((end(&stack).await, serves(&stack).await), (Value::Null, "r2".to_owned()));
    new.stop();
    let end = ended(&stack).await;
    assert_eq!(end["state"], "switched_back");
    assert!(end["why"].as_str().is_some_and(|why| why.contains(&new.address)), "{end}");
    assert_eq!((serves(&stack).await, stack.get("/").await.status), ("r1".to_owned(), 200));
    let again = Stack::start(stack.stop().await).await;
    assert_eq!((serves(&again).await, self::end(&again).await["state"].clone()), ("r1".to_owned(), json!("switched_back")));
    again.stop().await;
}

#[tokio::test]
async fn a_gateway_that_was_started_anew_goes_on_watching() {
    let (old, new) = (Replica::start("r1").await, Replica::start("r2").await);
    let folder = watched(&old, &new, 600).await.stop().await;
    new.stop();
    let again = Stack::start(folder).await;
    assert_eq!(ended(&again).await["state"], "switched_back");
    assert_eq!(serves(&again).await, "r1");
    again.stop().await;
}

#[tokio::test]
async fn a_release_that_fails_more_of_its_requests_is_switched_back() {
    let (old, new) = (Replica::start("r1").await, Replica::start("r2").await);
    let stack = Stack::of(&old).await;
    for _ in 0..50 {
        stack.get("/").await;
    }
    stack.switch(&new, 1000).await;
    stack.told(Method::POST, "/v1/watch", &watch(&old, &new, 600)).await;
    eventually("the watch ends", async || {
        for path in ["/", "/", "/", "/broken"] {
            stack.get(path).await;
        }
        end(&stack).await.is_object()
    })
    .await;
    let why = end(&stack).await["why"].as_str().unwrap_or_default().to_owned();
    assert!(why.contains("5xx; 0 of 50 before"), "{why}");
    assert_eq!(serves(&stack).await, "r1");
    stack.stop().await;
}

#[tokio::test]
async fn nothing_is_switched_back_to_what_is_no_better() {
    let (old, new) = (Replica::start("r1").await, Replica::start("r2").await);
    let stack = watched(&old, &new, 2).await;
    old.stop();
    new.stop();
    let end = ended(&stack).await;
    assert_eq!((end["state"].as_str(), serves(&stack).await.as_str()), (Some("passed"), "r2"), "{end}");
    stack.stop().await;
}

#[tokio::test]
async fn a_release_that_holds_has_passed_when_its_time_is_over() {
    let (old, new) = (Replica::start("r1").await, Replica::start("r2").await);
    let stack = watched(&old, &new, 1).await;
    assert_eq!(ended(&stack).await["state"], "passed");
    new.stop();
    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    assert_eq!(serves(&stack).await, "r2");
    stack.stop().await;
}

#[tokio::test]
async fn another_table_ends_it() {
    let (old, new) = (Replica::start("r1").await, Replica::start("r2").await);
    let stack = watched(&old, &new, 600).await;
    let mut table = stack.state().await["table"].clone();
    assert_eq!(table["watch"]["name"], "d2");
    table.as_object_mut().expect("a table").remove("watch");
    stack.told(Method::PUT, "/v1/table", &table).await;
    new.stop();
    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    assert_eq!(
        (serves(&stack).await.as_str(), stack.told(Method::GET, "/v1/watch", &json!({})).await["watch"].clone()),
        ("r2", Value::Null)
    );
    stack.stop().await;
}

#[tokio::test]
async fn what_cannot_be_gone_back_to_is_refused() {
    let (old, new) = (Replica::start("r1").await, Replica::start("r2").await);
    let stack = Stack::of(&old).await;
    let mut unknown = watch(&old, &new, 600);
    unknown["back"] = json!({ "nobody": release(&old) });
    assert_eq!(stack.control(Method::POST, "/v1/watch", &unknown).await.status, 404);
    let mut nowhere = watch(&old, &new, 600);
    nowhere["back"]["web"]["addresses"] = json!([]);
    assert_eq!(stack.control(Method::POST, "/v1/watch", &nowhere).await.status, 400);
    stack.stop().await;
}
