//! The few members of parameters that a bridge must read or rewrite. The rest of the text is not touched.

use indexmap::IndexMap;
use serde_json::value::{RawValue, to_raw_value};

use super::Id;

/// Key of the revision in a request's `_meta` (MCP 2026-07-28).
pub(crate) const REVISION: &str = "io.modelcontextprotocol/protocolVersion";
/// Key of the client's capabilities in a request's `_meta` (MCP 2026-07-28).
pub(crate) const CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";
/// Key of the wanted log level in a request's `_meta` (MCP 2026-07-28).
pub(crate) const LOG_LEVEL: &str = "io.modelcontextprotocol/logLevel";
/// Key that says to which `subscriptions/listen` a notification belongs (MCP 2026-07-28).
pub(crate) const SUBSCRIPTION: &str = "io.modelcontextprotocol/subscriptionId";

/// An object whose values are kept as they are written.
pub(crate) type Members = IndexMap<String, Box<RawValue>>;

/// Whether a text can hold a key at all, without parsing it; an escaped character may hide one.
fn may_hold(raw: &RawValue, key: &str) -> bool {
    let text = raw.get();
    text.contains(key) || text.contains("\\u")
}

/// The members of an object.
pub(crate) fn members(raw: Option<&RawValue>) -> Option<Members> {
    serde_json::from_str(raw?.get()).ok()
}

/// A member of an object.
pub(crate) fn member(raw: Option<&RawValue>, key: &str) -> Option<Box<RawValue>> {
    let raw = raw.filter(|raw| may_hold(raw, key))?;
    members(Some(raw))?.swap_remove(key)
}

/// A member that is a string.
pub(crate) fn text(raw: Option<&RawValue>, key: &str) -> Option<String> {
    serde_json::from_str(member(raw, key)?.get()).ok()
}

/// A member of `_meta`.
pub(crate) fn meta(raw: Option<&RawValue>, key: &str) -> Option<Box<RawValue>> {
    let raw = raw.filter(|raw| may_hold(raw, key))?;
    member(member(Some(raw), "_meta").as_deref(), key)
}

/// A member of `_meta` that is a string.
pub(crate) fn meta_text(raw: Option<&RawValue>, key: &str) -> Option<String> {
    serde_json::from_str(meta(raw, key)?.get()).ok()
}

/// The same object with another value for one member.
pub(crate) fn with(raw: Option<&RawValue>, key: &str, value: Box<RawValue>) -> Option<Box<RawValue>> {
    let mut members = members(raw).unwrap_or_default();
    members.insert(key.to_owned(), value);
    to_raw_value(&members).ok()
}

/// The same object with another value for one member of `_meta`.
pub(crate) fn with_meta(raw: Option<&RawValue>, key: &str, value: Box<RawValue>) -> Option<Box<RawValue>> {
    let meta = member(raw, "_meta");
    with(raw, "_meta", with(meta.as_deref(), key, value)?)
}

/// An id as a value.
pub(crate) fn raw_id(id: &Id) -> Box<RawValue> {
    RawValue::from_string(id.as_json().to_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(text: &str) -> Box<RawValue> {
        RawValue::from_string(text.to_owned()).expect("JSON")
    }

    #[test]
    fn one_member_changes_and_the_rest_stays_text() {
        let params = raw(r#"{"name":"x","arguments":{"n":1.50},"_meta":{"progressToken":"t","k":9007199254740993}}"#);
        assert_eq!(meta(Some(&params), "progressToken").expect("a token").get(), "\"t\"");
        let changed = with_meta(Some(&params), "progressToken", raw("7")).expect("an object");
        assert_eq!(changed.get(), r#"{"name":"x","arguments":{"n":1.50},"_meta":{"progressToken":7,"k":9007199254740993}}"#);
    }

    #[test]
    fn a_key_in_escapes_is_found() {
        let params = raw(r#"{"_meta":{"progress\u0054oken":1}}"#);
        assert!(meta(Some(&params), "progressToken").is_some());
    }

    #[test]
    fn what_is_not_there_is_not_found() {
        assert!(meta(None, "progressToken").is_none());
        assert!(meta(Some(&raw(r#"{"progressToken":1}"#)), "progressToken").is_none());
        assert!(meta(Some(&raw(r#"{"_meta":[]}"#)), "progressToken").is_none());
        assert!(member(Some(&raw("[1]")), "a").is_none());
    }
}
