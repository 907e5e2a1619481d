//! A registry, asked past the engine for what the engine cannot: which manifest stands under a tag, and to let another tag
//! stand for the very same one (OCI distribution-spec). Layers are the engine's work.

mod challenge;
mod images;
mod index;
mod insecure;
mod token;

use std::time::Duration;

use bytes::Bytes;
use chora_core::ports::EngineError;
use http_body_util::{BodyExt, Full, Limited};
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, WWW_AUTHENTICATE};
use hyper::{Method, Request, StatusCode};
use hyper_rustls::{ConfigBuilderExt as _, HttpsConnector};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde::Deserialize;

use crate::client::Client;
use crate::images::split_tag;
use crate::login::{Login, Logins, registry_of};

/// How long one answer may take.
const LIMIT: Duration = Duration::from_secs(30);
/// How long a connection may take.
const CONNECTING: Duration = Duration::from_secs(10);
/// The largest manifest or answer that is read, in bytes (distribution-spec: registries take manifests of 4 MiB at least).
const LARGEST: usize = 4 << 20;
/// Manifests that are understood: of one platform and of many, Docker's and OCI's.
const MANIFESTS: &str = "application/vnd.docker.distribution.manifest.v2+json, application/vnd.docker.distribution.manifest.list.v2+json, \
                         application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json";

type Http = legacy::Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

/// One repository of a registry, with what is named in it.
pub(crate) struct Registry {
    http: Http,
    /// With scheme and host, such as `http://127.0.0.1:5000`.
    base: String,
    host: String,
    repository: String,
    /// Tag or digest.
    named: String,
    reference: String,
    login: Option<Login>,
}

/// An answer, read.
pub(crate) struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

/// What is sent.
#[derive(Clone)]
struct Question {
    method: Method,
    url: String,
    accept: &'static str,
    kind: Option<HeaderValue>,
    body: Bytes,
}

impl Registry {
    /// Finds the registry of a `name:tag` or `name@digest`; only one that needs no TLS is asked whether it has it.
    pub(crate) async fn of(client: &Client, logins: &Logins, reference: &str) -> Result<Self, EngineError> {
        let host = registry_of(reference).to_owned();
        let path = reference.strip_prefix(&host).and_then(|rest| rest.strip_prefix('/')).unwrap_or(reference);
        let (name, named) = match path.split_once('@') {
            Some((name, digest)) => (split_tag(name).0, digest),
            None => (split_tag(path).0, split_tag(path).1.unwrap_or("latest")),
        };
        let is_docker = host == "docker.io";
        let repository = if is_docker && !name.contains('/') { format!("library/{name}") } else { name.to_owned() };
        let is_insecure = insecure::is_insecure(client, &host).await?;
        let http = http(reference, is_insecure)?;
        let base = if is_insecure {
            insecure::base(&http, &host).await
        } else {
            format!("https://{}", if is_docker { "registry-1.docker.io" } else { &host })
        };
        let login = logins.find(reference).await?;
        Ok(Self { http, base, host, repository, named: named.to_owned(), reference: reference.to_owned(), login })
    }

    /// The digest of the manifest that is named; `None` when there is none.
    pub(crate) async fn digest(&self) -> Result<Option<String>, EngineError> {
        let answer = self.ask(&self.manifest(Method::HEAD, &self.named)).await?;
        match answer.status {
            StatusCode::NOT_FOUND => return Ok(None),
            status if !status.is_success() => return Err(self.refused(&answer)),
            _ => {}
        }
        let told = answer.headers.get("Docker-Content-Digest").and_then(|value| value.to_str().ok());
        told.map(|digest| Some(digest.to_owned())).ok_or_else(|| EngineError::PushRefused {
            image: self.reference.clone(),
            reason: "the registry does not say which digest it has under this name".to_owned(),
        })
    }

    /// Puts the manifest that is named under another tag, byte for byte.
    pub(crate) async fn tag(&self, tag: &str) -> Result<(), EngineError> {
        let found = self.ask(&self.manifest(Method::GET, &self.named)).await?;
        if !found.status.is_success() {
            return Err(self.refused(&found));
        }
        let kind = found.headers.get(CONTENT_TYPE).cloned();
        let put = Question { kind, body: found.body, ..self.manifest(Method::PUT, tag) };
        let answer = self.ask(&put).await?;
        if answer.status.is_success() { Ok(()) } else { Err(self.refused(&answer)) }
    }

