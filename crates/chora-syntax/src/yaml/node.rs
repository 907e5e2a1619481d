//! The tree: values with spans, aliases expanded and merge keys applied.

use indexmap::IndexMap;

use crate::span::Span;

/// A tag with a meaning in Compose merges.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Mark {
    /// No such tag.
    #[default]
    None,
    /// `!reset`: remove the value that earlier files gave.
    Reset,
    /// `!override`: replace the value that earlier files gave instead of merging.
    Override,
}

/// A value and where it is written.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Node {
    /// The text of the value; of the definition where an alias was used.
    pub span: Span,
    /// Compose merge tag.
    pub mark: Mark,
    /// The value.
    pub value: Value,
}

/// What a node holds.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Value {
    /// `null`, `~` or nothing.
    #[default]
    Null,
    /// `true` or `false`; never `yes` or `on`.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Any other number.
    Float(f64),
    /// Text.
    Text(String),
    /// A list.
    List(Vec<Node>),
    /// A mapping.
    Map(Map),
    /// Something that was wrong and was reported: nothing more can be said about it.
    Unknown,
}

/// A mapping value with the place of its key.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Entry {
    /// Where the key is written.
    pub key: Span,
    /// The value.
    pub node: Node,
}

/// A mapping in the order of the file.
pub type Map = IndexMap<String, Entry, foldhash::fast::RandomState>;

/// An item by its number, or one such as `KEY=value` by its key.
fn item<'n>(list: &'n [Node], key: &str) -> Option<&'n Node> {
    let is_named =
        |item: &&Node| item.as_text().and_then(|text| text.strip_prefix(key)).is_some_and(|rest| rest.is_empty() || rest.starts_with('='));
    key.parse::<usize>().ok().and_then(|index| list.get(index)).or_else(|| list.iter().find(is_named))
}

impl Node {
    /// A node that no file holds, placed where its cause is.
    #[must_use]
    pub const fn new(span: Span, value: Value) -> Self {
        Self { span, mark: Mark::None, value }
    }

    /// Text placed at a span.
    #[must_use]
    pub fn text(span: Span, text: impl Into<String>) -> Self {
        Self::new(span, Value::Text(text.into()))
    }

    /// The text, when it is text.
    #[must_use]
    pub const fn as_text(&self) -> Option<&str> {
        if let Value::Text(text) = &self.value { Some(text.as_str()) } else { None }
    }

    /// The mapping, when it is one.
    #[must_use]
    pub const fn as_map(&self) -> Option<&Map> {
        if let Value::Map(map) = &self.value { Some(map) } else { None }
    }

    /// The mapping, when it is one.
    pub const fn as_map_mut(&mut self) -> Option<&mut Map> {
        if let Value::Map(map) = &mut self.value { Some(map) } else { None }
    }

    /// The list, when it is one.
    #[must_use]
    pub const fn as_list(&self) -> Option<&Vec<Self>> {
        if let Value::List(list) = &self.value { Some(list) } else { None }
    }

    /// The list, when it is one.
    pub const fn as_list_mut(&mut self) -> Option<&mut Vec<Self>> {
        if let Value::List(list) = &mut self.value { Some(list) } else { None }
    }

    /// Whether it is `null`.
    #[must_use]
    pub const fn is_null(&self) -> bool {
        matches!(self.value, Value::Null)
    }

    /// Whether it was wrong and was reported.
    #[must_use]
    pub const fn is_unknown(&self) -> bool {
        matches!(self.value, Value::Unknown)
    }

    /// The value under a key of a mapping.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Self> {
        self.as_map()?.get(key).map(|entry| &entry.node)
    }

    /// Where the last key of a path is written that is there; items of lists are named by their numbers, or by what stands before
    /// their `=`.
    pub(crate) fn reach(&self, path: &[&str]) -> Option<Span> {
        let (mut node, mut reached) = (self, None);
        for key in path {
            let (span, next) = match &node.value {
                Value::Map(map) => match map.get(*key) {
                    Some(entry) => (entry.key, &entry.node),
                    None => break,
                },
                Value::List(list) => match item(list, key) {
                    Some(item) => (item.span, item),
                    None => break,
                },
                _ => break,
            };
            // What no file holds stands where its cause does.
            reached = if span == Span::default() { reached } else { Some(span) };
            node = next;
        }
        reached
    }

    /// A scalar as the reference implementation prints it; `None` for lists, mappings and null.
    #[must_use]
    pub fn printed(&self) -> Option<String> {
        match &self.value {
            Value::Bool(value) => Some(value.to_string()),
            Value::Int(value) => Some(value.to_string()),
            Value::Float(value) => Some(super::go_float(*value)),
            Value::Text(value) => Some(value.clone()),
            Value::Null | Value::List(_) | Value::Map(_) | Value::Unknown => None,
        }
    }

    /// What kind of value it is, in the words of messages.
    #[must_use]
    pub const fn kind_name(&self) -> &'static str {
        match self.value {
            Value::Null => "nothing",
            Value::Bool(_) => "a boolean",
            Value::Int(_) | Value::Float(_) => "a number",
            Value::Text(_) => "text",
            Value::List(_) => "a list",
            Value::Map(_) => "a mapping",
            Value::Unknown => "something unknown",
        }
    }
}
