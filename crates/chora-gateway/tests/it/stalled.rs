//! Clients of the bridge that stop reading.

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::client::{Client, call};
use crate::support::{Served, Setup, eventually};

/// Sends a call and reads nothing of its answer.
async fn unread(served: &Served, session: &Client, message: &Value) -> TcpStream {
    let (body, mut head) = (message.to_string(), format!("POST /mcp HTTP/1.1\r\nhost: {}\r\n", served.address));
    for (name, value) in session.headers() {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    let mut stream = TcpStream::connect(&served.address).await.expect("a connection");
    stream.write_all(format!("{head}content-length: {}\r\n\r\n{body}", body.len()).as_bytes()).await.expect("it is sent");
    stream
}

async fn ends(message: &Value) {
    let served = Setup { max_connections: 2, write_ms: 1000, ..Setup::default() }.serve().await;
    let client = served.session("2025-11-25").await;
    let stream = unread(&served, &client, message).await;
    for _ in 0..20 {
        assert_eq!(client.call(json!(8), "echo", json!({ "text": "fine" })).await.text(), "fine");
    }
    // Only two are served at once: a third is, when the one that does not read has lost its place.
    eventually("the stalled connection ends", async || {
        let third = served.client();
        tokio::time::timeout(std::time::Duration::from_millis(200), third.get("/health")).await.is_ok_and(|got| got.status == 200)
    })
    .await;
    drop(stream);
    served.stop().await;
}

#[tokio::test]
async fn a_stream_that_nobody_reads_ends() {
    let mut message = call(json!(7), "flood", json!({ "messages": 400 }));
    message["params"]["_meta"] = json!({ "progressToken": 1 });
    ends(&message).await;
}

#[tokio::test]
async fn a_large_answer_that_nobody_reads_ends() {
    ends(&call(json!(7), "long", json!({ "bytes": 16 << 20 }))).await;
}
