//! What a port needs to end TLS: certificates and whom they are for.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::acme::AcmeEntry;

/// TLS at a port.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::proxy) struct TlsEntry {
    /// The first is for clients that ask for a host which none has, or for none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(in crate::proxy) certificates: Vec<CertificateEntry>,
    /// Certificates that the gateway gets by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::proxy) acme: Option<AcmeEntry>,
    /// For how long browsers come back with TLS only (`Strict-Transport-Security`), in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::proxy) hsts_seconds: Option<u64>,
}

/// A certificate in files, read when the table is put.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::proxy) struct CertificateEntry {
    /// Hosts that it is for, each a name or `*.` and a name.
    pub(in crate::proxy) hosts: Vec<String>,
    /// PEM: the certificate itself, and those that lead to its authority.
    pub(in crate::proxy) certificate: PathBuf,
    /// PEM: its private key.
    pub(in crate::proxy) key: PathBuf,
}

impl TlsEntry {
    /// Why this cannot be.
    pub(super) fn check(&self) -> Result<(), String> {
        if let Some(acme) = &self.acme {
            acme.check()?;
        } else if self.certificates.is_empty() {
            return Err("tls needs a certificate".to_owned());
        }
        let mut taken = BTreeSet::new();
        for certificate in &self.certificates {
            for path in [&certificate.certificate, &certificate.key] {
                if !path.is_absolute() {
                    return Err(format!("the path {path:?} does not start with a slash"));
                }
            }
            for host in &certificate.hosts {
                if !is_pattern(host) {
                    return Err(format!("{host:?} is no host of a certificate"));
                }
                if !taken.insert(host.to_ascii_lowercase()) {
                    return Err(format!("the host {host} has two certificates"));
                }
            }
        }
        Ok(())
    }
}

/// Whether this is a host's name, or `*.` and one.
pub(in crate::proxy) fn is_pattern(host: &str) -> bool {
    let name = host.strip_prefix("*.").unwrap_or(host);
    let label = |label: &str| !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
    name.len() <= 253 && name.split('.').all(label)
}

/// Whether a host, in small letters, is one of a pattern's: a star stands for one label.
pub(in crate::proxy) fn is_of(host: &str, pattern: &str) -> bool {
    match pattern.strip_prefix("*.") {
        Some(parent) => host.split_once('.').is_some_and(|(label, rest)| !label.is_empty() && rest.eq_ignore_ascii_case(parent)),
        None => host.eq_ignore_ascii_case(pattern),
    }
}

#[cfg(test)]
mod tests {
    use super::{is_of, is_pattern};

    #[test]
    fn a_star_stands_for_one_label() {
        for (host, pattern, expected) in [
            ("a.example", "a.example", true),
            ("a.example", "A.Example", true),
            ("a.example", "*.example", true),
            ("b.a.example", "*.example", false),
            ("example", "*.example", false),
            (".example", "*.example", false),
            ("b.a.example", "*.A.example", true),
        ] {
            assert_eq!(is_of(host, pattern), expected, "{host} of {pattern}");
        }
        for (host, expected) in
            [("a", true), ("*.a-b.example", true), ("*", false), ("a.*", false), ("", false), ("a..b", false), ("a/b", false)]
        {
            assert_eq!(is_pattern(host), expected, "{host}");
        }
    }
}
