//! The servers' lists as one: every page of each, under the names that they are offered by.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Value, json};

use super::catalog::Kind;
use super::conversation::{Conversation, Way};
use crate::message::{Fault, Outcome, Request, code, params};

/// Most pages of a list that are read: a server that goes round in circles is not followed.
const PAGES: usize = 100;
/// How long a server may take to list; then it is listed as it was before.
const LISTING: Duration = Duration::from_secs(30);

/// How long a list is good, and for whom.
pub(super) struct Freshness {
    ttl_ms: u64,
    is_public: bool,
}

/// All lists of a kind as one, on one page. A server that is away is listed as it was before.
pub(super) async fn listed(conversation: &Arc<Conversation>, kind: Kind, request: &Request, way: Way) -> Outcome {
    if params::member(request.params.as_deref(), "cursor").is_some() {
        return Outcome::Error(Fault::new(code::INVALID_PARAMS, "this list has one page, and no cursor leads to it").to_raw());
    }
    let fresh = learn(conversation, kind, request, way).await;
    let aggregate = &conversation.aggregate;
    let catalog = aggregate.catalog();
    let entries = to_raw_value(&catalog.all(kind, aggregate.members.len()));
    drop(catalog);
    let mut result = params::Members::new();
    result.insert(kind.member().to_owned(), entries.unwrap_or_default());
    if way == Way::Lone {
        let scope = if fresh.is_public { "public" } else { "private" };
        for (key, value) in [("resultType", json!("complete")), ("ttlMs", json!(fresh.ttl_ms)), ("cacheScope", json!(scope))] {
            result.insert(key.to_owned(), to_raw_value(&value).unwrap_or_default());
        }
    }
    Outcome::Result(to_raw_value(&result).unwrap_or_default())
}

/// Asks all servers for a list.
pub(super) async fn learn(conversation: &Arc<Conversation>, kind: Kind, request: &Request, way: Way) -> Freshness {
    let aggregate = &conversation.aggregate;
    let ask = |member| tokio::time::timeout(LISTING, pages(conversation, member, kind, (request, way)));
    let all = join_all((0..aggregate.members.len()).map(ask)).await;
    let mut fresh = Freshness { ttl_ms: u64::MAX, is_public: true };
    let mut catalog = aggregate.catalog();
    for ((member, named), pages) in aggregate.members.iter().enumerate().zip(all) {
        match pages {
            Ok(Ok((entries, theirs))) => {
                fresh.ttl_ms = fresh.ttl_ms.min(theirs.ttl_ms);
                fresh.is_public &= theirs.is_public;
                catalog.learn(kind, member, &named.name, entries);
            }
            Ok(Err(why)) => {
                tracing::warn!(server = &*named.name, "{} is answered as it was before: {why}", kind.method());
                fresh.ttl_ms = 0;
            }
            Err(_) => {
                tracing::warn!(server = &*named.name, "{} is not answered within {LISTING:?}", kind.method());
                fresh.ttl_ms = 0;
            }
        }
    }
    fresh.ttl_ms = if fresh.ttl_ms == u64::MAX { 0 } else { fresh.ttl_ms };
    fresh
}

/// The whole list of one server.
async fn pages(
    conversation: &Arc<Conversation>,
    member: usize,
    kind: Kind,
    (request, way): (&Request, Way),
) -> Result<(Vec<Box<RawValue>>, Freshness), String> {
    let mut fresh = Freshness { ttl_ms: u64::MAX, is_public: true };
    let (mut entries, mut cursor) = (Vec::new(), None::<Box<RawValue>>);
    if !conversation.aggregate.may_offer(member, kind.capability()) {
        return Ok((entries, fresh));
    }
    for _ in 0..PAGES {
        let params = match &cursor {
            Some(cursor) => params::with(request.params.as_deref(), "cursor", cursor.clone()),
            None => request.params.clone(),
        };
        let asked = Request { id: request.id.clone(), method: kind.method().to_owned(), params };
        let outcome = conversation.ask(member, asked, way).await;
        let page = match &outcome {
            Outcome::Result(page) => page,
            // It offers nothing of the kind, whatever it said.
            Outcome::Error(_) if outcome.code() == Some(code::METHOD_NOT_FOUND) => break,
            Outcome::Error(error) => return Err(params::text(Some(error), "message").unwrap_or_default()),
        };
        let mut page = params::members(Some(page)).ok_or("the list is no object")?;
        let listed = page.swap_remove(kind.member()).and_then(|raw| serde_json::from_str::<Vec<Box<RawValue>>>(raw.get()).ok());
        entries.extend(listed.unwrap_or_default());
        let value = |key: &str| page.get(key).and_then(|raw| serde_json::from_str::<Value>(raw.get()).ok());
        fresh.ttl_ms = fresh.ttl_ms.min(value("ttlMs").and_then(|ttl| ttl.as_u64()).unwrap_or(0));
        fresh.is_public &= value("cacheScope").is_some_and(|scope| scope == "public");
        let next = page.get("nextCursor").filter(|next| next.get().starts_with('"')).cloned();
        if next.is_none() || next.as_ref().map(|next| next.get()) == cursor.as_ref().map(|cursor| cursor.get()) {
            break;
        }
        cursor = next;
    }
    Ok((entries, fresh))
}
