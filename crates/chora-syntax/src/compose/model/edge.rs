//! What the gateway serves by host and path. Compose has no word for it: it comes from `chora.yaml`.

use serde::{Deserialize, Serialize};

use super::Port;

/// Public ports that services share, each with the requests for its hosts and paths.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Edge {
    /// Where requests come in without TLS, on the host.
    pub http: Port,
    /// Where they come in with TLS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub https: Option<Port>,
    /// TLS, where there is any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<EdgeTls>,
    /// Who gets which requests.
    pub services: Vec<EdgeService>,
}

/// A service that is served by host and path.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct EdgeService {
    /// Its name.
    pub service: String,
    /// Hosts; all where there are none.
    pub hosts: Vec<String>,
    /// Path prefixes; all where there are none.
    pub paths: Vec<String>,
    /// The port of its containers; never published by itself.
    pub port: Port,
}

/// How TLS ends at the gateway. Files are named by their keys among the stack's secrets; one that starts with a slash is a path in the
/// gateway's container, as releases of earlier versions have it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct EdgeTls {
    /// Whether clients without TLS are sent to it.
    pub redirect: bool,
    /// For how long browsers come back with TLS only, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hsts_seconds: Option<u64>,
    /// Certificates in files.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub certificates: Vec<EdgeCertificate>,
    /// Certificates of an authority.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub acme: Option<EdgeAcme>,
}

/// A certificate in files.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct EdgeCertificate {
    /// Hosts that it is for.
    pub hosts: Vec<String>,
    /// The certificate and those that lead to its authority.
    pub certificate: String,
    /// Its key.
    pub key: String,
}

/// An authority that speaks ACME.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct EdgeAcme {
    /// URL of its directory.
    pub directory: String,
    /// Whom it may write to.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub contact: Vec<String>,
    /// Hosts that it is asked for.
    pub hosts: Vec<String>,
    /// PEM of whom its own certificate comes from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca: Option<String>,
    /// The challenge that is to be used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub challenge: Option<String>,
}
