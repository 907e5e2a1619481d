//! Requests to the engine: version prefix, time limits, refusals.

use std::sync::Mutex;
use std::time::Duration;

use bytes::Bytes;
use chora_core::ports::EngineError;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::client::legacy;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use serde::de::DeserializeOwned;

use crate::failure::{self, OLDEST_API};
use crate::transport::Transport;

/// Newest API whose documents this crate was written for.
const NEWEST_API: (u32, u32) = (1, 53);
/// Limit of a call that only looks something up.
const SHORT: Duration = Duration::from_secs(30);
/// Limit of a call that makes the engine work.
pub(crate) const LONG: Duration = Duration::from_secs(180);

/// What the first contact tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Handshake {
    /// API version in use on both sides.
    pub(crate) api: (u32, u32),
    /// Whether the engine builds with `BuildKit` when it is asked to.
    pub(crate) buildkit: bool,
}

impl Handshake {
    pub(crate) fn has(self, major: u32, minor: u32) -> bool {
        self.api >= (major, minor)
    }
}

/// One request, described.
pub(crate) struct Call {
    method: Method,
    path: String,
    query: String,
    headers: Vec<(&'static str, String)>,
    body: Bytes,
    about: String,
    limit: Option<Duration>,
}

impl Call {
    fn new(method: Method, path: impl Into<String>, about: impl Into<String>) -> Self {
        let (path, about) = (path.into(), about.into());
        Self { method, path, query: String::new(), headers: Vec::new(), body: Bytes::new(), about, limit: Some(SHORT) }
    }

    /// `about` names the object, such as ``container `web` ``.
    pub(crate) fn get(path: impl Into<String>, about: impl Into<String>) -> Self {
        Self::new(Method::GET, path, about)
    }

    pub(crate) fn post(path: impl Into<String>, about: impl Into<String>) -> Self {
        Self::new(Method::POST, path, about)
    }

    pub(crate) fn put(path: impl Into<String>, about: impl Into<String>) -> Self {
        Self::new(Method::PUT, path, about)
    }

    pub(crate) fn delete(path: impl Into<String>, about: impl Into<String>) -> Self {
        Self::new(Method::DELETE, path, about)
    }

    pub(crate) fn query(mut self, key: &str, value: impl AsRef<str>) -> Self {
        self.query.push(if self.query.is_empty() { '?' } else { '&' });
        self.query.push_str(key);
        self.query.push('=');
        self.query.extend(form_urlencoded::byte_serialize(value.as_ref().as_bytes()));
        self
    }

    pub(crate) fn header(mut self, name: &'static str, value: String) -> Self {
        self.headers.push((name, value));
        self
    }

    pub(crate) fn bytes(mut self, kind: &'static str, body: Bytes) -> Self {
        self.headers.push((CONTENT_TYPE.as_str(), kind.to_owned()));
        self.body = body;
        self
    }

    pub(crate) fn json(self, body: &serde_json::Value) -> Self {
        self.bytes("application/json", Bytes::from(body.to_string()))
    }

    /// Replaces the limit of 30 s; for streams it holds until they begin.
    pub(crate) fn limit(mut self, limit: Option<Duration>) -> Self {
        self.limit = limit;
        self
    }
}

/// The way to one engine.
pub(crate) struct Client {
    http: legacy::Client<Transport, Full<Bytes>>,
    endpoint: String,
    handshake: Mutex<Option<Handshake>>,
    /// Held while the engine is asked for the first time.
    greeting: tokio::sync::Mutex<()>,
    refuses_buildkit: bool,
}

impl Client {
    pub(crate) fn new(transport: Transport, endpoint: String, refuses_buildkit: bool) -> Self {
        let idle = if transport.is_cheap() { 0 } else { 4 };
        let http = legacy::Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(Duration::from_secs(20))
            .pool_max_idle_per_host(idle)
            .build(transport);
        Self { http, endpoint, handshake: Mutex::new(None), greeting: tokio::sync::Mutex::new(()), refuses_buildkit }
    }

