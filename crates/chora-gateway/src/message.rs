//! JSON-RPC 2.0 messages as MCP frames them. Parameters and results stay the text they came as: what is not understood
//! here passes unchanged.

pub(crate) mod params;

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// The id of a request, in one spelling: equal ids have equal text.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Id(Box<str>);

impl Id {
    /// An id of our own.
    pub(crate) fn number(number: u64) -> Self {
        Self(number.to_string().into())
    }

    /// The number, where it is one that we can have given.
    pub(crate) fn as_number(&self) -> Option<u64> {
        self.0.parse().ok()
    }

    /// As JSON.
    pub(crate) fn as_json(&self) -> &str {
        &self.0
    }

    /// Strings and whole or fractional numbers are ids; `null` and the rest are not.
    pub(crate) fn parse(raw: &RawValue) -> Option<Self> {
        match serde_json::from_str(raw.get()).ok()? {
            serde_json::Value::String(text) => Some(Self(serde_json::to_string(&text).ok()?.into())),
            serde_json::Value::Number(_) => Some(Self(raw.get().into())),
            _ => None,
        }
    }
}

/// A call that wants an answer.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) id: Id,
    pub(crate) method: String,
    pub(crate) params: Option<Box<RawValue>>,
}

/// A message that wants none.
#[derive(Debug, Clone)]
pub(crate) struct Notification {
    pub(crate) method: String,
    pub(crate) params: Option<Box<RawValue>>,
}

/// The answer to a call.
#[derive(Debug, Clone)]
pub(crate) struct Response {
    /// `None` where the other side could not tell which request it answers.
    pub(crate) id: Option<Id>,
    pub(crate) outcome: Outcome,
}

/// What was answered.
#[derive(Debug, Clone)]
pub(crate) enum Outcome {
    Result(Box<RawValue>),
    Error(Box<RawValue>),
}

/// One message.
#[derive(Debug)]
pub(crate) enum Message {
    Request(Request),
    Notification(Notification),
    Response(Response),
}

/// Why a text is no message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotMessage {
    #[error("not JSON: {0}")]
    NotJson(String),
    #[error("a batch")]
    Batch,
    #[error("not a JSON-RPC 2.0 message: {0}")]
    Shape(&'static str),
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    jsonrpc: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    method: Option<&'a RawValue>,
    #[serde(default)]
    params: Option<Box<RawValue>>,
    #[serde(default, deserialize_with = "present_owned")]
    result: Option<Box<RawValue>>,
    #[serde(default)]
    error: Option<Box<RawValue>>,
}

/// `null` is a value here, not an absence.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

fn present_owned<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Box<RawValue>>, D::Error> {
    Box::<RawValue>::deserialize(deserializer).map(Some)
}

impl Outcome {
    /// The code of an error.
    pub(crate) fn code(&self) -> Option<i64> {
        match self {
            Self::Result(_) => None,
            Self::Error(error) => {
                Some(params::member(Some(error), "code").and_then(|code| code.get().parse().ok()).unwrap_or(code::INTERNAL))
            }
        }
    }
}

impl Message {
    /// Reads one message.
    pub(crate) fn parse(text: &[u8]) -> Result<Self, NotMessage> {
        if text.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[') {
            // A broken list is broken JSON, not a batch.
            return Err(serde_json::from_slice::<Vec<&RawValue>>(text).map_or_else(|error| not_json(&error), |_| NotMessage::Batch));
        }
        let envelope: Envelope<'_> = serde_json::from_slice(text).map_err(|error| match error.classify() {
            serde_json::error::Category::Data => NotMessage::Shape("it is no object, or a member is there twice"),
            _ => not_json(&error),
        })?;
        envelope.message()
    }

    /// Appends the message as JSON on one line.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Request(request) => request.write(out),
            Self::Notification(notification) => notification.write(out),
            Self::Response(response) => response.write(out),
        }
    }
}

fn not_json(error: &serde_json::Error) -> NotMessage {
    NotMessage::NotJson(error.to_string())
}

impl Envelope<'_> {
    fn message(self) -> Result<Message, NotMessage> {
        if self.jsonrpc.is_none_or(|version| version.get() != "\"2.0\"") {
            return Err(NotMessage::Shape("`jsonrpc` is not \"2.0\""));
        }
        let Some(method) = self.method else { return self.response() };
        let method: String = serde_json::from_str(method.get()).map_err(|_| NotMessage::Shape("`method` is no string"))?;
        let Some(id) = self.id else { return Ok(Message::Notification(Notification { method, params: self.params })) };
        let id = Id::parse(id).ok_or(NotMessage::Shape("`id` is neither string nor number"))?;
        Ok(Message::Request(Request { id, method, params: self.params }))
    }

    fn response(self) -> Result<Message, NotMessage> {
        let id = match self.id {
            None => return Err(NotMessage::Shape("neither `method` nor `id`")),
            Some(raw) if raw.get() == "null" => None,
            Some(raw) => Some(Id::parse(raw).ok_or(NotMessage::Shape("`id` is neither string nor number"))?),
        };
        let outcome = match (self.result, self.error) {
            (_, Some(error)) => Outcome::Error(error),
            (Some(result), None) => Outcome::Result(result),
            (None, None) => return Err(NotMessage::Shape("neither `result` nor `error`")),
        };
        Ok(Message::Response(Response { id, outcome }))
    }
}

impl Request {
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"jsonrpc\":\"2.0\",\"id\":");
        out.extend_from_slice(self.id.as_json().as_bytes());
        write_call(&self.method, self.params.as_deref(), out);
    }
}

impl Notification {
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"jsonrpc\":\"2.0\"");
        write_call(&self.method, self.params.as_deref(), out);
    }
}

