use proptest::prelude::{Just, Strategy, any, prop_oneof, proptest};
use serde_json::{Value, json};

use super::{ChangeKind, Contract, Tool, compare};

fn offers(input: &Value, output: Option<&Value>) -> Contract {
    let tool = Tool { name: "t".to_owned(), input_schema: input.clone(), output_schema: output.cloned(), ..Tool::default() };
    Contract { tools: vec![tool], ..Contract::default() }
}

/// A schema with one optional parameter `p`.
#[expect(clippy::needless_pass_by_value, reason = "callers write the value in place")]
fn with(p: Value) -> Value {
    json!({ "type": "object", "properties": { "p": p } })
}

#[test]
fn a_narrowed_parameter_breaks_and_the_same_the_other_way_round_does_not() {
    let cases = [
        (json!({ "type": "string" }), json!({ "type": "integer" }), "parameter `p` narrowed: integer, not string"),
        (json!({ "type": ["string", "null"] }), json!({ "type": "string" }), "parameter `p` narrowed: string, not null"),
        (json!({}), json!({ "type": "string" }), "parameter `p` narrowed: only string"),
        (json!({ "type": "number" }), json!({ "type": "integer" }), "parameter `p` narrowed: integer, not number"),
        (json!({ "enum": ["a", "b"] }), json!({ "enum": ["a"] }), "parameter `p` narrowed: not `\"b\"`"),
        (json!({ "type": "string" }), json!({ "type": "string", "enum": ["a"] }), "parameter `p` narrowed: only `\"a\"`"),
        (json!({ "enum": [1, 2] }), json!({ "const": 1 }), "parameter `p` narrowed: not `2`"),
        (json!({ "type": "integer" }), json!({ "type": "integer", "minimum": 1 }), "parameter `p` narrowed: at least 1"),
        (json!({ "maximum": 9 }), json!({ "exclusiveMaximum": 9 }), "parameter `p` narrowed: less than 9"),
        (json!({ "maxLength": 9 }), json!({ "maxLength": 8 }), "parameter `p` narrowed: maxLength 8"),
        (json!({ "multipleOf": 2 }), json!({ "multipleOf": 4 }), "parameter `p` narrowed: multiples of 4"),
        (json!({ "type": "string" }), json!({ "type": "string", "pattern": "^a" }), "parameter `p` narrowed: pattern `\"^a\"`"),
        (json!({ "type": "array" }), json!({ "type": "array", "items": { "type": "string" } }), "parameter `p[]` narrowed: only string"),
        (json!({ "type": "array" }), json!({ "type": "array", "uniqueItems": true }), "parameter `p` narrowed: no item twice"),
        (with(json!({ "type": "string" })), with(json!({ "type": "null" })), "parameter `p.p` narrowed: null, not string"),
        (with(json!({})), json!({ "type": "object", "properties": { "p": {} }, "required": ["p"] }), "parameter `p.p` is required now"),
        (
            with(json!({})),
            json!({ "type": "object", "properties": { "p": {} }, "additionalProperties": false }),
            "parameter `p.*` narrowed: nothing",
        ),
        (
            json!({ "anyOf": [{ "type": "string" }, { "type": "integer" }] }),
            json!({ "anyOf": [{ "type": "integer" }, { "type": "null" }] }),
            "parameter `p` narrowed: only integer or null",
        ),
        (
            json!({ "type": "string" }),
            json!({ "allOf": [{ "type": "string" }, { "minLength": 2 }] }),
            "parameter `p` narrowed: minLength 2",
        ),
    ];
    for (wide, narrow, words) in cases {
        let (wide, narrow) = (offers(&with(wide), None), offers(&with(narrow), None));
        let changes = compare(&wide, &narrow);
        assert!(changes.iter().any(|change| change.breaking && change.detail == words), "{words}: {changes:?}");
        let back = compare(&narrow, &wide);
        let one_way = !words.contains("only integer or null") && !words.contains(", not string");
        assert!(!one_way || !back.iter().any(|change| change.breaking), "{words}: {back:?}");
        assert!(!back.is_empty(), "{words}");
    }
}

#[test]
fn schemas_that_say_the_same_differently_do_not_differ() {
    let cases = [
        (json!({ "type": ["string", "null"] }), json!({ "anyOf": [{ "type": "null" }, { "type": "string" }] })),
        (json!({ "enum": ["a", "b"] }), json!({ "anyOf": [{ "const": "b" }, { "const": "a" }] })),
        (json!({ "type": "boolean" }), json!({ "enum": [true, false] })),
        (json!(true), json!({})),
        (json!({ "type": "string", "description": "old" }), json!({ "type": "string", "title": "new", "default": "x", "minLength": 0 })),
    ];
    for (one, other) in cases {
        let changes = compare(&offers(&with(one.clone()), None), &offers(&with(other.clone()), None));
        assert_eq!(changes, [], "{one} {other}");
    }
    let inline = with(json!({ "type": "object", "properties": { "id": { "type": "string" } } }));
    let mut referring = with(json!({ "$ref": "#/$defs/Item" }));
    referring["$defs"] = json!({ "Item": { "type": "object", "properties": { "id": { "type": "string" } } } });
    assert_eq!(compare(&offers(&inline, None), &offers(&referring, None)), []);
}

