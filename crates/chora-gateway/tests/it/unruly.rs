//! Servers that write what is no message, or nothing.

use std::time::Duration;

use serde_json::{Value, json};

use crate::client::{Client, call};
use crate::support::{Served, Setup, eventually};

async fn unruly(client: &Client, how: &str) -> String {
    client.call(json!(7), "unruly", json!({ "how": how })).await.body
}

/// Calls until a call has its answer: the server may have to be started again.
async fn is_usable(client: &Client, how: &str) {
    let echo = async || client.call(json!(8), "echo", json!({ "text": "fine" })).await.body.contains("fine");
    eventually(&format!("a call is answered after {how}"), echo).await;
}

async fn pid(client: &Client) -> String {
    client.call(json!(1), "pid", json!({})).await.text()
}

#[tokio::test]
async fn each_call_has_its_end_and_the_next_one_works() {
    let served = Setup::default().serve().await;
    let client = served.session("2025-11-25").await;
    for (how, code, told) in [
        ("long", Value::Null, "after a long line"),
        ("garbled", json!(-32603), "UTF-8"),
        ("half, then ends", json!(-32000), "retry"),
        ("garbled", json!(-32603), "UTF-8"),
    ] {
        let got = tokio::time::timeout(Duration::from_secs(20), unruly(&client, how)).await.unwrap_or_else(|_| panic!("{how}: no answer"));
        let answer: Value = serde_json::from_str(&got).expect("a message");
        assert_eq!((&answer["id"], &answer["error"]["code"]), (&json!(7), &code), "{how}: {got}");
        assert!(got.contains(told), "{how}: {got}");
        is_usable(&client, how).await;
    }
    served.stop().await;
}

/// Lets the time pass that a server may be silent, and none else.
async fn let_time_pass() {
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(2 * 3600)).await;
    tokio::time::resume();
}

async fn a_silence_ends(how: &'static str) {
    let served = Setup::default().serve().await;
    let client = served.session("2025-11-25").await;
    let before = pid(&client).await;
    let calls = [how, how].map(|how| {
        let client = client.clone();
        tokio::spawn(async move { unruly(&client, how).await })
    });
    // Long enough for the calls to be sent, so that the silence is about them.
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(served.client().get("/health").await.status, 200, "{how}");
    let_time_pass().await;
    for call in calls {
        let got = tokio::time::timeout(Duration::from_secs(20), call).await.unwrap_or_else(|_| panic!("{how}: no answer"));
        let got = got.expect("an answer");
        assert!(got.contains("\"id\":7") && got.contains("\"code\":-32000"), "{how}: {got}");
    }
    is_usable(&client, how).await;
    assert_ne!(pid(&client).await, before, "{how}");
    served.stop().await;
}

#[tokio::test]
async fn half_a_line_and_then_nothing_ends() {
    a_silence_ends("half").await;
}

#[tokio::test]
async fn nothing_at_all_ends() {
    a_silence_ends("nothing").await;
}

#[tokio::test]
async fn blank_lines_without_end_are_nothing() {
    a_silence_ends("blank").await;
}

/// Makes the server read nothing more, and sends more than waits in its pipe.
async fn deafen(client: &Client) -> Vec<tokio::task::JoinHandle<String>> {
    let large = "x".repeat(50_000);
    let mut calls = Vec::new();
    for message in [call(json!(7), "unruly", json!({ "how": "deaf" })), call(json!(7), "echo", json!({ "text": large }))] {
        for _ in 0..4 {
            let (client, message) = (client.clone(), message.clone());
            calls.push(tokio::spawn(async move { client.post(&message).await.body }));
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    calls
}

#[tokio::test]
async fn a_server_that_does_not_read_ends() {
    let served = Setup::default().serve().await;
    let client = served.session("2025-11-25").await;
    let calls = deafen(&client).await;
    let_time_pass().await;
    for call in calls {
        let got = tokio::time::timeout(Duration::from_secs(20), call).await.expect("an end").expect("an answer");
        assert!(got.contains("\"id\":7") && got.contains("\"code\":-32000"), "{got}");
    }
    is_usable(&client, "deaf").await;
    served.stop().await;
}

#[tokio::test]
async fn a_server_that_does_not_read_does_not_keep_the_bridge_from_stopping() {
    let served = Setup::default().serve().await;
    let client = served.session("2025-11-25").await;
    let pid = pid(&client).await;
    let calls = deafen(&client).await;
    tokio::time::timeout(Duration::from_secs(20), served.stop()).await.expect("it stops");
    assert!(!crate::support::runs(&pid));
    drop(calls);
}

#[tokio::test]
async fn a_server_that_goes_on_talking_is_not_ended_for_one_silent_call() {
    let served = Setup::default().serve().await;
    let client = served.session("2025-11-25").await;
    let before = pid(&client).await;
    let silent = tokio::spawn({
        let client = client.clone();
        async move { client.call(json!(7), "sleep", json!({ "seconds": 1000 })).await.body }
    });
    tokio::time::sleep(Duration::from_millis(300)).await;
    let_time_pass_with_a_word(&served, &client).await;
    let got = tokio::time::timeout(Duration::from_secs(20), silent).await.expect("an end").expect("an answer");
    assert!(got.contains("\"id\":7") && got.contains("\"code\":-32000"), "{got}");
    assert_eq!(pid(&client).await, before);
    served.stop().await;
}

async fn let_time_pass_with_a_word(served: &Served, client: &Client) {
    for _ in 0..5 {
        tokio::time::pause();
        tokio::time::advance(Duration::from_secs(600)).await;
        tokio::time::resume();
        // The connections that were idle for so long are closed.
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert_eq!(client.call(json!(8), "echo", json!({ "text": "fine" })).await.text(), "fine");
    }
    assert_eq!(served.client().get("/health").await.status, 200);
}

/// A server that never says a word: the time it has to greet is what ends it.
#[tokio::test(start_paused = true)]
async fn a_server_that_never_greets_is_told() {
    let settings = chora_gateway::BridgeSettings {
        server: chora_gateway::ChildCommand {
            command: vec!["sleep".into(), "1000".into()],
            environment: Vec::new(),
            directory: None,
            patience: chora_gateway::PATIENCE,
        }
        .into(),
        sharing: chora_gateway::ChildSharing::Shared,
        max_sessions: 1,
        idle: Duration::from_secs(600),
    };
    let error = chora_gateway::Bridge::new(settings).warm().await.expect_err("it never greets");
    assert!(error.contains("did not greet"), "{error}");
}
