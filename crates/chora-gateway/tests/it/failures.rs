//! Servers and clients that misbehave.

use std::time::Duration;

use serde_json::json;

use crate::support::{Setup, eventually, runs};

#[tokio::test]
async fn a_server_that_dies_fails_its_calls_and_is_started_again() {
    let served = Setup::default().serve().await;
    let client = served.session("2025-11-25").await;
    let pid = client.call(json!(0), "pid", json!({})).await.text();
    let waiting = tokio::spawn({
        let client = client.clone();
        async move { client.call(json!(1), "sleep", json!({ "seconds": 30 })).await }
    });
    tokio::time::sleep(Duration::from_millis(200)).await;
    let got = client.call(json!(2), "die", json!({})).await;
    assert_eq!(got.json()["error"]["code"], -32000, "{}", got.body);
    assert!(got.body.contains("retry"));
    let got = waiting.await.expect("an answer");
    assert_eq!(got.json()["id"], 1, "{}", got.body);
    assert_eq!(got.json()["error"]["code"], -32000);
    eventually("the server is there again", async || served.client().get("/ready").await.status == 200).await;
    let health = served.client().get("/health").await.json();
    assert_eq!((health["status"].as_str(), health["checks"]["server"].as_str()), (Some("ok"), Some("ok")), "{health}");
    let again = served.session("2025-11-25").await.call(json!(1), "pid", json!({})).await.text();
    assert_ne!(again, pid);
    served.stop().await;
}

#[tokio::test]
async fn a_lone_call_survives_the_next_start() {
    let served = Setup { era: "modern", ..Setup::default() }.serve().await;
    let client = served.client();
    assert_eq!(client.lone_call(json!(1), "die", json!({})).await.json()["error"]["code"], -32000);
    assert_eq!(client.lone_call(json!(2), "echo", json!({ "text": "back" })).await.text(), "back");
    served.stop().await;
}

#[tokio::test]
async fn noise_half_lines_and_long_lines_harm_nobody() {
    let served = Setup::default().serve().await;
    let client = served.session("2025-11-25").await;
    assert_eq!(client.call(json!(1), "noise", json!({})).await.text(), "after the noise");
    assert_eq!(client.call(json!(2), "half", json!({})).await.json()["result"], json!({ "content": [] }));
    assert_eq!(client.call(json!(3), "long", json!({ "bytes": 10 * 1024 * 1024 })).await.text().len(), 10 * 1024 * 1024);
    assert_eq!(client.call(json!(4), "echo", json!({ "text": "fine" })).await.text(), "fine");
    served.stop().await;
}

#[tokio::test]
async fn nothing_is_left_when_the_bridge_stops() {
    let served = Setup::default().serve().await;
    let pid = served.session("2025-11-25").await.call(json!(1), "pid", json!({})).await.text();
    assert!(runs(&pid));
    served.stop().await;
    assert!(!runs(&pid));
}

#[tokio::test]
async fn a_server_that_cannot_be_started_is_said_to_be() {
    let settings = chora_gateway::BridgeSettings {
        server: chora_gateway::ChildCommand {
            command: vec!["no-such-program".into()],
            environment: Vec::new(),
            directory: None,
            patience: chora_gateway::PATIENCE,
        }
        .into(),
        sharing: chora_gateway::ChildSharing::Shared,
        max_sessions: 1,
        idle: Duration::from_secs(1),
    };
    let error = chora_gateway::Bridge::new(settings).warm().await.expect_err("it cannot be started");
    assert!(error.starts_with("the server's process cannot be started: "), "{error}");
}
