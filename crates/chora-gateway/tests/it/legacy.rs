//! Streamable HTTP of the revisions with a handshake.

use hyper::Method;
use serde_json::json;

use crate::client::{call, read_until};
use crate::support::Setup;

#[tokio::test]
async fn a_session_begins_serves_and_ends() {
    let served = Setup::default().serve().await;
    for revision in ["2025-03-26", "2025-06-18", "2025-11-25"] {
        let client = served.session(revision).await;
        let got = client.call(json!("a"), "echo", json!({ "text": "hello" })).await;
        assert_eq!(got.headers["content-type"], "application/json");
        assert_eq!(got.json()["id"], "a");
        assert_eq!(got.text(), "hello");
        assert_eq!(client.request(Method::DELETE, "/mcp", "").await.status, 204);
        let got = client.call(json!(1), "echo", json!({ "text": "x" })).await;
        assert_eq!(got.status, 404, "the session is over: {}", got.body);
    }
    served.stop().await;
}

#[tokio::test]
async fn requests_that_belong_to_no_session_are_told_so() {
    let served = Setup::default().serve().await;
    let client = served.client();
    assert_eq!(client.call(json!(1), "echo", json!({ "text": "x" })).await.status, 400);
    assert_eq!(client.with("mcp-session-id", "none").call(json!(1), "echo", json!({ "text": "x" })).await.status, 404);
    let client = served.session("2025-11-25").await;
    assert_eq!(client.with("mcp-protocol-version", "2024-01-01").call(json!(1), "echo", json!({ "text": "x" })).await.status, 400);
    served.stop().await;
}

#[tokio::test]
async fn progress_comes_before_the_answer_under_the_clients_own_token() {
    let served = Setup::default().serve().await;
    let client = served.session("2025-11-25").await;
    let mut message = call(json!(7), "progress", json!({ "text": "me" }));
    message["params"]["_meta"] = json!({ "progressToken": "mine" });
    let got = client.post(&message).await;
    assert_eq!(got.headers["content-type"], "text/event-stream");
    let events = got.events();
    assert_eq!(events.len(), 4, "{}", got.body);
    assert!(events[..3].iter().all(|event| event["params"]["progressToken"] == "mine"), "{}", got.body);
    assert_eq!(events[3]["id"], 7);
    served.stop().await;
}

#[tokio::test]
async fn a_stream_that_broke_off_is_resumed() {
    let served = Setup::default().serve().await;
    let client = served.session("2025-11-25").await;
    let mut message = call(json!(7), "progress", json!({ "text": "me" }));
    message["params"]["_meta"] = json!({ "progressToken": 1 });
    let response = client.send(Method::POST, "/mcp", message.to_string()).await;
    let mut body = response.into_body();
    let read = read_until(&mut body, "\"progress\"").await;
    drop(body);
    let last = read.lines().filter_map(|line| line.strip_prefix("id: ")).next_back().expect("an id").to_owned();
    let got = client.with("last-event-id", &last).get("/mcp").await;
    assert_eq!(got.status, 200);
    let answer = got.events().pop().expect("the answer");
    assert_eq!(answer["id"], 7, "{}", got.body);
    assert!(got.events().len() < 4 + 1 && !got.events().is_empty());
    served.stop().await;
}

#[tokio::test]
async fn what_the_server_asks_reaches_the_client_and_its_answer_the_server() {
    let served = Setup::default().serve().await;
    let client = served.session("2025-11-25").await;
    let response = client.send(Method::POST, "/mcp", call(json!(1), "sample", json!({})).to_string()).await;
    let mut body = response.into_body();
    let read = read_until(&mut body, "sampling/createMessage").await;
    let asked = crate::client::events(&read).pop().expect("a request");
    assert_eq!(client.post(&json!({ "jsonrpc": "2.0", "id": asked["id"], "result": { "said": "yes" } })).await.status, 202);
    let rest = read_until(&mut body, "content").await;
    assert!(rest.contains("said"), "{rest}");
    served.stop().await;
}

#[tokio::test]
async fn a_cancelled_call_is_cancelled_at_the_server() {
    let served = Setup::default().serve().await;
    let client = served.session("2025-11-25").await;
    let calling = tokio::spawn({
        let client = client.clone();
        async move { client.call(json!("slow"), "sleep", json!({ "seconds": 30 })).await }
    });
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    client
        .post(&json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": "slow", "reason": "enough" } }))
        .await;
    let got = calling.await.expect("an end");
    assert!(got.body.is_empty(), "nothing answers a cancelled call: {}", got.body);
    let told = client.call(json!(2), "cancelled", json!({})).await.text();
    assert!(told.contains("enough"), "{told}");
    served.stop().await;
}
