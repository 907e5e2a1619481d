//! What a request and its response look like on the other side.

use std::convert::Infallible;

use bytes::Bytes;
use futures_util::StreamExt as _;
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::Frame;
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::mpsc;

use super::stack::{Client, Stack, http, request, service};
use super::upstream::Replica;

#[tokio::test]
async fn requests_go_by_host_and_by_the_longest_prefix() {
    let (web, api, other) = tokio::join!(Replica::start("web"), Replica::start("api"), Replica::start("other"));
    let routes = json!([
        { "service": "web" },
        { "prefix": "/api", "service": "api" },
        { "host": "Other.Example", "service": "other" },
        { "host": "only.example", "prefix": "/api", "service": "web" },
    ]);
    let services = json!({ "web": service(&web), "api": service(&api), "other": service(&other) });
    let stack = Stack::with(&json!({ "version": 1, "listeners": [http(&routes)], "services": services })).await;
    let mut client = stack.client().await;
    for (host, path, expected) in [
        ("a.example", "/", "web /"),
        ("a.example", "/api", "api /api"),
        ("a.example", "/api/x", "api /api/x"),
        ("a.example", "/apix", "web /apix"),
        ("other.example:8080", "/api", "other /api"),
        ("only.example", "/api/x", "web /api/x"),
    ] {
        let got = client.send(Method::GET, path, &[("host", host)], "").await;
        assert_eq!((got.status, got.body.as_str()), (200, expected), "{host}{path}");
    }
    stack.stop().await;
}

#[tokio::test]
async fn what_no_route_has_is_not_found() {
    let web = Replica::start("web").await;
    let routes = json!([{ "host": "a.example", "prefix": "/api", "service": "web" }]);
    let stack = Stack::with(&json!({ "version": 1, "listeners": [http(&routes)], "services": { "web": service(&web) } })).await;
    assert_eq!(stack.get("/").await.status, 404);
    assert_eq!(stack.client().await.send(Method::GET, "/api", &[("host", "b.example")], "").await.status, 404);
    assert_eq!(web.requests(), 0);
}

#[tokio::test]
async fn bodies_arrive_in_the_pieces_that_they_are_sent_in() {
    let replica = Replica::start("r1").await;
    let stack = Stack::of(&replica).await;
    let (pieces, body) = mpsc::channel::<Bytes>(1);
    let body = futures_util::stream::unfold(body, async |mut body| body.recv().await.map(|piece| (piece, body)));
    let body = StreamBody::new(Box::pin(body.map(|piece| Ok::<_, Infallible>(Frame::data(piece)))));
    let mut client = Client::to(&stack.address).await;
    let request = Request::post("/echo").header("host", "a.example").body(body).expect("a request");
    let response = client.open(request).await;
    let mut echo = response.into_body();
    // Each piece is back before the next is sent: nobody on the way waits for more.
    for piece in ["one", "two", "three"] {
        pieces.send(Bytes::from(piece)).await.expect("a reader");
        let frame = echo.frame().await.expect("a piece").expect("no failure");
        assert_eq!(frame.into_data().expect("bytes"), piece);
    }
    drop(pieces);
    assert!(echo.frame().await.is_none());
}

#[tokio::test]
async fn connections_to_a_replica_are_used_again() {
    let replica = Replica::start("r1").await;
    let stack = Stack::of(&replica).await;
    for _ in 0..20 {
        assert_eq!(stack.client().await.send(Method::POST, "/", &[], "body").await.status, 200);
    }
    assert!(replica.connections() < 20, "{}", replica.connections());
    assert_eq!(replica.requests(), 20);
}

#[tokio::test]
async fn large_bodies_pass_whole() {
    let replica = Replica::start("r1").await;
    let stack = Stack::of(&replica).await;
    let body = "0123456789abcdef".repeat(256 * 1024);
    let got = stack.client().await.send(Method::POST, "/echo", &[], &body).await;
    assert_eq!(got.body.len(), body.len());
    assert!(got.body == body);
}

#[tokio::test]
async fn a_get_with_a_body_of_unknown_length_keeps_it() {
    let replica = Replica::start("r1").await;
    let stack = Stack::of(&replica).await;
    let head = "GET /echo HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n";
    let got = stack.raw(&format!("{head}5\r\nhello\r\n0\r\n\r\n")).await;
    assert!(got.starts_with("HTTP/1.1 200 ") && got.contains("\r\nhello\r\n"), "{got}");
}

#[tokio::test]
async fn heads_without_bodies_pass() {
    let replica = Replica::start("r1").await;
    let stack = Stack::of(&replica).await;
    let mut client = stack.client().await;
    let got = client.send(Method::HEAD, "/", &[], "").await;
    assert_eq!((got.status, got.body.as_str(), &got.headers["content-length"]), (200, "", &"4".parse().expect("a value")));
    assert_eq!(client.get("/").await.body, "r1 /");
    let old = stack.raw("GET / HTTP/1.0\r\nHost: a\r\n\r\n").await;
    assert!(old.ends_with("\r\n\r\nr1 /"), "{old}");
}