    fn manifest(&self, method: Method, named: &str) -> Question {
        let url = format!("{}/v2/{}/manifests/{named}", self.base, self.repository);
        Question { method, url, accept: MANIFESTS, kind: None, body: Bytes::new() }
    }

    /// Asks, once more with a login where the registry wants one.
    async fn ask(&self, question: &Question) -> Result<Answer, EngineError> {
        let answer = self.send(question, None).await?;
        if answer.status != StatusCode::UNAUTHORIZED {
            return Ok(answer);
        }
        let wanted = answer.headers.get(WWW_AUTHENTICATE).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
        match self.authorization(&wanted).await? {
            Some(authorization) => self.send(question, Some(authorization)).await,
            None => Ok(answer),
        }
    }

    async fn send(&self, question: &Question, authorization: Option<HeaderValue>) -> Result<Answer, EngineError> {
        let mut request = Request::builder().method(question.method.clone()).uri(&question.url).header(ACCEPT, question.accept);
        if let Some(kind) = &question.kind {
            request = request.header(CONTENT_TYPE, kind);
        }
        if let Some(value) = authorization {
            request = request.header(AUTHORIZATION, value);
        }
        let request = request.body(Full::new(question.body.clone())).map_err(|error| EngineError::Invalid { reason: error.to_string() })?;
        let work = async {
            let response = self.http.request(request).await.map_err(|error| self.away(with_causes(&error)))?;
            let (head, body) = response.into_parts();
            let body = Limited::new(body, LARGEST).collect().await.map_err(|error| self.away(format!("the answer broke off: {error}")))?;
            Ok(Answer { status: head.status, headers: head.headers, body: body.to_bytes() })
        };
        tokio::time::timeout(LIMIT, work).await.unwrap_or_else(|_| Err(self.away(format!("no answer within {} s", LIMIT.as_secs()))))
    }

    fn away(&self, reason: String) -> EngineError {
        EngineError::RegistryUnreachable { image: self.reference.clone(), reason }
    }

    /// Why an answer is no good.
    fn refused(&self, answer: &Answer) -> EngineError {
        let (status, said) = (answer.status, words(&answer.body));
        let reason = if said.is_empty() { status.to_string() } else { format!("{status}: {said}") };
        match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => EngineError::LoginNeeded { registry: self.host.clone(), reason },
            status if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS => self.away(reason),
            _ => EngineError::PushRefused { image: self.reference.clone(), reason },
        }
    }
}

/// A way to registries. Authorities are read for those that have to show who they are.
fn http(reference: &str, is_insecure: bool) -> Result<Http, EngineError> {
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_connect_timeout(Some(CONNECTING));
    let unreachable = |reason: String| EngineError::RegistryUnreachable { image: reference.to_owned(), reason };
    let config = if is_insecure { insecure::accepting() } else { trusting() }.map_err(unreachable)?;
    let connector = hyper_rustls::HttpsConnectorBuilder::new().with_tls_config(config).https_or_http().enable_http1().wrap_connector(tcp);
    Ok(legacy::Client::builder(TokioExecutor::new()).build(connector))
}

fn trusting() -> Result<rustls::ClientConfig, String> {
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let roots = builder.map_err(|error| error.to_string())?.with_native_roots();
    Ok(roots.map_err(|error| format!("the machine's authorities cannot be read: {error}"))?.with_no_client_auth())
}

/// A registry's own words for what is wrong, at most a line.
fn words(body: &[u8]) -> String {
    #[derive(Deserialize)]
    struct Errors {
        errors: Vec<Problem>,
    }
    #[derive(Deserialize)]
    #[serde(default)]
    #[derive(Default)]
    struct Problem {
        code: String,
        message: String,
    }
    let Ok(Errors { errors }) = serde_json::from_slice(body) else { return String::new() };
    let lines = errors.into_iter().map(|problem| if problem.message.is_empty() { problem.code } else { problem.message });
    lines.take(3).collect::<Vec<_>>().join(", ")
}

fn with_causes(error: &dyn std::error::Error) -> String {
    let (mut words, mut next) = (error.to_string(), error.source());
    while let Some(cause) = next {
        words = format!("{words}: {cause}");
        next = cause.source();
    }
    words
}

#[cfg(test)]
mod tests {
    use super::words;

    #[test]
    fn a_registry_says_what_is_wrong() {
        assert_eq!(words(br#"{"errors":[{"code":"DENIED","message":"no"},{"code":"X"}]}"#), "no, X");
        assert_eq!(words(b"<html>"), "");
    }
}
