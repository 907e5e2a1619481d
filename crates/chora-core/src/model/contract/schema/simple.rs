//! Compares two alternatives keyword by keyword.

use serde_json::Value;

use super::{Gap, GapKind, Use, Walk, values};

/// Keywords that are compared for equality: new or different means narrower.
const OPAQUE: [&str; 15] = [
    "$ref",
    "not",
    "if",
    "then",
    "else",
    "pattern",
    "dependentRequired",
    "dependentSchemas",
    "patternProperties",
    "propertyNames",
    "contains",
    "minContains",
    "maxContains",
    "unevaluatedProperties",
    "unevaluatedItems",
];
const LOWER: [&str; 3] = ["minLength", "minItems", "minProperties"];
const UPPER: [&str; 3] = ["maxLength", "maxItems", "maxProperties"];

impl Walk<'_> {
    pub(super) fn compare_simple(&mut self, target: &Value, source: &Value, path: &str) -> Vec<Gap> {
        self.steps += 1;
        if let Some(listed) = listed_values(source) {
            let refused: Vec<_> = listed.into_iter().filter(|value| !accepts(target, value)).map(short).collect();
            return if refused.is_empty() { Vec::new() } else { vec![values(path, format!("not {}", refused.join(", ")))] };
        }
        let mut gaps = Vec::new();
        if let Some(gap) = type_gap(target, source) {
            // Nothing below means anything for another type.
            return vec![values(path, gap)];
        }
        if let Some(listed) = listed_values(target)
            && !exhausts(source, &listed)
        {
            gaps.push(values(path, format!("only {}", listed.into_iter().map(short).collect::<Vec<_>>().join(", "))));
        }
        gaps.extend(bound_gaps(target, source).into_iter().map(|detail| values(path, detail)));
        for keyword in OPAQUE {
            if let Some(wanted) = target.get(keyword).filter(|wanted| source.get(keyword) != Some(wanted)) {
                gaps.push(values(path, format!("{keyword} {}", short(wanted))));
            }
        }
        gaps.extend(self.item_gaps(target, source, path));
        gaps.extend(self.property_gaps(target, source, path));
        gaps
    }

    fn item_gaps(&mut self, target: &Value, source: &Value, path: &str) -> Vec<Gap> {
        let anything = Value::Bool(true);
        let mut gaps = Vec::new();
        let rest = source.get("items").unwrap_or(&anything);
        if let Some(items) = target.get("items") {
            gaps.extend(self.compare(items, rest, &format!("{path}[]")));
        }
        let known = source.get("prefixItems").and_then(Value::as_array);
        for (index, item) in target.get("prefixItems").and_then(Value::as_array).into_iter().flatten().enumerate() {
            let source = known.and_then(|known| known.get(index)).unwrap_or(rest);
            gaps.extend(self.compare(item, source, &format!("{path}[{index}]")));
        }
        gaps
    }

    fn property_gaps(&mut self, target: &Value, source: &Value, path: &str) -> Vec<Gap> {
        let below = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
        let absent = |name: &String| Gap { path: below(name), kind: GapKind::Absent, detail: String::new() };
        let (wanted, offered) = (target.get("properties").and_then(Value::as_object), source.get("properties").and_then(Value::as_object));
        let knows = |map: Option<&serde_json::Map<String, Value>>, name: &str| map.is_some_and(|map| map.contains_key(name));
        let mut gaps: Vec<Gap> = match self.purpose {
            Use::Arguments => offered.into_iter().flatten().map(|(name, _)| name).filter(|name| !knows(wanted, name)).map(absent).collect(),
            Use::Results => wanted.into_iter().flatten().map(|(name, _)| name).filter(|name| !knows(offered, name)).map(absent).collect(),
        };
        for (name, wanted) in wanted.into_iter().flatten() {
            if let Some(offered) = offered.and_then(|offered| offered.get(name)) {
                gaps.extend(self.compare(wanted, offered, &below(name)));
            }
        }
        let given = required(source);
        for name in required(target).into_iter().filter(|name| !given.contains(name)) {
            let gap = Gap { path: below(name), kind: GapKind::Required, detail: String::new() };
            if !gaps.iter().any(|known| known.path == gap.path && known.kind == GapKind::Absent) {
                gaps.push(gap);
            }
        }
        if self.purpose == Use::Arguments
            && let Some(others) = target.get("additionalProperties")
        {
            gaps.extend(self.compare(others, source.get("additionalProperties").unwrap_or(&Value::Bool(true)), &below("*")));
        }
        gaps
    }
}

fn required(schema: &Value) -> Vec<&str> {
    schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect()
}

/// The values that an `enum` or `const` lists and the schema itself does not refuse.
pub(super) fn listed_values(schema: &Value) -> Option<Vec<&Value>> {
    let listed = match (schema.get("const"), schema.get("enum").and_then(Value::as_array)) {
        (Some(one), _) => vec![one],
        (None, Some(listed)) => listed.iter().collect(),
        (None, None) => return None,
    };
    Some(listed.into_iter().filter(|value| accepts(schema, value)).collect())
}

