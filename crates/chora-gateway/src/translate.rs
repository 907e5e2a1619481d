//! Between the eras: a client of revision 2026-07-28 before a server that wants a handshake, and the other way round.

pub(crate) mod to_legacy;
pub(crate) mod to_modern;

use serde_json::Value;
use serde_json::value::{RawValue, to_raw_value};

use crate::message::params::{self, Members};

/// Key of the server's name and version in the `_meta` of a result (MCP 2026-07-28).
pub(crate) const SERVER_INFO: &str = "io.modelcontextprotocol/serverInfo";
/// Key of the client's name and version in a request's `_meta` (MCP 2026-07-28).
const CLIENT_INFO: &str = "io.modelcontextprotocol/clientInfo";
/// Whatever `_meta` holds under this prefix belongs to the newer era.
const RESERVED: &str = "io.modelcontextprotocol/";

fn raw(value: &Value) -> Box<RawValue> {
    to_raw_value(value).unwrap_or_default()
}

/// Parameters without what only the newer era knows.
fn without_envelope(raw_params: Option<&RawValue>) -> Option<Box<RawValue>> {
    let mut members = params::members(raw_params)?;
    members.shift_remove("inputResponses");
    members.shift_remove("requestState");
    if let Some(mut meta) = members.get("_meta").and_then(|meta| params::members(Some(meta))) {
        meta.retain(|key, _| !key.starts_with(RESERVED));
        if meta.is_empty() {
            members.shift_remove("_meta");
        } else {
            members.insert("_meta".to_owned(), to_raw_value(&meta).ok()?);
        }
    }
    to_raw_value(&members).ok()
}

/// A result with what the newer era demands of it.
fn completed(method: &str, result: &RawValue) -> Box<RawValue> {
    let Some(mut members) = params::members(Some(result)) else { return result.to_owned() };
    add(&mut members, "resultType", &"complete".into());
    if matches!(method, "tools/list" | "prompts/list" | "resources/list" | "resources/templates/list" | "resources/read") {
        add(&mut members, "ttlMs", &0.into());
        add(&mut members, "cacheScope", &"private".into());
    }
    to_raw_value(&members).unwrap_or_default()
}

fn add(members: &mut Members, key: &str, value: &Value) {
    members.entry(key.to_owned()).or_insert_with(|| raw(value));
}

/// Sets a member of an object.
fn set(object: &mut Value, key: &str, value: Value) {
    if let Some(members) = object.as_object_mut() {
        members.insert(key.to_owned(), value);
    }
}

/// The capability that a client must have to be asked something; `None` for what may not be asked at all.
pub(crate) fn capability(method: &str) -> Option<&'static str> {
    match method {
        "sampling/createMessage" => Some("sampling"),
        "elicitation/create" => Some("elicitation"),
        "roots/list" => Some("roots"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::value::RawValue;

    use super::{completed, without_envelope};

    fn raw(text: &str) -> Box<RawValue> {
        RawValue::from_string(text.to_owned()).expect("JSON")
    }

    #[test]
    fn the_envelope_is_taken_off_and_nothing_else() {
        for (before, after) in [
            (r#"{"name":"x","_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}"#, r#"{"name":"x"}"#),
            (
                r#"{"_meta":{"io.modelcontextprotocol/logLevel":"info","progressToken":1},"requestState":"s","a":1.0}"#,
                r#"{"_meta":{"progressToken":1},"a":1.0}"#,
            ),
        ] {
            assert_eq!(without_envelope(Some(&raw(before))).expect("an object").get(), after);
        }
    }

    #[test]
    fn results_get_what_is_demanded_of_them() {
        assert_eq!(completed("tools/call", &raw(r#"{"content":[]}"#)).get(), r#"{"content":[],"resultType":"complete"}"#);
        assert_eq!(
            completed("tools/list", &raw(r#"{"tools":[],"ttlMs":5}"#)).get(),
            r#"{"tools":[],"ttlMs":5,"resultType":"complete","cacheScope":"private"}"#
        );
    }
}