#[tokio::test]
async fn a_connection_changes_its_protocol() {
    let replica = Replica::start("r1").await;
    let stack = Stack::of(&replica).await;
    let mut client = stack.client().await;
    let asked = request(Method::GET, "/upgrade", &[("connection", "Upgrade"), ("upgrade", "shout")], "");
    let response = client.open(asked).await;
    assert_eq!(response.status(), 101);
    assert_eq!(response.headers()["upgrade"], "shout");
    let mut stream = TokioIo::new(hyper::upgrade::on(response).await.expect("an upgraded connection"));
    let mut got = [0; 2];
    stream.read_exact(&mut got).await.expect("a greeting");
    assert_eq!(&got, b"r1");
    for _ in 0..3 {
        stream.write_all(b"hi").await.expect("a write");
        stream.read_exact(&mut got).await.expect("an echo");
        assert_eq!(&got, b"HI");
    }
    assert_eq!(stack.state().await["services"]["web"]["active"]["streams"], 1);
    drop(stream);
    let state = async || stack.state().await["services"]["web"]["active"]["in_flight"] == 0;
    crate::support::eventually("the stream is counted out", state).await;
}

#[tokio::test]
async fn heads_are_made_for_the_next_hop() {
    let replica = Replica::start("r1").await;
    let stack = Stack::of(&replica).await;
    let sent = [
        ("connection", "x-private, keep-alive"),
        ("x-private", "1"),
        ("keep-alive", "timeout=9"),
        ("te", "trailers"),
        ("proxy-authorization", "Basic eA=="),
        ("x-forwarded-for", "192.0.2.9"),
        ("x-forwarded-proto", "https"),
        ("x-kept", "yes"),
    ];
    let got = stack.client().await.send(Method::GET, "/head", &sent, "").await;
    for gone in ["x-private", "keep-alive", "te:", "proxy-authorization", "connection"] {
        assert!(!got.body.contains(gone), "{gone}: {}", got.body);
    }
    for there in [
        "host: a.example\n",
        "x-kept: yes\n",
        "x-forwarded-for: 192.0.2.9, 127.0.0.1\n",
        "x-forwarded-proto: http\n",
        "x-forwarded-host: a.example\n",
        "forwarded: for=127.0.0.1;host=\"a.example\";proto=http\n",
    ] {
        assert!(got.body.contains(there), "{there}: {}", got.body);
    }
    for gone in ["x-internal", "keep-alive", "connection"] {
        assert!(!got.headers.contains_key(gone), "{gone}: {:?}", got.headers);
    }
    // What a client of HTTP/1.0 may leave out.
    let old = stack.raw("GET /head HTTP/1.0\r\n\r\n").await;
    assert!(old.contains("host: \n") && !old.contains("x-forwarded-host"), "{old}");
}

#[tokio::test]
async fn heads_of_which_two_readers_could_disagree_are_refused() {
    let replica = Replica::start("r1").await;
    let stack = Stack::of(&replica).await;
    for head in [
        "Host: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n",
        "Host: a\r\nContent-Length: 1, 1\r\n",
        "Host: a\r\nContent-Length: +1\r\n",
        "Host: a\r\nTransfer-Encoding: gzip, chunked\r\n",
        "Host: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        "Host: a\r\nTransfer-Encoding: chunked, identity\r\n",
        "Host: a\r\nX-Folded: a\r\n b\r\n",
        "Host: a\r\nContent-Length : 1\r\n",
        "Host: a\r\nHost: b\r\n",
        "X-No-Host: 1\r\n",
    ] {
        let got = stack.raw(&format!("POST / HTTP/1.1\r\n{head}Connection: close\r\n\r\n0\r\n\r\n")).await;
        assert!(got.starts_with("HTTP/1.1 400 "), "{head:?}: {got:?}");
    }
    assert_eq!(replica.requests(), 0);
}

/// The parser takes the chunked body, forgets the length and closes the connection after it (RFC 9112 §6.3): what one
/// side would take for a second request is never one.
#[tokio::test]
async fn nothing_is_smuggled_behind_a_chunked_body_that_also_has_a_length() {
    let replica = Replica::start("r1").await;
    let stack = Stack::of(&replica).await;
    for (index, lengths) in
        ["Content-Length: 4\r\nTransfer-Encoding: chunked\r\n", "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n"].iter().enumerate()
    {
        let smuggled = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";
        let got = stack.raw(&format!("POST /head HTTP/1.1\r\nHost: a\r\n{lengths}\r\n0\r\n\r\n{smuggled}")).await;
        assert_eq!(got.matches("HTTP/1.1").count(), 1, "{got}");
        assert!(!got.contains("content-length: 4"), "{got}");
        assert_eq!(replica.requests(), index + 1);
    }
}
