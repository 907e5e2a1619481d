//! A table in the place of another one while requests come.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use hyper::Method;
use serde_json::{Value, json};

use super::stack::{Client, Stack, http, release, service};
use super::upstream::Replica;
use crate::support::eventually;

const SWITCHES: usize = 20;
/// Requests between two tables, at least.
const BETWEEN: usize = 50;

/// Two services, each under the prefix of its name.
fn both(one: &Replica, two: &Replica) -> Value {
    let routes = json!([{ "prefix": "/one", "service": "one" }, { "prefix": "/two", "service": "two" }]);
    json!({ "version": 1, "listeners": [http(&routes)], "services": { "one": service(one), "two": service(two) } })
}

async fn put(stack: &Stack, table: &Value) -> Vec<Value> {
    let told = stack.told(Method::PUT, "/v1/table?drain_ms=30000", table).await;
    told["switched"].as_array().expect("switches").clone()
}

/// Asks all the time; the answer is of a release of the service that was asked.
async fn client(address: String, path: &'static str, (done, answered): (Arc<AtomicBool>, Arc<AtomicUsize>)) {
    let mut client: Client = Client::to(&address).await;
    while !done.load(Ordering::SeqCst) {
        let got = client.get(path).await;
        let whole = ["a", "b"].map(|release| format!("{}-{release} {path}", path.trim_start_matches('/')));
        assert!(got.status == 200 && whole.contains(&got.body), "{got:?}");
        answered.fetch_add(1, Ordering::SeqCst);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_services_are_switched_in_one_call() {
    let names = ["one-a", "two-a", "one-b", "two-b"];
    let [one_a, two_a, one_b, two_b] = futures_util::future::join_all(names.map(Replica::start)).await.try_into().ok().expect("four");
    let stack = Stack::with(&both(&one_a, &two_a)).await;
    let (done, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let signs = || (Arc::clone(&done), Arc::clone(&answered));
    let clients: Vec<_> = (0..6).map(|index| tokio::spawn(client(stack.address.clone(), ["/one", "/two"][index % 2], signs()))).collect();
    for round in 1..=SWITCHES {
        let before = answered.load(Ordering::SeqCst);
        eventually("requests are answered", async || answered.load(Ordering::SeqCst) >= before + BETWEEN).await;
        let (one, two) = if round % 2 == 1 { (&one_b, &two_b) } else { (&one_a, &two_a) };
        let switched = put(&stack, &both(one, two)).await;
        let to: Vec<&Value> = switched.iter().map(|switched| &switched["to"]).collect();
        assert_eq!(to, [&one.name, &two.name], "{switched:?}");
        // What comes after the acknowledgement is of the new releases.
        assert_eq!(stack.get("/one").await.body, format!("{} /one", one.name));
        assert_eq!(stack.get("/two").await.body, format!("{} /two", two.name));
    }
    done.store(true, Ordering::SeqCst);
    for client in clients {
        client.await.expect("no failed request");
    }
    let services = &stack.state().await["services"];
    assert_eq!((&services["one"]["failures"], &services["two"]["failures"]), (&json!(0), &json!(0)));
}

#[tokio::test]
async fn services_that_stay_as_they_are_keep_their_sessions() {
    let (one, two, next) = tokio::join!(Replica::start("one"), Replica::start("two"), Replica::start("next"));
    let routes = json!([{ "prefix": "/mcp", "service": "one" }, { "prefix": "/two", "service": "two" }]);
    let table =
        |two: &Replica| json!({ "version": 1, "listeners": [http(&routes)], "services": { "one": service(&one), "two": service(two) } });
    let stack = Stack::with(&table(&two)).await;
    let opened = stack.client().await.send(Method::POST, "/mcp", &[], "initialize").await;
    let session = opened.headers["mcp-session-id"].to_str().expect("text");
    let switched = put(&stack, &table(&next)).await;
    assert_eq!((switched.len(), &switched[0]["to"]), (1, &json!("next")), "{switched:?}");
    let got = stack.client().await.send(Method::POST, "/mcp", &[("mcp-session-id", session)], "call").await;
    assert_eq!((got.status, got.body.as_str()), (200, "one"));
    let state = stack.state().await;
    let kept = &state["services"]["one"];
    assert_eq!((&kept["active"]["sessions"], &kept["releases"]), (&json!(1), &json!([])), "{kept}");
}

#[tokio::test]
async fn the_same_table_again_changes_nothing() {
    let (one, two, next) = tokio::join!(Replica::start("one"), Replica::start("two"), Replica::start("next"));
    let stack = Stack::with(&both(&one, &two)).await;
    // Something under way on a release that is drained.
    let mut client = stack.client().await;
    let slow = json!([{ "prefix": "/slow", "service": "one" }, { "service": "two" }]);
    let table =
        |first: &Replica| json!({ "version": 1, "listeners": [http(&slow)], "services": { "one": service(first), "two": service(&two) } });
    put(&stack, &table(&one)).await;
    let under_way = tokio::spawn(async move { client.get("/slow").await.body });
    eventually("it is under way", async || one.requests() == 1).await;
    assert_eq!(put(&stack, &table(&next)).await.len(), 1);
    let before = stack.state().await;
    assert_eq!(before["services"]["one"]["releases"][0]["state"], "draining", "{before}");
    for _ in 0..3 {
        assert_eq!(put(&stack, &table(&next)).await, Vec::<Value>::new());
    }
    assert_eq!(stack.state().await, before);
    assert_eq!(before["table"]["services"]["one"]["active"], release(&next));
    one.open_gate();
    assert_eq!(under_way.await.expect("an answer"), "one");
    let got = stack.told(Method::GET, "/v1/drain/one", &json!({})).await;
    assert_eq!((&got["done"], &got["releases"][0]["state"]), (&json!(true), &json!("drained")), "{got}");
}

#[tokio::test]
async fn a_drain_is_asked_for_by_any_name_that_a_service_can_have() {
    let replica = Replica::start("r1").await;
    let names = ["web:8000", "a service", "ä/b%c", "x+y"];
    let services: serde_json::Map<String, Value> = names.iter().map(|name| ((*name).to_owned(), service(&replica))).collect();
    let stack = Stack::with(&json!({ "version": 1, "services": services })).await;
    for path in ["web:8000", "web%3A8000", "web%3a8000", "a%20service", "%C3%A4%2Fb%25c", "%c3%a4/b%25c", "x+y", "x%2By"] {
        let got = stack.told(Method::GET, &format!("/v1/drain/{path}?wait_ms=1000"), &json!({})).await;
        assert_eq!((&got["done"], &got["active"]["name"]), (&json!(true), &json!("r1")), "{path}: {got}");
    }
    for path in ["web%3", "web%zz", "%ff", "none", "web%3A8001"] {
        let got = stack.control(Method::GET, &format!("/v1/drain/{path}"), &json!({})).await;
        assert_eq!(got.status, 404, "{path}: {got:?}");
    }
}

#[tokio::test]
async fn replicas_are_found_by_name() {
    let replica = Replica::start("r1").await;
    let port = replica.address.rsplit(':').next().expect("a port");
    let web = json!({ "active": { "name": "r1", "addresses": [format!("localhost:{port}")] } });
    let stack = Stack::with(&super::stack::table(&web)).await;
    assert_eq!(stack.get("/").await.body, "r1 /");
}

#[tokio::test]
async fn a_service_may_have_a_drain_time_of_its_own() {
    let (old, new) = (Replica::start("r1").await, Replica::start("r2").await);
    let stack = Stack::of(&old).await;
    let mut slow = stack.client().await;
    let asked = tokio::spawn(async move { slow.send(Method::POST, "/slow", &[], "").await });
    eventually("the request is there", async || old.requests() == 1).await;
    let mut table = stack.state().await["table"].clone();
    table["services"]["web"] = json!({ "active": release(&new), "drain_ms": 100 });
    put(&stack, &table).await;
    let drained = stack.drained().await;
    let end = drained["releases"].as_array().expect("releases").last().expect("the old one")["end"].clone();
    assert!(end["state"] == "cut" && end["waited_ms"].as_u64().is_some_and(|waited| waited < 20_000), "{end}");
    assert_eq!(asked.await.expect("an answer").status, 503);
    stack.stop().await;
}
