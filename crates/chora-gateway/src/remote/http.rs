//! HTTP to a server, over TLS with the certificates of this machine where the address says so.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::header::HeaderMap;
use hyper::{Method, Request, Response, Uri};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use crate::causes::with_causes;

/// Largest answer that is no stream, in bytes.
const LARGEST_ANSWER: usize = 64 * 1024 * 1024;
/// How long a connection may take.
const CONNECTING: Duration = Duration::from_secs(10);

/// A client of one server.
#[derive(Debug, Clone)]
pub(super) struct Http(Client<HttpsConnector<HttpConnector>, Full<Bytes>>);

/// Why no answer came.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub(super) struct NoAnswer {
    pub(super) reason: String,
    /// The server was never reached: the same may be sent again.
    pub(super) unsent: bool,
}

impl Http {
    pub(super) fn new() -> std::io::Result<Self> {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(CONNECTING));
        let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
        let tls = hyper_rustls::HttpsConnectorBuilder::new().with_provider_and_native_roots(provider)?;
        let connector = tls.https_or_http().enable_http1().wrap_connector(tcp);
        let client =
            Client::builder(TokioExecutor::new()).pool_timer(TokioTimer::new()).pool_idle_timeout(Duration::from_secs(30)).build(connector);
        Ok(Self(client))
    }

    /// Sends a request and waits for the head of its answer.
    pub(super) async fn send(&self, method: Method, url: &Uri, headers: HeaderMap, body: Bytes) -> Result<Response<Incoming>, NoAnswer> {
        let mut request = Request::new(Full::new(body));
        (*request.method_mut(), *request.uri_mut(), *request.headers_mut()) = (method, url.clone(), headers);
        self.0.request(request).await.map_err(|error| NoAnswer { unsent: error.is_connect(), reason: with_causes(&error) })
    }
}

/// Reads an answer that is no stream.
pub(super) async fn read(body: Incoming) -> Result<Bytes, NoAnswer> {
    let read = Limited::new(body, LARGEST_ANSWER).collect().await;
    read.map(http_body_util::Collected::to_bytes)
        .map_err(|error| NoAnswer { reason: format!("the answer broke off: {error}"), unsent: false })
}
