//! Switches while requests come.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use hyper::Method;
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::stack::{Client, Stack, release, table};
use super::upstream::Replica;
use crate::support::eventually;

const SWITCHES: usize = 50;
const CLIENTS: usize = 8;
/// How many requests there are between two switches, at least.
const BETWEEN: usize = 100;

#[derive(Default)]
struct Load {
    ended: AtomicBool,
    answered: AtomicUsize,
}

/// Sends one request after the other on a connection that it keeps; any that fails ends the test.
async fn client(address: String, load: Arc<Load>, method: Method) -> usize {
    let mut client: Client = Client::to(&address).await;
    let mut sent = 0;
    while !load.ended.load(Ordering::SeqCst) {
        let got = client.send(method.clone(), "/load", &[], if method == Method::POST { "some body" } else { "" }).await;
        assert_eq!(got.status, 200, "{got:?}");
        sent += 1;
        load.answered.fetch_add(1, Ordering::SeqCst);
    }
    sent
}

/// Clients that send requests all the time.
struct Clients {
    load: Arc<Load>,
    sending: Vec<tokio::task::JoinHandle<usize>>,
}

impl Clients {
    fn start(stack: &Stack) -> Self {
        let load = Arc::new(Load::default());
        let methods = [Method::GET, Method::POST];
        let sending =
            (0..CLIENTS).map(|index| tokio::spawn(client(stack.address.clone(), Arc::clone(&load), methods[index % 2].clone()))).collect();
        Self { load, sending }
    }

    async fn answered(&self, more: usize) {
        let before = self.load.answered.load(Ordering::SeqCst);
        eventually("requests are answered", async || self.load.answered.load(Ordering::SeqCst) >= before + more).await;
    }

    /// How many requests there were.
    async fn end(self) -> usize {
        self.load.ended.store(true, Ordering::SeqCst);
        let mut sent = 0;
        for client in self.sending {
            sent += client.await.expect("no failed request");
        }
        sent
    }
}

/// Each old release is stopped, with its port and its connections, as soon as its drain is acknowledged.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_fails_over_many_switches() {
    let mut active = Replica::start("r0").await;
    let stack = Stack::of(&active).await;
    let clients = Clients::start(&stack);
    let mut on_replicas = 0;
    for index in 1..=SWITCHES {
        clients.answered(BETWEEN).await;
        let next = Replica::start(&format!("r{index}")).await;
        stack.switch(&next, 30_000).await;
        let drained = stack.drained().await;
        let old = drained["releases"].as_array().expect("releases").last().expect("the old one");
        assert_eq!((&old["name"], &old["state"]), (&json!(active.name), &json!("drained")), "{old}");
        active.stop();
        on_replicas += active.requests();
        active = next;
    }
    let sent = clients.end().await;
    on_replicas += active.requests();
    // None was lost, and none was sent twice.
    assert_eq!(on_replicas, sent);
    assert!(sent >= SWITCHES * BETWEEN, "{sent}");
    let state = stack.state().await;
    assert_eq!(state["services"]["web"]["failures"], 0);
    println!("{sent} requests over {SWITCHES} switches, none failed");
}

/// A service of which two releases must not run at once: the old one is stopped before the new one is started.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_fails_when_the_old_release_has_to_stop_first() {
    let mut active = Replica::start("r0").await;
    let stack = Stack::of(&active).await;
    let clients = Clients::start(&stack);
    let mut on_replicas = 0;
    for index in 1..=10 {
        clients.answered(BETWEEN).await;
        let held = json!({ "service": "web" });
        stack.control(Method::POST, "/v1/hold", &held).await;
        stack.drained().await;
        active.stop();
        on_replicas += active.requests();
        active = Replica::start(&format!("r{index}")).await;
        stack.switch(&active, 0).await;
        let figures = stack.control(Method::POST, "/v1/release-hold", &held).await.json();
        assert_eq!(figures["refused"], 0, "{figures}");
    }
    let sent = clients.end().await;
    assert_eq!(on_replicas + active.requests(), sent);
    assert_eq!(stack.state().await["services"]["web"]["failures"], 0);
}

