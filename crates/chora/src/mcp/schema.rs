//! Schemas of tools, short: what every client of every session reads is made of as few words as it can be, and stays true.

use rmcp::model::JsonObject;
use serde_json::{Value, json};

/// What a model cannot use, or what says no more than the rest.
const DROPPED: [&str; 3] = ["$schema", "title", "format"];

/// The schema of arguments: everything is described, references are resolved.
pub(super) fn of_input(schema: &JsonObject) -> JsonObject {
    Shortener { schema, open: Vec::new(), described: usize::MAX }.object(schema, 0)
}

/// The schema of an answer, which is the outcome or a failure; only its own properties are described, not what is within them.
pub(super) fn of_output(schema: &JsonObject) -> JsonObject {
    let mut short = Shortener { schema, open: Vec::new(), described: 1 }.object(schema, 0);
    let needed = short.shift_remove("required").unwrap_or_else(|| json!([]));
    short.insert("anyOf".to_owned(), json!([{ "required": needed }, { "required": ["kind", "message"] }]));
    short
}

struct Shortener<'a> {
    schema: &'a JsonObject,
    /// Definitions on the way here.
    open: Vec<String>,
    /// Down to here properties keep their descriptions.
    described: usize,
}

impl Shortener<'_> {
    fn value(&mut self, value: &Value, depth: usize) -> Value {
        match value {
            Value::Object(object) => Value::Object(self.object(object, depth)),
            Value::Array(items) => items.iter().map(|item| self.value(item, depth)).collect(),
            other => other.clone(),
        }
    }

    fn object(&mut self, object: &JsonObject, depth: usize) -> JsonObject {
        if let Some(name) = object.get("$ref").and_then(Value::as_str).and_then(|path| path.strip_prefix("#/$defs/")) {
            return self.resolved(name, depth);
        }
        let mut short = JsonObject::new();
        for (key, value) in object {
            let kept = match key.as_str() {
                key if DROPPED.contains(&key) => continue,
                "$defs" => continue,
                "description" => continue,
                "additionalProperties" if value == true => continue,
                "default" if value.is_null() => continue,
                "minimum" if value == 0 => continue,
                "enum" | "const" | "default" | "required" => value.clone(),
                // Names of properties are no keywords.
                "properties" => self.properties(value, depth + 1),
                _ => self.value(value, depth),
            };
            short.insert(key.clone(), kept);
        }
        nullable(words(short))
    }

    fn properties(&mut self, properties: &Value, depth: usize) -> Value {
        let Some(properties) = properties.as_object() else { return properties.clone() };
        let mut short = JsonObject::new();
        for (name, schema) in properties {
            let mut property = self.value(schema, depth);
            let description = schema.get("description").and_then(Value::as_str).filter(|words| self.keeps(words, name, depth));
            if let (Some(description), Some(property)) = (description, property.as_object_mut()) {
                property.insert("description".to_owned(), description.into());
            }
            short.insert(name.clone(), property);
        }
        Value::Object(short)
    }

    /// Arguments are described in any case; an answer's property when its name does not say it all.
    fn keeps(&self, description: &str, name: &str, depth: usize) -> bool {
        depth <= self.described && (self.described > 1 || !repeats(description, name))
    }

    /// A definition in the place where it is used; within itself it is anything.
    fn resolved(&mut self, name: &str, depth: usize) -> JsonObject {
        let definition = self.schema.get("$defs").and_then(|definitions| definitions.get(name)?.as_object());
        let Some(definition) = definition.filter(|_| !self.open.iter().any(|open| open == name)) else { return JsonObject::new() };
        self.open.push(name.to_owned());
        let object = self.object(definition, depth);
        self.open.pop();
        object
    }
}

/// Whether a description says no more than the name of its property.
fn repeats(description: &str, name: &str) -> bool {
    description.trim_end_matches('.').eq_ignore_ascii_case(&name.replace('_', " "))
}

