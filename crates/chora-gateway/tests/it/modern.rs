//! Revision 2026-07-28.

use hyper::Method;
use serde_json::json;

use crate::client::read_until;
use crate::support::{Setup, eventually};

#[tokio::test]
async fn a_request_stands_alone() {
    let served = Setup::default().serve().await;
    let client = served.client();
    let got = client.lone(json!(1), "server/discover", json!({})).await;
    assert_eq!(got.json()["result"]["supportedVersions"], json!(["2026-07-28"]));
    assert!(got.headers.get("mcp-session-id").is_none());
    assert_eq!(client.lone_call(json!("x"), "echo", json!({ "text": "hello" })).await.text(), "hello");
    let got = client.lone(json!(2), "no/such", json!({})).await;
    assert_eq!((got.status, got.json()["error"]["code"].as_i64()), (404, Some(-32601)));
    let (client, message) = client.lone_message(json!(3), "initialize", json!({}));
    assert_eq!(client.post(&message).await.status, 404);
    for method in [Method::GET, Method::DELETE] {
        assert_eq!(client.request(method, "/mcp", "").await.status, 405);
    }
    served.stop().await;
}

#[tokio::test]
async fn headers_that_say_something_else_are_refused() {
    let served = Setup::default().serve().await;
    let (client, message) =
        served.client().lone_message(json!(1), "tools/call", json!({ "name": "echo", "arguments": { "text": "hello" } }));
    for (name, value) in [("mcp-method", "tools/list"), ("mcp-name", "other"), ("mcp-param-text", "other")] {
        let got = client.with(name, value).post(&message).await;
        assert_eq!((got.status, got.json()["error"]["code"].as_i64()), (400, Some(-32020)), "{name}: {}", got.body);
    }
    assert_eq!(client.post(&message).await.status, 200);
    served.stop().await;
}

#[tokio::test]
async fn a_client_that_leaves_has_cancelled() {
    let served = Setup::default().serve().await;
    let client = served.client();
    served.bridge.warm().await.expect("the server starts");
    let (sender, message) = client.lone_message(json!("gone"), "tools/call", json!({ "name": "sleep", "arguments": { "seconds": 30 } }));
    sender.post_and_leave(&message).await;
    eventually("the server is told", async || client.lone_call(json!(2), "cancelled", json!({})).await.text().contains("requestId")).await;
    served.stop().await;
}

#[tokio::test]
async fn a_subscription_is_told_under_the_clients_own_id() {
    let served = Setup::default().serve().await;
    let (client, message) = served.client().lone_message(json!("sub"), "subscriptions/listen", json!({}));
    let response = client.send(Method::POST, "/mcp", message.to_string()).await;
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let read = read_until(&mut response.into_body(), "updated").await;
    assert!(read.contains(r#""io.modelcontextprotocol/subscriptionId":"sub""#), "{read}");
    served.stop().await;
}
