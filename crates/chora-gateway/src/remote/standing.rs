//! The stream that stands open for what belongs to no call.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::header::{ACCEPT, HeaderMap, HeaderValue};
use hyper::{Method, StatusCode};

use super::Remote;
use super::sse::SseReader;

/// The longest pause between two tries.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// How a try ended.
enum End {
    /// The server offers no such stream, or knows the session no more.
    Final,
    /// It broke off; come back after so long.
    Broken(Option<Duration>),
}

impl Remote {
    /// Opens the standing stream, in the place of the one before.
    pub(super) fn stand_open(self: &Arc<Self>) {
        if self.state().endpoint.is_some() {
            return;
        }
        let weak = Arc::downgrade(self);
        let standing = tokio::spawn(async move {
            let (mut last_id, mut pause) = (None, Duration::from_secs(1));
            loop {
                let Some(remote) = weak.upgrade() else { return };
                match remote.listen(&mut last_id).await {
                    End::Final => return,
                    End::Broken(wish) => pause = wish.unwrap_or((pause * 2).min(LONGEST_PAUSE)),
                }
                drop(remote);
                tokio::time::sleep(pause).await;
            }
        });
        if let Some(before) = self.state().standing.replace(standing.abort_handle()) {
            before.abort();
        }
    }

    async fn listen(&self, last_id: &mut Option<String>) -> End {
        let mut own = HeaderMap::new();
        own.insert(ACCEPT, HeaderValue::from_static("text/event-stream"));
        if let Some(id) = last_id.as_deref().and_then(|id| HeaderValue::from_str(id).ok()) {
            own.insert("last-event-id", id);
        }
        let Ok(response) = self.http.send(Method::GET, &self.settings.url, self.headers(own), Bytes::new()).await else {
            return End::Broken(None);
        };
        match response.status() {
            status if status.is_success() => self.pass_on(response.into_body(), last_id).await,
            StatusCode::SERVICE_UNAVAILABLE | StatusCode::BAD_GATEWAY | StatusCode::GATEWAY_TIMEOUT => End::Broken(None),
            _ => End::Final,
        }
    }

    async fn pass_on(&self, mut body: Incoming, last_id: &mut Option<String>) -> End {
        let (mut reader, mut wish) = (SseReader::default(), Some(Duration::from_secs(1)));
        while let Some(Ok(frame)) = body.frame().await {
            let Some(piece) = frame.data_ref() else { continue };
            let Ok(events) = reader.take(piece) else { return End::Final };
            for event in events {
                *last_id = event.id.or(last_id.take());
                wish = event.retry.map(Duration::from_millis).or(wish);
                if !event.data.is_empty() {
                    self.write(event.data.into()).await;
                }
            }
        }
        End::Broken(wish)
    }
}