#[test]
fn parameters_and_result_fields_come_and_go() {
    let object = |properties: Value, required: Value| json!({ "type": "object", "properties": properties, "required": required });
    let text = json!({ "type": "string" });
    let before = object(json!({ "q": text, "old": text }), json!(["q"]));
    let now = object(json!({ "q": text, "must": text, "may": text }), json!(["must"]));
    let found: Vec<_> = compare(&offers(&before, Some(&before)), &offers(&now, Some(&now)))
        .into_iter()
        .map(|change| (change.breaking, change.kind, change.detail))
        .collect();
    let expected = [
        (true, ChangeKind::ParameterRequired, "parameter `must` is required now"),
        (true, ChangeKind::ParameterRemoved, "parameter `old` removed"),
        (true, ChangeKind::ResultRemoved, "result field `old` removed"),
        (true, ChangeKind::ResultLoosened, "result field `q` may be missing now"),
        (false, ChangeKind::ParameterAdded, "parameter `may` added"),
        (false, ChangeKind::ParameterOptional, "parameter `q` is optional now"),
        (false, ChangeKind::ResultAdded, "result field `may` added"),
        (false, ChangeKind::ResultAdded, "result field `must` added"),
    ];
    let expected: Vec<_> = expected.into_iter().map(|(breaking, kind, detail)| (breaking, kind, detail.to_owned())).collect();
    assert_eq!(found, expected);
    let silent = compare(&offers(&before, Some(&before)), &offers(&before, None));
    assert_eq!(silent[0].detail, "its result has no schema any more");
}

#[test]
fn whole_things_come_and_go() {
    let before = Contract { resources: vec!["a".to_owned()], prompts: vec!["p".to_owned()], ..offers(&json!({}), None) };
    let now = Contract { resources: vec!["b".to_owned()], server_version: "9".to_owned(), ..Contract::default() };
    let words: Vec<_> = compare(&before, &now).iter().map(|change| format!("{} {change}", change.breaking)).collect();
    assert_eq!(words, ["true tool `t` removed", "true resource `a` removed", "true prompt `p` removed", "false resource `b` added"]);
}

#[test]
fn circles_and_thickets_end() {
    let circle = json!({ "type": "object", "properties": { "next": { "$ref": "#" } } });
    assert_eq!(compare(&offers(&circle, None), &offers(&circle, None)), []);
    let bare = json!({ "$ref": "#/$defs/a", "$defs": { "a": { "$ref": "#/$defs/a" } } });
    assert_eq!(compare(&offers(&bare, None), &offers(&bare, None)), []);
    let mut thicket = json!({ "type": "string" });
    for _ in 0..12 {
        thicket = json!({ "anyOf": [{ "type": "array", "items": thicket }, { "type": "object", "properties": { "p": thicket } }] });
    }
    assert_eq!(compare(&offers(&thicket, None), &offers(&thicket, None)), []);
}

#[test]
fn sorting_makes_equal_servers_equal_texts() {
    let read = |text: &str| -> Value { serde_json::from_str(text).unwrap() };
    let tool = |name: &str, schema: &str| Tool { name: name.to_owned(), input_schema: read(schema), ..Tool::default() };
    let mut one = Contract { tools: vec![tool("b", "{}"), tool("a", r#"{"y":1,"x":{"d":1,"c":2}}"#)], ..Contract::default() };
    let mut other = Contract { tools: vec![tool("a", r#"{"x":{"c":2,"d":1},"y":1}"#), tool("b", "{}")], ..Contract::default() };
    one.sort();
    other.sort();
    assert_eq!(serde_json::to_string(&one).unwrap(), serde_json::to_string(&other).unwrap());
}

/// Any schema of the keywords that are reasoned about, contradictions included.
fn schemas() -> impl Strategy<Value = Value> {
    let kind = prop_oneof![Just("string"), Just("integer"), Just("number"), Just("boolean"), Just("null"), Just("array"), Just("object")];
    let leaf = prop_oneof![
        any::<bool>().prop_map(Value::from),
        kind.clone().prop_map(|kind| json!({ "type": kind })),
        (kind.clone(), kind).prop_map(|(one, other)| json!({ "type": [one, other] })),
        (-3..9_i32, -3..9_i32).prop_map(|(low, high)| json!({ "type": "number", "minimum": low, "exclusiveMaximum": high })),
        (0..4_u32, 0..4_u32).prop_map(|(low, high)| json!({ "type": "string", "minLength": low, "maxLength": high, "pattern": "a" })),
        (any::<bool>(), -2..2_i32).prop_map(|(one, other)| json!({ "type": "integer", "enum": [one, other, "x", null] })),
        Just(json!({ "$ref": "#" })),
    ];
    leaf.prop_recursive(3, 20, 4, |inner| {
        let three = (inner.clone(), inner.clone(), inner.clone());
        prop_oneof![
            inner.clone().prop_map(|items| json!({ "type": "array", "items": items, "prefixItems": [items] })),
            three.clone().prop_map(|(a, b, rest)| {
                json!({ "type": "object", "properties": { "a": a, "b": b }, "required": ["a", "z"], "additionalProperties": rest })
            }),
            three.clone().prop_map(|(a, b, c)| json!({ "anyOf": [a, b], "oneOf": [c] })),
            three.prop_map(|(a, b, c)| json!({ "allOf": [a, b], "not": c })),
        ]
    })
}

proptest! {
    #[test]
    fn nothing_differs_from_itself(input in schemas(), output in schemas()) {
        let contract = offers(&input, Some(&output));
        assert_eq!(compare(&contract, &contract), []);
    }

    #[test]
    fn a_new_optional_parameter_never_breaks_and_a_new_required_one_always_does(input in schemas(), added in schemas()) {
        let before = json!({ "type": "object", "properties": { "p": input } });
        let optional = json!({ "type": "object", "properties": { "p": input, "new": added } });
        let required = json!({ "type": "object", "properties": { "p": input, "new": added }, "required": ["new"] });
        let breaks = |now: &Value| compare(&offers(&before, None), &offers(now, None)).iter().any(|change| change.breaking);
        assert!(!breaks(&optional));
        assert!(breaks(&required));
    }
}
