//! A release that gets some of the requests.

use hyper::Method;
use serde_json::{Value, json};

use super::stack::{Client, Stack, release};
use super::upstream::Replica;
use crate::support::eventually;

const LONG: u64 = 60_000;

/// `new` gets so many percent of what `old` gets alone otherwise.
async fn trying(old: &Replica, new: &Replica, share: u32) -> Stack {
    let stack = Stack::of(old).await;
    begin(&stack, new, share).await;
    stack
}

async fn begin(stack: &Stack, new: &Replica, share: u32) {
    let canary = json!({
        "release": release(new), "share": share,
        "header": { "name": "x-canary", "value": "1" }, "cookie": { "name": "beta" },
    });
    stack.told(Method::POST, "/v1/canary", &json!({ "canaries": { "web": canary }, "drain_ms": LONG })).await;
}

async fn figures(stack: &Stack) -> Value {
    stack.told(Method::GET, "/v1/canary", &json!({})).await["canaries"]["web"].clone()
}

async fn end(stack: &Stack) {
    stack.told(Method::DELETE, "/v1/canary?drain_ms=60000", &json!({})).await;
}

async fn serves(client: &mut Client, headers: &[(&str, &str)]) -> String {
    client.send(Method::GET, "/", headers, "").await.body.trim_end_matches(" /").to_owned()
}

#[tokio::test]
async fn its_share_is_exact_and_what_both_did_is_counted() {
    let (old, new) = tokio::join!(Replica::start("r1"), Replica::start("r2"));
    let stack = trying(&old, &new, 10).await;
    let mut client = stack.client().await;
    for index in 0..200 {
        let got = client.get(if index % 40 < 20 { "/" } else { "/broken" }).await;
        assert_eq!(got.status, if index % 40 < 20 { 200 } else { 500 });
    }
    assert_eq!((old.requests(), new.requests()), (180, 20));
    let figures = figures(&stack).await;
    let (new, old) = (&figures["new"], &figures["old"]);
    assert_eq!((&new["requests"], &new["ended"], &new["errors"]), (&json!(20), &json!(20), &json!(10)), "{figures}");
    assert_eq!((&old["requests"], &old["ended"], &old["errors"]), (&json!(180), &json!(180), &json!(90)), "{figures}");
    let answers: u64 = old["latencies"].as_array().expect("latencies").iter().filter_map(|bucket| bucket[1].as_u64()).sum();
    assert_eq!(answers, 90);
}

#[tokio::test]
async fn who_began_with_a_release_stays_with_it() {
    let (old, new) = tokio::join!(Replica::start("r1"), Replica::start("r2"));
    let stack = trying(&old, &new, 50).await;
    let mut seen = Vec::new();
    for _ in 0..4 {
        let mut client = stack.client().await;
        let first = client.get("/").await;
        let told = first.headers["set-cookie"].to_str().expect("text").to_owned();
        assert!(told.starts_with("chora-canary=") && told.ends_with("; Path=/; HttpOnly; SameSite=Lax"), "{told}");
        let kept = told.split(';').next().unwrap_or_default().to_owned();
        for _ in 0..5 {
            let got = client.send(Method::GET, "/", &[("cookie", &kept)], "").await;
            assert_eq!((&got.body, got.headers.contains_key("set-cookie")), (&first.body, false));
        }
        seen.push(first.body);
    }
    assert_eq!(seen, ["r1 /", "r2 /", "r1 /", "r2 /"]);
}

#[tokio::test]
async fn a_session_stays_with_the_release_that_opened_it_until_the_canary_is_drained() {
    let (old, new) = tokio::join!(Replica::start("r1"), Replica::start("r2"));
    let stack = trying(&old, &new, 50).await;
    let mut sessions = Vec::new();
    for _ in 0..4 {
        let got = stack.client().await.send(Method::POST, "/mcp", &[], "initialize").await;
        sessions.push((got.headers["mcp-session-id"].to_str().expect("text").to_owned(), got.body));
    }
    assert_eq!(sessions.iter().map(|(_, release)| release.as_str()).collect::<Vec<_>>(), ["r1", "r2", "r1", "r2"]);
    let call = async |session: &str| stack.client().await.send(Method::POST, "/mcp", &[("mcp-session-id", session)], "call").await.body;
    for (session, release) in &sessions {
        assert_eq!(&call(session).await, release);
    }
    end(&stack).await;
    for (session, release) in &sessions {
        assert_eq!(&call(session).await, release, "it is drained, not cut");
    }
    let mut client = stack.client().await;
    for _ in 0..4 {
        assert_eq!(serves(&mut client, &[("x-canary", "1")]).await, "r1");
    }
    for (session, _) in &sessions {
        stack.client().await.send(Method::DELETE, "/mcp", &[("mcp-session-id", session)], "").await;
    }
    let drained = stack.drained().await;
    assert_eq!((&drained["releases"][0]["name"], &drained["releases"][0]["state"]), (&json!("r2"), &json!("drained")), "{drained}");
}

