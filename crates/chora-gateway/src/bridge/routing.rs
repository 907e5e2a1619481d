//! Whose is what a server says without being asked. It goes to the client that is meant; where that cannot be told it is
//! dropped with a reason. It is never sent to somebody else.

use std::sync::Arc;

use serde_json::value::RawValue;

use super::Bridge;
use crate::message::{Fault, Id, Message, Notification, Outcome, Request, Response, code, params};
use crate::session::Session;
use crate::stream::Stream;
use crate::translate::capability;
use crate::transport::link::Arrival;
use crate::upstream::{Routed, Unaddressed, Upstream, written};

impl Bridge {
    /// Delivers one message of a server.
    pub(super) async fn route(&self, upstream: &Arc<Upstream>, Arrival { message, about }: Arrival) {
        match upstream.route(message) {
            Routed::Delivered => {}
            Routed::Dropped(reason) => self.dropped(reason),
            Routed::Overflowed(number) => {
                upstream.give_up(number, &Fault::new(code::UNAVAILABLE, "the client does not read its answers"));
                self.metrics.streams_overflowed.add(1);
            }
            Routed::Unaddressed(Unaddressed::Request(request)) => self.route_request(upstream, request, about).await,
            Routed::Unaddressed(Unaddressed::Notification(notification)) => match about {
                Some(number) if notification.method == "notifications/message" => match upstream.stream_of(number) {
                    Some(stream) => self.push(&stream, &notification),
                    None => self.dropped("the call it belongs to is over"),
                },
                _ => self.route_notification(upstream, notification),
            },
        }
    }

    fn dropped(&self, reason: &'static str) {
        self.metrics.messages_dropped.add(1);
        tracing::debug!("a message of the server is dropped: {reason}");
    }

    fn route_notification(&self, upstream: &Arc<Upstream>, notification: Notification) {
        match notification.method.as_str() {
            "notifications/cancelled" => self.route_cancellation(upstream, notification),
            "notifications/resources/updated" => {
                let uri = params::text(notification.params.as_deref(), "uri").unwrap_or_default();
                // A change of a part is told to those who asked for the whole as well.
                // A server of one session's own knows what that has subscribed to.
                let is_own = upstream.owner.is_some();
                self.tell(upstream, &notification, |session| is_own || session.subscriptions().iter().any(|asked| covers(asked, &uri)));
            }
            // What the server offers is the same for all its clients.
            "notifications/tools/list_changed" | "notifications/prompts/list_changed" | "notifications/resources/list_changed" => {
                self.tell(upstream, &notification, |_| true);
            }
            _ => match self.only_one_meant(upstream) {
                Some(meant) => self.push(&meant.stream, &notification),
                None => match upstream.only_stream_that_wants_logs() {
                    Some(stream) => self.push(&stream, &notification),
                    None => self.dropped("several clients have calls under way, and it names none"),
                },
            },
        }
    }

    /// Tells every session of a conversation that a condition holds for, outside of its calls.
    fn tell(&self, upstream: &Arc<Upstream>, notification: &Notification, meant: impl Fn(&Session) -> bool) {
        let sessions: Vec<_> = self.sessions().values().filter(|session| session.uses(upstream)).cloned().collect();
        for session in sessions.iter().filter(|session| meant(session)) {
            self.push(&session.standing, notification);
        }
    }

    fn push(&self, stream: &Stream, notification: &Notification) {
        let mut out = Vec::with_capacity(256);
        notification.write(&mut out);
        if stream.push(out.into()).is_err() {
            self.metrics.streams_overflowed.add(1);
            self.dropped("the client does not read");
        }
    }

    /// The server takes back what it asked.
    fn route_cancellation(&self, upstream: &Arc<Upstream>, notification: Notification) {
        let Some(theirs) = params::member(notification.params.as_deref(), "requestId").and_then(|raw| Id::parse(&raw)) else {
            return self.dropped("it cancels nothing");
        };
        let sessions: Vec<_> = self.sessions().values().filter(|session| session.uses(upstream)).cloned().collect();
        for session in sessions {
            if let Some(ours) = session.withdraw(&theirs) {
                let params = params::with(notification.params.as_deref(), "requestId", params::raw_id(&ours));
                let stream = upstream.newest_stream_of(session.key).unwrap_or_else(|| Arc::clone(&session.standing));
                self.push(&stream, &Notification { method: notification.method, params });
                return;
            }
        }
        self.dropped("it cancels what nobody was asked");
    }