fn write_call(method: &str, params: Option<&RawValue>, out: &mut Vec<u8>) {
    out.extend_from_slice(b",\"method\":");
    out.extend_from_slice(serde_json::Value::from(method).to_string().as_bytes());
    if let Some(params) = params {
        out.extend_from_slice(b",\"params\":");
        write_on_one_line(params.get(), out);
    }
    out.push(b'}');
}

impl Response {
    /// An answer that says no.
    pub(crate) fn error(id: Option<Id>, error: &Fault) -> Self {
        Self { id, outcome: Outcome::Error(error.to_raw()) }
    }

    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"jsonrpc\":\"2.0\",\"id\":");
        out.extend_from_slice(self.id.as_ref().map_or("null", Id::as_json).as_bytes());
        let (name, value): (&[u8], _) = match &self.outcome {
            Outcome::Result(result) => (b",\"result\":", result),
            Outcome::Error(error) => (b",\"error\":", error),
        };
        out.extend_from_slice(name);
        write_on_one_line(value.get(), out);
        out.push(b'}');
    }
}

/// Line breaks in JSON text are white space: inside strings they are escaped.
fn write_on_one_line(text: &str, out: &mut Vec<u8>) {
    if text.bytes().any(|byte| byte == b'\n' || byte == b'\r') {
        out.extend(text.bytes().map(|byte| if byte == b'\n' || byte == b'\r' { b' ' } else { byte }));
    } else {
        out.extend_from_slice(text.as_bytes());
    }
}

/// A JSON-RPC error of our own.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Fault {
    pub(crate) code: i64,
    pub(crate) message: String,
    pub(crate) data: Option<serde_json::Value>,
}

/// Codes of JSON-RPC 2.0 and of the revision 2026-07-28 of MCP.
pub(crate) mod code {
    pub(crate) const PARSE: i64 = -32700;
    pub(crate) const INVALID_REQUEST: i64 = -32600;
    pub(crate) const METHOD_NOT_FOUND: i64 = -32601;
    /// Of the revisions with a handshake.
    pub(crate) const RESOURCE_NOT_FOUND: i64 = -32002;
    pub(crate) const INVALID_PARAMS: i64 = -32602;
    pub(crate) const INTERNAL: i64 = -32603;
    /// The server's own room: here, that its process or its connection is gone.
    pub(crate) const UNAVAILABLE: i64 = -32000;
    /// A header says something else than the body.
    pub(crate) const HEADER_MISMATCH: i64 = -32020;
    pub(crate) const MISSING_CAPABILITY: i64 = -32021;
    pub(crate) const UNSUPPORTED_REVISION: i64 = -32022;
}

impl Fault {
    pub(crate) fn new(code: i64, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), data: None }
    }

    pub(crate) fn with(mut self, data: serde_json::Value) -> Self {
        self.data = Some(data);
        self
    }

    pub(crate) fn to_raw(&self) -> Box<RawValue> {
        let mut error = serde_json::json!({ "code": self.code, "message": self.message });
        if let (Some(data), Some(object)) = (&self.data, error.as_object_mut()) {
            object.insert("data".to_owned(), data.clone());
        }
        serde_json::value::to_raw_value(&error).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::{Message, NotMessage};

    fn round(text: &str) -> String {
        let mut out = Vec::new();
        Message::parse(text.as_bytes()).expect("a message").write(&mut out);
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn messages_pass_unchanged() {
        for text in [
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"a":1.0,"big":123456789012345678901234567890}}"#,
            r#"{"jsonrpc":"2.0","id":"x","method":"ping"}"#,
            r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#,
            r#"{"jsonrpc":"2.0","id":7,"result":{}}"#,
            r#"{"jsonrpc":"2.0","id":7,"result":null}"#,
            r#"{"jsonrpc":"2.0","id":null,"error":{"code":-1,"message":"no"}}"#,
        ] {
            assert_eq!(round(text), text);
        }
    }

    #[test]
    fn line_breaks_outside_strings_become_spaces() {
        let text = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"m\",\"params\":{\n\"a\": \"x\\ny\"\r\n}}";
        assert_eq!(round(text), r#"{"jsonrpc":"2.0","id":1,"method":"m","params":{ "a": "x\ny"  }}"#);
    }

    #[test]
    fn ids_have_one_spelling() {
        assert_eq!(round("{\"jsonrpc\":\"2.0\",\"id\":\"\\u0061\",\"method\":\"m\"}"), r#"{"jsonrpc":"2.0","id":"a","method":"m"}"#);
    }

    #[test]
    fn what_is_no_message_is_named() {
        for (text, shape) in [
            ("{", false),
            ("", false),
            ("[1", false),
            ("3", true),
            (r#"{"id":1,"method":"m"}"#, true),
            (r#"{"jsonrpc":"1.0","id":1,"method":"m"}"#, true),
            (r#"{"jsonrpc":"2.0","id":null,"method":"m"}"#, true),
            (r#"{"jsonrpc":"2.0","id":{},"method":"m"}"#, true),
            (r#"{"jsonrpc":"2.0","id":1,"id":2,"method":"m"}"#, true),
            (r#"{"jsonrpc":"2.0","id":1,"method":7}"#, true),
            (r#"{"jsonrpc":"2.0","id":1}"#, true),
            (r#"{"jsonrpc":"2.0"}"#, true),
        ] {
            let error = Message::parse(text.as_bytes()).expect_err(text);
            assert_eq!(matches!(error, NotMessage::Shape(_)), shape, "{text}: {error}");
        }
        assert_eq!(Message::parse(b" [{}]").expect_err("a batch"), NotMessage::Batch);
    }
}
