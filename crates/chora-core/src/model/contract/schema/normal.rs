//! Rewrites a schema as alternatives without `$ref`, `anyOf`, `oneOf`, `allOf` and lists of types at their top.

use std::borrow::Cow;

use serde_json::{Map, Value};

/// More alternatives than this are not reasoned about.
const ALTERNATIVES_LIMIT: usize = 64;
/// A chain of references longer than this is a circle.
const CHAIN_LIMIT: usize = 16;

/// The alternatives of a schema; none for `false`, `None` where it is too tangled to say.
pub(super) fn alternatives(schema: &Value, root: &Value) -> Option<Vec<Value>> {
    let mut found = Vec::new();
    expand(schema, root, CHAIN_LIMIT, &mut found)?;
    Some(found)
}

fn expand(schema: &Value, root: &Value, left: usize, found: &mut Vec<Value>) -> Option<()> {
    if left == 0 || found.len() > ALTERNATIVES_LIMIT {
        return None;
    }
    let mut map = match schema {
        Value::Bool(false) => return Some(()),
        Value::Object(map) => map.clone(),
        // Anything that is no schema refuses nothing.
        _ => Map::new(),
    };
    if let Some(Value::String(reference)) = map.get("$ref") {
        let target = reference.strip_prefix('#').and_then(|pointer| root.pointer(&decode(pointer)));
        // Keywords beside a reference are annotations in practice; a reference elsewhere stays as an opaque keyword.
        if let Some(target) = target {
            return expand(target, root, left - 1, found);
        }
    }
    if let Some(Value::Array(parts)) = map.remove("allOf") {
        let mut whole = map;
        for part in &parts {
            whole = merge(&whole, resolve(part, root, left)?.as_object()?);
        }
        return expand(&Value::Object(whole), root, left - 1, found);
    }
    for keyword in ["anyOf", "oneOf"] {
        if let Some(Value::Array(parts)) = map.remove(keyword) {
            for part in &parts {
                match resolve(part, root, left)?.as_ref() {
                    Value::Object(part) => expand(&Value::Object(merge(&map, part)), root, left - 1, found)?,
                    Value::Bool(false) => {}
                    _ => expand(&Value::Object(map.clone()), root, left - 1, found)?,
                }
            }
            return Some(());
        }
    }
    if let Some(Value::Array(types)) = map.remove("type") {
        for one in types {
            let mut single = map.clone();
            single.insert("type".to_owned(), one);
            found.push(Value::Object(single));
        }
        return Some(());
    }
    // `remove` has taken a single type out.
    if let Some(one) = schema.get("type").filter(|one| one.is_string()) {
        map.insert("type".to_owned(), one.clone());
    }
    found.push(Value::Object(map));
    Some(())
}

/// Follows local references.
fn resolve<'a>(schema: &'a Value, root: &'a Value, left: usize) -> Option<Cow<'a, Value>> {
    if left == 0 {
        return None;
    }
    let Some(Value::String(reference)) = schema.get("$ref") else { return Some(Cow::Borrowed(schema)) };
    match reference.strip_prefix('#').and_then(|pointer| root.pointer(&decode(pointer))) {
        Some(target) => resolve(target, root, left - 1),
        None => Some(Cow::Borrowed(schema)),
    }
}

/// URI fragments are percent-encoded; only the space and the percent sign occur in practice.
fn decode(pointer: &str) -> String {
    pointer.replace("%20", " ").replace("%25", "%")
}

/// Both schemas at once: properties are united, `required` too; of other keywords the part's wins.
fn merge(base: &Map<String, Value>, part: &Map<String, Value>) -> Map<String, Value> {
    let mut merged = base.clone();
    for (key, value) in part {
        match (merged.get_mut(key), value) {
            (Some(Value::Object(known)), Value::Object(more)) if key == "properties" => {
                known.extend(more.iter().map(|(name, schema)| (name.clone(), schema.clone())));
            }
            (Some(Value::Array(known)), Value::Array(more)) if key == "required" => {
                known.extend(more.iter().cloned());
            }
            _ => {
                merged.insert(key.clone(), value.clone());
            }
        }
    }
    merged
}