    pub(crate) fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Gives the negotiated version, asking for it the first time.
    pub(crate) async fn handshake(&self) -> Result<Handshake, EngineError> {
        if let Some(handshake) = self.known() {
            return Ok(handshake);
        }
        // Of several first calls at once one asks.
        let _asking = self.greeting.lock().await;
        match self.known() {
            Some(handshake) => Ok(handshake),
            None => self.greet().await,
        }
    }

    fn known(&self) -> Option<Handshake> {
        self.handshake.lock().map_or(None, |known| *known)
    }

    /// Asks for the engine's version anew; it may have been replaced meanwhile.
    pub(crate) async fn greet(&self) -> Result<Handshake, EngineError> {
        let call = Call::get("/_ping", "the engine");
        let limit = call.limit;
        let response = self.within(limit, "the engine's first answer", self.dispatch(call, None)).await?;
        let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let offered = header("Api-Version").to_owned();
        // 20.10 names no builder and has BuildKit for who asks; Podman names none and has none.
        let is_silent = header("Builder-Version").is_empty() && header("Libpod-API-Version").is_empty();
        let buildkit = header("Builder-Version") == "2" || (is_silent && header("OSType") == "linux");
        let handshake = Handshake { api: negotiate(&offered)?, buildkit: buildkit && !self.refuses_buildkit };
        if let Ok(mut known) = self.handshake.lock() {
            *known = Some(handshake);
        }
        Ok(handshake)
    }

    /// Sends a request and gives the answer once it has begun.
    pub(crate) async fn open(&self, call: Call) -> Result<Response<Incoming>, EngineError> {
        let limit = call.limit;
        let what = format!("an answer about {}", call.about);
        let api = self.handshake().await?.api;
        self.within(limit, &what, self.dispatch(call, Some(api))).await
    }

    /// Sends a request and reads its whole answer.
    pub(crate) async fn whole(&self, call: Call) -> Result<Bytes, EngineError> {
        let limit = call.limit;
        let what = format!("an answer about {}", call.about);
        let api = self.handshake().await?.api;
        let work = async {
            let response = self.dispatch(call, Some(api)).await?;
            let body = response.into_body().collect().await.map_err(|error| self.lost(&error))?;
            Ok(body.to_bytes())
        };
        self.within(limit, &what, work).await
    }

    /// Sends a request whose answer does not matter.
    pub(crate) async fn unit(&self, call: Call) -> Result<(), EngineError> {
        self.whole(call).await.map(drop)
    }

    /// Sends a request and reads a JSON document.
    pub(crate) async fn document<T: DeserializeOwned>(&self, call: Call) -> Result<T, EngineError> {
        let about = call.about.clone();
        let body = self.whole(call).await?;
        serde_json::from_slice(&body)
            .map_err(|error| EngineError::Failed { reason: format!("its answer about {about} cannot be read: {error}") })
    }

