//! HTTP+SSE of revision 2024-11-05: a GET stream names an endpoint, requests are posted there, answers come on the stream.

use bytes::Bytes;
use hyper::Method;
use hyper::header::{ACCEPT, CONTENT_TYPE, HeaderValue};
use serde_json::Value;

use super::events::Events;
use super::message;
use super::wire::Fault;
use crate::probe::answer::{Deadline, Trouble, excerpt};
use crate::probe::http::{Call, Peer};

/// An open event stream and where to post.
#[derive(Debug)]
pub(super) struct Legacy<'a> {
    peer: &'a Peer,
    events: Events,
    endpoint: String,
    deadline: Deadline,
    last_id: u64,
}

impl<'a> Legacy<'a> {
    pub(super) async fn open(peer: &'a Peer, path: &str, deadline: Deadline) -> Result<Self, Trouble> {
        let headers = vec![(ACCEPT, HeaderValue::from_static("text/event-stream"))];
        let call = Call { method: Method::GET, path, headers, body: Bytes::new() };
        let answer = deadline.bound("the event stream", peer.send(call, deadline)).await?;
        if !answer.status.is_success() || answer.media_type() != "text/event-stream" {
            let (status, kind) = (answer.status, answer.media_type());
            return Err(Trouble::Wrong(format!("the event stream answered {status} {kind}").trim_end().to_owned()));
        }
        let mut events = Events::new(answer.body);
        let endpoint = deadline.bound("the endpoint event", first_endpoint(&mut events)).await?;
        let endpoint = path_and_query(&endpoint, path);
        Ok(Self { peer, events, endpoint, deadline, last_id: 0 })
    }

    pub(super) async fn request(&mut self, method: &str, params: Value) -> Result<Value, Fault> {
        self.last_id += 1;
        let id = self.last_id;
        let (peer, endpoint, deadline) = (self.peer, self.endpoint.as_str(), self.deadline);
        let events = &mut self.events;
        let posted = post(peer, endpoint, deadline, message::request(id, method, &params));
        let exchange = async {
            // A server may hold the post back until its answer has been read from the stream.
            Ok(tokio::try_join!(posted, answer_from(events, id, method)).map(|((), result)| result))
        };
        deadline.bound(method, exchange).await?
    }

    pub(super) async fn notify(&mut self, method: &str) -> Result<(), Fault> {
        let posted = post(self.peer, &self.endpoint, self.deadline, message::notification(method));
        self.deadline.bound(method, async { Ok(posted.await) }).await?
    }
}

async fn post(peer: &Peer, endpoint: &str, deadline: Deadline, message: Value) -> Result<(), Fault> {
    let headers = vec![(CONTENT_TYPE, HeaderValue::from_static("application/json"))];
    let call = Call { method: Method::POST, path: endpoint, headers, body: Bytes::from(message.to_string()) };
    let answer = peer.send(call, deadline).await?;
    if answer.status.is_success() {
        return Ok(());
    }
    let status = answer.status;
    let body = answer.body.read(1 << 12).await?;
    Err(Fault::Status { status, body: body.lossy().into_owned() })
}

async fn answer_from(events: &mut Events, id: u64, method: &str) -> Result<Value, Fault> {
    while let Some(event) = events.next().await? {
        let value = serde_json::from_str(&event.data)
            .map_err(|_| Trouble::Wrong(format!("{method} answered no JSON-RPC: {}", excerpt(&event.data, 200))))?;
        if let Some(outcome) = message::take(value, id) {
            return outcome;
        }
    }
    Err(Fault::Trouble(Trouble::Wrong(format!("the event stream ended before {method} was answered"))))
}

async fn first_endpoint(events: &mut Events) -> Result<String, Trouble> {
    match events.next().await? {
        Some(event) if event.kind == "endpoint" => Ok(event.data),
        Some(event) => {
            Err(Trouble::Wrong(format!("the event stream begins with `{}`, not `endpoint`: {}", event.kind, excerpt(&event.data, 100))))
        }
        None => Err(Trouble::Wrong("the event stream ended before it named its endpoint".to_owned())),
    }
}

/// Where to post, on the very server that was asked: another host in the endpoint is not followed.
fn path_and_query(endpoint: &str, stream: &str) -> String {
    if let Some((_, rest)) = endpoint.split_once("://") {
        return rest.find('/').and_then(|start| rest.get(start..)).unwrap_or("/").to_owned();
    }
    if endpoint.starts_with('/') {
        return endpoint.to_owned();
    }
    let folder = stream.split('?').next().unwrap_or_default();
    let folder = folder.rfind('/').and_then(|end| folder.get(..=end)).unwrap_or("/");
    format!("{folder}{endpoint}")
}

#[cfg(test)]
mod tests {
    use super::path_and_query;

    #[test]
    fn the_endpoint_stays_on_the_server() {
        assert_eq!(path_and_query("/messages?id=1", "/sse"), "/messages?id=1");
        assert_eq!(path_and_query("http://elsewhere:9/messages?id=1", "/sse"), "/messages?id=1");
        assert_eq!(path_and_query("http://elsewhere", "/sse"), "/");
        assert_eq!(path_and_query("messages?id=1", "/a/sse?x=/y"), "/a/messages?id=1");
    }
}
