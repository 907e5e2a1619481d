//! Reads a tree into serde types; an error carries the span of the value or key that caused it.

use std::fmt::Display;

use serde::de::value::StrDeserializer;
use serde::de::{self, DeserializeSeed, IntoDeserializer, MapAccess, SeqAccess, Visitor};

use super::{Entry, Node, Value};
use crate::diagnostic::{DiagnosticKind, Problem};
use crate::nearest::nearest;
use crate::span::Span;

/// Why a tree does not fit a type.
#[derive(Debug)]
pub(crate) struct Error {
    kind: DiagnosticKind,
    message: String,
    help: Option<String>,
    span: Option<Span>,
}

impl Error {
    fn at(mut self, span: Span) -> Self {
        self.span.get_or_insert(span);
        self
    }

    pub(crate) fn problem(self) -> Problem {
        let problem = Problem::new(self.kind, self.span.unwrap_or_default(), self.message);
        if let Some(help) = self.help { problem.help(help) } else { problem }
    }
}

impl Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

fn listed(words: &[&str]) -> String {
    words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}

impl de::Error for Error {
    fn custom<T: Display>(message: T) -> Self {
        Self { kind: DiagnosticKind::Value, message: message.to_string(), help: None, span: None }
    }

    fn invalid_type(found: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::custom(format!("expected {expected}, found {found}"))
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        let help = nearest(field, expected.iter().copied())
            .map_or_else(|| format!("valid keys here: {}", listed(expected)), |near| format!("did you mean `{near}`?"));
        Self { kind: DiagnosticKind::UnknownKey, message: format!("unknown key `{field}`"), help: Some(help), span: None }
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        let help = nearest(variant, expected.iter().copied())
            .map_or_else(|| format!("expected one of {}", listed(expected)), |near| format!("did you mean `{near}`?"));
        Self { kind: DiagnosticKind::Value, message: format!("unknown value `{variant}`"), help: Some(help), span: None }
    }

    fn missing_field(field: &'static str) -> Self {
        Self { kind: DiagnosticKind::Value, message: format!("key `{field}` is missing here"), help: None, span: None }
    }
}

/// A node as a serde deserialiser.
#[derive(Clone, Copy)]
pub(crate) struct Reader<'de>(pub(crate) &'de Node);

impl<'de> de::Deserializer<'de> for Reader<'de> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let result = match &self.0.value {
            Value::Null | Value::Unknown => visitor.visit_unit(),
            Value::Bool(value) => visitor.visit_bool(*value),
            Value::Int(value) => visitor.visit_i64(*value),
            Value::Float(value) => visitor.visit_f64(*value),
            Value::Text(value) => visitor.visit_borrowed_str(value),
            Value::List(list) => visitor.visit_seq(Items(list.iter())),
            Value::Map(map) => visitor.visit_map(Entries { entries: map.iter(), value: None }),
        };
        result.map_err(|error| error.at(self.0.span))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.0.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(self, _: &'static str, variants: &'static [&'static str], visitor: V) -> Result<V::Value, Error> {
        let result = match &self.0.value {
            Value::Text(text) => visitor.visit_enum(IntoDeserializer::<Error>::into_deserializer(text.as_str())),
            Value::Map(map) if map.len() == 1 => {
                visitor.visit_enum(de::value::MapAccessDeserializer::new(Entries { entries: map.iter(), value: None }))
            }
            _ => Err(de::Error::custom(format!("expected one of {}, found {}", listed(variants), self.0.kind_name()))),
        };
        result.map_err(|error| error.at(self.0.span))
    }

    fn deserialize_struct<V: Visitor<'de>>(self, _: &'static str, _: &'static [&'static str], visitor: V) -> Result<V::Value, Error> {
        if matches!(self.0.value, Value::Map(_)) {
            return self.deserialize_any(visitor);
        }
        Err(<Error as de::Error>::custom(format!("expected a mapping, found {}", self.0.kind_name())).at(self.0.span))
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map identifier ignored_any
    }
}

struct Items<'de>(std::slice::Iter<'de, Node>);

impl<'de> SeqAccess<'de> for Items<'de> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Error> {
        self.0.next().map(|node| seed.deserialize(Reader(node))).transpose()
    }
}

struct Entries<'de> {
    entries: indexmap::map::Iter<'de, String, Entry>,
    value: Option<&'de Node>,
}

impl<'de> MapAccess<'de> for Entries<'de> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Error> {
        let Some((key, entry)) = self.entries.next() else { return Ok(None) };
        self.value = Some(&entry.node);
        let key: StrDeserializer<'_, Error> = key.as_str().into_deserializer();
        seed.deserialize(key).map(Some).map_err(|error| error.at(entry.key))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        let node = self.value.take().ok_or_else(|| <Error as de::Error>::custom("value without a key"))?;
        seed.deserialize(Reader(node))
    }
}
