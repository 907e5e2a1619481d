//! Whether a service that speaks MCP over its standard streams is run under a bridge, and how.

use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::compose::model::GoDuration;

/// `true`, `false`, or the options of a bridge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Bridge {
    /// It is not run under a bridge, whatever it looks like.
    Off,
    /// It is run under one.
    On(BridgeOptions),
}

/// What a service's bridge listens on, and who may call.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct BridgeOptions {
    /// Container port that it listens on; where the service's ports lead by default, else 8000.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// Whose a process of the server is.
    pub child: BridgeChild,
    /// Most sessions at once; 1000 by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_sessions: Option<u32>,
    /// How long a session may be unused before it is ended; 30m by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idle: Option<GoDuration>,
    /// The secret of the service that holds the token which clients must send, by its name in the Compose file; none by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// Names that clients may call it by (Host header); any by default.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub allow_hosts: Vec<String>,
    /// Origins of web pages that may call, such as `https://app.example.com`; none by default.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub allow_origins: Vec<String>,
}

/// Whose a process is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum BridgeChild {
    /// One process serves all clients.
    #[default]
    Shared,
    /// Every session has its own.
    Session,
    /// Every request without a session has its own, and every session too.
    Request,
}

impl Serialize for Bridge {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Off => serializer.serialize_bool(false),
            Self::On(options) => options.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Bridge {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Form;
        impl<'de> Visitor<'de> for Form {
            type Value = Bridge;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("`true`, `false` or the options of a bridge")
            }

            fn visit_bool<E>(self, value: bool) -> Result<Bridge, E> {
                Ok(if value { Bridge::On(BridgeOptions::default()) } else { Bridge::Off })
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Bridge, A::Error> {
                BridgeOptions::deserialize(MapAccessDeserializer::new(map)).map(Bridge::On)
            }
        }
        deserializer.deserialize_any(Form)
    }
}

impl schemars::JsonSchema for Bridge {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Bridge".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let options = generator.subschema_for::<BridgeOptions>();
        schemars::json_schema!({
            "description": "Whether a service that speaks MCP over its standard streams is run under a bridge, and how.",
            "anyOf": [{ "type": "boolean" }, options],
        })
    }
}