#[tokio::test]
async fn a_request_under_way_ends_on_its_release() {
    let (first, second) = tokio::join!(Replica::start("r1"), Replica::start("r2"));
    let stack = Stack::of(&first).await;
    let mut client = stack.client().await;
    let slow = tokio::spawn(async move { client.get("/slow").await });
    eventually("it is under way", async || first.requests() == 1).await;
    assert_eq!(stack.switch(&second, 30_000).await["in_flight"], 1);
    assert_eq!(stack.get("/").await.body, "r2 /");
    let draining = stack.control(Method::GET, "/v1/drain/web?wait_ms=1", &json!({})).await.json();
    assert_eq!((&draining["done"], &draining["releases"][0]["in_flight"]), (&json!(false), &json!(1)));
    first.open_gate();
    assert_eq!(stack.drained().await["releases"][0]["state"], "drained");
    assert_eq!(slow.await.expect("an answer").body, "r1");
}

#[tokio::test]
async fn a_request_that_outlives_the_drain_is_told_to_come_back() {
    let (first, second) = tokio::join!(Replica::start("r1"), Replica::start("r2"));
    let stack = Stack::of(&first).await;
    let mut client = stack.client().await;
    let slow = tokio::spawn(async move { client.send(Method::POST, "/slow", &[], "").await });
    eventually("it is under way", async || first.requests() == 1).await;
    stack.switch(&second, 1).await;
    assert_eq!(stack.drained().await["releases"][0]["end"]["cut_in_flight"], 1);
    let got = slow.await.expect("an answer");
    assert_eq!((got.status, second.requests()), (503, 0), "it is sent once");
    assert!(got.headers.contains_key("retry-after"));
}

#[tokio::test]
async fn a_request_that_outlives_the_drain_and_may_be_repeated_goes_to_the_release_after() {
    let (first, second) = tokio::join!(Replica::start("r1"), Replica::start("r2"));
    let stack = Stack::of(&first).await;
    let mut client = stack.client().await;
    let slow = tokio::spawn(async move { client.get("/slow").await });
    eventually("it is under way", async || first.requests() == 1).await;
    second.open_gate();
    stack.switch(&second, 0).await;
    let got = slow.await.expect("an answer");
    assert_eq!((got.status, got.body.as_str()), (200, "r2"));
    assert_eq!(stack.state().await["services"]["web"]["failures"], 0);
}

/// A port whose connections are neither taken nor refused, as that of a container that has just gone.
#[tokio::test]
async fn a_request_without_a_connection_is_no_part_of_the_release_that_is_cut() {
    let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
    socket.bind("127.0.0.1:0".parse().expect("an address")).expect("a free port");
    let full = socket.listen(0).expect("a listener");
    let address = full.local_addr().expect("an address").to_string();
    // What the kernel takes by itself.
    let mut filling = Vec::new();
    while let Ok(taken) = tokio::time::timeout(Duration::from_millis(200), TcpStream::connect(&address)).await {
        filling.push(taken.expect("a connection"));
    }
    let second = Replica::start("r2").await;
    let stack = Stack::with(&table(&json!({ "active": { "name": "r1", "addresses": [address] } }))).await;
    let mut client = stack.client().await;
    let waiting = tokio::spawn(async move { client.send(Method::POST, "/", &[], "some body").await });
    eventually("it is under way", async || stack.state().await["services"]["web"]["active"]["in_flight"] == 1).await;
    stack.switch(&second, 0).await;
    let got = waiting.await.expect("an answer");
    assert_eq!((got.status, got.body.as_str()), (200, "r2 /"));
}

/// A connection that has changed its protocol and has been greeted.
async fn upgraded(stack: &Stack) -> TokioIo<hyper::upgrade::Upgraded> {
    let headers = [("connection", "upgrade"), ("upgrade", "shout")];
    let response = stack.client().await.open(super::stack::request(Method::GET, "/upgrade", &headers, "")).await;
    let mut stream = TokioIo::new(hyper::upgrade::on(response).await.expect("an upgraded connection"));
    let mut greeting = [0; 2];
    stream.read_exact(&mut greeting).await.expect("a greeting");
    assert_eq!(&greeting, b"r1");
    stream
}

