//! Clients of HTTP/2: with and without TLS, many requests on one connection, and such as do not do their part.

mod load;
mod streams;
mod unsound;

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper::{Method, Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::secure::Authority;
use super::stack::{Folder, Got, Stack, http, service};
use super::upstream::Replica;
use crate::support::eventually;

type Body = UnsyncBoxBody<Bytes, Infallible>;

/// A client with one connection; clones share it.
#[derive(Clone)]
pub(super) struct Client {
    sender: SendRequest<Body>,
}

/// How a connection ended.
type End = JoinHandle<hyper::Result<()>>;

pub(super) fn request(method: Method, path: &str, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Request<Body> {
    let mut request = Request::builder().method(method).uri(format!("http://a.example{path}"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Full::new(body.into()).boxed_unsync()).expect("a request")
}

impl Client {
    pub(super) async fn to(address: &str) -> Self {
        Self::on(TcpStream::connect(address).await.expect("a connection"), &Builder::new(TokioExecutor::new())).await.0
    }

    async fn on(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, settings: &Builder<TokioExecutor>) -> (Self, End) {
        let (sender, connection) = settings.handshake(TokioIo::new(stream)).await.expect("HTTP/2");
        (Self { sender }, tokio::spawn(connection))
    }

    /// The response with its body still to come.
    pub(super) async fn open(&mut self, request: Request<Body>) -> Response<Incoming> {
        self.sender.ready().await.expect("a connection");
        self.sender.send_request(request).await.expect("a response")
    }

    pub(super) async fn send(&mut self, method: Method, path: &str, headers: &[(&str, &str)], body: &str) -> Got {
        let response = self.open(request(method, path, headers, body.to_owned())).await;
        let (parts, body) = response.into_parts();
        let body = body.collect().await.expect("a body").to_bytes();
        Got { status: parts.status.as_u16(), headers: parts.headers, body: String::from_utf8_lossy(&body).into_owned() }
    }

    pub(super) async fn get(&mut self, path: &str) -> Got {
        self.send(Method::GET, path, &[], "").await
    }
}

/// Everything goes to one replica; the listener has these limits.
pub(super) async fn stack(replica: &Replica, limits: &Value) -> Stack {
    let mut listener = http(&json!([{ "service": "web" }]));
    listener["limits"] = limits.clone();
    Stack::with(&json!({ "version": 1, "listeners": [listener], "services": { "web": service(replica) } })).await
}

#[tokio::test]
async fn clients_choose_their_version() {
    let (replica, authority, folder) = (Replica::start("r1").await, Authority::new(), Folder::new());
    let mut listener = http(&json!([{ "service": "web" }]));
    listener["tls"] = json!({ "certificates": [authority.issue(&["a.example"]).entry(&folder, "a", &["a.example"])] });
    let table = json!({ "version": 1, "listeners": [listener], "services": { "web": service(&replica) } });
    let secure = Stack::empty(folder).await.taking(&table).await;
    let shake = async |protocols: &[&[u8]]| authority.shake(&secure.address, "a.example", protocols).await.expect("TLS");
    for (offered, chosen) in [(&[&b"h2"[..], b"http/1.1"][..], Some(&b"h2"[..])), (&[b"http/1.1"], Some(b"http/1.1")), (&[], None)] {
        assert_eq!(shake(offered).await.get_ref().1.alpn_protocol(), chosen);
    }
    assert!(authority.shake(&secure.address, "a.example", &[b"spdy/1"]).await.is_err());
    let (mut client, _) = Client::on(shake(&[b"h2"]).await, &Builder::new(TokioExecutor::new())).await;
    let got = client.get("/head").await;
    for there in ["x-forwarded-proto: https\n", "proto=https\n", "host: a.example\n", "x-forwarded-for: 127.0.0.1\n"] {
        assert!(got.body.contains(there), "{there}: {}", got.body);
    }
    for gone in ["x-internal", "keep-alive", "connection"] {
        assert!(!got.headers.contains_key(gone), "{gone}: {:?}", got.headers);
    }
    // Without TLS, both at the same port.
    let plain = stack(&replica, &json!({})).await;
    let got = Client::to(&plain.address).await.get("/head").await;
    assert!(got.body.contains("x-forwarded-proto: http\n"), "{}", got.body);
    assert_eq!(plain.get("/").await.body, "r1 /");
    secure.stop().await;
    plain.stop().await;
}

#[tokio::test]
async fn heads_and_bodies_pass_as_over_http1() {
    let replica = Replica::start("r1").await;
    let stack = stack(&replica, &json!({})).await;
    let mut client = Client::to(&stack.address).await;
    let cookies = [("cookie", "a=1"), ("cookie", "b=2"), ("te", "trailers"), ("x-kept", "yes")];
    let got = client.send(Method::GET, "/head", &cookies, "").await;
    assert!(got.body.contains("cookie: a=1; b=2\n") && got.body.contains("x-kept: yes\n"), "{}", got.body);
    assert!(!got.body.contains("te: "), "{}", got.body);
    let head = client.send(Method::HEAD, "/", &[], "").await;
    assert_eq!((head.status, head.body.as_str(), &head.headers["content-length"]), (200, "", &"4".parse().expect("a value")));
    let body = "0123456789abcdef".repeat(256 * 1024);
    assert!(client.send(Method::POST, "/echo", &[], &body).await.body == body);
    assert_eq!(client.send(Method::CONNECT, "", &[], "").await.status, 501);
    assert_eq!(client.get("/").await.body, "r1 /");
}

/// A body that comes as it is sent, and what sends it.
fn pieces() -> (mpsc::Sender<Frame<Bytes>>, Body) {
    let (sender, body) = mpsc::channel(1);
    let body = futures_util::stream::unfold(body, async |mut body: mpsc::Receiver<_>| body.recv().await.map(|piece| (Ok(piece), body)));
    (sender, StreamBody::new(Box::pin(body)).boxed_unsync())
}

#[tokio::test]
async fn bodies_arrive_in_the_pieces_that_they_are_sent_in() {
    let replica = Replica::start("r1").await;
    let stack = stack(&replica, &json!({})).await;
    let mut client = Client::to(&stack.address).await;
    // A GET with a body is rare, and its body is as good as another one.
    for method in [Method::POST, Method::GET] {
        let (sender, body) = pieces();
        let request = Request::builder().method(method).uri("http://a.example/echo").body(body).expect("a request");
        let mut echo = client.open(request).await.into_body();
        for piece in ["one", "two", "three"] {
            sender.send(Frame::data(Bytes::from(piece))).await.expect("a reader");
            let frame = echo.frame().await.expect("a piece").expect("no failure");
            assert_eq!(frame.into_data().expect("bytes"), piece);
        }
        // Trailers end at the gateway, as those of HTTP/1 do.
        let trailers = [("x-sum".parse().expect("a name"), "1".parse().expect("a value"))].into_iter().collect();
        sender.send(Frame::trailers(trailers)).await.expect("a reader");
        drop(sender);
        let rest = echo.collect().await.expect("no failure");
        assert!(rest.trailers().is_none() && rest.to_bytes().is_empty());
    }
}

#[tokio::test]
async fn an_auto_port_passes_it_through_unless_the_table_says_otherwise() {
    let replica = Replica::start("r1").await;
    let auto = |h2c: bool| {
        let listener = json!({ "bind": "127.0.0.1:0", "auto": { "service": "web", "h2c": h2c } });
        json!({ "version": 1, "listeners": [listener], "services": { "web": service(&replica) } })
    };
    let stack = Stack::with(&auto(true)).await;
    assert_eq!(Client::to(&stack.address).await.get("/").await.body, "r1 /");
    assert_eq!(stack.get("/").await.body, "r1 /");
    stack.told(Method::PUT, "/v1/table", &auto(false)).await;
    let stream = TcpStream::connect(&stack.address).await.expect("a connection");
    let (mut client, _) = Client::on(stream, &Builder::new(TokioExecutor::new())).await;
    // The replica, which speaks HTTP/1 only, got it as it was.
    let sent = async { client.sender.send_request(request(Method::GET, "/", &[], "")).await };
    assert!(tokio::time::timeout(Duration::from_secs(20), sent).await.expect("an end").is_err());
    assert_eq!(stack.state().await["services"]["web"]["requests"], 2);
}

#[tokio::test]
async fn requests_wait_while_their_service_is_held_and_sessions_stay() {
    let (first, second) = tokio::join!(Replica::start("r1"), Replica::start("r2"));
    let stack = stack(&first, &json!({})).await;
    let mut client = Client::to(&stack.address).await;
    let opened = client.send(Method::POST, "/mcp", &[], "initialize").await;
    let session = opened.headers["mcp-session-id"].to_str().expect("text").to_owned();
    stack.told(Method::POST, "/v1/hold", &json!({ "service": "web" })).await;
    let waiting: Vec<_> = (0..5)
        .map(|_| {
            let mut client = client.clone();
            tokio::spawn(async move { client.get("/").await.body })
        })
        .collect();
    eventually("all wait", async || stack.state().await["services"]["web"]["hold"]["waiting"] == 5).await;
    stack.switch(&second, 60_000).await;
    stack.told(Method::POST, "/v1/release-hold", &json!({ "service": "web" })).await;
    for waiting in waiting {
        assert_eq!(waiting.await.expect("an answer"), "r2 /");
    }
    let headers = [("mcp-session-id", session.as_str()), ("mcp-protocol-version", "2025-11-25")];
    assert_eq!(client.send(Method::POST, "/mcp", &headers, "call").await.body, "r1");
    assert_eq!(client.get("/").await.body, "r2 /");
    assert_eq!(client.send(Method::DELETE, "/mcp", &headers[..1], "").await.status, 200);
    assert_eq!(stack.drained().await["releases"][0]["state"], "drained");
}

#[tokio::test]
async fn a_client_is_told_when_its_port_goes_and_gets_what_it_asked_for() {
    let replica = Replica::start("r1").await;
    let stack = stack(&replica, &json!({})).await;
    let stream = TcpStream::connect(&stack.address).await.expect("a connection");
    let (client, end) = Client::on(stream, &Builder::new(TokioExecutor::new())).await;
    let mut asking = client.clone();
    let asked = tokio::spawn(async move { asking.get("/slow").await.body });
    eventually("it is under way", async || replica.requests() == 1).await;
    assert_eq!(stack.state().await["services"]["web"]["active"]["in_flight"], 1);
    let table = json!({ "version": 1, "listeners": [], "services": { "web": service(&replica) } });
    stack.told(Method::PUT, "/v1/table", &table).await;
    // GOAWAY: nothing new can be asked on this connection, with the one request still under way.
    let more = async || client.clone().sender.send_request(request(Method::GET, "/", &[], "")).await;
    eventually("it is told to leave", async || more().await.is_err()).await;
    assert!(!asked.is_finished());
    replica.open_gate();
    assert_eq!(asked.await.expect("an answer"), "r1");
    end.await.expect("a task").expect("a clean end");
}

#[tokio::test]
async fn a_gateway_that_ends_answers_what_is_under_way() {
    let replica = Replica::start("r1").await;
    let stack = stack(&replica, &json!({})).await;
    let stream = TcpStream::connect(&stack.address).await.expect("a connection");
    let (mut client, end) = Client::on(stream, &Builder::new(TokioExecutor::new())).await;
    let idle = TcpStream::connect(&stack.address).await.expect("a connection");
    let (_idle, idle_end) = Client::on(idle, &Builder::new(TokioExecutor::new())).await;
    let asked = tokio::spawn(async move { client.get("/slow").await.body });
    eventually("it is under way", async || replica.requests() == 1).await;
    let stopped = tokio::spawn(stack.stop());
    idle_end.await.expect("a task").expect("a clean end");
    replica.open_gate();
    assert_eq!(asked.await.expect("an answer"), "r1");
    end.await.expect("a task").expect("a clean end");
    drop(stopped.await.expect("an end"));
}
