//! A remote server on standard streams.

use std::time::Duration;

use chora_gateway::{RemoteSettings, connect};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, DuplexStream, Lines};

use crate::client::call;
use crate::support::{Served, Setup};

/// A client on standard streams.
struct Desk {
    input: Option<DuplexStream>,
    output: Lines<BufReader<DuplexStream>>,
    connecting: tokio::task::JoinHandle<()>,
}

impl Desk {
    fn open(url: &str) -> Self {
        let (input, theirs) = tokio::io::duplex(64 * 1024);
        let (ours, output) = tokio::io::duplex(64 * 1024);
        let settings =
            RemoteSettings { url: url.parse().expect("an address"), headers: hyper::HeaderMap::new(), patience: Duration::from_secs(10) };
        let connecting = tokio::spawn(async move { connect(settings, theirs, ours).await.expect("it connects") });
        Self { input: Some(input), output: BufReader::new(output).lines(), connecting }
    }

    async fn say(&mut self, message: &Value) {
        let line = format!("{message}\n");
        self.input.as_mut().expect("open").write_all(line.as_bytes()).await.expect("it is taken");
    }

    async fn hear(&mut self) -> Value {
        let line = tokio::time::timeout(Duration::from_secs(20), self.output.next_line())
            .await
            .expect("a line in time")
            .expect("text")
            .expect("a line");
        serde_json::from_str(&line).expect("JSON")
    }

    async fn ask(&mut self, message: &Value) -> Value {
        self.say(message).await;
        loop {
            let heard = self.hear().await;
            if heard["id"] == message["id"] && heard.get("method").is_none() {
                return heard;
            }
        }
    }

    async fn initialize(&mut self, revision: &str) {
        let params =
            json!({ "protocolVersion": revision, "capabilities": { "sampling": {} }, "clientInfo": { "name": "desk", "version": "1" } });
        let answer = self.ask(&json!({ "jsonrpc": "2.0", "id": "hello", "method": "initialize", "params": params })).await;
        assert_eq!(answer["result"]["protocolVersion"], revision, "{answer}");
        self.say(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" })).await;
    }

    async fn close(mut self) {
        self.input = None;
        self.connecting.await.expect("it ends");
    }
}

fn mcp(served: &Served) -> String {
    format!("http://{}/mcp", served.address)
}

fn text(answer: &Value) -> &str {
    answer["result"]["content"][0]["text"].as_str().unwrap_or_else(|| panic!("no text: {answer}"))
}

#[tokio::test]
async fn a_session_over_streamable_http() {
    let served = Setup::default().serve().await;
    let mut desk = Desk::open(&mcp(&served));
    desk.initialize("2025-11-25").await;
    let pretty = "{\"jsonrpc\": \"2.0\", \"id\": 1, \"method\": \"ping\"}";
    assert_eq!(desk.ask(&serde_json::from_str(pretty).expect("JSON")).await["result"], json!({}));
    assert_eq!(text(&desk.ask(&call(json!(2), "echo", json!({ "text": "hello" }))).await), "hello");
    let mut message = call(json!(3), "progress", json!({ "text": "me" }));
    message["params"]["_meta"] = json!({ "progressToken": "mine" });
    desk.say(&message).await;
    for _ in 0..3 {
        assert_eq!(desk.hear().await["params"]["progressToken"], "mine");
    }
    assert_eq!(desk.hear().await["id"], 3);
    // What the server asks comes through, and the answer goes back.
    desk.say(&call(json!(4), "sample", json!({}))).await;
    let asked = desk.hear().await;
    assert_eq!(asked["method"], "sampling/createMessage");
    desk.say(&json!({ "jsonrpc": "2.0", "id": asked["id"], "result": { "said": "yes" } })).await;
    assert!(text(&desk.hear().await).contains("yes"));
    desk.close().await;
    crate::support::eventually("the session was ended", async || served.client().get("/health").await.json()["metadata"]["sessions"] == 0)
        .await;
    served.stop().await;
}

#[tokio::test]
async fn a_server_that_was_away_is_greeted_again() {
    let served = Setup::default().serve().await;
    let mut desk = Desk::open(&mcp(&served));
    desk.initialize("2025-06-18").await;
    assert_eq!(text(&desk.ask(&call(json!(1), "echo", json!({ "text": "before" }))).await), "before");
    let address = served.address.clone();
    served.stop().await;
    // A call while it is away waits for it, and the session that it has forgotten begins anew.
    desk.say(&call(json!(2), "echo", json!({ "text": "after" }))).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let again = Setup::default().serve_at(&address).await;
    let answer = desk.hear().await;
    assert_eq!((answer["id"].as_u64(), text(&answer)), (Some(2), "after"));
    desk.close().await;
    again.stop().await;
}

#[tokio::test]
async fn a_server_of_the_oldest_revision_is_found() {
    let served = Setup::default().serve().await;
    let mut desk = Desk::open(&format!("http://{}/sse", served.address));
    desk.initialize("2024-11-05").await;
    for id in 1..4 {
        assert_eq!(text(&desk.ask(&call(json!(id), "echo", json!({ "text": format!("{id}") }))).await), format!("{id}"));
    }
    desk.close().await;
    served.stop().await;
}

#[tokio::test]
async fn requests_that_stand_alone_get_their_headers() {
    let served = Setup::default().serve().await;
    let mut desk = Desk::open(&mcp(&served));
    let meta = json!({ "io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {} });
    let list = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": { "_meta": meta } });
    assert_eq!(desk.ask(&list).await["result"]["tools"][0]["name"], "echo");
    let mut message = call(json!(2), "echo", json!({ "text": "héllo" }));
    message["params"]["_meta"] = meta;
    assert_eq!(text(&desk.ask(&message).await), "héllo");
    desk.close().await;
    served.stop().await;
}

#[tokio::test]
async fn broken_lines_and_a_server_that_refuses_are_told() {
    let served =
        Setup { guard: chora_gateway::Guard { token: chora_gateway::Token::new("secret"), ..Default::default() }, ..Setup::default() }
            .serve()
            .await;
    let mut desk = Desk::open(&mcp(&served));
    desk.input.as_mut().expect("open").write_all(b"{broken\n\n").await.expect("taken");
    assert_eq!(desk.hear().await["error"]["code"], -32700);
    let answer = desk.ask(&json!({ "jsonrpc": "2.0", "id": 1, "method": "ping" })).await;
    assert!(
        answer["error"]["message"].as_str().is_some_and(|message| message.contains("401") && message.contains("--token-file")),
        "{answer}"
    );
    desk.close().await;
    served.stop().await;
}
