//! The text of a client's file: finds one entry and changes it in place. Everything else keeps its bytes.
//!
//! What is no strict JSON is refused: comments cannot be kept by a reader that does not know where they belong.

use std::ops::Range;

use serde::Serialize as _;
use serde_json::ser::PrettyFormatter;
use serde_json::{Serializer, Value, json};

const MARK: char = '\u{feff}';

/// Why a file cannot be changed.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum DocumentError {
    /// VS Code allows them.
    #[error("it has comments, which would be lost")]
    Comments,
    #[error("it is no JSON: {0}")]
    Broken(String),
    #[error("it holds no JSON object")]
    NoObject,
    #[error("its `{0}` is no JSON object")]
    NoSection(String),
    /// Which one counts depends on the reader.
    #[error("it has `{0}` twice")]
    Twice(String),
}

/// A client's file, read.
#[derive(Debug)]
pub(super) struct Document<'a> {
    text: &'a str,
    root: Object,
}

/// What stands under a name.
#[derive(Debug, PartialEq)]
pub(super) struct Entry<'a> {
    /// As it is written.
    pub(super) raw: &'a str,
    pub(super) value: Value,
}

#[derive(Debug, Clone)]
struct Object {
    /// Where its braces are.
    open: usize,
    close: usize,
    members: Vec<Member>,
}

#[derive(Debug, Clone)]
struct Member {
    key: String,
    name: Range<usize>,
    value: Range<usize>,
}

impl<'a> Document<'a> {
    /// Reads a text; an empty one is an empty object.
    pub(super) fn parse(text: &'a str) -> Result<Self, DocumentError> {
        let body = text.strip_prefix(MARK).unwrap_or(text);
        let text = if body.trim().is_empty() { "{}\n" } else { text };
        let body = text.strip_prefix(MARK).unwrap_or(text);
        match serde_json::from_str::<Value>(body) {
            Ok(Value::Object(_)) => {}
            Ok(_) => return Err(DocumentError::NoObject),
            Err(_) if has_comments(body) => return Err(DocumentError::Comments),
            Err(error) => return Err(DocumentError::Broken(error.to_string())),
        }
        let open = skip(text.as_bytes(), text.len() - body.len());
        Ok(Self { text, root: object(text, open)? })
    }

    /// Nothing is in it.
    pub(super) fn is_bare(&self) -> bool {
        self.root.members.is_empty()
    }

    pub(super) fn has_section(&self, section: &str) -> Result<bool, DocumentError> {
        Ok(self.section(section)?.is_some())
    }

