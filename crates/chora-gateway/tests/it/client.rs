//! A plain HTTP client that says exactly what a test wants said.

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::{Method, Request, Response};
use hyper_util::client::legacy::Client as Http;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};

/// A client; clones share the connections.
#[derive(Clone)]
pub(crate) struct Client {
    http: Http<HttpConnector, Full<Bytes>>,
    address: String,
    /// What every path begins with.
    prefix: String,
    headers: Vec<(String, String)>,
}

/// What came back.
pub(crate) struct Got {
    pub(crate) status: u16,
    pub(crate) headers: hyper::HeaderMap,
    pub(crate) body: String,
}

/// Key of the revision in `_meta`.
const REVISION: &str = "io.modelcontextprotocol/protocolVersion";

impl Client {
    pub(crate) fn new(address: &str) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let http = Http::builder(TokioExecutor::new()).build(connector);
        let headers = [("content-type", "application/json"), ("accept", "application/json, text/event-stream")];
        let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        Self { http, address: address.to_owned(), prefix: String::new(), headers }
    }

    /// The same client with a header that replaces others of its name.
    pub(crate) fn with(&self, name: &str, value: &str) -> Self {
        let mut changed = self.clone();
        changed.headers.retain(|(other, _)| other != name);
        changed.headers.push((name.to_owned(), value.to_owned()));
        changed
    }

    /// The same client of what is served below a path.
    pub(crate) fn under(&self, prefix: &str) -> Self {
        Self { prefix: prefix.to_owned(), ..self.clone() }
    }

    pub(crate) fn headers(&self) -> &[(String, String)] {
        &self.headers
    }

    /// Sends a request and gives back the response with its body still to come.
    pub(crate) async fn send(&self, method: Method, path: &str, body: impl Into<Bytes>) -> Response<Incoming> {
        let mut request = Request::builder().method(method).uri(format!("http://{}{}{path}", self.address, self.prefix));
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        self.http.request(request.body(Full::new(body.into())).expect("a request")).await.expect("a response")
    }

    pub(crate) async fn request(&self, method: Method, path: &str, body: impl Into<Bytes>) -> Got {
        let response = self.send(method, path, body).await;
        let (parts, body) = response.into_parts();
        let body = body.collect().await.expect("a body").to_bytes();
        Got { status: parts.status.as_u16(), headers: parts.headers, body: String::from_utf8_lossy(&body).into_owned() }
    }

    /// Sends a message and leaves once the server can have read it.
    pub(crate) async fn post_and_leave(&self, message: &Value) {
        use tokio::io::AsyncWriteExt as _;
        let body = message.to_string();
        let mut head = format!("POST /mcp HTTP/1.1\r\nhost: {}\r\ncontent-length: {}\r\n", self.address, body.len());
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        let mut stream = tokio::net::TcpStream::connect(&self.address).await.expect("a connection");
        stream.write_all(format!("{head}\r\n{body}").as_bytes()).await.expect("it is sent");
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    }

    pub(crate) async fn post(&self, message: &Value) -> Got {
        self.request(Method::POST, "/mcp", message.to_string()).await
    }

    pub(crate) async fn get(&self, path: &str) -> Got {
        self.request(Method::GET, path, Bytes::new()).await
    }

    /// The handshake; later requests belong to the session.
    pub(crate) async fn initialize(&mut self, revision: &str) {
        self.initialize_with(revision, json!({ "sampling": {} })).await;
    }

    /// The handshake of a client that can be asked this.
    pub(crate) async fn initialize_with(&mut self, revision: &str, capabilities: Value) {
        let params = json!({ "protocolVersion": revision, "capabilities": capabilities, "clientInfo": { "name": "test", "version": "1" } });
        let got = self.post(&json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params })).await;
        assert_eq!((got.status, got.json()["result"]["protocolVersion"].as_str()), (200, Some(revision)), "{}", got.body);
        let session = got.headers.get("mcp-session-id").expect("a session").to_str().expect("text").to_owned();
        *self = self.with("mcp-session-id", &session).with("mcp-protocol-version", revision);
        let got = self.post(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" })).await;
        assert_eq!(got.status, 202);
    }

    /// Calls a tool in a session.
    pub(crate) async fn call(&self, id: Value, tool: &str, arguments: Value) -> Got {
        self.post(&call(id, tool, arguments)).await
    }

    /// Calls a tool in the way of revision 2026-07-28.
    pub(crate) async fn lone_call(&self, id: Value, tool: &str, arguments: Value) -> Got {
        self.lone(id, "tools/call", json!({ "name": tool, "arguments": arguments })).await
    }

    pub(crate) async fn lone(&self, id: Value, method: &str, params: Value) -> Got {
        let (client, message) = self.lone_message(id, method, params);
        client.post(&message).await
    }

    /// The headers and the body of a request that stands alone.
    #[expect(clippy::needless_pass_by_value, reason = "what a test sends is written where it is sent")]
    pub(crate) fn lone_message(&self, id: Value, method: &str, mut params: Value) -> (Self, Value) {
        params["_meta"][REVISION] = json!("2026-07-28");
        params["_meta"]["io.modelcontextprotocol/clientCapabilities"] = json!({});
        let mut client = self.with("mcp-protocol-version", "2026-07-28").with("mcp-method", method);
        if let Some(name) = params["name"].as_str() {
            client = client.with("mcp-name", name);
        }
        if let Some(text) = params["arguments"]["text"].as_str().filter(|_| params["name"] == "echo") {
            client = client.with("mcp-param-text", text);
        }
        (client, json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }))
    }
}

/// A tool call as a message.
#[expect(clippy::needless_pass_by_value, reason = "what a test sends is written where it is sent")]
pub(crate) fn call(id: Value, tool: &str, arguments: Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": { "name": tool, "arguments": arguments } })
}

impl Got {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{} {error}: {}", self.status, self.body))
    }

    /// The text that a tool answered with.
    pub(crate) fn text(&self) -> String {
        let answer = if self.body.starts_with('{') { self.json() } else { self.events().pop().expect("an event") };
        answer["result"]["content"][0]["text"].as_str().unwrap_or_else(|| panic!("no text: {answer}")).to_owned()
    }

    /// The messages of a body of events.
    pub(crate) fn events(&self) -> Vec<Value> {
        events(&self.body)
    }
}

/// The messages in a text of events.
pub(crate) fn events(text: &str) -> Vec<Value> {
    text.lines()
        .filter_map(|line| line.strip_prefix("data: "))
        .filter(|data| data.starts_with('{'))
        .map(|data| serde_json::from_str(data).expect("JSON"))
        .collect()
}

/// Reads a body until it holds a text, and gives back all that was read.
pub(crate) async fn read_until(body: &mut Incoming, text: &str) -> String {
    let mut read = String::new();
    let reading = async {
        while !read.contains(text) {
            match body.frame().await {
                Some(Ok(frame)) => read.push_str(&String::from_utf8_lossy(frame.data_ref().expect("data"))),
                other => panic!("{other:?} before {text}: {read}"),
            }
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(10), reading).await.unwrap_or_else(|_| panic!("no {text} within ten seconds"));
    read
}
