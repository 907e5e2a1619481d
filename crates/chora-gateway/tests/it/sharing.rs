//! Many clients of one process: nobody gets what is another's.

use std::time::Duration;

use chora_gateway::ChildSharing;
use hyper::Method;
use serde_json::json;

use crate::client::{Client, call, read_until};
use crate::support::{Setup, eventually, runs};

/// Calls with ids and progress tokens that all clients share; gives the number of wrong answers.
async fn wrong_answers(client: Client, name: String, calls: u32) -> u32 {
    let mut wrong = 0;
    for id in 0..calls {
        let text = format!("{name} {id}");
        let mut message = call(json!(id), if id % 10 == 0 { "progress" } else { "echo" }, json!({ "text": text }));
        message["params"]["_meta"] = json!({ "progressToken": id });
        let got = client.post(&message).await;
        let foreign = got.body.starts_with("id:")
            && got.events().iter().any(|event| event["params"]["message"].as_str().is_some_and(|told| told != text));
        wrong += u32::from(got.text() != text || foreign);
    }
    wrong
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_with_the_same_ids_get_their_own_answers() {
    let served = Setup::default().serve().await;
    let mut clients = Vec::new();
    for number in 0..32 {
        let client = served.session("2025-11-25").await;
        clients.push(tokio::spawn(wrong_answers(client, format!("client {number}"), 60)));
    }
    let mut wrong = 0;
    for client in clients {
        wrong += client.await.expect("no panic");
    }
    assert_eq!(wrong, 0, "of {} answers", 32 * 60);
    served.stop().await;
}

#[tokio::test]
async fn what_the_server_asks_goes_to_the_only_one_who_can_be_meant() {
    let served = Setup::default().serve().await;
    let (mine, other) = (served.session("2025-11-25").await, served.session("2025-11-25").await);
    // One call under way: it can only be meant for that one.
    let mut body = mine.send(Method::POST, "/mcp", call(json!(1), "sample", json!({})).to_string()).await.into_body();
    let asked = crate::client::events(&read_until(&mut body, "sampling/createMessage").await).pop().expect("a request");
    assert_eq!(other.post(&json!({ "jsonrpc": "2.0", "id": asked["id"], "result": { "said": "intruder" } })).await.status, 202);
    mine.post(&json!({ "jsonrpc": "2.0", "id": asked["id"], "result": { "said": "owner" } })).await;
    let rest = read_until(&mut body, "content").await;
    assert!(rest.contains("owner") && !rest.contains("intruder"), "{rest}");
    // Two under way: it cannot be told, and nobody is asked.
    let busy = tokio::spawn({
        let other = other.clone();
        async move { other.call(json!(2), "sleep", json!({ "seconds": 1 })).await.body }
    });
    tokio::time::sleep(Duration::from_millis(200)).await;
    let got = mine.call(json!(3), "sample", json!({})).await;
    assert!(got.text().contains("cannot be told"), "{}", got.body);
    assert!(!busy.await.expect("an answer").contains("sampling"));
    served.stop().await;
}

#[tokio::test]
async fn nobody_is_asked_what_it_did_not_offer() {
    let served = Setup::default().serve().await;
    let mut client = served.client();
    client.initialize_with("2025-11-25", json!({ "roots": {} })).await;
    let got = client.call(json!(1), "sample", json!({})).await;
    assert!(got.text().contains("did not offer") && !got.body.contains("sampling/createMessage"), "{}", got.body);
    served.stop().await;
}

#[tokio::test]
async fn changes_are_told_to_those_who_subscribed() {
    let served = Setup::default().serve().await;
    let (mine, other) = (served.session("2025-11-25").await, served.session("2025-11-25").await);
    for _ in 0..2 {
        let got = mine.post(&json!({ "jsonrpc": "2.0", "id": 1, "method": "resources/subscribe", "params": { "uri": "file:///a" } })).await;
        assert_eq!(got.json()["result"], json!({}));
    }
    let mut stream = mine.send(Method::GET, "/mcp", "").await.into_body();
    let mut silent = other.send(Method::GET, "/mcp", "").await.into_body();
    other.call(json!(2), "changed", json!({ "uri": "file:///a" })).await;
    assert!(read_until(&mut stream, "updated").await.contains("file:///a"));
    let heard = tokio::time::timeout(Duration::from_millis(300), read_until(&mut silent, "updated")).await;
    assert!(heard.is_err(), "who did not subscribe hears nothing");
    served.stop().await;
}

#[tokio::test]
async fn a_log_line_that_may_be_anybodys_is_nobodys() {
    let served = Setup::default().serve().await;
    let (mine, other) = (served.session("2025-11-25").await, served.session("2025-11-25").await);
    let got = mine.call(json!(1), "log", json!({ "text": "mine", "then": 0.05 })).await;
    assert!(got.body.contains("notifications/message"), "alone it is told: {}", got.body);
    let busy = tokio::spawn(async move { other.call(json!(1), "sleep", json!({ "seconds": 1 })).await.body });
    tokio::time::sleep(Duration::from_millis(200)).await;
    let got = mine.call(json!(2), "log", json!({ "text": "whose" })).await;
    assert!(!got.body.contains("whose"), "{}", got.body);
    assert!(!busy.await.expect("an answer").contains("whose"));
    served.stop().await;
}

#[tokio::test]
async fn sessions_with_a_process_of_their_own_end_it() {
    let served = Setup { sharing: ChildSharing::Session, idle: Duration::from_secs(2), ..Setup::default() }.serve().await;
    let (deleted, idle) = (served.session("2025-11-25").await, served.session("2025-11-25").await);
    let pids = [deleted.call(json!(1), "pid", json!({})).await.text(), idle.call(json!(1), "pid", json!({})).await.text()];
    assert_ne!(pids[0], pids[1]);
    deleted.request(Method::DELETE, "/mcp", "").await;
    assert!(!runs(&pids[0]));
    eventually("an idle session ends, and its process with it", async || !runs(&pids[1])).await;
    assert_eq!(idle.call(json!(2), "pid", json!({})).await.status, 404);
    served.stop().await;
}

#[tokio::test]
async fn requests_with_a_process_of_their_own_end_it() {
    let served = Setup { sharing: ChildSharing::Request, ..Setup::default() }.serve().await;
    let client = served.client();
    let first = client.lone_call(json!(1), "pid", json!({})).await.text();
    let second = client.lone_call(json!(1), "pid", json!({})).await.text();
    assert_ne!(first, second);
    eventually("both processes end", async || !runs(&first) && !runs(&second)).await;
    served.stop().await;
}
