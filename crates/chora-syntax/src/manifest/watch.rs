//! How a new release is watched: a time, or a time with its rules.

use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use crate::compose::model::GoDuration;

/// How the gateway watches a new release.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[schemars(schema_with = "schema")]
pub struct Watch {
    /// For how long; the release before is kept warm meanwhile.
    pub r#for: GoDuration,
    /// How often it is asked; 2s by default.
    pub every: GoDuration,
    /// How many failures in a row send everything back; 3 by default.
    pub failures: u32,
    /// How many percent more of its requests than of the release before may fail with 5xx; 5 by default.
    pub errors: u8,
}

/// The same as a mapping.
#[derive(Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
struct Rules {
    /// For how long; the release before is kept warm meanwhile.
    r#for: GoDuration,
    /// How often it is asked.
    #[serde(default = "every")]
    every: GoDuration,
    /// How many failures in a row send everything back.
    #[serde(default = "failures")]
    #[schemars(range(min = 1))]
    failures: u32,
    /// How many percent more of its requests than of the release before may fail with 5xx.
    #[serde(default = "errors")]
    #[schemars(range(max = 100))]
    errors: u8,
}

const fn every() -> GoDuration {
    GoDuration(std::time::Duration::from_secs(2))
}

const fn failures() -> u32 {
    3
}

const fn errors() -> u8 {
    5
}

fn schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
    let (time, rules) = (generator.subschema_for::<GoDuration>(), generator.subschema_for::<Rules>());
    schemars::json_schema!({ "anyOf": [time, rules] })
}

impl From<GoDuration> for Watch {
    fn from(time: GoDuration) -> Self {
        Self { r#for: time, every: every(), failures: failures(), errors: errors() }
    }
}

impl<'de> Deserialize<'de> for Watch {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Either)
    }
}

struct Either;

impl<'de> Visitor<'de> for Either {
    type Value = Watch;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a duration, or a mapping with `for`")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Watch, E> {
        text.parse::<GoDuration>().map(Watch::from).map_err(E::custom)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Watch, A::Error> {
        let Rules { r#for, every, failures, errors } = Rules::deserialize(MapAccessDeserializer::new(map))?;
        if every.0.is_zero() || failures == 0 || errors > 100 {
            return Err(serde::de::Error::custom("`every` and `failures` are more than 0, `errors` is at most 100"));
        }
        Ok(Watch { r#for, every, failures, errors })
    }
}
