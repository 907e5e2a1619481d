//! Clients and servers of different eras.

use hyper::Method;
use serde_json::{Value, json};

use crate::client::{call, events, read_until};
use crate::support::{Setup, eventually};

const INPUT: &str = "io.modelcontextprotocol/clientCapabilities";

#[tokio::test]
async fn a_client_without_a_handshake_calls_a_server_that_wants_one() {
    let served = Setup { era: "legacy", ..Setup::default() }.serve().await;
    let client = served.client();
    let discovered = client.lone(json!(1), "server/discover", json!({})).await.json()["result"].clone();
    assert_eq!(discovered["supportedVersions"], json!(["2026-07-28"]));
    assert_eq!(discovered["_meta"]["io.modelcontextprotocol/serverInfo"]["name"], "test");
    let listed = client.lone(json!(2), "tools/list", json!({})).await.json()["result"].clone();
    assert_eq!(
        (listed["resultType"].as_str(), listed["ttlMs"].as_u64(), listed["cacheScope"].as_str()),
        (Some("complete"), Some(0), Some("private"))
    );
    let got = client.lone_call(json!("x"), "echo", json!({ "text": "hello" })).await;
    assert_eq!(
        (got.text().as_str(), got.json()["id"].as_str(), got.json()["result"]["resultType"].as_str()),
        ("hello", Some("x"), Some("complete"))
    );
    let told: Value = serde_json::from_str(&client.lone_call(json!(3), "envelope", json!({})).await.text()).expect("JSON");
    assert_eq!(told, Value::Null, "the server does not see the newer envelope");
    for method in ["ping", "logging/setLevel", "resources/subscribe"] {
        assert_eq!(client.lone(json!(4), method, json!({ "uri": "a" })).await.status, 404, "{method}");
    }
    eventually("no session is left over", async || served.client().get("/health").await.json()["metadata"]["sessions"] == 0).await;
    served.stop().await;
}

#[tokio::test]
async fn what_such_a_server_asks_becomes_a_result_that_wants_input() {
    let served = Setup { era: "legacy", ..Setup::default() }.serve().await;
    let client = served.client();
    let mut params = json!({ "name": "sample", "arguments": {} });
    let (sender, mut message) = client.lone_message(json!(1), "tools/call", params.clone());
    message["params"]["_meta"][INPUT] = json!({ "sampling": {} });
    let result = sender.post(&message).await.json()["result"].clone();
    assert_eq!(result["resultType"], "input_required", "{result}");
    let (key, asked) = result["inputRequests"].as_object().expect("requests").iter().next().expect("one");
    assert_eq!(asked["method"], "sampling/createMessage");
    params["requestState"] = result["requestState"].clone();
    params["inputResponses"] = json!({ (key.clone()): { "said": "yes" } });
    let got = client.lone(json!(2), "tools/call", params.clone()).await;
    assert_eq!(got.json()["id"], 2, "{}", got.body);
    assert!(got.text().contains("yes"), "{}", got.body);
    let again = client.lone(json!(3), "tools/call", params).await;
    assert_eq!((again.status, again.json()["error"]["code"].as_i64()), (400, Some(-32602)), "a state is good once");
    // A client that cannot be asked is not asked.
    let got = client.lone_call(json!(4), "sample", json!({})).await;
    assert!(got.text().contains("does not take"), "{}", got.body);
    served.stop().await;
}

#[tokio::test]
async fn changes_at_such_a_server_are_told_on_a_stream_that_listens() {
    let served = Setup { era: "legacy", ..Setup::default() }.serve().await;
    let client = served.client();
    let filter = json!({ "notifications": { "resourceSubscriptions": ["file:///a"] } });
    let (listener, message) = client.lone_message(json!("sub"), "subscriptions/listen", filter);
    let mut body = listener.send(Method::POST, "/mcp", message.to_string()).await.into_body();
    let read = read_until(&mut body, "acknowledged").await;
    assert!(read.contains("file:///a"), "{read}");
    client.lone_call(json!(1), "changed", json!({ "uri": "file:///b" })).await;
    client.lone_call(json!(2), "changed", json!({ "uri": "file:///a" })).await;
    let read = read_until(&mut body, "updated").await;
    assert!(read.contains("file:///a") && !read.contains("file:///b"), "{read}");
    assert!(read.contains(r#""io.modelcontextprotocol/subscriptionId":"sub""#), "{read}");
    served.stop().await;
}

#[tokio::test]
async fn a_client_with_a_handshake_calls_a_server_that_has_none() {
    let served = Setup { era: "modern", ..Setup::default() }.serve().await;
    let client = served.session("2025-06-18").await;
    assert_eq!(client.call(json!("x"), "echo", json!({ "text": "hello" })).await.text(), "hello");
    assert_eq!(client.post(&json!({ "jsonrpc": "2.0", "id": 1, "method": "ping" })).await.json()["result"], json!({}));
    client.post(&json!({ "jsonrpc": "2.0", "id": 2, "method": "logging/setLevel", "params": { "level": "warning" } })).await;
    let told: Value = serde_json::from_str(&client.call(json!(3), "envelope", json!({})).await.text()).expect("JSON");
    assert_eq!(told[INPUT], json!({ "sampling": {} }), "{told}");
    assert_eq!(told["io.modelcontextprotocol/logLevel"], "warning");
    assert_eq!(told["io.modelcontextprotocol/clientInfo"]["name"], "test");
    served.stop().await;
}

#[tokio::test]
async fn a_result_that_wants_input_becomes_a_request_to_the_client() {
    let served = Setup { era: "modern", ..Setup::default() }.serve().await;
    let client = served.session("2025-11-25").await;
    let mut body = client.send(Method::POST, "/mcp", call(json!("q"), "ask", json!({})).to_string()).await.into_body();
    let asked = events(&read_until(&mut body, "elicitation/create").await).pop().expect("a request");
    assert_eq!(asked["params"]["message"], "sure?");
    client.post(&json!({ "jsonrpc": "2.0", "id": asked["id"], "result": { "action": "accept" } })).await;
    let answer = events(&read_until(&mut body, "content").await).pop().expect("the answer");
    assert_eq!(answer["id"], "q");
    let text = answer["result"]["content"][0]["text"].as_str().expect("text").to_owned();
    assert!(text.contains("accept") && text.contains("s1"), "{text}");
    served.stop().await;
}
