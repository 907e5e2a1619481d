//! Changes of what the servers offer, told together: what each tells, and that servers come back.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Value, json};

use super::call::id_value;
use super::conversation::{Conversation, Way};
use crate::bridge::Condition;
use crate::calls;
use crate::message::params::{self, SUBSCRIPTION};
use crate::message::{Fault, Message, Notification, Outcome, Request, code};
use crate::stream::Stream;

/// The pause before a server is listened to again.
const PAUSE: Duration = Duration::from_secs(1);
/// Lists, by what a client says when it wants to hear of them.
const LISTS: [(&str, &str); 3] = [
    ("toolsListChanged", "notifications/tools/list_changed"),
    ("promptsListChanged", "notifications/prompts/list_changed"),
    ("resourcesListChanged", "notifications/resources/list_changed"),
];

/// Tells a session that its lists may have changed, whenever a server was started again.
pub(super) fn tell_arrivals(conversation: &Arc<Conversation>) {
    for named in &conversation.aggregate.members {
        let mut condition = named.bridge.condition();
        let (weak, over) = (Arc::downgrade(conversation), conversation.over());
        tokio::spawn(async move {
            loop {
                let changed = tokio::select! {
                    changed = condition.changed() => changed,
                    () = over.cancelled() => return,
                };
                // The bridge is gone with the program.
                if changed.is_err() {
                    return;
                }
                let Some(conversation) = weak.upgrade() else { return };
                let is_up = *condition.borrow_and_update() == Condition::Up;
                if is_up {
                    tell_lists(&conversation, None).await;
                }
            }
        });
    }
}

/// Says that lists may have changed; to a client that listens, only what it wants to hear.
async fn tell_lists(conversation: &Conversation, listener: Option<(&Request, &Value)>) {
    for (key, method) in LISTS {
        let params = match listener {
            Some((_, filter)) if filter.get(key).and_then(Value::as_bool) != Some(true) => continue,
            Some((request, _)) => to_raw_value(&json!({ "_meta": { SUBSCRIPTION: id_value(&request.id) } })).ok(),
            None => None,
        };
        conversation.say(notification(method, params), None).await;
    }
}

fn notification(method: &str, params: Option<Box<RawValue>>) -> Message {
    Message::Notification(Notification { method: method.to_owned(), params })
}

/// Listens to all servers for a client, until it leaves.
pub(super) async fn listen(conversation: &Arc<Conversation>, request: &Request) -> Outcome {
    let filter = params::member(request.params.as_deref(), "notifications").and_then(|raw| serde_json::from_str::<Value>(raw.get()).ok());
    let Some(filter) = filter.filter(Value::is_object) else {
        return Outcome::Error(Fault::new(code::INVALID_PARAMS, "params.notifications must say which are wanted").to_raw());
    };
    let acknowledged = json!({ "notifications": filter, "_meta": { SUBSCRIPTION: id_value(&request.id) } });
    conversation
        .say(notification("notifications/subscriptions/acknowledged", to_raw_value(&acknowledged).ok()), request.id.as_number())
        .await;
    let mut wanted = vec![Vec::new(); conversation.aggregate.members.len()];
    for uri in filter.get("resourceSubscriptions").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str) {
        if let Ok(owner) = conversation.owner_of(uri, request, Way::Lone).await
            && let Some(theirs) = wanted.get_mut(owner)
        {
            theirs.push(uri);
        }
    }
    let following = wanted.into_iter().enumerate().map(|(member, uris)| {
        let mut theirs = filter.clone();
        if let Some(members) = theirs.as_object_mut() {
            if uris.is_empty() {
                members.remove("resourceSubscriptions")
            } else {
                members.insert("resourceSubscriptions".to_owned(), uris.into())
            };
        }
        follow(conversation, member, request, theirs)
    });
    join_all(following).await;
    // All have ended with the program.
    Outcome::Error(Fault::new(code::UNAVAILABLE, "the servers are being stopped").to_raw())
}

/// Listens to one server, again and again.
async fn follow(conversation: &Arc<Conversation>, member: usize, request: &Request, filter: Value) {
    let Some(named) = conversation.aggregate.members.get(member) else { return };
    let mut condition = named.bridge.condition();
    let params = params::with(request.params.as_deref(), "notifications", to_raw_value(&filter).unwrap_or_default());
    loop {
        if condition.wait_for(|condition| !matches!(condition, Condition::Down(_))).await.is_err() {
            return;
        }
        let stream = Arc::new(Stream::new(false));
        let reader = stream.read();
        let asked = Request { id: request.id.clone(), method: request.method.clone(), params: params.clone() };
        let begun = calls::begin(&named.bridge, asked, &stream).await;
        let is_deaf = matches!(&begun, Err(outcome) if outcome.code() == Some(code::METHOD_NOT_FOUND));
        let mut tells = begun.is_ok();
        loop {
            tokio::select! {
                event = stream.next(reader), if tells => match event.map(|event| Message::parse(&event.message)) {
                    Some(Ok(Message::Notification(told))) if told.method != "notifications/subscriptions/acknowledged" => {
                        conversation.say(Message::Notification(told), request.id.as_number()).await;
                    }
                    Some(Ok(Message::Response(_))) | None => tells = false,
                    Some(_) => {}
                },
                changed = condition.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    if *condition.borrow_and_update() == Condition::Up {
                        tell_lists(conversation, Some((request, &filter))).await;
                    }
                }
                () = tokio::time::sleep(PAUSE), if !tells && !is_deaf => break,
            }
        }
    }
}
