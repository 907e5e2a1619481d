//! Ports that send their clients to TLS.

use hyper::Method;
use serde_json::{Value, json};

use super::stack::{Client, Folder, Stack, service};
use super::upstream::Replica;

fn table(redirect: &Value) -> Value {
    json!({ "version": 1, "listeners": [{ "bind": "127.0.0.1:0", "http": { "redirect_to_https": redirect } }] })
}

async fn stack(redirect: &Value) -> Stack {
    Stack::with(&table(redirect)).await
}

/// Where one is sent, and how.
async fn sent(client: &mut Client, method: Method, host: &str, path: &str) -> (u16, String) {
    let got = client.send(method, path, &[("host", host)], "").await;
    assert!(!got.headers.contains_key("strict-transport-security"));
    (got.status, got.headers.get("location").map(|to| to.to_str().expect("text").to_owned()).unwrap_or_default())
}

#[tokio::test]
async fn all_are_sent_to_the_same_address_with_tls() {
    let stack = stack(&json!({})).await;
    let mut client = stack.client().await;
    for (method, host, path, status, to) in [
        (Method::GET, "a.example", "/", 301, "https://a.example/"),
        (Method::HEAD, "a.example:80", "/a?b=c&d=%2F", 301, "https://a.example/a?b=c&d=%2F"),
        (Method::POST, "a.example", "/a", 308, "https://a.example/a"),
        (Method::DELETE, "[::1]:8080", "/a", 308, "https://[::1]/a"),
        (Method::OPTIONS, "192.0.2.1", "*", 308, "https://192.0.2.1/"),
        // A path that looks like a host stays a path.
        (Method::GET, "a.example", "//evil.example/x", 301, "https://a.example//evil.example/x"),
        (Method::GET, "a.example", "/\\evil.example", 301, "https://a.example/\\evil.example"),
    ] {
        if path.contains('\\') {
            // Not every client can even say it.
            let got = stack.raw(&format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")).await;
            assert!(got.starts_with("HTTP/1.1 400 ") || got.contains(&format!("\r\nlocation: {to}\r\n")), "{got}");
            continue;
        }
        assert_eq!(sent(&mut client, method, host, path).await, (status, to.to_owned()), "{host}{path}");
    }
    let other = Stack::with(&table(&json!({ "port": 8443 }))).await;
    let to = sent(&mut other.client().await, Method::GET, "a.example:8080", "/x").await;
    assert_eq!(to, (301, "https://a.example:8443/x".to_owned()));
}

#[tokio::test]
async fn nobody_is_sent_to_what_is_no_host() {
    let stack = stack(&json!({})).await;
    for head in [
        "GET / HTTP/1.1\r\nHost: \r\n",
        "GET / HTTP/1.1\r\nHost: a.example/evil\r\n",
        "GET / HTTP/1.1\r\nHost: user@evil.example\r\n",
        "GET / HTTP/1.1\r\nHost: a.example:80@evil.example\r\n",
        "GET / HTTP/1.1\r\nHost: a.example#\r\n",
        "GET / HTTP/1.1\r\nHost: a.example\\evil\r\n",
        "GET http://user:b@evil.example/ HTTP/1.1\r\nHost: evil.example\r\n",
        "GET / HTTP/1.1\r\nHost: a.example\r\nHost: evil.example\r\n",
        "GET / HTTP/1.1\r\n",
        "GET / HTTP/1.0\r\n",
    ] {
        let got = stack.raw(&format!("{head}Connection: close\r\n\r\n")).await;
        assert!(got.contains(" 400 ") && !got.contains("location:"), "{head:?}: {got:?}");
    }
}

#[tokio::test]
async fn hosts_that_are_named_are_the_only_ones_that_are_sent() {
    let stack = stack(&json!({ "hosts": ["a.example", "*.b.example"] })).await;
    let mut client = stack.client().await;
    for (host, status) in [("A.example", 301), ("x.b.example", 301), ("b.example", 404), ("evil.example", 404), ("a.example.evil", 404)] {
        assert_eq!(sent(&mut client, Method::GET, host, "/").await.0, status, "{host}");
    }
}

#[tokio::test]
async fn maintenance_is_told_where_one_is_sent() {
    let stack = stack(&json!({})).await;
    stack.told(Method::POST, "/v1/maintenance", &json!({ "on": true })).await;
    assert_eq!(sent(&mut stack.client().await, Method::GET, "a.example", "/").await.0, 301);
}

#[tokio::test]
async fn a_port_sends_or_serves() {
    let replica = Replica::start("r1").await;
    let stack = Stack::empty(Folder::new()).await;
    let tls = json!({ "certificates": [{ "hosts": [], "certificate": "/a", "key": "/b" }] });
    for (listener, why) in [
        (json!({ "http": { "routes": [{ "service": "web" }], "redirect_to_https": {} } }), "in place of routes"),
        (json!({ "http": { "redirect_to_https": {} }, "tls": tls }), "in place of routes and of tls"),
        (json!({ "http": { "redirect_to_https": { "port": 0 } } }), "needs a port"),
        (json!({ "http": { "redirect_to_https": { "hosts": ["a/b"] } } }), "no host"),
        (json!({ "http": { "redirect_to_https": { "status": 302 } } }), "status"),
    ] {
        let mut listener = listener;
        listener["bind"] = json!("127.0.0.1:0");
        let table = json!({ "version": 1, "listeners": [listener], "services": { "web": service(&replica) } });
        let got = stack.control(Method::PUT, "/v1/table", &table).await;
        assert!(got.status == 400 && got.body.contains(why), "{why}: {got:?}");
    }
}
