//! HTTP+SSE of revision 2024-11-05, for servers that speak nothing newer.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderValue};
use hyper::{Method, Uri};

use super::Remote;
use super::sse::{SseEvent, SseReader};
use crate::message::{Message, Request};

/// How long the server may take to say where to post, and to answer the first message.
const OPENING: Duration = Duration::from_secs(30);

/// This is no server of the oldest revision either.
#[derive(Debug)]
pub(super) struct NotThis;

impl Remote {
    /// Opens the stream, posts the handshake and gives its answer; later messages are written as they come.
    pub(super) async fn open_oldest(self: &Arc<Self>, request: &Request, hello: Bytes) -> Result<Bytes, NotThis> {
        let mut own = HeaderMap::new();
        own.insert(ACCEPT, HeaderValue::from_static("text/event-stream"));
        let response = self.http.send(Method::GET, &self.settings.url, self.headers(own), Bytes::new()).await.map_err(|_| NotThis)?;
        let kind = response.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        if !response.status().is_success() || !kind.starts_with("text/event-stream") {
            return Err(NotThis);
        }
        let mut events = Events { body: response.into_body(), reader: SseReader::default(), ready: Vec::new() };
        let endpoint =
            tokio::time::timeout(OPENING, events.next()).await.ok().flatten().filter(|event| event.kind == "endpoint").ok_or(NotThis)?;
        self.state().endpoint = Some(resolved(&self.settings.url, &endpoint.data).ok_or(NotThis)?);
        self.post(hello, &HeaderMap::new()).await.map_err(|_| NotThis)?;
        let answer = tokio::time::timeout(OPENING, events.next()).await.ok().flatten().ok_or(NotThis)?;
        let id = request.id.clone();
        if !matches!(Message::parse(answer.data.as_bytes()), Ok(Message::Response(answer)) if answer.id == Some(id)) {
            return Err(NotThis);
        }
        let remote = Arc::clone(self);
        let standing = tokio::spawn(async move {
            while let Some(event) = events.next().await {
                remote.write(event.data.into()).await;
            }
            tracing::error!("the server has ended the stream of the session; its client has to begin anew");
        });
        self.state().standing = Some(standing.abort_handle());
        Ok(answer.data.into())
    }
}

struct Events {
    body: Incoming,
    reader: SseReader,
    ready: Vec<SseEvent>,
}

impl Events {
    async fn next(&mut self) -> Option<SseEvent> {
        while self.ready.is_empty() {
            let frame = self.body.frame().await?.ok()?;
            if let Some(piece) = frame.data_ref() {
                self.ready = self.reader.take(piece).ok()?;
                self.ready.reverse();
            }
        }
        self.ready.pop()
    }
}

/// Where to post: given whole, or as a path of the same server. Another server is not followed: it would get the headers.
fn resolved(url: &Uri, endpoint: &str) -> Option<Uri> {
    let given: Uri = endpoint.parse().ok()?;
    let path = given.path_and_query()?.clone();
    if let Some(authority) = given.authority()
        && (Some(authority) != url.authority() || given.scheme() != url.scheme())
    {
        return None;
    }
    Uri::builder().scheme(url.scheme()?.clone()).authority(url.authority()?.clone()).path_and_query(path).build().ok()
}

#[cfg(test)]
mod tests {
    use super::resolved;

    #[test]
    fn only_the_same_server_is_posted_to() {
        let url = "https://a.example:8443/sse".parse().expect("an address");
        for (endpoint, to) in [
            ("/messages?sessionId=1", Some("https://a.example:8443/messages?sessionId=1")),
            ("https://a.example:8443/m", Some("https://a.example:8443/m")),
            ("https://b.example/m", None),
            ("http://a.example:8443/m", None),
        ] {
            assert_eq!(resolved(&url, endpoint).map(|uri| uri.to_string()).as_deref(), to, "{endpoint}");
        }
    }
}