    /// The server asks something of a client.
    async fn route_request(&self, upstream: &Arc<Upstream>, request: Request, about: Option<u64>) {
        if request.method == "ping" {
            return answer(upstream, request.id, Outcome::Result(empty())).await;
        }
        let meant = match about {
            Some(number) => self.meant_by(upstream, number),
            None => self.only_one_meant(upstream),
        };
        let Some(meant) = meant else {
            self.dropped("it asks, and which client is meant cannot be told");
            let fault = Fault::new(code::INTERNAL, "which client is meant cannot be told: several, or none, have calls under way");
            return answer(upstream, request.id, Outcome::Error(fault.to_raw())).await;
        };
        if !meant.can_be_asked(&request.method) {
            let fault = Fault::new(code::METHOD_NOT_FOUND, "the client did not offer to be asked this");
            return answer(upstream, request.id, Outcome::Error(fault.to_raw())).await;
        }
        let ours = meant.session.ask(request.id.clone());
        let message = Message::Request(Request { id: ours.clone(), method: request.method, params: request.params });
        if meant.stream.push(written(&message)).is_err() {
            meant.session.answered(&ours);
            let fault = Fault::new(code::INTERNAL, "the client does not read");
            answer(upstream, request.id, Outcome::Error(fault.to_raw())).await;
        }
    }

    /// The session of a call.
    fn meant_by(&self, upstream: &Upstream, number: u64) -> Option<Meant> {
        let stream = upstream.stream_of(number)?;
        let session = self.session_by_key(upstream.session_of(number)?)?;
        Some(Meant { session, stream })
    }

    /// The one session that can be meant: the owner, the only one with calls under way, or the only one there is.
    fn only_one_meant(&self, upstream: &Arc<Upstream>) -> Option<Meant> {
        let session = match upstream.owner {
            Some(owner) => self.session_by_key(owner)?,
            None => match upstream.busy_sessions().as_slice() {
                [only] => self.session_by_key(*only)?,
                [] => self.only_session_of(upstream)?,
                _ => return None,
            },
        };
        let stream = upstream.newest_stream_of(session.key).unwrap_or_else(|| Arc::clone(&session.standing));
        Some(Meant { session, stream })
    }

    fn only_session_of(&self, upstream: &Arc<Upstream>) -> Option<Arc<Session>> {
        let sessions = self.sessions();
        let mut of_it = sessions.values().filter(|session| session.uses(upstream));
        match (of_it.next(), of_it.next()) {
            (Some(only), None) => Some(Arc::clone(only)),
            _ => None,
        }
    }

    /// Whether a session is the first that wants to hear of a resource: then the server must be told.
    pub(crate) fn subscribe_is_first(&self, session: &Session, uri: &str) -> bool {
        let others = self.others_subscribed(session, uri);
        session.subscribe(uri.to_owned());
        !others
    }

    fn others_subscribed(&self, session: &Session, uri: &str) -> bool {
        let upstream = session.upstream();
        self.sessions().values().any(|other| other.key != session.key && other.uses(&upstream) && other.is_subscribed(uri))
    }

    /// Whether nobody else wants to hear of a resource that a session gives up.
    pub(crate) fn unsubscribe_is_last(&self, session: &Session, uri: &str) -> bool {
        session.unsubscribe(uri);
        !self.others_subscribed(session, uri)
    }

    /// Tells the server that nobody wants to hear of a resource any more, if so.
    pub(super) async fn unsubscribe_if_last(&self, session: &Session, uri: &str) {
        if self.unsubscribe_is_last(session, uri) {
            let params = serde_json::value::to_raw_value(&serde_json::json!({ "uri": uri })).ok();
            // The session is gone; whether the server agrees changes nothing for anybody.
            _ = session.upstream().ask("resources/unsubscribe", params).await;
        }
    }
}

struct Meant {
    session: Arc<Session>,
    stream: Arc<Stream>,
}

impl Meant {
    /// Whether the client offered to be asked this. A server of its own knows what it did.
    fn can_be_asked(&self, method: &str) -> bool {
        let offered = self.session.offered.get();
        offered.is_none_or(|offered| capability(method).is_none_or(|needed| offered.get(needed).is_some()))
    }
}

/// Whether a subscription to `asked` covers a change of `changed`.
fn covers(asked: &str, changed: &str) -> bool {
    changed.strip_prefix(asked).is_some_and(|rest| rest.is_empty() || rest.starts_with('/') || asked.ends_with('/'))
}

async fn answer(upstream: &Upstream, id: Id, outcome: Outcome) {
    // A server that is gone waits for no answer.
    _ = upstream.answer(Response { id: Some(id), outcome }).await;
}

fn empty() -> Box<RawValue> {
    RawValue::from_string("{}".to_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::covers;

    #[test]
    fn a_subscription_covers_itself_and_its_parts() {
        for (asked, changed, covered) in [
            ("file:///a", "file:///a", true),
            ("file:///a", "file:///a/b", true),
            ("file:///a/", "file:///a/b", true),
            ("file:///a", "file:///ab", false),
            ("file:///a/b", "file:///a", false),
        ] {
            assert_eq!(covers(asked, changed), covered, "{asked} {changed}");
        }
    }
}
