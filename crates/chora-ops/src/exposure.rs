//! Values of secrets that the Compose file also says in the open: in environment variables, commands, labels or build
//! arguments. There everybody reads them who may ask the engine.

use chora_core::compose::Stack;
use chora_core::model::secret::Secret;
use serde_json::Value;

use crate::context::Context;

const MARK: &str = "[redacted]";
/// Inside of a longer text a value counts from this many characters; shorter ones are too often part of something else.
const SHORTEST_PART: usize = 8;
/// What of a service is shown by whoever inspects its container or image.
const SHOWN: [&str; 7] = ["environment", "command", "entrypoint", "labels", "annotations", "build", "healthcheck"];

/// A warning for every place where the stack gives the value of a secret away. A secret that cannot be read is told by
/// whoever needs it.
pub(crate) async fn warnings(cx: &Context, stack: &Stack) -> Vec<String> {
    let mut secrets = Vec::new();
    for (key, object) in &stack.secrets {
        let value = cx.secrets.value(key, object).await.ok();
        secrets.extend(value.as_ref().and_then(text).map(|value| (key, value)));
    }
    if secrets.is_empty() {
        return Vec::new();
    }
    let mut warnings = Vec::new();
    for (service, parts) in &stack.services {
        let Ok(mut parts) = serde_json::to_value(parts) else { continue };
        for (key, value) in &secrets {
            let mut places = Vec::new();
            each_shown(&mut parts, &mut |path, text| {
                if holds(text, value) {
                    places.push(words(path));
                }
            });
            places.dedup();
            warnings.extend(places.into_iter().map(|place| {
                format!(
                    "the value of secret `{key}` is also in {place} of service `{service}`: it is visible in `docker inspect` and \
                     stored with the release; let the service read a file"
                )
            }));
        }
    }
    warnings
}

/// Puts `[redacted]` in the place of the values in a document as `chora config` prints it.
pub(crate) fn hide(document: &mut Value, values: &[Secret<Vec<u8>>]) {
    let values: Vec<String> = values.iter().filter_map(text).collect();
    let services = document.get_mut("services").and_then(Value::as_object_mut);
    for parts in services.into_iter().flat_map(|services| services.values_mut()) {
        each_shown(parts, &mut |_, text| {
            for value in values.iter().filter(|value| holds(text, value)).collect::<Vec<_>>() {
                *text = text.replace(value.as_str(), MARK);
            }
        });
    }
}

/// Files usually end with a line end that variables lack.
fn text(value: &Secret<Vec<u8>>) -> Option<String> {
    let text = std::str::from_utf8(value.expose()).ok()?.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

fn holds(text: &str, value: &str) -> bool {
    text.trim() == value || value.len() >= SHORTEST_PART && text.contains(value)
}

/// Shows every text of a service that can be seen from outside, with the way to it.
fn each_shown(service: &mut Value, see: &mut impl FnMut(&[String], &mut String)) {
    for part in SHOWN {
        if let Some(shown) = service.get_mut(part) {
            descend(shown, &mut vec![part.to_owned()], see);
        }
    }
}

fn descend(value: &mut Value, path: &mut Vec<String>, see: &mut impl FnMut(&[String], &mut String)) {
    match value {
        Value::String(text) => see(path, text),
        Value::Array(items) => items.iter_mut().for_each(|item| descend(item, path, see)),
        Value::Object(map) => {
            for (key, item) in map {
                path.push(key.clone());
                descend(item, path, see);
                path.pop();
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn words(path: &[String]) -> String {
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    match path.as_slice() {
        ["environment", variable] => format!("environment variable `{variable}`"),
        ["labels" | "annotations", label] => format!("label `{label}`"),
        ["build", "args", argument] => format!("build argument `{argument}`"),
        path => format!("`{}`", path.join(".")),
    }
}

#[cfg(test)]
mod tests {
    use chora_core::model::secret::Secret;
    use serde_json::json;

    use super::hide;

    #[test]
    fn values_are_hidden_where_they_are_shown_and_nowhere_else() {
        let mut document = json!({"services": {"db": {
            "image": "hunter2:1",
            "environment": {"PGPASSWORD": "hunter2", "URL": "postgres://app:correct-horse@db/app", "NAME": "hunter2000", "N": null},
            "command": ["serve", "--password=correct-horse", "hunter2"],
            "build": {"context": "/hunter2", "args": {"TOKEN": "hunter2"}},
        }}, "secrets": {"password": {"file": "/hunter2"}}});
        hide(&mut document, &[Secret::new(b"hunter2\n".to_vec()), Secret::new(b"correct-horse".to_vec()), Secret::new(b"\n".to_vec())]);
        let expected = json!({"services": {"db": {
            "image": "hunter2:1",
            "environment": {"PGPASSWORD": "[redacted]", "URL": "postgres://app:[redacted]@db/app", "NAME": "hunter2000", "N": null},
            "command": ["serve", "--password=[redacted]", "[redacted]"],
            "build": {"context": "/hunter2", "args": {"TOKEN": "[redacted]"}},
        }}, "secrets": {"password": {"file": "/hunter2"}}});
        assert_eq!(document, expected);
    }
}
