//! Switches while requests come, several at once on each connection.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use hyper::Method;
use serde_json::json;

use super::super::stack::Stack;
use super::super::upstream::Replica;
use super::Client;
use crate::support::eventually;

const SWITCHES: usize = 30;
const CONNECTIONS: usize = 3;
const STREAMS: usize = 4;
/// How many requests there are between two switches, at least.
const BETWEEN: usize = 100;

#[derive(Default)]
struct Load {
    ended: AtomicBool,
    answered: AtomicUsize,
}

/// Sends one request after the other, beside others on the same connection; any that fails ends the test.
async fn send(mut client: Client, load: Arc<Load>, method: Method) -> usize {
    let mut sent = 0;
    while !load.ended.load(Ordering::SeqCst) {
        let got = client.send(method.clone(), "/load", &[], if method == Method::POST { "some body" } else { "" }).await;
        assert_eq!(got.status, 200, "{got:?}");
        sent += 1;
        load.answered.fetch_add(1, Ordering::SeqCst);
    }
    sent
}

async fn start(stack: &Stack, load: &Arc<Load>) -> Vec<tokio::task::JoinHandle<usize>> {
    let mut sending = Vec::new();
    for _ in 0..CONNECTIONS {
        let client = Client::to(&stack.address).await;
        for index in 0..STREAMS {
            let method = [Method::GET, Method::POST][index % 2].clone();
            sending.push(tokio::spawn(send(client.clone(), Arc::clone(load), method)));
        }
    }
    sending
}

/// Each old release is stopped, with its port and its connections, as soon as its drain is acknowledged; every other one is
/// stopped before the next starts.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_fails_over_many_switches() {
    let mut active = Replica::start("r0").await;
    let stack = Stack::of(&active).await;
    let load = Arc::new(Load::default());
    let sending = start(&stack, &load).await;
    let mut on_replicas = 0;
    for index in 1..=SWITCHES {
        let before = load.answered.load(Ordering::SeqCst);
        eventually("requests are answered", async || load.answered.load(Ordering::SeqCst) >= before + BETWEEN).await;
        let held = json!({ "service": "web" });
        if index % 2 == 0 {
            let next = Replica::start(&format!("r{index}")).await;
            stack.switch(&next, 30_000).await;
            let drained = stack.drained().await;
            assert_eq!(drained["releases"].as_array().expect("releases").last().expect("the old one")["state"], "drained");
            active.stop();
            on_replicas += active.requests();
            active = next;
        } else {
            stack.told(Method::POST, "/v1/hold", &held).await;
            stack.drained().await;
            active.stop();
            on_replicas += active.requests();
            active = Replica::start(&format!("r{index}")).await;
            stack.switch(&active, 0).await;
            assert_eq!(stack.told(Method::POST, "/v1/release-hold", &held).await["refused"], 0);
        }
    }
    load.ended.store(true, Ordering::SeqCst);
    let mut sent = 0;
    for sending in sending {
        sent += sending.await.expect("no failed request");
    }
    // None was lost, and none was sent twice.
    assert_eq!(on_replicas + active.requests(), sent);
    assert!(sent >= SWITCHES * BETWEEN, "{sent}");
    let web = async || stack.state().await["services"]["web"].clone();
    assert_eq!(web().await["failures"], 0);
    eventually("nothing is under way", async || web().await["active"]["in_flight"] == 0).await;
    println!("{sent} requests over {SWITCHES} switches, none failed");
}
