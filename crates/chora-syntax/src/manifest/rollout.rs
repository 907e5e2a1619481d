//! In which order releases of a service meet: a word, or a canary with its rules.

use std::fmt;
use std::str::FromStr;

use serde::de::value::{MapAccessDeserializer, StrDeserializer};
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::compose::model::GoDuration;

/// In which order the new and the old containers of a service meet.
#[derive(Debug, Clone, Default, PartialEq, Eq, schemars::JsonSchema)]
#[schemars(schema_with = "schema")]
pub enum Rollout {
    /// Start first where nothing speaks against it.
    #[default]
    Auto,
    /// The new one starts while the old one serves.
    StartFirst,
    /// The old one stops before the new one starts.
    StopFirst,
    /// As `auto`; where both can run, some requests go to the new one first.
    Canary(Box<Canary>),
}

/// Which requests go to a new release first, for how long, and when it is too bad for the others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Canary {
    /// The share of requests, such as `10%`; none where only a header or a cookie decides.
    #[serde(default)]
    pub canary: Percent,
    /// For how long; 5m by default.
    #[serde(default = "five_minutes")]
    pub r#for: GoDuration,
    /// Requests with this header as well: `Name`, or `Name: value`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header: Option<String>,
    /// Requests with this cookie as well: `name`, or `name=value`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cookie: Option<String>,
    /// How many requests say something about a release; 20 by default. With fewer the gate alone decides.
    #[serde(default = "requests")]
    #[schemars(range(min = 1))]
    pub requests: u64,
    /// How many percent more of its requests than of the old release's may fail; 5% by default.
    #[serde(default = "errors")]
    pub errors: Percent,
    /// How many percent longer 90 of 100 answers may take than 95 of 100 of the old release's do; 50% by default. 10 ms more are always
    /// allowed.
    #[serde(default = "slower")]
    pub slower: Percent,
}

/// A number of percent, written `10%` or `10`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Percent(pub u32);

const fn five_minutes() -> GoDuration {
    GoDuration(std::time::Duration::from_secs(300))
}

const fn requests() -> u64 {
    20
}

const fn errors() -> Percent {
    Percent(5)
}

const fn slower() -> Percent {
    Percent(50)
}

/// The rollouts that are one word.
#[derive(Clone, Copy, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Order {
    /// Start first where nothing speaks against it.
    Auto,
    /// The new one starts while the old one serves.
    StartFirst,
    /// The old one stops before the new one starts.
    StopFirst,
}

fn schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
    let (order, canary) = (generator.subschema_for::<Order>(), generator.subschema_for::<Canary>());
    schemars::json_schema!({ "anyOf": [order, canary] })
}

impl Canary {
    /// Why these rules cannot be, in words.
    pub(super) fn fault(&self) -> Option<String> {
        if self.canary.0 > 100 || self.errors.0 > 100 {
            return Some("a share is at most 100%, and so are `errors`".to_owned());
        }
        if self.canary.0 == 0 && self.header.is_none() && self.cookie.is_none() {
            return Some("a canary needs a share (`canary: 10%`), a `header` or a `cookie`".to_owned());
        }
        if self.r#for.0 < std::time::Duration::from_secs(1) || self.requests == 0 {
            return Some("a canary lasts 1s at least, and `requests` is at least 1".to_owned());
        }
        let token =
            |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte));
        let visible = |text: &str| text.bytes().all(|byte| (b' '..=b'~').contains(&byte));
        let bad = |(name, value): (String, Option<String>)| !token(&name) || !value.as_deref().is_none_or(visible);
        if self.header_rule().is_some_and(bad) {
            return Some("`header` is `Name` or `Name: value`".to_owned());
        }
        let bad =
            |(name, value): (String, Option<String>)| bad((name, value.clone())) || value.is_some_and(|value| value.contains([';', ' ']));
        self.cookie_rule().is_some_and(bad).then(|| "`cookie` is `name` or `name=value`".to_owned())
    }

    /// Name and value of the header, where it decides.
    #[must_use]
    pub fn header_rule(&self) -> Option<(String, Option<String>)> {
        self.header.as_deref().map(|header| parted(header, ':'))
    }

    /// Name and value of the cookie, where it decides.
    #[must_use]
    pub fn cookie_rule(&self) -> Option<(String, Option<String>)> {
        self.cookie.as_deref().map(|cookie| parted(cookie, '='))
    }
}

fn parted(text: &str, at: char) -> (String, Option<String>) {
    match text.split_once(at) {
        Some((name, value)) => (name.trim().to_owned(), Some(value.trim().to_owned())),
        None => (text.trim().to_owned(), None),
    }
}

impl<'de> Deserialize<'de> for Rollout {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Either)
    }
}

struct Either;

impl<'de> Visitor<'de> for Either {
    type Value = Rollout;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("`auto`, `start-first`, `stop-first`, or a mapping with `canary`")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Rollout, E> {
        Ok(match Order::deserialize(StrDeserializer::<E>::new(text))? {
            Order::Auto => Rollout::Auto,
            Order::StartFirst => Rollout::StartFirst,
            Order::StopFirst => Rollout::StopFirst,
        })
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Rollout, A::Error> {
        let canary = Canary::deserialize(MapAccessDeserializer::new(map))?;
        match canary.fault() {
            Some(fault) => Err(serde::de::Error::custom(fault)),
            None => Ok(Rollout::Canary(Box::new(canary))),
        }
    }
}

impl Serialize for Rollout {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Auto => Order::Auto.serialize(serializer),
            Self::StartFirst => Order::StartFirst.serialize(serializer),
            Self::StopFirst => Order::StopFirst.serialize(serializer),
            Self::Canary(canary) => canary.serialize(serializer),
        }
    }
}

impl FromStr for Percent {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = text.strip_suffix('%').unwrap_or(text).trim_end();
        number.parse().map(Self).map_err(|_| format!("`{text}` is no number of percent, such as `10%`"))
    }
}

impl<'de> Deserialize<'de> for Percent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Written)
    }
}

/// Text or a number.
struct Written;

impl Visitor<'_> for Written {
    type Value = Percent;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number of percent, such as `10%`")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Percent, E> {
        text.parse().map_err(E::custom)
    }

    fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<Percent, E> {
        u32::try_from(number).map(Percent).map_err(E::custom)
    }

    fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<Percent, E> {
        u32::try_from(number).map(Percent).map_err(E::custom)
    }
}

impl Serialize for Percent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&format!("{}%", self.0))
    }
}

impl schemars::JsonSchema for Percent {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Percent".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let written = schemars::json_schema!({ "type": "string", "pattern": "^[0-9]+ *%?$" });
        schemars::json_schema!({ "anyOf": [written, { "type": "integer", "minimum": 0 }] })
    }
}
