//! Requests that wait while their service is held.

use std::time::Duration;

use hyper::Method;
use serde_json::{Value, json};
use tokio::net::TcpSocket;

use super::stack::{Stack, http, release, service, table};
use super::upstream::Replica;
use crate::support::eventually;

async fn hold(stack: &Stack, limit_ms: u64) -> Value {
    stack.control(Method::POST, "/v1/hold", &json!({ "service": "web", "limit_ms": limit_ms })).await.json()
}

#[tokio::test]
async fn requests_of_a_hold_go_to_the_new_release() {
    let (first, second) = tokio::join!(Replica::start("r1"), Replica::start("r2"));
    let stack = Stack::of(&first).await;
    assert_eq!(hold(&stack, 30_000).await["in_flight"], 0);
    let mut waiting = Vec::new();
    for _ in 0..20 {
        let mut client = stack.client().await;
        waiting.push(tokio::spawn(async move { client.send(Method::POST, "/", &[], "body").await }));
    }
    eventually("all wait", async || stack.state().await["services"]["web"]["hold"]["waiting"] == 20).await;
    // The old one ends before the new one begins to be used.
    first.stop();
    stack.switch(&second, 0).await;
    let figures = stack.control(Method::POST, "/v1/release-hold", &json!({ "service": "web" })).await.json();
    assert_eq!((&figures["held"], &figures["refused"]), (&json!(20), &json!(0)), "{figures}");
    assert!(figures["longest_wait_ms"].is_u64());
    for got in waiting {
        let got = got.await.expect("an answer");
        assert_eq!((got.status, got.body.as_str()), (200, "r2 /"));
    }
    assert_eq!((first.requests(), second.requests()), (0, 20));
}

/// It is held again in the meantime, for longer: those that wait have the limit that they came under.
#[tokio::test]
async fn a_hold_that_lasts_too_long_says_when_to_come_back() {
    let replica = Replica::start("r1").await;
    let stack = Stack::of(&replica).await;
    hold(&stack, 1500).await;
    let mut client = stack.client().await;
    let waiting = tokio::spawn(async move { client.get("/").await });
    eventually("it waits", async || stack.state().await["services"]["web"]["hold"]["waiting"] == 1).await;
    hold(&stack, 60_000).await;
    let got = waiting.await.expect("an answer");
    assert_eq!(got.status, 503);
    assert!(got.headers.contains_key("retry-after"));
    assert_eq!(stack.state().await["services"]["web"]["hold"]["figures"]["refused"], 1);
    stack.control(Method::POST, "/v1/release-hold", &json!({ "service": "web" })).await;
    assert_eq!(stack.get("/").await.status, 200);
}

#[tokio::test]
async fn a_hold_that_nobody_lets_go_ends_by_itself() {
    let replica = Replica::start("r1").await;
    let stack = Stack::of(&replica).await;
    // The last call counts, also where it is the shorter one.
    hold(&stack, 60_000).await;
    let mut client = stack.client().await;
    let waiting = tokio::spawn(async move { client.get("/waited").await });
    eventually("it waits", async || stack.state().await["services"]["web"]["hold"]["waiting"] == 1).await;
    hold(&stack, 1).await;
    assert_eq!(waiting.await.expect("an answer").body, "r1 /waited");
    assert_eq!(stack.get("/").await.status, 200);
    assert_eq!(stack.state().await["services"]["web"]["hold"], json!(null));
    let metrics = stack.control(Method::GET, "/metrics", &json!({})).await.body;
    assert!(metrics.contains("chora_gateway_holds_expired_total{service=\"web\"} 1\n"), "{metrics}");
    assert_eq!(stack.control(Method::POST, "/v1/release-hold", &json!({ "service": "web" })).await.status, 409);
}

#[tokio::test]
async fn a_hold_that_is_renewed_goes_on() {
    let replica = Replica::start("r1").await;
    let stack = Stack::of(&replica).await;
    hold(&stack, 300).await;
    hold(&stack, 60_000).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(stack.state().await["services"]["web"]["hold"].is_object());
    // One that was let go is none: what is held after it has its own time.
    stack.told(Method::POST, "/v1/release-hold", &json!({ "service": "web" })).await;
    hold(&stack, 60_000).await;
    assert!(stack.state().await["services"]["web"]["hold"].is_object());
}

#[tokio::test]
async fn no_more_wait_than_may() {
    let replica = Replica::start("r1").await;
    let stack = Stack::with(&table(&json!({ "active": release(&replica), "limits": { "waiting": 1 } }))).await;
    hold(&stack, 30_000).await;
    let mut first = stack.client().await;
    let first = tokio::spawn(async move { first.get("/").await });
    eventually("one waits", async || stack.state().await["services"]["web"]["hold"]["waiting"] == 1).await;
    assert_eq!(stack.get("/").await.status, 503);
    stack.control(Method::POST, "/v1/release-hold", &json!({ "service": "web" })).await;
    assert_eq!(first.await.expect("an answer").status, 200);
}

#[tokio::test]
async fn a_hold_can_wait_for_what_is_under_way() {
    let replica = Replica::start("r1").await;
    let stack = Stack::of(&replica).await;
    let mut client = stack.client().await;
    let slow = tokio::spawn(async move { client.get("/slow").await });
    eventually("it is under way", async || replica.requests() == 1).await;
    assert_eq!(hold(&stack, 30_000).await["in_flight"], 1);
    let busy = stack.control(Method::GET, "/v1/drain/web?wait_ms=1", &json!({})).await.json();
    assert_eq!((&busy["done"], &busy["active"]["in_flight"]), (&json!(false), &json!(1)));
    replica.open_gate();
    assert_eq!(stack.drained().await["active"]["in_flight"], 0);
    assert_eq!(slow.await.expect("an answer").status, 200);
}

