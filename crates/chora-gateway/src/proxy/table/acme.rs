//! What a port needs to get its certificates by itself.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::tls::is_pattern;

/// An authority that issues certificates over ACME (RFC 8555), and the hosts that it is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::proxy) struct AcmeEntry {
    /// URL of the authority's directory.
    pub(in crate::proxy) directory: String,
    /// Whom the authority may write to, each as `mailto:…`; said once, when the account is made.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(in crate::proxy) contact: Vec<String>,
    /// Hosts, each with a certificate of its own.
    pub(in crate::proxy) hosts: Vec<String>,
    /// PEM of whom the authority's own certificate comes from, where this machine does not know it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::proxy) ca: Option<PathBuf>,
    /// How the authority is to see that a host is ours. Where it is absent, one after the other is tried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::proxy) challenge: Option<ChallengeEntry>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::proxy) enum ChallengeEntry {
    /// A certificate at this port, as the authority sees it at port 443.
    #[serde(rename = "tls-alpn-01")]
    TlsAlpn01,
    /// A page at any `http` or `auto` port of the table, as the authority sees it at port 80.
    #[serde(rename = "http-01")]
    Http01,
}

impl AcmeEntry {
    /// Why this cannot be.
    pub(super) fn check(&self) -> Result<(), String> {
        if !self.directory.starts_with("https://") {
            return Err(format!("{:?} is no directory of ACME: it does not begin with https://", self.directory));
        }
        if self.hosts.is_empty() {
            return Err("acme needs a host".to_owned());
        }
        if let Some(bad) = self.hosts.iter().find(|host| !is_pattern(host) || host.starts_with('*')) {
            return Err(format!("{bad:?} is no host that ACME can see"));
        }
        match &self.ca {
            Some(path) if !path.is_absolute() => Err(format!("the path {path:?} does not start with a slash")),
            _ => Ok(()),
        }
    }
}