/// Something or null, without a choice between two schemas.
fn nullable(schema: JsonObject) -> JsonObject {
    let mut choices = schema.get("anyOf").and_then(Value::as_array).cloned().unwrap_or_default();
    let null = choices.pop().filter(|last| *last == json!({ "type": "null" }));
    let (Some(Value::Object(mut something)), Some(_), 1) = (choices.pop(), null, choices.len() + schema.len()) else { return schema };
    let Some(kind) = something.get("type").filter(|kind| kind.is_string()).cloned() else { return schema };
    something.insert("type".to_owned(), json!([kind, "null"]));
    if let Some(words) = something.get_mut("enum").and_then(Value::as_array_mut) {
        words.push(Value::Null);
    }
    something
}

/// Words to choose from, each with a description of its own, as a plain list.
fn words(mut schema: JsonObject) -> JsonObject {
    let Some(choices) = schema.get("oneOf").and_then(Value::as_array) else { return schema };
    let word = |choice: &Value| match (choice.get("const"), choice.get("enum").and_then(Value::as_array)) {
        (Some(word), None) if word.is_string() => Some(vec![word.clone()]),
        (None, Some(words)) => Some(words.clone()),
        _ => None,
    };
    let Some(words) = choices.iter().map(word).collect::<Option<Vec<_>>>() else { return schema };
    schema.shift_remove("oneOf");
    schema.insert("type".to_owned(), "string".into());
    schema.insert("enum".to_owned(), words.concat().into());
    schema
}

#[cfg(test)]
mod tests {
    use super::{of_input, of_output};
    use serde_json::{Value, json};

    fn schema() -> Value {
        json!({
            "$schema": "x", "title": "Outcome", "description": "A thing.", "type": "object", "required": ["state"],
            "properties": {
                "title": { "type": "string", "description": "A property that is called like a keyword." },
                "state": { "$ref": "#/$defs/State", "description": "How it is." },
                "parts": { "type": "array", "items": { "$ref": "#/$defs/Part" } },
                "count": { "type": "integer", "format": "uint64", "minimum": 0, "description": "Count." },
                "most": { "type": ["integer", "null"], "default": null },
                "last": { "anyOf": [{ "$ref": "#/$defs/State" }, { "type": "null" }], "default": null },
            },
            "$defs": {
                "State": { "description": "Any.", "oneOf": [{ "const": "on", "type": "string", "description": "x" }, { "enum": ["off"] }] },
                "Part": { "type": "object", "properties": { "parts": { "$ref": "#/$defs/Part" }, "name": { "type": "string", "description": "x" } } },
            },
        })
    }

    #[test]
    fn arguments_keep_every_description() {
        let short = of_input(schema().as_object().unwrap());
        assert_eq!(
            Value::Object(short),
            json!({
                "type": "object", "required": ["state"],
                "properties": {
                    "title": { "type": "string", "description": "A property that is called like a keyword." },
                    "state": { "type": "string", "enum": ["on", "off"], "description": "How it is." },
                    "parts": { "type": "array", "items": { "type": "object", "properties": { "parts": {}, "name": { "type": "string", "description": "x" } } } },
                    "count": { "type": "integer", "description": "Count." },
                    "most": { "type": ["integer", "null"] },
                    "last": { "type": ["string", "null"], "enum": ["on", "off", null] },
                },
            })
        );
    }

    #[test]
    fn an_answer_is_the_outcome_or_a_failure() {
        let short = Value::Object(of_output(schema().as_object().unwrap()));
        assert_eq!(short["properties"]["parts"]["items"]["properties"]["name"], json!({ "type": "string" }));
        assert_eq!(short["properties"]["state"]["description"], "How it is.");
        assert_eq!(short["properties"]["count"], json!({ "type": "integer" }), "a description that repeats the name");
        assert_eq!(short["anyOf"], json!([{ "required": ["state"] }, { "required": ["kind", "message"] }]));
        assert_eq!((&short["required"], &short["$defs"]), (&Value::Null, &Value::Null));
    }
}
