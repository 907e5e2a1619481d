//! HTTP+SSE.

use hyper::Method;
use serde_json::json;

use crate::client::{call, read_until};
use crate::support::Setup;

#[tokio::test]
async fn one_stream_answers_what_is_posted() {
    let served = Setup::default().serve().await;
    let client = served.client();
    let mut stream = client.send(Method::GET, "/sse", "").await.into_body();
    let read = read_until(&mut stream, "\n\n").await;
    let path = read.lines().find_map(|line| line.strip_prefix("data: ")).expect("an endpoint").to_owned();
    let params = json!({ "protocolVersion": "2024-11-05", "capabilities": {}, "clientInfo": { "name": "t", "version": "1" } });
    let hello = json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params });
    assert_eq!(client.request(Method::POST, &path, hello.to_string()).await.status, 202);
    assert!(read_until(&mut stream, "\n\n").await.contains("2024-11-05"));
    for id in 1..4 {
        let text = format!("number {id}");
        assert_eq!(client.request(Method::POST, &path, call(json!(id), "echo", json!({ "text": text })).to_string()).await.status, 202);
        assert!(read_until(&mut stream, "\n\n").await.contains(&text));
    }
    drop(stream);
    crate::support::eventually("the session ends with its stream", async || {
        client.request(Method::POST, &path, hello.to_string()).await.status == 404
    })
    .await;
    served.stop().await;
}