#[tokio::test]
async fn a_header_or_a_cookie_says_who_is_tried() {
    let (old, new) = tokio::join!(Replica::start("r1"), Replica::start("r2"));
    let stack = trying(&old, &new, 0).await;
    let mut client = stack.client().await;
    for (headers, wanted) in
        [(&[][..], "r1"), (&[("x-canary", "1")][..], "r2"), (&[("x-canary", "2")][..], "r1"), (&[("cookie", "a=b; beta=on")][..], "r2")]
    {
        assert_eq!(serves(&mut client, headers).await, wanted, "{headers:?}");
    }
    assert!(!client.get("/").await.headers.contains_key("set-cookie"));
}

#[tokio::test]
async fn a_canary_that_refuses_connections_loses_nothing_and_is_told() {
    let (old, new) = tokio::join!(Replica::start("r1"), Replica::start("r2"));
    let stack = trying(&old, &new, 20).await;
    new.stop();
    eventually("its port is closed", async || tokio::net::TcpStream::connect(&new.address).await.is_err()).await;
    let mut client = stack.client().await;
    for _ in 0..100 {
        assert_eq!(serves(&mut client, &[]).await, "r1");
    }
    assert_eq!(serves(&mut client, &[("x-canary", "1")]).await, "r1");
    let figures = figures(&stack).await;
    assert_eq!((&figures["new"]["errors"], &figures["old"]["errors"]), (&json!(21), &json!(0)), "{figures}");
    assert_eq!(stack.state().await["services"]["web"]["failures"], 0);
}

#[tokio::test]
async fn it_is_there_again_after_a_restart() {
    let (old, new) = tokio::join!(Replica::start("r1"), Replica::start("r2"));
    let folder = trying(&old, &new, 50).await.stop().await;
    let stack = Stack::start(folder).await;
    let mut client = stack.client().await;
    let mut seen = Vec::new();
    for _ in 0..4 {
        seen.push(serves(&mut client, &[]).await);
    }
    assert_eq!(seen, ["r1", "r2", "r1", "r2"]);
    assert_eq!(figures(&stack).await["new"]["requests"], 2);
    end(&stack).await;
    let again = Stack::start(stack.stop().await).await;
    assert_eq!(figures(&again).await, Value::Null);
    assert_eq!(again.get("/").await.body, "r1 /");
    again.stop().await;
}

#[tokio::test]
async fn promoted_it_keeps_what_it_is_at() {
    let (old, new) = tokio::join!(Replica::start("r1"), Replica::start("r2"));
    let stack = trying(&old, &new, 0).await;
    let mut client = stack.client().await;
    let slow = tokio::spawn(async move { client.send(Method::GET, "/slow", &[("x-canary", "1")], "").await.body });
    eventually("it is under way", async || new.requests() == 1).await;
    stack.switch(&new, LONG).await;
    let state = stack.state().await;
    assert_eq!(state["services"]["web"]["active"]["in_flight"], 1, "{state}");
    assert_eq!((&state["services"]["web"]["canary"], &state["table"]["services"]["web"]["canary"]), (&Value::Null, &Value::Null));
    assert_eq!(stack.get("/").await.body, "r2 /");
    new.open_gate();
    assert_eq!(slow.await.expect("an answer"), "r2");
    assert_eq!(stack.drained().await["releases"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn the_same_again_is_the_same_release_counted_anew() {
    let (old, new) = tokio::join!(Replica::start("r1"), Replica::start("r2"));
    let stack = trying(&old, &new, 100).await;
    let got = stack.client().await.send(Method::POST, "/mcp", &[], "initialize").await;
    let session = got.headers["mcp-session-id"].to_str().expect("text").to_owned();
    begin(&stack, &new, 0).await;
    assert_eq!(figures(&stack).await["new"]["requests"], 0);
    let headers = [("mcp-session-id", session.as_str())];
    assert_eq!(stack.client().await.send(Method::POST, "/mcp", &headers, "call").await.body, "r2");
    assert_eq!(stack.state().await["services"]["web"]["canary"]["sessions"], 1);
}

#[tokio::test]
async fn what_cannot_be_a_canary_is_refused() {
    let (old, new) = tokio::join!(Replica::start("r1"), Replica::start("r2"));
    let stack = Stack::of(&old).await;
    let asked =
        async |name: &str, canary: Value| stack.control(Method::POST, "/v1/canary", &json!({ "canaries": { name: canary } })).await.status;
    assert_eq!(asked("other", json!({ "release": release(&new), "share": 10 })).await, 404);
    assert_eq!(asked("web", json!({ "release": release(&new), "share": 101 })).await, 400);
    assert_eq!(asked("web", json!({ "release": release(&new), "header": { "name": "a b" } })).await, 400);
    assert_eq!(stack.control(Method::PUT, "/v1/canary", &json!({})).await.status, 404);
    assert_eq!(figures(&stack).await, Value::Null);
}