/// Whether a schema accepts a value, as far as type, list and bounds can tell.
fn accepts(schema: &Value, value: &Value) -> bool {
    let listed = schema.get("enum").and_then(Value::as_array).is_none_or(|listed| listed.contains(value));
    let same = schema.get("const").is_none_or(|constant| constant == value);
    let length = value.as_str().map(|text| text.chars().count());
    let range = match (value.as_f64(), length) {
        (Some(number), _) => within(schema, number),
        (None, Some(length)) => {
            let limit = |key| schema.get(key).and_then(Value::as_u64).and_then(|limit| usize::try_from(limit).ok());
            limit("minLength").is_none_or(|limit| length >= limit) && limit("maxLength").is_none_or(|limit| length <= limit)
        }
        (None, None) => true,
    };
    listed && same && range && type_of(schema).is_none_or(|kind| is_of(value, kind))
}

fn within(schema: &Value, number: f64) -> bool {
    let above = lower(schema).is_none_or(|(limit, open)| if open { number > limit } else { number >= limit });
    above && upper(schema).is_none_or(|(limit, open)| if open { number < limit } else { number <= limit })
}

fn is_of(value: &Value, kind: &str) -> bool {
    match kind {
        "integer" => value.as_f64().is_some_and(|number| number.fract() == 0.0),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        _ => true,
    }
}

/// The type, also where only its keywords tell.
fn type_of(schema: &Value) -> Option<&str> {
    let named = schema.get("type").and_then(Value::as_str);
    named.or_else(|| schema.get("properties").map(|_| "object"))
}

fn type_gap(target: &Value, source: &Value) -> Option<String> {
    let wanted = target.get("type").and_then(Value::as_str)?;
    match type_of(source) {
        Some(offered) if offered == wanted || (offered == "integer" && wanted == "number") => None,
        Some(offered) => Some(format!("{wanted}, not {offered}")),
        None => Some(format!("only {wanted}")),
    }
}

/// Whether a list holds every value that a schema accepts.
fn exhausts(source: &Value, listed: &[&Value]) -> bool {
    match type_of(source) {
        Some("null") => listed.iter().any(|value| value.is_null()),
        Some("boolean") => [true, false].iter().all(|wanted| listed.iter().any(|value| value.as_bool() == Some(*wanted))),
        _ => false,
    }
}

/// The lower bound and whether the bound itself is left out.
fn lower(schema: &Value) -> Option<(f64, bool)> {
    let (closed, open) = (number(schema, "minimum"), number(schema, "exclusiveMinimum"));
    match (closed, open) {
        (Some(closed), Some(open)) => Some(if open >= closed { (open, true) } else { (closed, false) }),
        (Some(closed), None) => Some((closed, false)),
        (None, open) => open.map(|open| (open, true)),
    }
}

fn upper(schema: &Value) -> Option<(f64, bool)> {
    let (closed, open) = (number(schema, "maximum"), number(schema, "exclusiveMaximum"));
    match (closed, open) {
        (Some(closed), Some(open)) => Some(if open <= closed { (open, true) } else { (closed, false) }),
        (Some(closed), None) => Some((closed, false)),
        (None, open) => open.map(|open| (open, true)),
    }
}

fn number(schema: &Value, keyword: &str) -> Option<f64> {
    schema.get(keyword).and_then(Value::as_f64)
}

fn bound_gaps(target: &Value, source: &Value) -> Vec<String> {
    let mut gaps = Vec::new();
    if let Some((limit, open)) = lower(target) {
        let covered = lower(source).is_some_and(|(known, left_out)| known > limit || (known == limit && (left_out || !open)));
        gaps.extend((!covered).then(|| format!("{} {limit}", if open { "more than" } else { "at least" })));
    }
    if let Some((limit, open)) = upper(target) {
        let covered = upper(source).is_some_and(|(known, left_out)| known < limit || (known == limit && (left_out || !open)));
        gaps.extend((!covered).then(|| format!("{} {limit}", if open { "less than" } else { "at most" })));
    }
    for keyword in LOWER {
        if let Some(limit) = number(target, keyword).filter(|limit| number(source, keyword).unwrap_or(0.0) < *limit) {
            gaps.push(format!("{keyword} {limit}"));
        }
    }
    for keyword in UPPER {
        if let Some(limit) = number(target, keyword).filter(|limit| number(source, keyword).is_none_or(|known| known > *limit)) {
            gaps.push(format!("{keyword} {limit}"));
        }
    }
    if let Some(step) = number(target, "multipleOf") {
        let covered = number(source, "multipleOf").is_some_and(|known| known == step || (known / step).fract() == 0.0);
        gaps.extend((!covered).then(|| format!("multiples of {step}")));
    }
    let unique = |schema: &Value| schema.get("uniqueItems").and_then(Value::as_bool) == Some(true);
    gaps.extend((unique(target) && !unique(source)).then(|| "no item twice".to_owned()));
    gaps
}

/// What alternatives accept, in a few words.
pub(super) fn describe_all(alternatives: &[Value]) -> String {
    if alternatives.is_empty() {
        return "nothing".to_owned();
    }
    let words = alternatives.iter().map(|one| match (listed_values(one), type_of(one)) {
        (Some(listed), _) => listed.into_iter().map(short).collect::<Vec<_>>().join(", "),
        (None, Some(kind)) => kind.to_owned(),
        (None, None) => "anything else".to_owned(),
    });
    format!("only {}", words.collect::<Vec<_>>().join(" or "))
}

fn short(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(60) {
        Some((end, _)) => format!("`{}…`", text.get(..end).unwrap_or_default()),
        None => format!("`{text}`"),
    }
}
