//! HTTP over one connection per request: bounded bodies, no redirects, no TLS; and the conditions on an answer.

mod body;
mod condition;

pub(super) use self::condition::health_status;

use std::net::SocketAddr;

use bytes::Bytes;
use chora_core::model::health::HttpProbe;
use http_body_util::Full;
use hyper::header::{ACCEPT, CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue, USER_AGENT};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use indexmap::IndexMap;

pub(crate) use self::body::Body;
use super::answer::{Deadline, Passed, Trouble};
use super::tcp;

/// Whom to ask, and the headers of every request.
#[derive(Debug)]
pub(crate) struct Peer {
    address: SocketAddr,
    headers: HeaderMap,
    secrets: Vec<String>,
}

/// One request.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    pub(crate) method: Method,
    pub(crate) path: &'a str,
    /// Headers beside those of the peer, whose own win.
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    pub(crate) body: Bytes,
}

/// An answer whose body is still to be read.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Body,
}

impl Peer {
    pub(crate) fn new(address: SocketAddr, authority: &str, given: &IndexMap<String, String>) -> Result<Self, Trouble> {
        let mut headers = HeaderMap::new();
        let host = HeaderValue::from_str(authority).map_err(|_| Trouble::Refused("the host is not a valid header".to_owned(), None))?;
        headers.insert(HOST, host);
        headers.insert(USER_AGENT, HeaderValue::from_static(concat!("chora-probe/", env!("CARGO_PKG_VERSION"))));
        for (name, value) in given {
            let invalid = || Trouble::Refused(format!("header `{name}` is not a valid HTTP header"), None);
            let key = HeaderName::from_bytes(name.as_bytes()).map_err(|_| invalid())?;
            headers.insert(key, HeaderValue::from_str(value).map_err(|_| invalid())?);
        }
        Ok(Self { address, headers, secrets: secrets_in(given) })
    }

    /// Takes what was sent in headers out of the evidence, in case the other side echoes it.
    pub(crate) fn censor(&self, trouble: Trouble) -> Trouble {
        trouble.map(|words| self.secrets.iter().fold(words, |words, secret| words.replace(secret, "[redacted]")))
    }

    /// Sends one request on a connection of its own and waits for the head of the answer.
    pub(crate) async fn send(&self, call: Call<'_>, deadline: Deadline) -> Result<Answer, Trouble> {
        let stream = tcp::connect(self.address, deadline).await?;
        let target = if call.path.starts_with('/') { call.path.to_owned() } else { format!("/{}", call.path) };
        let mut request = Request::builder().method(call.method).uri(target);
        if let Some(headers) = request.headers_mut() {
            headers.extend(call.headers);
            headers.extend(self.headers.clone());
        }
        let request =
            request.body(Full::new(call.body)).map_err(|error| Trouble::Refused(format!("the path cannot be asked for: {error}"), None))?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|error| broken(&error))?;
        let connection = Connection::drive(connection);
        let answer = sender.send_request(request).await.map_err(|error| broken(&error))?;
        let (head, incoming) = answer.into_parts();
        Ok(Answer { status: head.status, headers: head.headers, body: Body::new(incoming, connection) })
    }
}

impl Answer {
    /// The media type without its parameters, in lower case.
    pub(crate) fn media_type(&self) -> String {
        let value = self.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
    }
}

/// The task that drives a connection; it ends with its answer.
#[derive(Debug)]
pub(crate) struct Connection(tokio::task::JoinHandle<()>);

impl Connection {
    pub(crate) fn drive(connection: impl Future<Output: Send> + Send + 'static) -> Self {
        Self(tokio::spawn(async move {
            // How it ends shows in the answer or its body.
            drop(connection.await);
        }))
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Asks once and checks the conditions.
pub(crate) async fn ask(peer: &Peer, probe: &HttpProbe, deadline: Deadline) -> Result<Passed, Trouble> {
    let headers = vec![(ACCEPT, HeaderValue::from_static("application/json, */*"))];
    let call = Call { method: Method::GET, path: &probe.path, headers, body: Bytes::new() };
    let answer = deadline.bound("the service", peer.send(call, deadline)).await?;
    condition::check(answer, probe, deadline).await
}

fn broken(error: &hyper::Error) -> Trouble {
    if error.is_parse() {
        Trouble::Wrong(format!("the answer is not HTTP: {error}"))
    } else {
        Trouble::Silent("the connection was closed without an answer".to_owned())
    }
}

/// Header values, whole and without their scheme (`Bearer …`); short ones would only garble the evidence.
fn secrets_in(headers: &IndexMap<String, String>) -> Vec<String> {
    let mut secrets = Vec::new();
    for value in headers.values() {
        secrets.push(value.clone());
        secrets.extend(value.split_whitespace().skip(1).map(str::to_owned));
    }
    secrets.retain(|secret| secret.len() >= 6);
    secrets
}
