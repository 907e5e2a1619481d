//! Many servers on one address, each under its name.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use chora_gateway::{
    ChildCommand, ChildSharing, FrontSettings, Guard, Many, ManySettings, NamedServer, RemoteSettings, Server, serve_many,
    serve_many_metrics,
};
use hyper::Method;
use serde_json::json;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::client::{Client, read_until};
use crate::support::{Setup, eventually};

/// Servers that run inside the test.
pub(crate) struct Served {
    pub(crate) many: Arc<Many>,
    pub(crate) address: String,
    pub(crate) metrics: String,
    stop: CancellationToken,
    serving: tokio::task::JoinHandle<()>,
}

/// The test server, of an era; with an argument it says so where it is asked for its name.
pub(crate) fn server(name: &str, era: &str) -> NamedServer {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/servers/server.py");
    let command = vec!["python3".into(), script.into_os_string(), era.into(), name.into()];
    NamedServer {
        name: name.to_owned(),
        server: ChildCommand { command, environment: Vec::new(), directory: None, patience: chora_gateway::PATIENCE }.into(),
    }
}

/// A server that cannot be started.
pub(crate) fn broken(name: &str) -> NamedServer {
    let command = ChildCommand {
        command: vec!["no-such-program".into()],
        environment: Vec::new(),
        directory: None,
        patience: chora_gateway::PATIENCE,
    };
    NamedServer { name: name.to_owned(), server: command.into() }
}

/// A server somewhere else.
pub(crate) fn remote(name: &str, url: &str) -> NamedServer {
    let settings =
        RemoteSettings { url: url.parse().expect("an address"), headers: hyper::HeaderMap::new(), patience: Duration::from_millis(300) };
    NamedServer { name: name.to_owned(), server: Server::Remote(settings) }
}

pub(crate) fn settings(servers: Vec<NamedServer>) -> ManySettings {
    ManySettings { servers, sharing: ChildSharing::Shared, max_sessions: 100, idle: Duration::from_secs(600), aggregate: false }
}

pub(crate) async fn serve(settings: ManySettings) -> Served {
    let many = Many::new(settings).expect("good names");
    many.start();
    let (listener, scraped) =
        (TcpListener::bind("127.0.0.1:0").await.expect("a port"), TcpListener::bind("127.0.0.1:0").await.expect("a port"));
    let address = listener.local_addr().expect("an address").to_string();
    let metrics = scraped.local_addr().expect("an address").to_string();
    let stop = CancellationToken::new();
    let front = FrontSettings { guard: Guard::default(), body_bytes: 64 * 1024, max_connections: 1000 };
    tokio::spawn(serve_many_metrics(scraped, Arc::clone(&many), stop.clone()));
    let serving = tokio::spawn(serve_many(listener, Arc::clone(&many), front, stop.clone()));
    Served { many, address, metrics, stop, serving }
}

impl Served {
    /// A client of the server of a name, or of all where it is empty.
    pub(crate) fn client(&self, name: &str) -> Client {
        let client = Client::new(&self.address);
        if name.is_empty() { client } else { client.under(&format!("/{name}")) }
    }

    pub(crate) async fn session(&self, name: &str, revision: &str) -> Client {
        let mut client = self.client(name);
        client.initialize(revision).await;
        client
    }

    /// Waits until the servers are there.
    pub(crate) async fn ready(&self, names: &[&str]) {
        eventually("the servers are there", async || {
            let mut all = true;
            for name in names {
                all &= self.client(name).get("/ready").await.status == 200;
            }
            all
        })
        .await;
    }

    pub(crate) async fn stop(self) {
        self.stop.cancel();
        self.many.stop().await;
        self.serving.await.expect("the servers end");
    }
}

