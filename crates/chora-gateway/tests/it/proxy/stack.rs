//! A gateway that runs inside the test, with its state file, its control socket and clients of its port.

use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use chora_gateway::{Gateway, GatewayError, GatewaySettings, Inquiry, Table};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{HeaderMap, Method, Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixStream};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::upstream::Replica;
use crate::support::eventually;

/// Questions of tests are addresses that must accept a connection, or paths that must be answered at a given one.
pub(crate) fn inquiry() -> Inquiry {
    Arc::new(|question, at| {
        Box::pin(async move {
            if let Some(at) = at {
                let got = Client::to(&at.to_string()).await.get(question.as_str().unwrap_or_default()).await;
                return if got.status == 200 { Ok(got.body) } else { Err(format!("{} {}", got.status, got.body)) };
            }
            let address = question.as_str().unwrap_or_default().to_owned();
            TcpStream::connect(&address).await.map(|_| "accepted".to_owned()).map_err(|error| format!("{address}: {error}"))
        })
    })
}

/// A folder that goes when the test ends.
pub(crate) struct Folder(pub(crate) PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        let path = std::env::temp_dir().join(format!("gw-{}", uuid::Uuid::new_v4().simple()));
        std::fs::create_dir(&path).expect("a folder");
        Self(path)
    }

    /// A gateway with its files in this folder.
    pub(crate) fn settings(&self) -> GatewaySettings {
        GatewaySettings {
            state_file: self.0.join("state.json"),
            control_socket: self.0.join("control.sock"),
            begin_empty: false,
            files: Some(self.0.join("files")),
        }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A running gateway with one HTTP port for the service `web`.
pub(crate) struct Stack {
    pub(crate) folder: Folder,
    /// Where its first listener is bound.
    pub(crate) address: String,
    stop: CancellationToken,
    running: JoinHandle<Result<(), GatewayError>>,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Got {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Got {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// A service's entry with one replica.
pub(crate) fn service(replica: &Replica) -> Value {
    json!({ "active": release(replica) })
}

pub(crate) fn release(replica: &Replica) -> Value {
    json!({ "name": replica.name, "addresses": [replica.address] })
}

/// One HTTP listener on a free port.
pub(crate) fn http(routes: &Value) -> Value {
    json!({ "bind": "127.0.0.1:0", "http": { "routes": routes } })
}

/// A table in which everything goes to `web`.
pub(crate) fn table(web: &Value) -> Value {
    json!({ "version": 1, "listeners": [http(&json!([{ "service": "web" }]))], "services": { "web": web } })
}

impl Stack {
    /// Everything goes to one replica.
    pub(crate) async fn of(replica: &Replica) -> Self {
        Self::with(&table(&service(replica))).await
    }

    pub(crate) async fn with(table: &Value) -> Self {
        let folder = Folder::new();
        Table::parse(table.to_string().as_bytes()).expect("a table").save(&folder.0.join("state.json")).expect("a state file");
        Self::start(folder).await
    }

    pub(crate) async fn start(folder: Folder) -> Self {
        let settings = folder.settings();
        Self::run(folder, settings).await
    }

    /// Begins with no state file.
    pub(crate) async fn empty(folder: Folder) -> Self {
        let settings = GatewaySettings { begin_empty: true, ..folder.settings() };
        Self::run(folder, settings).await
    }

    async fn run(folder: Folder, settings: GatewaySettings) -> Self {
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        let running = tokio::spawn(async move { Gateway::run(&settings, inquiry(), stopped, || ()).await });
        let mut stack = Self { folder, address: String::new(), stop, running };
        eventually("the control socket answers", async || UnixStream::connect(stack.socket()).await.is_ok()).await;
        let state = stack.state().await;
        stack.address = state["listeners"][0]["local"].as_str().unwrap_or_default().to_owned();
        stack
    }

    /// Puts a table, and goes by its first listener from now on.
    pub(crate) async fn taking(mut self, table: &Value) -> Self {
        self.told(Method::PUT, "/v1/table", table).await;
        self.address = self.address_now().await;
        self
    }

    /// Where its first listener is bound now.
    pub(crate) async fn address_now(&self) -> String {
        self.state().await["listeners"][0]["local"].as_str().expect("an address").to_owned()
    }

    /// Ends the gateway and keeps its folder.
    pub(crate) async fn stop(self) -> Folder {
        self.stop.cancel();
        self.running.await.expect("a gateway").expect("no failure");
        self.folder
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.0.join("control.sock")
    }

    /// A call of the control API.
    pub(crate) async fn control(&self, method: Method, path: &str, body: &Value) -> Got {
        let stream = UnixStream::connect(self.socket()).await.expect("the control socket");
        let (sender, connection) = handshake(TokioIo::new(stream)).await.expect("HTTP");
        tokio::spawn(connection);
        Client { sender }.send(method, path, &[], &body.to_string()).await
    }

    /// A call that is done.
    pub(crate) async fn told(&self, method: Method, path: &str, body: &Value) -> Value {
        let got = self.control(method, path, body).await;
        assert_eq!(got.status, 200, "{path} {body}: {got:?}");
        got.json()
    }

    pub(crate) async fn state(&self) -> Value {
        self.control(Method::GET, "/v1/state", &json!({})).await.json()
    }

    pub(crate) async fn switch(&self, to: &Replica, drain_ms: u64) -> Value {
        let body = json!({ "service": "web", "release": release(to), "drain_ms": drain_ms });
        let got = self.control(Method::POST, "/v1/switch", &body).await;
        assert_eq!(got.status, 200, "{got:?}");
        got.json()
    }

    /// Waits until all old releases of `web` are at their end.
    pub(crate) async fn drained(&self) -> Value {
        let got = self.control(Method::GET, "/v1/drain/web?wait_ms=30000", &json!({})).await.json();
        assert_eq!(got["done"], true, "{got}");
        got
    }

    /// A client with a connection of its own.
    pub(crate) async fn client(&self) -> Client {
        Client::to(&self.address).await
    }

    pub(crate) async fn get(&self, path: &str) -> Got {
        self.client().await.get(path).await
    }

    /// Sends bytes as they are and gives back all that comes until the connection ends.
    pub(crate) async fn raw(&self, bytes: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).await.expect("a connection");
        stream.write_all(bytes.as_bytes()).await.expect("a write");
        let mut got = Vec::new();
        // A reset after the answer is an end, too.
        _ = stream.read_to_end(&mut got).await;
        String::from_utf8_lossy(&got).into_owned()
    }
}

/// A client with one connection that it keeps.
pub(crate) struct Client<B = Full<Bytes>> {
    pub(crate) sender: SendRequest<B>,
}

impl<B: hyper::body::Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Send + 'static> Client<B> {
    pub(crate) async fn to(address: &str) -> Self {
        Self::on(TcpStream::connect(address).await.expect("a connection")).await
    }

    /// A client of a connection that stands already.
    pub(crate) async fn on(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> Self {
        let (sender, connection) = handshake(TokioIo::new(stream)).await.expect("HTTP");
        tokio::spawn(connection.with_upgrades());
        Self { sender }
    }

    /// The response with its body still to come.
    pub(crate) async fn open(&mut self, request: Request<B>) -> Response<Incoming> {
        self.sender.ready().await.expect("a connection");
        self.sender.send_request(request).await.expect("a response")
    }
}

impl Client {
    pub(crate) async fn get(&mut self, path: &str) -> Got {
        self.send(Method::GET, path, &[], "").await
    }

    pub(crate) async fn send(&mut self, method: Method, path: &str, headers: &[(&str, &str)], body: &str) -> Got {
        let response = self.open(request(method, path, headers, body)).await;
        let (parts, body) = response.into_parts();
        let body = body.collect().await.expect("a body").to_bytes();
        Got { status: parts.status.as_u16(), headers: parts.headers, body: String::from_utf8_lossy(&body).into_owned() }
    }
}

pub(crate) fn request(method: Method, path: &str, headers: &[(&str, &str)], body: &str) -> Request<Full<Bytes>> {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    if !headers.iter().any(|(name, _)| *name == "host") {
        request = request.header("host", "a.example");
    }
    request.body(Full::new(Bytes::from(body.to_owned()))).expect("a request")
}
