//! `Mcp-Param-*` headers of revision 2026-07-28: parameters that a tool wants repeated as headers must say there what the body says.

use hyper::HeaderMap;
use serde_json::Value;

use super::standard_headers::{decode, mismatch};
use crate::message::Fault;

/// A parameter that is repeated as a header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HeaderParam {
    /// Keys from the arguments to the value.
    path: Vec<String>,
    /// Name of the header, in lower case.
    header: String,
    is_integer: bool,
}

impl HeaderParam {
    pub(crate) fn header(&self) -> &str {
        &self.header
    }

    /// What the header must say for some arguments; nothing where the value is absent or no plain one.
    pub(crate) fn value(&self, arguments: &Value) -> Option<String> {
        match self.path.iter().try_fold(arguments, |value, key| value.get(key))? {
            Value::String(text) => Some(text.clone()),
            Value::Bool(yes) => Some(yes.to_string()),
            Value::Number(number) => Some(number.to_string()),
            Value::Null | Value::Array(_) | Value::Object(_) => None,
        }
    }
}

/// The parameters of a tool's input schema that are annotated with `x-mcp-header`. A schema with an annotation where none is
/// allowed counts as having none, as clients must not call such a tool.
pub(crate) fn annotated(schema: &Value) -> Vec<HeaderParam> {
    let mut found = Vec::new();
    collect(schema, &mut Vec::new(), &mut found);
    let mut names: Vec<_> = found.iter().map(|param| param.header.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    if names.len() == found.len() && count(schema) == found.len() { found } else { Vec::new() }
}

fn collect(schema: &Value, path: &mut Vec<String>, found: &mut Vec<HeaderParam>) {
    let Some(properties) = schema.get("properties").and_then(Value::as_object) else { return };
    for (name, property) in properties {
        path.push(name.clone());
        let kind = property.get("type").and_then(Value::as_str);
        if let (Some(header), Some(kind @ ("string" | "integer" | "boolean"))) =
            (property.get("x-mcp-header").and_then(Value::as_str), kind)
            && is_token(header)
        {
            let header = format!("mcp-param-{}", header.to_ascii_lowercase());
            found.push(HeaderParam { path: path.clone(), header, is_integer: kind == "integer" });
        }
        collect(property, path, found);
        path.pop();
    }
}

/// Every annotation, wherever it stands.
fn count(schema: &Value) -> usize {
    match schema {
        Value::Object(members) => {
            let here = usize::from(members.get("x-mcp-header").is_some_and(|value| !value.is_object()));
            // What stands in these is data, not a schema.
            let inner = members.iter().filter(|(key, _)| !matches!(key.as_str(), "default" | "examples" | "const" | "enum"));
            here + inner.map(|(_, value)| count(value)).sum::<usize>()
        }
        Value::Array(items) => items.iter().map(count).sum(),
        _ => 0,
    }
}

/// A name that a header may have (RFC 9110 §5.6.2).
fn is_token(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

/// Compares headers with arguments.
pub(super) fn check(headers: &HeaderMap, arguments: &Value, params: &[HeaderParam]) -> Result<(), Fault> {
    for param in params {
        let mut named = headers.get_all(&param.header).iter();
        let (raw, more) = (named.next(), named.next());
        if more.is_some() {
            return Err(mismatch(format!("{} is there more than once", param.header)));
        }
        let value = param.path.iter().try_fold(arguments, |value, key| value.get(key)).filter(|value| !value.is_null());
        let said = raw.map(|raw| raw.to_str().ok().and_then(decode));
        let agrees = match (said, value) {
            (None, None) => true,
            (Some(Some(said)), Some(value)) => matches(&said, value, param.is_integer),
            _ => false,
        };
        if !agrees {
            return Err(mismatch(format!("{} differs from the argument {}", param.header, param.path.join("."))));
        }
    }
    Ok(())
}

fn matches(said: &str, value: &Value, is_integer: bool) -> bool {
    match value {
        Value::String(text) => said == text,
        Value::Bool(yes) => said == if *yes { "true" } else { "false" },
        Value::Number(number) => {
            said == number.to_string() || is_integer && whole(said).is_some_and(|said| Some(said) == whole(&number.to_string()))
        }
        _ => false,
    }
}

/// A whole number without a fraction that says nothing: `42.0` is `42`.
fn whole(text: &str) -> Option<&str> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = whole.strip_prefix('-').unwrap_or(whole);
    let is_whole = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) && fraction.bytes().all(|byte| byte == b'0');
    is_whole.then_some(whole)
}

#[cfg(test)]
mod tests {
    use hyper::HeaderMap;
    use hyper::header::{HeaderName, HeaderValue};
    use serde_json::{Value, json};

    use super::{annotated, check};

    fn schema() -> Value {
        json!({ "type": "object", "properties": {
            "region": { "type": "string", "x-mcp-header": "Region" },
            "page": { "type": "object", "properties": { "size": { "type": "integer", "x-mcp-header": "Page-Size" } } },
            "other": { "type": "string" },
        }})
    }

    fn agrees(headers: &[(&str, &str)], arguments: &Value) -> bool {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(name.parse::<HeaderName>().expect("a name"), HeaderValue::from_str(value).expect("a value"));
        }
        check(&map, arguments, &annotated(&schema())).is_ok()
    }

    #[test]
    fn headers_and_arguments_agree_or_are_both_absent() {
        assert!(agrees(&[], &json!({ "other": "x" })));
        assert!(agrees(&[("mcp-param-region", "eu"), ("mcp-param-page-size", "42")], &json!({ "region": "eu", "page": { "size": 42.0 } })));
        assert!(agrees(&[("Mcp-Param-Region", "=?base64?SGVsbG8=?=")], &json!({ "region": "Hello" })));
        assert!(agrees(&[], &json!({ "region": null })));
        for (headers, arguments) in [
            (vec![], json!({ "region": "eu" })),
            (vec![("mcp-param-region", "eu")], json!({})),
            (vec![("mcp-param-region", "us")], json!({ "region": "eu" })),
            (vec![("mcp-param-region", "eu"), ("mcp-param-region", "eu")], json!({ "region": "eu" })),
            (vec![("mcp-param-region", "=?base64?SGVsbG8?=")], json!({ "region": "Hello" })),
            (vec![("mcp-param-region", "=?base64?SGVs!!!bG8=?=")], json!({ "region": "Hello" })),
            (vec![("mcp-param-page-size", "43")], json!({ "page": { "size": 42 } })),
            (vec![("mcp-param-region", "{}")], json!({ "region": {} })),
        ] {
            assert!(!agrees(&headers, &arguments), "{headers:?} {arguments}");
        }
    }

    #[test]
    fn a_schema_with_a_misplaced_annotation_has_none() {
        let mut misplaced = schema();
        misplaced["properties"]["list"] = json!({ "type": "array", "items": { "type": "string", "x-mcp-header": "Item" } });
        assert!(annotated(&misplaced).is_empty());
        let mut twice = schema();
        twice["properties"]["other"]["x-mcp-header"] = json!("REGION");
        assert!(annotated(&twice).is_empty());
        let mut number = schema();
        number["properties"]["other"] = json!({ "type": "number", "x-mcp-header": "N" });
        assert!(annotated(&number).is_empty());
        assert_eq!(annotated(&schema()).len(), 2);
    }
}