#[tokio::test]
async fn each_server_is_under_its_name_on_every_transport() {
    let far = Setup { era: "legacy", ..Setup::default() }.serve().await;
    let far_url = format!("http://{}/mcp", far.address);
    let served = serve(settings(vec![server("one", "both"), server("two", "legacy"), remote("far", &far_url)])).await;
    served.ready(&["one", "two", "far"]).await;
    for name in ["one", "two", "far"] {
        let client = served.session(name, "2025-11-25").await;
        assert_eq!(client.call(json!(1), "echo", json!({ "text": name })).await.text(), name);
        assert_eq!(client.lone_call(json!(1), "echo", json!({ "text": name })).await.text(), name);
        let mut stream = client.send(Method::GET, "/sse", "").await.into_body();
        let opening = read_until(&mut stream, "\n\n").await;
        assert!(opening.contains(&format!("data: /{name}/messages?sessionId=")), "{opening}");
    }
    let (one, two) = (served.session("one", "2025-11-25").await, served.session("two", "2025-11-25").await);
    assert_ne!(one.call(json!(1), "pid", json!({})).await.text(), two.call(json!(1), "pid", json!({})).await.text());
    assert_eq!(one.under("/two").call(json!(1), "pid", json!({})).await.status, 404, "a session belongs to its server");
    assert_eq!(served.client("").post(&json!({})).await.status, 404, "all as one is not offered unasked");
    assert_eq!(served.client("three").get("/health").await.status, 404);
    let scraped = Client::new(&served.metrics).get("/metrics").await.body;
    assert!(scraped.contains("chora_bridge_children_started_total{server=\"two\"} 1"), "{scraped}");
    served.stop().await;
    far.stop().await;
}

#[tokio::test]
async fn a_server_that_fails_is_no_matter_of_the_others() {
    let served = serve(settings(vec![server("well", "both"), broken("ill")])).await;
    served.ready(&["well"]).await;
    let client = served.session("well", "2025-11-25").await;
    assert_eq!(client.call(json!(1), "echo", json!({ "text": "x" })).await.text(), "x");
    eventually("it is told", async || served.client("").get("/health").await.json()["metadata"]["servers"]["ill"]["error"].is_string())
        .await;
    let (live, ready) = (served.client("").get("/health").await, served.client("").get("/ready").await);
    assert_eq!((live.status, ready.status), (200, 200), "{}", ready.body);
    let told = live.json();
    assert_eq!((&told["status"], &told["checks"]), (&json!("degraded"), &json!({ "well": "ok", "ill": "down" })), "{told}");
    assert_eq!(served.client("ill").get("/ready").await.status, 503);
    assert_eq!(served.client("ill").get("/health").await.status, 200);
    // The one that is well dies: nobody is there, until it is started again.
    client.call(json!(2), "die", json!({})).await;
    eventually("it is back", async || client.call(json!(3), "echo", json!({ "text": "y" })).await.body.contains("\"y\"")).await;
    served.stop().await;
    let nobody = serve(settings(vec![broken("ill")])).await;
    let ready = nobody.client("").get("/ready").await;
    assert_eq!((ready.status, ready.json()["status"].as_str()), (503, Some("down")), "{}", ready.body);
    nobody.stop().await;
}

#[tokio::test]
async fn a_remote_server_that_was_away_is_found_again() {
    let far = Setup::default().serve().await;
    let address = far.address.clone();
    let served = serve(settings(vec![remote("far", &format!("http://{address}/mcp"))])).await;
    served.ready(&["far"]).await;
    let client = served.session("far", "2025-11-25").await;
    assert_eq!(client.call(json!(1), "echo", json!({ "text": "before" })).await.text(), "before");
    far.stop().await;
    let began = std::time::Instant::now();
    let got = client.call(json!(2), "echo", json!({ "text": "away" })).await;
    assert_eq!(got.json()["error"]["code"], -32000, "{}", got.body);
    assert!(began.elapsed() < Duration::from_secs(5));
    let again = Setup::default().serve_at(&address).await;
    eventually("it is there again", async || client.call(json!(3), "echo", json!({ "text": "after" })).await.body.contains("after")).await;
    served.stop().await;
    again.stop().await;
}

#[tokio::test]
async fn strangers_are_refused_before_anything_is_told() {
    let served = serve(settings(vec![server("one", "both")])).await;
    let stranger = served.client("").with("host", "evil.example");
    for path in ["/health", "/ready", "/mcp", "/one/mcp", "/one/health", "/nothing"] {
        assert_eq!(stranger.get(path).await.status, 403, "{path}");
    }
    served.stop().await;
}
