//! What all servers together say of themselves.

use serde_json::{Map, Value, json};

use super::Aggregate;
use crate::message::params;
use crate::revision::Revision;
use crate::translate::SERVER_INFO;

/// What is offered together, where a server offers it; the rest, such as tasks, is served under its own name only.
const OFFERED: [&str; 5] = ["tools", "prompts", "resources", "logging", "completions"];
/// Lists, whose changes are told: servers come and go.
const LISTS: [&str; 3] = ["tools", "prompts", "resources"];

impl Aggregate {
    /// The answer to `initialize`.
    pub(super) fn greeting(&self, params: Option<&serde_json::value::RawValue>) -> Value {
        let asked = params::text(params, "protocolVersion").and_then(|version| Revision::parse(&version));
        let revision = asked.filter(|revision| !revision.is_modern()).unwrap_or(Revision::NEWEST_LEGACY);
        let mut told = json!({ "protocolVersion": revision.as_str(), "capabilities": self.capabilities(), "serverInfo": info() });
        self.instruct(&mut told);
        told
    }

    /// The answer to `server/discover`.
    pub(super) fn discovered(&self) -> Value {
        let mut told = json!({
            "resultType": "complete",
            "supportedVersions": [Revision::MODERN.as_str()],
            "capabilities": self.capabilities(),
            "ttlMs": 0,
            "cacheScope": "private",
            "_meta": { SERVER_INFO: info() },
        });
        self.instruct(&mut told);
        told
    }

    fn instruct(&self, told: &mut Value) {
        let of = |named: &crate::many::Named| {
            let text = params::text(Some(&*named.bridge.last_greeting()?), "instructions")?;
            Some(format!("{} (its tools begin with `{0}_`): {text}", named.name))
        };
        let instructions: Vec<_> = self.members.iter().filter_map(of).collect();
        if let (false, Some(told)) = (instructions.is_empty(), told.as_object_mut()) {
            told.insert("instructions".to_owned(), instructions.join("\n\n").into());
        }
    }

    fn capabilities(&self) -> Value {
        let mut all = Map::new();
        for member in 0..self.members.len() {
            match self.capabilities_of(member) {
                Some(theirs) => merge(&mut all, &theirs),
                // It may offer anything once it is there, and nobody asks a second time.
                None => merge(&mut all, &json!({ "tools": {}, "prompts": {}, "resources": {} })),
            }
        }
        Value::Object(all)
    }

    /// What a server offers; `None` while it has never greeted.
    fn capabilities_of(&self, member: usize) -> Option<Value> {
        let greeting = self.members.get(member)?.bridge.last_greeting()?;
        let offered = params::member(Some(&*greeting), "capabilities")?;
        serde_json::from_str(offered.get()).ok()
    }

    /// Whether a server may offer something.
    pub(super) fn may_offer(&self, member: usize, capability: &str) -> bool {
        self.capabilities_of(member).is_none_or(|offered| offered.get(capability).is_some())
    }
}

fn info() -> Value {
    json!({ "name": "chora-gateway", "version": env!("CARGO_PKG_VERSION") })
}

fn merge(all: &mut Map<String, Value>, theirs: &Value) {
    for key in OFFERED {
        let Some(offer) = theirs.get(key) else { continue };
        let together = all.entry(key).or_insert_with(|| json!({}));
        if let (Some(together), true) = (together.as_object_mut(), LISTS.contains(&key)) {
            together.insert("listChanged".to_owned(), true.into());
        }
        if let (Some(together), Some(true)) = (together.as_object_mut(), offer.get("subscribe").and_then(Value::as_bool)) {
            together.insert("subscribe".to_owned(), true.into());
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, Value, json};

    use super::merge;

    #[test]
    fn what_one_offers_all_do_and_changes_are_always_told() {
        let mut all = Map::new();
        merge(&mut all, &json!({ "tools": {}, "tasks": {} }));
        merge(&mut all, &json!({ "resources": { "subscribe": true }, "logging": {} }));
        merge(&mut all, &json!({ "resources": {}, "tools": { "listChanged": false } }));
        let wanted = json!({ "tools": { "listChanged": true }, "resources": { "listChanged": true, "subscribe": true }, "logging": {} });
        assert_eq!(Value::Object(all), wanted);
    }
}