    pub(super) fn entry(&self, section: &str, name: &str) -> Result<Option<Entry<'a>>, DocumentError> {
        let Some((_, section)) = self.section(section)? else { return Ok(None) };
        let Some((_, member)) = find(&section, name)? else { return Ok(None) };
        let raw = self.part(member.value.clone());
        let value = serde_json::from_str(raw).map_err(|error| DocumentError::Broken(error.to_string()))?;
        Ok(Some(Entry { raw, value }))
    }

    /// The text with the entry in it, in place of what stands under its name.
    pub(super) fn with(&self, section: &str, name: &str, value: &Value) -> Result<String, DocumentError> {
        let Some((_, object)) = self.section(section)? else {
            return Ok(self.appended(&self.root, section, &json!({ name: value })));
        };
        let Some((_, member)) = find(&object, name)? else { return Ok(self.appended(&object, name, value)) };
        let lines = !self.is_one_line();
        let text = if lines { self.pretty(value, self.line_indent(member.name.start)) } else { value.to_string() };
        Ok(self.spliced(member.value.clone(), &text))
    }

    /// The text with something else under a name that is there.
    pub(super) fn with_raw(&self, section: &str, name: &str, raw: &str) -> Result<Option<String>, DocumentError> {
        let Some((_, object)) = self.section(section)? else { return Ok(None) };
        Ok(find(&object, name)?.map(|(_, member)| self.spliced(member.value.clone(), raw)))
    }

    /// The text without the entry, and without the section when nothing else is in it and it may go.
    pub(super) fn without(&self, section: &str, name: &str, section_may_go: bool) -> Result<Option<String>, DocumentError> {
        let Some((place, object)) = self.section(section)? else { return Ok(None) };
        let Some((index, _)) = find(&object, name)? else { return Ok(None) };
        let range = if section_may_go && object.members.len() == 1 { removal(&self.root, place) } else { removal(&object, index) };
        Ok(Some(self.spliced(range, "")))
    }

    fn section(&self, name: &str) -> Result<Option<(usize, Object)>, DocumentError> {
        let Some((place, member)) = find(&self.root, name)? else { return Ok(None) };
        if !self.part(member.value.clone()).starts_with('{') {
            return Err(DocumentError::NoSection(name.to_owned()));
        }
        Ok(Some((place, object(self.text, member.value.start)?)))
    }

    /// The text with one more member at the end of an object, spelled as its last one is.
    fn appended(&self, object: &Object, key: &str, value: &Value) -> String {
        let key = Value::from(key).to_string();
        let Some(last) = object.members.last() else {
            let inside = object.open + 1..object.close;
            if self.is_one_line() && !self.is_bare() {
                return self.spliced(inside, &format!("{key}:{value}"));
            }
            let (newline, outer) = (self.newline(), self.line_indent(object.open));
            let inner = format!("{outer}{}", self.unit());
            return self.spliced(inside, &format!("{newline}{inner}{key}: {}{newline}{outer}", self.pretty(value, &inner)));
        };
        let gap = self.gap(last.name.start);
        let colon = Some(self.part(last.name.end..last.value.start)).filter(|colon| !colon.contains('\n')).unwrap_or(": ");
        let text = match gap.rsplit_once('\n') {
            Some((_, indent)) => self.pretty(value, indent),
            None => value.to_string(),
        };
        self.spliced(last.value.end..last.value.end, &format!(",{gap}{key}{colon}{text}"))
    }

    fn spliced(&self, range: Range<usize>, text: &str) -> String {
        format!("{}{text}{}", self.part(0..range.start), self.part(range.end..self.text.len()))
    }

    fn part(&self, range: Range<usize>) -> &'a str {
        self.text.get(range).unwrap_or_default()
    }

    /// The white space before a place.
    fn gap(&self, at: usize) -> &'a str {
        let before = self.part(0..at);
        self.part(before.trim_end().len()..at)
    }

    /// The white space that the line of a place begins with.
    fn line_indent(&self, at: usize) -> &'a str {
        let start = self.part(0..at).rfind('\n').map_or(0, |newline| newline + 1);
        let line = self.part(start..self.text.len());
        self.part(start..start + line.len() - line.trim_start_matches([' ', '\t']).len())
    }

    fn is_one_line(&self) -> bool {
        !self.text.trim().contains('\n')
    }

    fn newline(&self) -> &'static str {
        if self.text.contains("\r\n") { "\r\n" } else { "\n" }
    }

    /// One step of indentation, as the file has it.
    fn unit(&self) -> &'a str {
        let first = self.root.members.first().and_then(|member| self.gap(member.name.start).rsplit_once('\n'));
        first.map_or("  ", |(_, indent)| indent)
    }

    fn pretty(&self, value: &Value, indent: &str) -> String {
        let mut bytes = Vec::new();
        let formatter = PrettyFormatter::with_indent(self.unit().as_bytes());
        let written = value.serialize(&mut Serializer::with_formatter(&mut bytes, formatter)).is_ok();
        let text = String::from_utf8(bytes).ok().filter(|_| written).unwrap_or_else(|| value.to_string());
        text.replace('\n', &format!("{}{indent}", self.newline()))
    }
}

/// The one member of that name, and which one it is.
fn find<'o>(object: &'o Object, key: &str) -> Result<Option<(usize, &'o Member)>, DocumentError> {
    let mut found = object.members.iter().enumerate().filter(|(_, member)| member.key == key);
    let first = found.next();
    if found.next().is_some() { Err(DocumentError::Twice(key.to_owned())) } else { Ok(first) }
}

/// What goes together with a member: the comma and space before it, which is what appending has added.
fn removal(object: &Object, index: usize) -> Range<usize> {
    let member = |index: usize| object.members.get(index);
    match (index.checked_sub(1).and_then(member), member(index), member(index + 1)) {
        (Some(before), Some(it), _) => before.value.end..it.value.end,
        (None, Some(it), Some(after)) => it.name.start..after.name.start,
        _ => object.open + 1..object.close,
    }
}

/// The members of the object that begins here, in a text that is known to be JSON.
fn object(text: &str, open: usize) -> Result<Object, DocumentError> {
    members(text, open).ok_or_else(|| DocumentError::Broken("its members cannot be told apart".to_owned()))
}

