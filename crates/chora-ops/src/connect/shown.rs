//! What may be shown of an entry in somebody's file: where it leads, not the secrets that it carries.

use serde_json::{Map, Value};

const HIDDEN: &str = "[redacted]";

/// Keys that say where an entry leads, in files and in n8n; below all others texts are hidden.
const TELLING: [&str; 10] =
    ["type", "command", "cwd", "url", "serverUrl", "httpUrl", "Endpoint", "Server Transport", "Authentication", "Tools to Include"];

/// Words in the name of an argument whose value is hidden.
const SECRETS: [&str; 7] = ["token", "key", "secret", "pass", "auth", "header", "cred"];

/// An entry with its secrets hidden; references to variables and files stay.
pub(super) fn shown(entry: &Value) -> Value {
    let Value::Object(fields) = entry else { return hidden(entry) };
    let field = |(key, value): (&String, &Value)| {
        let value = match value {
            Value::Array(arguments) if key == "args" => Value::Array(arguments_shown(arguments)),
            Value::String(text) if TELLING.contains(&key.as_str()) => Value::String(address(text)),
            other => hidden(other),
        };
        (key.clone(), value)
    };
    Value::Object(fields.iter().map(field).collect::<Map<_, _>>())
}

fn hidden(value: &Value) -> Value {
    match value {
        Value::String(text) => Value::String(word(text)),
        Value::Array(items) => Value::Array(items.iter().map(hidden).collect()),
        Value::Object(fields) => Value::Object(fields.iter().map(|(key, value)| (key.clone(), hidden(value))).collect()),
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
    }
}

fn word(text: &str) -> String {
    if text.is_empty() || text.contains("${") || text.starts_with('@') { text.to_owned() } else { HIDDEN.to_owned() }
}

/// An address without a password and without its query, where keys are put.
fn address(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else { return text.to_owned() };
    let (rest, query) = rest.split_once('?').map_or((rest, ""), |(rest, _)| (rest, "?"));
    let (host, path) = rest.split_once('/').map_or((rest, None), |(host, path)| (host, Some(path)));
    let host = host.rsplit_once('@').map_or_else(|| host.to_owned(), |(_, host)| format!("{HIDDEN}@{host}"));
    let path = path.map(|path| format!("/{path}")).unwrap_or_default();
    let query = if query.is_empty() { String::new() } else { format!("?{HIDDEN}") };
    format!("{scheme}://{host}{path}{query}")
}

fn arguments_shown(arguments: &[Value]) -> Vec<Value> {
    let (mut shown, mut hides) = (Vec::with_capacity(arguments.len()), false);
    for argument in arguments {
        let Value::String(text) = argument else {
            shown.push(argument.clone());
            continue;
        };
        shown.push(Value::String(argument_shown(text, hides)));
        hides = text.starts_with('-') && !text.contains('=') && (is_secret(text) || matches!(text.as_str(), "-e" | "-H" | "--env"));
    }
    shown
}

fn argument_shown(text: &str, hides: bool) -> String {
    if let Some((name, value)) = text.split_once('=').filter(|(name, _)| hides || is_secret(name)) {
        return format!("{name}={}", word(value));
    }
    if hides {
        return match text.split_once(": ") {
            Some((name, value)) => format!("{name}: {}", word(value)),
            None => word(text),
        };
    }
    if text.to_ascii_lowercase().contains("bearer ") { word(text) } else { address(text) }
}

fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    SECRETS.iter().any(|word| name.contains(word))
}

#[cfg(test)]
mod tests {
    use super::shown;
    use serde_json::json;

    #[test]
    fn secrets_are_hidden_and_the_way_stays() {
        let table = [
            (json!("abc"), json!("[redacted]")),
            (json!({ "url": "https://u:p@x.example/mcp?api_key=abc" }), json!({ "url": "https://[redacted]@x.example/mcp?[redacted]" })),
            (
                json!({ "type": "http", "url": "https://x.example/mcp", "headers": { "Authorization": "Bearer abc", "X": "${env:X}" } }),
                json!({ "type": "http", "url": "https://x.example/mcp", "headers": { "Authorization": "[redacted]", "X": "${env:X}" } }),
            ),
            (
                json!({ "command": "npx", "args": ["-y", "server", "--token", "abc", "--api-key=abc", "KEY=abc"], "env": { "K": "abc" } }),
                json!({ "command": "npx", "args": ["-y", "server", "--token", "[redacted]", "--api-key=[redacted]", "KEY=[redacted]"], "env": { "K": "[redacted]" } }),
            ),
            (
                json!({ "args": ["run", "-e", "A=abc", "--header", "X: abc", "--header", "Y: @/run/y", "Authorization: Bearer abc", 7] }),
                json!({ "args": ["run", "-e", "A=[redacted]", "--header", "X: [redacted]", "--header", "Y: @/run/y", "[redacted]", 7] }),
            ),
            (json!({ "auth": { "secret": ["abc"] }, "disabled": true }), json!({ "auth": { "secret": ["[redacted]"] }, "disabled": true })),
        ];
        for (entry, wanted) in table {
            assert_eq!(shown(&entry), wanted);
        }
    }
}