    /// Like [`Self::document`]; `None` when the object is not there.
    pub(crate) async fn found<T: DeserializeOwned>(&self, call: Call) -> Result<Option<T>, EngineError> {
        match self.document(call).await {
            Ok(document) => Ok(Some(document)),
            Err(EngineError::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Sends a request that turns its connection into a two-way stream of `protocol`.
    pub(crate) async fn upgrade(&self, call: Call, protocol: &str) -> Result<TokioIo<hyper::upgrade::Upgraded>, EngineError> {
        let call = call.header("Connection", "Upgrade".to_owned()).header("Upgrade", protocol.to_owned());
        let response = self.open(call).await?;
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            return Err(EngineError::Failed { reason: format!("it does not switch to {protocol}") });
        }
        hyper::upgrade::on(response).await.map(TokioIo::new).map_err(|error| self.lost(&error))
    }

    /// Maps a connection that broke.
    pub(crate) fn lost(&self, error: &(dyn std::error::Error + 'static)) -> EngineError {
        failure::connection(error, &self.endpoint)
    }

    async fn within<T>(
        &self,
        limit: Option<Duration>,
        what: &str,
        work: impl Future<Output = Result<T, EngineError>>,
    ) -> Result<T, EngineError> {
        match limit {
            None => work.await,
            Some(limit) => {
                tokio::time::timeout(limit, work).await.unwrap_or_else(|_| Err(EngineError::TimedOut { what: what.to_owned(), limit }))
            }
        }
    }

    async fn dispatch(&self, call: Call, api: Option<(u32, u32)>) -> Result<Response<Incoming>, EngineError> {
        let prefix = api.map(|(major, minor)| format!("/v{major}.{minor}")).unwrap_or_default();
        let mut request =
            Request::builder().method(call.method).uri(format!("http://docker{prefix}{}{}", call.path, call.query)).header(HOST, "docker");
        for (name, value) in call.headers {
            request = request.header(name, value);
        }
        let request = request.body(Full::new(call.body)).map_err(|error| EngineError::Invalid { reason: error.to_string() })?;
        let response = self.http.request(request).await.map_err(|error| self.lost(&error))?;
        let status = response.status();
        if status.is_success() || matches!(status, StatusCode::NOT_MODIFIED | StatusCode::SWITCHING_PROTOCOLS) {
            return Ok(response);
        }
        let body = response.into_body().collect().await.map_err(|error| self.lost(&error))?.to_bytes();
        let message = serde_json::from_slice::<Refusal>(&body).map_or_else(|_| String::from_utf8_lossy(&body).into_owned(), |r| r.message);
        Err(failure::refusal(status.as_u16(), &message, &call.about))
    }
}

#[derive(serde::Deserialize)]
struct Refusal {
    message: String,
}

/// Takes the newest version that both know.
fn negotiate(offered: &str) -> Result<(u32, u32), EngineError> {
    let parsed = offered.split_once('.').and_then(|(major, minor)| Some((major.parse().ok()?, minor.parse().ok()?)));
    match parsed {
        Some(version) if version >= OLDEST_API => Ok(version.min(NEWEST_API)),
        _ => {
            let (major, minor) = OLDEST_API;
            let offered = if offered.is_empty() { "unknown".to_owned() } else { offered.to_owned() };
            Err(EngineError::ApiVersion { offered, needed: format!("{major}.{minor} or newer") })
        }
    }
}

/// Makes a name safe as one segment of a path.
pub(crate) fn segment(name: &str) -> String {
    let mut text = String::with_capacity(name.len());
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~' | b':' | b'@') {
            text.push(char::from(byte));
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
    text
}

/// Makes an image reference safe in a path; its slashes stay.
pub(crate) fn reference_path(reference: &str) -> String {
    reference.split('/').map(segment).collect::<Vec<_>>().join("/")
}

/// Writes a `filters` parameter that asks for labels.
pub(crate) fn label_filter(labels: &indexmap::IndexMap<String, String>) -> serde_json::Value {
    let wanted: Vec<String> = labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
    serde_json::json!({ "label": wanted })
}

#[cfg(test)]
mod tests {
    use chora_core::ports::EngineError;

    use super::{negotiate, reference_path, segment};

    #[test]
    fn the_version_is_the_newest_that_both_know() {
        assert_eq!(negotiate("1.41").unwrap(), (1, 41));
        assert_eq!(negotiate("1.44").unwrap(), (1, 44));
        assert_eq!(negotiate("1.99").unwrap(), (1, 53));
        for old in ["1.40", "1.9", "", "x"] {
            assert!(matches!(negotiate(old), Err(EngineError::ApiVersion { .. })), "{old}");
        }
    }

    #[test]
    fn names_cannot_leave_their_segment() {
        assert_eq!(segment("a/../b?x=1"), "a%2F..%2Fb%3Fx%3D1");
        assert_eq!(reference_path("host:5000/a/b:1@sha256:0"), "host:5000/a/b:1@sha256:0");
    }
}
