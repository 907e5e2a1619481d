//! Candidates asked through the gateway before they get anything.

use hyper::Method;
use serde_json::json;

use super::stack::{Stack, release};
use super::upstream::Replica;

#[tokio::test]
async fn a_candidate_is_asked_through_the_gateway_and_gets_nothing_else() {
    let (old, new) = (Replica::start("r1").await, Replica::start("r2").await);
    let stack = Stack::of(&old).await;
    let on = json!({ "on": true, "message": "back soon" });
    stack.told(Method::POST, "/v1/maintenance", &on).await;
    let body = json!({ "candidates": [{ "service": "web", "release": release(&new), "questions": ["/", "/broken", "/head"] }] });
    let answers = stack.told(Method::POST, "/v1/rehearse", &body).await["answers"][0].clone();
    assert_eq!((&answers[0]["ok"], &answers[0]["words"]), (&json!(true), &json!("r2 /")), "{answers}");
    assert_eq!((&answers[1]["ok"], &answers[1]["words"]), (&json!(false), &json!("500 it is broken")));
    assert!(answers[2]["words"].as_str().is_some_and(|head| head.contains("x-forwarded-for: 127.0.0.1")), "{answers}");
    let state = stack.state().await;
    assert_eq!((&state["services"]["web"]["active"]["name"], &state["services"]["web"]["requests"]), (&json!("r1"), &json!(0)));
    assert_eq!(new.requests(), 3);
    stack.stop().await;
}

#[tokio::test]
async fn a_candidate_that_nobody_reaches_is_told_as_that() {
    let (old, new) = (Replica::start("r1").await, Replica::start("r2").await);
    let stack = Stack::of(&old).await;
    new.stop();
    let body = json!({ "candidates": [{ "service": "web", "release": release(&new), "questions": ["/"] }] });
    let answers = stack.told(Method::POST, "/v1/rehearse", &body).await["answers"][0].clone();
    assert!(answers[0]["ok"] == false && answers[0]["words"].as_str().is_some_and(|words| words.starts_with("502")), "{answers}");
    let nowhere = json!({ "candidates": [{ "service": "web", "release": { "name": "r3", "addresses": [] }, "questions": [] }] });
    assert_eq!(stack.control(Method::POST, "/v1/rehearse", &nowhere).await.status, 400);
    stack.stop().await;
}
