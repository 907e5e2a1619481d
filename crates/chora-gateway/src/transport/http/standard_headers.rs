//! What headers of revision 2026-07-28 must say: the same as the body, so that whoever routes by them is not misled.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::HeaderMap;

use super::modern::unsupported;
use crate::message::params::{self, CAPABILITIES, REVISION};
use crate::message::{Fault, Request, code};

/// Checks a request's envelope and its headers, in the order that the revision gives.
pub(super) fn check(headers: &HeaderMap, request: &Request) -> Result<(), Fault> {
    for name in ["mcp-protocol-version", "mcp-method", "mcp-name"] {
        if headers.get_all(name).iter().nth(1).is_some() {
            return Err(mismatch(format!("{name} is there more than once")));
        }
    }
    let params = request.params.as_deref();
    let missing: Vec<_> = [REVISION, CAPABILITIES].into_iter().filter(|key| params::meta(params, key).is_none()).collect();
    if !missing.is_empty() {
        return Err(Fault::new(code::INVALID_PARAMS, format!("params._meta lacks {}", missing.join(" and "))));
    }
    let version = params::meta_text(params, REVISION);
    let named = one(headers, "mcp-protocol-version");
    if named.is_none() || named != version.as_deref() {
        return Err(mismatch("mcp-protocol-version differs from the revision in params._meta"));
    }
    if one(headers, "mcp-method") != Some(request.method.as_str()) {
        return Err(mismatch("mcp-method differs from the method"));
    }
    let key = match request.method.as_str() {
        "tools/call" | "prompts/get" => Some("name"),
        "resources/read" => Some("uri"),
        _ => None,
    };
    if let Some(key) = key
        && let Some(value) = params::text(params, key)
        && one(headers, "mcp-name").and_then(decode).as_deref() != Some(value.as_str())
    {
        return Err(mismatch(format!("mcp-name differs from params.{key}")));
    }
    version.as_deref().and_then(unsupported).map_or(Ok(()), Err)
}

pub(super) fn mismatch(why: impl Into<String>) -> Fault {
    Fault::new(code::HEADER_MISMATCH, why)
}

fn one<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// A header's value: as it is, or as `=?base64?…?=` where it would not survive as it is. `None` for broken base64.
pub(super) fn decode(value: &str) -> Option<String> {
    let Some(payload) = value.strip_prefix("=?base64?").and_then(|rest| rest.strip_suffix("?=")) else { return Some(value.to_owned()) };
    let bytes = STANDARD.decode(payload).ok()?;
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use hyper::HeaderMap;
    use hyper::header::{HeaderName, HeaderValue};

    use super::check;
    use crate::message::Message;

    fn code(headers: &[(&str, &str)], params: &str) -> Option<i64> {
        let text = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{params}}}"#);
        let Ok(Message::Request(request)) = Message::parse(text.as_bytes()) else { panic!("a request") };
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(name.parse::<HeaderName>().expect("a name"), HeaderValue::from_str(value).expect("a value"));
        }
        check(&map, &request).err().map(|fault| fault.code)
    }

    #[test]
    fn headers_say_what_the_body_says() {
        let meta = r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}"#;
        let body = format!(r#"{{"name":"é",{meta}}}"#);
        let good = [("mcp-protocol-version", "2026-07-28"), ("mcp-method", "tools/call"), ("mcp-name", "=?base64?w6k=?=")];
        assert_eq!(code(&good, &body), None);
        for (at, value) in [(0, "2025-11-25"), (1, "tools/list"), (2, "x"), (2, "=?base64?%%?=")] {
            let mut bad = good;
            bad[at].1 = value;
            assert_eq!(code(&bad, &body), Some(-32020), "{value}");
        }
        for at in 0..3 {
            let fewer: Vec<_> = good.iter().enumerate().filter(|(place, _)| *place != at).map(|(_, header)| *header).collect();
            assert_eq!(code(&fewer, &body), Some(-32020), "without {}", good[at].0);
            let more: Vec<_> = good.iter().copied().chain([good[at]]).collect();
            assert_eq!(code(&more, &body), Some(-32020), "{} twice", good[at].0);
        }
        assert_eq!(code(&good, r#"{"name":"é"}"#), Some(-32602));
        let newer = body.replace("2026-07-28", "2027-01-01");
        assert_eq!(code(&[("mcp-protocol-version", "2027-01-01"), good[1], good[2]], &newer), Some(-32022));
    }
}
