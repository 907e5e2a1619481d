//! Where users come in: the public ports of an environment, and TLS on them.

use std::fmt;

use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::compose::model::GoDuration;

/// A port of the host, with the address that it is bound to where not every one is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicPort {
    /// The address.
    pub host_ip: Option<String>,
    /// The port.
    pub port: u16,
}

impl PublicPort {
    /// A port on every address.
    #[must_use]
    pub const fn everywhere(port: u16) -> Self {
        Self { host_ip: None, port }
    }
}

impl fmt::Display for PublicPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host_ip {
            Some(address) if address.contains(':') => write!(f, "[{address}]:{}", self.port),
            Some(address) => write!(f, "{address}:{}", self.port),
            None => write!(f, "{}", self.port),
        }
    }
}

impl Serialize for PublicPort {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for PublicPort {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Forms;
        impl Visitor<'_> for Forms {
            type Value = PublicPort;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a port, or `address:port`")
            }

            fn visit_i64<E: Error>(self, value: i64) -> Result<PublicPort, E> {
                self.visit_str(&value.to_string())
            }

            fn visit_u64<E: Error>(self, value: u64) -> Result<PublicPort, E> {
                self.visit_str(&value.to_string())
            }

            fn visit_str<E: Error>(self, value: &str) -> Result<PublicPort, E> {
                let wrong = || E::custom(format!("`{value}` is neither a port nor `address:port`"));
                let (host_ip, port) = match value.rsplit_once(':') {
                    Some((address, port)) => {
                        let address = address.trim_start_matches('[').trim_end_matches(']');
                        let address: std::net::IpAddr = address.parse().map_err(|_| wrong())?;
                        (Some(address.to_string()), port)
                    }
                    None => (None, value),
                };
                let port = port.parse::<u16>().ok().filter(|port| *port != 0).ok_or_else(wrong)?;
                Ok(PublicPort { host_ip, port })
            }
        }
        deserializer.deserialize_any(Forms)
    }
}

impl schemars::JsonSchema for PublicPort {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "PublicPort".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "A port of the host, or `address:port`.",
            "anyOf": [{ "type": "integer", "minimum": 1, "maximum": 65535 }, { "type": "string" }],
        })
    }
}

/// TLS for the hosts that services name: certificates of files, or of an authority.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Tls {
    /// Certificates in files of the project.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub certificates: Vec<CertificateFiles>,
    /// An authority that speaks ACME, for every host that no certificate of a file is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub acme: Option<Acme>,
    /// For how long browsers come back with TLS only (`Strict-Transport-Security`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hsts: Option<GoDuration>,
    /// Whether clients without TLS are sent to the same address with it; else they are served as they are.
    pub redirect: bool,
}

impl Default for Tls {
    fn default() -> Self {
        Self { certificates: Vec::new(), acme: None, hsts: None, redirect: true }
    }
}

/// A certificate and its key, in PEM.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CertificateFiles {
    /// Hosts that it is for, each a name or `*.` and a name.
    pub hosts: Vec<String>,
    /// The certificate and those that lead to its authority, relative to the project.
    pub certificate: String,
    /// Its private key, relative to the project.
    pub key: String,
}

/// How certificates are got by ACME. By naming a directory you agree to its authority's terms.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Acme {
    /// URL of the authority's directory.
    pub directory: String,
    /// Whom the authority may write to: an address of electronic mail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contact: Option<String>,
    /// PEM of whom the authority's own certificate comes from, relative to the project.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<String>,
    /// How it is to see that a host is ours; one after the other is tried by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub challenge: Option<Challenge>,
}

/// What an authority looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub enum Challenge {
    /// A page at port 80.
    #[serde(rename = "http-01")]
    Http01,
    /// A certificate at port 443.
    #[serde(rename = "tls-alpn-01")]
    TlsAlpn01,
}

impl Challenge {
    /// The protocol's word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http01 => "http-01",
            Self::TlsAlpn01 => "tls-alpn-01",
        }
    }
}

/// Whether this is a host's name; with a leading `*.` where stars are allowed.
pub(super) fn is_host(text: &str, stars: bool) -> bool {
    let name = if stars { text.strip_prefix("*.").unwrap_or(text) } else { text };
    let label = |label: &str| !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
    name.len() <= 253 && name.split('.').all(label)
}

/// Whether a host is one of a certificate's: a star stands for one label.
#[must_use]
pub fn is_for(host: &str, pattern: &str) -> bool {
    match pattern.strip_prefix("*.") {
        Some(parent) => host.split_once('.').is_some_and(|(_, rest)| rest.eq_ignore_ascii_case(parent)),
        None => host.eq_ignore_ascii_case(pattern),
    }
}
