//! No secret ever appears: `[redacted]` stands in its place, also for the forms in which texts usually carry one.

use std::collections::BTreeSet;

use chora_core::model::event::Event;
use serde_json::{Map, Value};

const MARK: &str = "[redacted]";
/// A line of a longer secret (a private key) is a secret of its own from this many characters.
const SHORTEST_LINE: usize = 8;
/// Encoded forms of shorter secrets are too common to be looked for.
const SHORTEST_ENCODED: usize = 6;
/// Longer secrets are not looked for in encoded forms: nobody puts them into a header or an address.
const LONGEST_ENCODED: usize = 4096;

/// What must not be told.
#[derive(Default)]
pub(crate) struct Needles {
    /// Longest first.
    texts: Vec<String>,
    /// What they begin with.
    firsts: BTreeSet<u8>,
}

impl Needles {
    /// Adds a value: as it is, without surrounding white space, each of its longer lines, and its usual encodings.
    pub(crate) fn learn(&mut self, value: &[u8]) {
        let text = String::from_utf8_lossy(value);
        let lines = text.lines().map(str::trim).filter(|line| line.len() >= SHORTEST_LINE).map(str::to_owned);
        let mut forms: Vec<String> = [text.as_ref(), text.trim()].map(str::to_owned).into_iter().chain(lines).collect();
        forms.extend(encoded(value.trim_ascii()));
        for form in forms.into_iter().filter(|form| !form.is_empty()) {
            if !self.texts.contains(&form) {
                self.firsts.extend(form.bytes().next());
                self.texts.push(form);
            }
        }
        self.texts.sort_by_key(|needle| std::cmp::Reverse(needle.len()));
    }

    /// Puts the mark in the place of every occurrence.
    pub(crate) fn clean(&self, text: &str) -> String {
        let mut clean = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            let begins = rest.as_bytes().first().is_some_and(|byte| self.firsts.contains(byte));
            let after = if begins { self.texts.iter().find_map(|needle| rest.strip_prefix(needle.as_str())) } else { None };
            if let Some(after) = after {
                clean.push_str(MARK);
                rest = after;
            } else {
                clean.push(first);
                rest = rest.get(first.len_utf8()..).unwrap_or_default();
            }
        }
        clean
    }

    /// Cleans every text of the event.
    pub(crate) fn event(&self, event: &Event) -> Event {
        let clean = |text: &String| self.clean(text);
        Event {
            repository: clean(&event.repository),
            version: clean(&event.version),
            errors: event.errors.iter().map(clean).collect(),
            notes: event.notes.as_ref().map(clean),
            trace_id: event.trace_id.as_ref().map(clean),
            services: event.services.iter().map(clean).collect(),
            metadata: self.object(&event.metadata),
            ..event.clone()
        }
    }

    fn object(&self, map: &Map<String, Value>) -> Map<String, Value> {
        map.iter().map(|(key, value)| (self.clean(key), self.any(value))).collect()
    }

    fn any(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => self.clean(text).into(),
            Value::Array(values) => values.iter().map(|value| self.any(value)).collect(),
            Value::Object(map) => self.object(map).into(),
            Value::Number(number) if self.texts.contains(&number.to_string()) => MARK.into(),
            Value::Number(_) | Value::Bool(_) | Value::Null => value.clone(),
        }
    }
}

/// How a value looks inside of JSON, in an address, and in base64 wherever it stands in what was encoded.
fn encoded(value: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(value);
    let quoted = Value::from(text.as_ref()).to_string();
    let inside = quoted.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or_default();
    let mut forms = vec![inside.to_owned(), percent(value)];
    if (SHORTEST_ENCODED..=LONGEST_ENCODED).contains(&value.len()) {
        forms.extend((0..3).flat_map(|offset| ["+/", "-_"].map(|last| base64(value, offset, last))));
    }
    forms
}

/// The characters of base64 (RFC 4648) that a value alone decides when `offset` bytes stand before it in a group of three;
/// `last` are the two characters in which the alphabets differ.
fn base64(value: &[u8], offset: usize, last: &str) -> String {
    let alphabet: Vec<char> = ('A'..='Z').chain('a'..='z').chain('0'..='9').chain(last.chars()).collect();
    let before = offset * 8;
    let bit = |at: usize| value.get(at / 8).map_or(0, |byte| usize::from((byte >> (7 - at % 8)) & 1));
    let one = |at: usize| (at * 6..at * 6 + 6).fold(0, |six, at| (six << 1) | bit(at - before));
    (before.div_ceil(6)..(before + value.len() * 8) / 6).filter_map(|at| alphabet.get(one(at))).collect()
}

/// Percent-encoding (RFC 3986): everything but unreserved characters.
fn percent(value: &[u8]) -> String {
    let one = |byte: &u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(*byte).to_string(),
        other => format!("%{other:02X}"),
    };
    value.iter().map(one).collect()
}