fn members(text: &str, open: usize) -> Option<Object> {
    let bytes = text.as_bytes();
    let (mut at, mut members) = (open + 1, Vec::new());
    loop {
        at = skip(bytes, at);
        match bytes.get(at)? {
            b'}' => return Some(Object { open, close: at, members }),
            b',' => at += 1,
            b'"' => {
                let name = at..string_end(bytes, at)?;
                let start = skip(bytes, skip(bytes, name.end) + 1);
                let value = start..value_end(bytes, start)?;
                at = value.end;
                members.push(Member { key: serde_json::from_str(text.get(name.clone())?).ok()?, name, value });
            }
            _ => return None,
        }
    }
}

fn skip(bytes: &[u8], from: usize) -> usize {
    let space = bytes.iter().skip(from).take_while(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n'));
    from + space.count()
}

fn string_end(bytes: &[u8], quote: usize) -> Option<usize> {
    let mut at = quote + 1;
    loop {
        match bytes.get(at)? {
            b'\\' => at += 2,
            b'"' => return Some(at + 1),
            _ => at += 1,
        }
    }
}

fn value_end(bytes: &[u8], start: usize) -> Option<usize> {
    let (mut at, mut depth) = (start, 0_usize);
    loop {
        let byte = bytes.get(at)?;
        match byte {
            b'"' => at = string_end(bytes, at)?,
            b'{' | b'[' => (at, depth) = (at + 1, depth + 1),
            b'}' | b']' if depth > 0 => (at, depth) = (at + 1, depth - 1),
            b'}' | b']' | b',' | b' ' | b'\t' | b'\r' | b'\n' if depth == 0 => return Some(at),
            _ => at += 1,
        }
        if depth == 0 && matches!(byte, b'"' | b'}' | b']') {
            return Some(at);
        }
    }
}

fn has_comments(text: &str) -> bool {
    let bytes = text.as_bytes();
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        match (byte, bytes.get(at + 1)) {
            (b'"', _) => at = string_end(bytes, at).unwrap_or(bytes.len()),
            (b'/', Some(b'/' | b'*')) => return true,
            _ => at += 1,
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::{Document, DocumentError};
    use serde_json::json;

    const SECTION: &str = "mcpServers";

    #[test]
    fn what_cannot_be_changed_without_loss_is_refused() {
        let broken = |text| Document::parse(text).err().map(|error| error.to_string()).unwrap_or_default();
        let table = [
            ("{\n  // ours\n  \"servers\": {}\n}", "it has comments, which would be lost"),
            ("{ /* ours */ }", "it has comments, which would be lost"),
            ("{ \"url\": \"http://x\", }", "it is no JSON: trailing comma at line 1 column 22"),
            ("{ \"a\": ", "it is no JSON: EOF while parsing a value at line 1 column 7"),
            ("{} {}", "it is no JSON: trailing characters at line 1 column 4"),
            ("[]", "it holds no JSON object"),
            ("null", "it holds no JSON object"),
        ];
        for (text, reason) in table {
            assert_eq!(broken(text), reason, "{text}");
        }
        let twice = Document::parse(r#"{ "mcpServers": { "a": 1, "\u0061": 2 } }"#).unwrap();
        assert_eq!(twice.entry(SECTION, "a"), Err(DocumentError::Twice("a".into())));
        for text in [r#"{ "mcpServers": null }"#, r#"{ "mcpServers": [] }"#, r#"{ "mcpServers": "{}" }"#] {
            let document = Document::parse(text).unwrap();
            assert_eq!(document.with(SECTION, "a", &json!(1)), Err(DocumentError::NoSection(SECTION.into())), "{text}");
        }
    }

    /// A file, and the same file with `{"x": 1}` as `new`.
    const APPENDED: [(&str, &str); 11] = [
        ("{}", "{\n  \"mcpServers\": {\n    \"new\": {\n      \"x\": 1\n    }\n  }\n}"),
        ("{\"mcpServers\":{}}", "{\"mcpServers\":{\"new\":{\"x\":1}}}"),
        ("{\"a\":1}\n", "{\"a\":1,\"mcpServers\":{\"new\":{\"x\":1}}}\n"),
        ("{ \"a\": [1, {}] }", "{ \"a\": [1, {}], \"mcpServers\": {\"new\":{\"x\":1}} }"),
        (
            "{\n\t\"a\": \"}\\\\\",\n\t\"mcpServers\": {}\n}\n",
            "{\n\t\"a\": \"}\\\\\",\n\t\"mcpServers\": {\n\t\t\"new\": {\n\t\t\t\"x\": 1\n\t\t}\n\t}\n}\n",
        ),
        (
            "{\n    \"mcpServers\": {\n        \"old\": { \"url\": \"{\\\"\" }\n    },\n    \"z\": 1.50e3\n}",
            "{\n    \"mcpServers\": {\n        \"old\": { \"url\": \"{\\\"\" },\n        \"new\": {\n            \"x\": 1\n        }\n    },\n    \"z\": 1.50e3\n}",
        ),
        (
            "{\r\n  \"mcpServers\": {\r\n    \"old\": 1\r\n  }\r\n}\r\n",
            "{\r\n  \"mcpServers\": {\r\n    \"old\": 1,\r\n    \"new\": {\r\n      \"x\": 1\r\n    }\r\n  }\r\n}\r\n",
        ),
        ("{\n  \"mcpServers\": {\"old\": 1}\n}", "{\n  \"mcpServers\": {\"old\": 1,\"new\": {\"x\":1}}\n}"),
        ("\u{feff}{\"a\":12345678901234567890123}", "\u{feff}{\"a\":12345678901234567890123,\"mcpServers\":{\"new\":{\"x\":1}}}"),
        (
            "{\n  \"z\": \"ü\\u00fc\",\n  \"a\": null\n}",
            "{\n  \"z\": \"ü\\u00fc\",\n  \"a\": null,\n  \"mcpServers\": {\n    \"new\": {\n      \"x\": 1\n    }\n  }\n}",
        ),
        (
            "{\n  \"mcpServers\": {\n    \"old\": {}\n  }\n}",
            "{\n  \"mcpServers\": {\n    \"old\": {},\n    \"new\": {\n      \"x\": 1\n    }\n  }\n}",
        ),
    ];

    #[test]
    fn an_entry_is_added_in_the_spelling_of_the_file_and_taken_out_without_a_trace() {
        for (text, wanted) in APPENDED {
            let document = Document::parse(text).unwrap();
            let with = document.with(SECTION, "new", &json!({ "x": 1 })).unwrap();
            assert_eq!(with, wanted);
            let again = Document::parse(&with).unwrap();
            assert_eq!(again.entry(SECTION, "new").unwrap().unwrap().value, json!({ "x": 1 }), "{text}");
            let made = !document.has_section(SECTION).unwrap();
            assert_eq!(again.without(SECTION, "new", made).unwrap().unwrap(), text);
        }
        assert_eq!(Document::parse(" \n").unwrap().with("s", "n", &json!(1)).unwrap(), "{\n  \"s\": {\n    \"n\": 1\n  }\n}\n");
    }

    #[test]
    fn an_entry_in_any_place_goes_alone() {
        let text = "{\n  \"mcpServers\": {\n    \"a\": 1,\n    \"b\": 2,\n    \"c\": 3\n  }\n}";
        let without = |name| Document::parse(text).unwrap().without(SECTION, name, true).unwrap();
        assert_eq!(without("a").unwrap(), "{\n  \"mcpServers\": {\n    \"b\": 2,\n    \"c\": 3\n  }\n}");
        assert_eq!(without("b").unwrap(), "{\n  \"mcpServers\": {\n    \"a\": 1,\n    \"c\": 3\n  }\n}");
        assert_eq!(without("c").unwrap(), "{\n  \"mcpServers\": {\n    \"a\": 1,\n    \"b\": 2\n  }\n}");
        assert_eq!(without("d"), None);
    }

    #[test]
    fn an_entry_is_replaced_where_it_stands_and_comes_back_as_it_was() {
        let text = "{\n  \"mcpServers\": {\n    \"a\": {\"x\":   [1,\n 2]},\n    \"b\": 2\n  }\n}";
        let document = Document::parse(text).unwrap();
        let with = document.with(SECTION, "a", &json!({ "y": 2 })).unwrap();
        assert_eq!(with, "{\n  \"mcpServers\": {\n    \"a\": {\n      \"y\": 2\n    },\n    \"b\": 2\n  }\n}");
        let raw = document.entry(SECTION, "a").unwrap().unwrap().raw;
        assert_eq!(Document::parse(&with).unwrap().with_raw(SECTION, "a", raw).unwrap().unwrap(), text);
    }
}