/// A port that is taken, and refuses connections until it is listened on.
fn later() -> (TcpSocket, String) {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind("127.0.0.1:0".parse().expect("an address")).expect("a free port");
    let address = socket.local_addr().expect("an address").to_string();
    (socket, address)
}

#[tokio::test]
async fn requests_are_let_through_once_the_release_accepts_them() {
    let old = Replica::start("r1").await;
    let stack = Stack::of(&old).await;
    hold(&stack, 60_000).await;
    let mut client = stack.client().await;
    let waiting = tokio::spawn(async move { client.send(Method::POST, "/", &[], "body").await });
    eventually("it waits", async || stack.state().await["services"]["web"]["hold"]["waiting"] == 1).await;
    let ((never, gone), (socket, address)) = (later(), later());
    let release = json!({ "name": "r2", "addresses": [gone, address] });
    stack.told(Method::POST, "/v1/switch", &json!({ "service": "web", "release": release })).await;
    let body = json!({ "service": "web", "ready_ms": 60_000 });
    let freeing = stack.told(Method::POST, "/v1/release-hold", &body);
    let starting = async {
        // So that it is refused at first.
        tokio::time::sleep(Duration::from_millis(200)).await;
        assert_eq!(stack.state().await["services"]["web"]["hold"]["waiting"], 1);
        Replica::on(socket.listen(16).expect("a listener"), "r2")
    };
    let (figures, new) = tokio::join!(freeing, starting);
    assert_eq!((&figures["held"], &figures["refused"]), (&json!(1), &json!(0)), "{figures}");
    let got = waiting.await.expect("an answer");
    assert_eq!((got.status, got.body.as_str(), new.requests()), (200, "r2 /", 1));
    drop(never);
}

#[tokio::test]
async fn a_release_that_is_never_ready_does_not_keep_requests() {
    let old = Replica::start("r1").await;
    let stack = Stack::of(&old).await;
    hold(&stack, 60_000).await;
    let (_never, address) = later();
    let release = json!({ "name": "r2", "addresses": [address] });
    stack.told(Method::POST, "/v1/switch", &json!({ "service": "web", "release": release })).await;
    let figures = stack.told(Method::POST, "/v1/release-hold", &json!({ "service": "web", "ready_ms": 50 })).await;
    assert_eq!(figures["held"], 0, "{figures}");
    assert_eq!(stack.get("/").await.status, 502);
}

#[tokio::test]
async fn several_services_are_held_and_let_go_in_one_call() {
    let (one, two) = tokio::join!(Replica::start("one"), Replica::start("two"));
    let routes = json!([{ "prefix": "/one", "service": "one" }, { "prefix": "/two", "service": "two" }]);
    let services = json!({ "one": service(&one), "two": service(&two), "three": service(&two) });
    let stack = Stack::with(&json!({ "version": 1, "listeners": [http(&routes)], "services": services })).await;
    let is_held = async |name: &str| stack.state().await["services"][name]["hold"].is_object();

    let unknown = stack.control(Method::POST, "/v1/hold", &json!({ "services": ["one", "none"] })).await;
    assert_eq!((unknown.status, is_held("one").await), (404, false), "{unknown:?}");
    for body in [json!({}), json!({ "services": [] }), json!({ "service": "one", "services": ["two"] }), json!({ "services": "one" })] {
        for call in ["/v1/hold", "/v1/release-hold"] {
            assert_eq!(stack.control(Method::POST, call, &body).await.status, 400, "{call} {body}");
        }
    }
    assert!(!is_held("one").await && !is_held("two").await);

    let held = stack.told(Method::POST, "/v1/hold", &json!({ "services": ["one", "two", "one"], "limit_ms": 60_000 })).await;
    assert_eq!(held, json!({ "held": true, "in_flight": 0, "limit_ms": 60_000 }));
    let mut waiting = Vec::new();
    for path in ["/one", "/two", "/two"] {
        let mut client = stack.client().await;
        waiting.push(tokio::spawn(async move { client.get(path).await }));
    }
    let services = async || stack.state().await["services"].clone();
    let all = async || services().await["one"]["hold"]["waiting"] == 1 && services().await["two"]["hold"]["waiting"] == 2;
    eventually("all wait", all).await;

    let unknown = stack.control(Method::POST, "/v1/release-hold", &json!({ "services": ["one", "none"] })).await;
    assert_eq!((unknown.status, is_held("one").await), (404, true), "{unknown:?}");
    let figures = stack.told(Method::POST, "/v1/release-hold", &json!({ "services": ["one", "three", "two"], "ready_ms": 1000 })).await;
    assert_eq!((&figures["held"], &figures["refused"]), (&json!(3), &json!(0)), "{figures}");
    assert!(figures["longest_wait_ms"].is_u64(), "{figures}");
    for got in waiting {
        assert_eq!(got.await.expect("an answer").status, 200);
    }
    let none = stack.control(Method::POST, "/v1/release-hold", &json!({ "services": ["one", "two"] })).await;
    assert_eq!(none.status, 409, "{none:?}");
}