#[tokio::test]
async fn an_upgraded_connection_stays_with_its_release() {
    let (first, second) = tokio::join!(Replica::start("r1"), Replica::start("r2"));
    let stack = Stack::of(&first).await;
    let mut stream = upgraded(&stack).await;
    assert_eq!(stack.switch(&second, 30_000).await["streams"], 1);
    let mut echo = [0; 2];
    stream.write_all(b"hi").await.expect("a write");
    stream.read_exact(&mut echo).await.expect("an echo");
    assert_eq!(&echo, b"HI");
    drop(stream);
    assert_eq!(stack.drained().await["releases"][0]["state"], "drained");
}

#[tokio::test]
async fn an_upgraded_connection_ends_when_the_drain_does() {
    let (first, second) = tokio::join!(Replica::start("r1"), Replica::start("r2"));
    let stack = Stack::of(&first).await;
    let mut stream = upgraded(&stack).await;
    stack.switch(&second, 1).await;
    assert_eq!(stream.read(&mut [0]).await.expect("a clean end"), 0);
    assert_eq!(stack.drained().await["releases"][0]["end"]["left"], 0);
}

#[tokio::test]
async fn a_client_that_reads_nothing_cannot_hold_up_a_drain() {
    let (first, second) = tokio::join!(Replica::start("r1"), Replica::start("r2"));
    let stack = Stack::of(&first).await;
    let mut client = stack.client().await;
    let unread = client.open(super::stack::request(Method::GET, "/endless", &[], "")).await;
    stack.switch(&second, 1).await;
    let end = &stack.drained().await["releases"][0]["end"];
    assert_eq!((&end["cut_in_flight"], &end["left"]), (&json!(1), &json!(0)), "{end}");
    let got = http_body_util::BodyExt::collect(unread.into_body()).await;
    assert!(got.is_err(), "a body that was cut looks whole");
}

/// Takes one connection and a request with this body, waits until told, and resets it without a byte.
async fn resetting(body: &'static str) -> (String, Arc<tokio::sync::Notify>, Arc<tokio::sync::Notify>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address").to_string();
    let (taken, reset) = (Arc::new(tokio::sync::Notify::new()), Arc::new(tokio::sync::Notify::new()));
    let (told, wait) = (Arc::clone(&taken), Arc::clone(&reset));
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.expect("a connection");
        let (end, mut seen) = (format!("\r\n\r\n{body}"), [0; 4096]);
        loop {
            let length = stream.peek(&mut seen).await.expect("a request");
            if seen[..length].ends_with(end.as_bytes()) {
                break;
            }
            tokio::task::yield_now().await;
        }
        told.notify_one();
        wait.notified().await;
        // Unread bytes make the close a reset.
        drop(stream);
    });
    (address, taken, reset)
}

#[tokio::test]
async fn what_the_old_release_breaks_off_is_sent_to_the_new_one_when_that_is_safe() {
    for (method, body, status) in [(Method::GET, "", 200), (Method::POST, "", 502), (Method::POST, "read", 502)] {
        let (address, taken, reset) = resetting(body).await;
        let next = Replica::start("r2").await;
        let web = json!({ "active": { "name": "r1", "addresses": [address] } });
        let stack = Stack::with(&table(&web)).await;
        let mut client = stack.client().await;
        let sending = method.clone();
        let asked = tokio::spawn(async move { client.send(sending, "/", &[], body).await });
        taken.notified().await;
        stack.switch(&next, 30_000).await;
        reset.notify_one();
        assert_eq!(asked.await.expect("an answer").status, status, "{method} {body:?}");
        assert_eq!(next.requests(), usize::from(status == 200));
    }
}

#[tokio::test]
async fn switching_to_what_is_active_changes_nothing() {
    let replica = Replica::start("r1").await;
    let stack = Stack::of(&replica).await;
    assert_eq!(stack.switch(&replica, 30_000).await["switched"], false);
    let state = stack.state().await;
    assert_eq!(state["table"]["services"]["web"]["active"], release(&replica));
    assert_eq!(state["services"]["web"]["releases"], json!([]));
}
