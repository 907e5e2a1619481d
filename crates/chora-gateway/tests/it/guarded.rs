//! Who may call, and how much.

use chora_gateway::{Guard, Token};
use hyper::Method;
use serde_json::json;

use crate::support::{Setup, eventually};

#[tokio::test]
async fn strangers_are_refused_before_anything_is_read() {
    let served = Setup { guard: Guard { token: Token::new("secret"), ..Guard::default() }, ..Setup::default() }.serve().await;
    let client = served.client();
    assert_eq!(client.call(json!(1), "echo", json!({})).await.status, 401);
    let client = client.with("authorization", "Bearer secret");
    assert_eq!(client.with("host", "evil.example").call(json!(1), "echo", json!({})).await.status, 403);
    assert_eq!(client.with("origin", "https://evil.example").call(json!(1), "echo", json!({})).await.status, 403);
    assert_eq!(served.client().get("/health").await.status, 200, "probes need no token");
    assert_eq!(served.client().with("host", "evil.example").get("/health").await.status, 403);
    served.stop().await;
}

#[tokio::test]
async fn pages_that_may_call_are_told_so() {
    let served = Setup {
        guard: Guard { token: Token::new("secret"), origins: vec!["http://localhost:6274".into()], ..Guard::default() },
        ..Setup::default()
    }
    .serve()
    .await;
    let client = served.client().with("origin", "http://localhost:6274");
    let got = client.request(Method::OPTIONS, "/mcp", "").await;
    assert_eq!((got.status, got.headers["access-control-allow-origin"].to_str().ok()), (204, Some("http://localhost:6274")));
    assert_eq!(client.with("origin", "https://evil.example").request(Method::OPTIONS, "/mcp", "").await.status, 403);
    assert_eq!(client.call(json!(1), "echo", json!({})).await.status, 401, "asking first is not calling");
    served.stop().await;
}

#[tokio::test]
async fn what_is_no_message_is_told_so() {
    let served = Setup::default().serve().await;
    let client = served.client();
    for (body, status, code) in [("{", 400, -32700), ("[]", 400, -32600), ("{}", 400, -32600), ("", 400, -32700)] {
        let got = client.request(Method::POST, "/mcp", body).await;
        assert_eq!((got.status, got.json()["error"]["code"].as_i64()), (status, Some(code)), "{body}");
    }
    assert_eq!(client.request(Method::POST, "/mcp", vec![b' '; 65 * 1024]).await.status, 413);
    assert_eq!(client.with("content-type", "text/plain").request(Method::POST, "/mcp", "{}").await.status, 415);
    assert_eq!(client.with("accept", "text/html").call(json!(1), "echo", json!({})).await.status, 406);
    assert_eq!(client.request(Method::PUT, "/mcp", "").await.status, 405);
    assert_eq!(client.get("/nowhere").await.status, 404);
    served.stop().await;
}

#[tokio::test]
async fn sessions_have_a_cap() {
    let served = Setup { max_sessions: 2, ..Setup::default() }.serve().await;
    let first = served.session("2025-11-25").await;
    let _second = served.session("2025-11-25").await;
    let hello =
        json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": { "protocolVersion": "2025-11-25", "capabilities": {} } });
    let got = served.client().post(&hello).await;
    assert_eq!(got.status, 503);
    assert!(got.headers.contains_key("retry-after"));
    first.request(Method::DELETE, "/mcp", "").await;
    assert_eq!(served.client().post(&hello).await.status, 200);
    served.stop().await;
}

#[tokio::test]
async fn requests_that_stand_alone_are_no_sessions() {
    let served = Setup { era: "legacy", max_sessions: 1, ..Setup::default() }.serve().await;
    let client = served.client();
    let under_way = tokio::spawn({
        let client = client.clone();
        async move { client.lone_call(json!(1), "sleep", json!({ "seconds": 3 })).await.status }
    });
    eventually("the call is under way", async || client.get("/health").await.json()["metadata"]["lone_calls"] == 1).await;
    let refused = client.lone_call(json!(2), "echo", json!({ "text": "hello" })).await;
    assert_eq!(refused.status, 503, "they have the same limit, counted apart: {}", refused.body);
    let _session = served.session("2025-11-25").await;
    assert_eq!(under_way.await.expect("an answer"), 200);
    eventually("it is over", async || client.get("/health").await.json()["metadata"]["lone_calls"] == 0).await;
    assert_eq!(client.lone_call(json!(3), "echo", json!({ "text": "hello" })).await.text(), "hello", "a session takes no room of theirs");
    served.stop().await;
}
