//! JSON-RPC 2.0 messages, as far as a client that only asks needs them.

use serde_json::{Value, json};

use super::wire::Fault;
use crate::probe::answer::{Trouble, excerpt};

pub(super) fn request(id: u64, method: &str, params: &Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params })
}

pub(super) fn notification(method: &str) -> Value {
    json!({ "jsonrpc": "2.0", "method": method })
}

/// Reads the answer to request `id` out of a body: one message or, in revision 2025-03-26, a batch.
pub(super) fn read(text: &str, id: u64, method: &str) -> Result<Value, Fault> {
    let evidence = || Fault::Trouble(Trouble::Wrong(format!("{method} answered no JSON-RPC: {}", excerpt(text, 200))));
    let value: Value = serde_json::from_str(text).map_err(|_| evidence())?;
    let messages = match value {
        Value::Array(messages) => messages,
        message => vec![message],
    };
    messages.into_iter().find_map(|message| take(message, id)).unwrap_or_else(|| Err(evidence()))
}

/// The result or error in a message, when it answers request `id`; `None` for everything else.
pub(super) fn take(message: Value, id: u64) -> Option<Result<Value, Fault>> {
    let Value::Object(mut message) = message else { return None };
    if message.get("jsonrpc").and_then(Value::as_str) != Some("2.0") {
        return None;
    }
    let answers = match message.get("id") {
        Some(Value::Null) | None => false,
        Some(found) => found.as_u64() == Some(id),
    };
    if let Some(error) = message.remove("error") {
        // A server that could not even read the request answers without its id.
        let nameless = matches!(message.get("id"), Some(Value::Null) | None);
        return (answers || nameless).then(|| Err(rpc_error(&error)));
    }
    if answers { message.remove("result").map(Ok) } else { None }
}

fn rpc_error(error: &Value) -> Fault {
    let code = error.get("code").and_then(Value::as_i64).unwrap_or_default();
    let message = error.get("message").and_then(Value::as_str).unwrap_or_default().to_owned();
    Fault::Rpc { code, message }
}

#[cfg(test)]
mod tests {
    use super::{Fault, read};

    #[test]
    fn only_the_answer_to_the_request_counts() {
        assert!(matches!(read(r#"{"jsonrpc":"2.0","id":3,"result":{"a":1}}"#, 3, "m"), Ok(value) if value == serde_json::json!({"a":1})));
        let batch = r#"[{"jsonrpc":"2.0","method":"x"},{"jsonrpc":"2.0","id":3,"result":1}]"#;
        assert!(matches!(read(batch, 3, "m"), Ok(value) if value == 1));
        let error = r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"no"}}"#;
        assert!(matches!(read(error, 3, "m"), Err(Fault::Rpc { code: -32_700, .. })));
        for wrong in [
            "",
            "[]",
            "<html>",
            "3",
            r#"{"id":3,"result":1}"#,
            r#"{"jsonrpc":"1.0","id":3,"result":1}"#,
            r#"{"jsonrpc":"2.0","id":4,"result":1}"#,
            r#"{"jsonrpc":"2.0","id":"3","result":1}"#,
            r#"{"jsonrpc":"2.0","id":3}"#,
        ] {
            let text = format!("{:?}", read(wrong, 3, "m"));
            assert!(text.contains("m answered no JSON-RPC"), "{wrong}: {text}");
        }
    }
}
