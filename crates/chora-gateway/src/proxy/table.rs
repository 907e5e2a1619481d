//! The routing table: what is listened on, where requests go, and the release of each service that gets them.

mod acme;
mod canary;
mod tls;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;

use serde::{Deserialize, Serialize};

pub(super) use self::acme::{AcmeEntry, ChallengeEntry};
pub(super) use self::canary::{CanaryEntry, MarkEntry};
pub(super) use self::tls::{CertificateEntry, TlsEntry, is_of, is_pattern};
use super::state_file::{self, StateFileError};
use super::watch::WatchEntry;

/// The version of the document that this gateway reads and writes.
const VERSION: u32 = 1;

/// A gateway's whole configuration, as the JSON document `{"version":1,"listeners":[…],"services":{…}}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Table {
    version: u32,
    #[serde(default)]
    pub(super) listeners: Vec<ListenerEntry>,
    #[serde(default)]
    pub(super) services: BTreeMap<String, ServiceEntry>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) maintenance: Option<Maintenance>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) watch: Option<WatchEntry>,
}

/// A port. Exactly one of `http`, `tcp` and `auto` is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ListenerEntry {
    /// Address and port to listen on.
    pub(super) bind: SocketAddr,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) http: Option<HttpEntry>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) tcp: Option<TcpEntry>,
    /// HTTP where a connection begins so, passed through where it does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) auto: Option<AutoEntry>,
    /// TLS that ends here, for `http` and `auto`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) tls: Option<TlsEntry>,
    #[serde(default)]
    pub(super) limits: ListenerLimits,
}

/// What is done with HTTP requests at a port.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct HttpEntry {
    #[serde(default)]
    pub(super) routes: Vec<RouteEntry>,
    /// Whether a proxy that can be believed stands before this port: its `X-Forwarded-Proto` and `-Host` are kept.
    #[serde(default)]
    pub(super) behind_proxy: bool,
    /// In place of routes: every client is sent to the same address with TLS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) redirect_to_https: Option<RedirectEntry>,
}

/// Where TLS is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RedirectEntry {
    #[serde(default = "https")]
    pub(super) port: u16,
    /// Hosts that are sent there, each a name or `*.` and a name; all where there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) hosts: Vec<String>,
}

fn https() -> u16 {
    443
}

/// The service that every connection at a port goes to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TcpEntry {
    pub(super) service: String,
}

/// The service that every request and every other connection at a port goes to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AutoEntry {
    pub(super) service: String,
    /// As with `http`.
    #[serde(default)]
    pub(super) behind_proxy: bool,
    /// Whether HTTP/2 without TLS is taken for HTTP as well. Where it is not, it is passed through: most services with which it
    /// is spoken understand nothing else (gRPC).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) h2c: bool,
}

/// Requests for a host (any where it is absent) whose path starts with a prefix.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RouteEntry {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) host: Option<String>,
    #[serde(default = "root")]
    pub(super) prefix: String,
    pub(super) service: String,
}

fn root() -> String {
    "/".to_owned()
}

/// How much a port takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct ListenerLimits {
    /// Most connections at once; others wait in the kernel's queue. A change is taken up when the gateway restarts.
    pub(super) connections: usize,
    /// How long the head of a request may take, and how long a connection may stay without a request.
    pub(super) head_ms: u64,
    /// How long a client may take nothing while there is something for it; 0 is for ever. Where it is absent, 60 s for
    /// HTTP, and for ever for what is passed through: there a client may have its reasons.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) write_ms: Option<u64>,
    /// Most requests at once on one connection of HTTP/2.
    #[serde(skip_serializing_if = "is_usual")]
    pub(super) streams: u32,
}

const STREAMS: u32 = 128;

/// Not written where it is usual, so that earlier gateways can read a table that says nothing new.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_usual(streams: &u32) -> bool {
    *streams == STREAMS
}

impl Default for ListenerLimits {
    fn default() -> Self {
        Self { connections: 10_000, head_ms: 60_000, write_ms: None, streams: STREAMS }
    }
}

/// A service and its releases.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ServiceEntry {
    pub(super) active: ReleaseEntry,
    /// A release that gets some of the requests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) canary: Option<CanaryEntry>,
    /// Releases that were being drained when the document was written; they get nothing new.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) draining: Vec<ReleaseEntry>,
    #[serde(default)]
    pub(super) limits: Limits,
    /// How long a release before this one has to end what it is at; without it as long as whoever puts the table says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) drain_ms: Option<u64>,
}

/// A release: its name and where its replicas answer, each as `host:port`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ReleaseEntry {
    pub(super) name: String,
    pub(super) addresses: Vec<String>,
}

/// How long and how much of a service is waited for. Times are in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Limits {
    /// Until a connection to a replica stands.
    pub(super) connect_ms: u64,
    /// From the last byte of a request to the head of its response.
    pub(super) response_ms: u64,
    /// Between two pieces of a response body; event streams may be silent for ever.
    pub(super) idle_ms: u64,
    /// How long an MCP session that nobody uses keeps its release.
    pub(super) session_idle_ms: u64,
    /// Most MCP sessions whose release is remembered.
    pub(super) sessions: usize,
    /// Most requests that wait during a hold.
    pub(super) waiting: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { connect_ms: 5_000, response_ms: 300_000, idle_ms: 300_000, session_idle_ms: 1_800_000, sessions: 100_000, waiting: 10_000 }
    }
}

/// Everything but some paths is answered with 503.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Maintenance {
    pub(super) message: String,
    /// Path prefixes that are served all the same.
    #[serde(default)]
    pub(super) allow: Vec<String>,
}

/// Why a document is no table.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    #[error("the table is not what was expected: {0}")]
    Shape(#[from] serde_json::Error),
    #[error("the table has version {found}; this gateway reads version {VERSION}")]
    Version { found: u32 },
    #[error("the table does not hold together: {0}")]
    Contradiction(String),
}

impl Table {
    /// A table that listens nowhere.
    #[must_use]
    pub fn empty() -> Self {
        Self { version: VERSION, listeners: Vec::new(), services: BTreeMap::new(), maintenance: None, watch: None }
    }

    /// Reads a document.
    ///
    /// # Errors
    /// When it is not JSON of this shape, of another version, or names a service or an address that cannot be.
    pub fn parse(json: &[u8]) -> Result<Self, TableError> {
        let table: Self = serde_json::from_slice(json)?;
        table.check()?;
        Ok(table)
    }

    /// Reads a gateway's state file.
    ///
    /// # Errors
    /// When the file is missing, cannot be read, or holds no whole table.
    pub fn load(path: &Path) -> Result<Self, StateFileError> {
        state_file::load(path)
    }

    /// Writes a gateway's state file: all of it or nothing, on disk when this returns.
    ///
    /// # Errors
    /// When the folder cannot be written to.
    pub fn save(&self, path: &Path) -> Result<(), StateFileError> {
        state_file::save(self, path)
    }

    fn check(&self) -> Result<(), TableError> {
        if self.version != VERSION {
            return Err(TableError::Version { found: self.version });
        }
        for (name, service) in &self.services {
            let checked = service.active.check().and_then(|()| service.canary.iter().try_for_each(CanaryEntry::check));
            checked.map_err(|why| TableError::Contradiction(format!("service {name}: {why}")))?;
        }
        let mut taken = std::collections::BTreeSet::new();
        for listener in &self.listeners {
            let bind = listener.bind;
            let fault = |why: &str| Err(TableError::Contradiction(format!("listener {bind}: {why}")));
            // Port 0 is any free one, so it may be there more than once.
            if bind.port() != 0 && !taken.insert(bind) {
                return fault("it is there twice");
            }
            let services: Vec<&str> = match (&listener.http, &listener.tcp, &listener.auto) {
                (Some(http), None, None) => http.routes.iter().map(|route| route.service.as_str()).collect(),
                (None, Some(tcp), None) => vec![&tcp.service],
                (None, None, Some(auto)) => vec![&auto.service],
                _ => return fault("exactly one of http, tcp and auto is needed"),
            };
            match &listener.tls {
                Some(_) if listener.tcp.is_some() => return fault("what is passed through keeps its own TLS"),
                Some(tls) => tls.check().or_else(|why| fault(&why))?,
                None => {}
            }
            if let Some((http, redirect)) = listener.http.as_ref().and_then(|http| http.redirect_to_https.as_ref().map(|to| (http, to))) {
                redirect.check().or_else(|why| fault(&why))?;
                if !http.routes.is_empty() || listener.tls.is_some() {
                    return fault("redirect_to_https stands in place of routes and of tls");
                }
            }
            if let Some(unknown) = services.iter().find(|name| !self.services.contains_key(**name)) {
                return fault(&format!("there is no service {unknown}"));
            }
            let routes = listener.http.iter().flat_map(|http| &http.routes);
            if let Some(route) = routes.into_iter().find(|route| !route.prefix.starts_with('/')) {
                return fault(&format!("the prefix {:?} does not start with a slash", route.prefix));
            }
        }
        Ok(())
    }
}

impl RedirectEntry {
    fn check(&self) -> Result<(), String> {
        if self.port == 0 {
            return Err("redirect_to_https needs a port".to_owned());
        }
        match self.hosts.iter().find(|host| !is_pattern(host)) {
            Some(bad) => Err(format!("{bad:?} is no host to send to https")),
            None => Ok(()),
        }
    }
}

impl ReleaseEntry {
    /// Why this cannot be a release.
    pub(super) fn check(&self) -> Result<(), String> {
        if self.name.is_empty() {
            return Err("a release needs a name".to_owned());
        }
        if self.addresses.is_empty() {
            return Err(format!("release {} has no address", self.name));
        }
        let fine = |address: &String| {
            address.rsplit_once(':').is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port != 0))
        };
        match self.addresses.iter().find(|address| !fine(address)) {
            Some(bad) => Err(format!("release {}: {bad:?} is not host:port", self.name)),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Table;

    fn fault(json: &str) -> String {
        Table::parse(json.as_bytes()).expect_err("a fault").to_string()
    }

    #[test]
    fn what_does_not_hold_together_is_told() {
        let service = r#""services":{"web":{"active":{"name":"r1","addresses":["127.0.0.1:1"]}}}"#;
        assert!(fault(r#"{"version":2}"#).contains("version 2"));
        assert!(fault(r#"{"version":1,"colour":"blue"}"#).contains("colour"));
        assert!(fault(r#"{"version":1,"services":{"web":{"active":{"name":"r1","addresses":["web"]}}}}"#).contains("host:port"));
        assert!(fault(r#"{"version":1,"listeners":[{"bind":"127.0.0.1:80","tcp":{"service":"web"}}]}"#).contains("no service web"));
        assert!(fault(&format!(r#"{{"version":1,"listeners":[{{"bind":"127.0.0.1:80"}}],{service}}}"#)).contains("exactly one"));
        let both = r#"{"bind":"127.0.0.1:80","tcp":{"service":"web"},"auto":{"service":"web"}}"#;
        assert!(fault(&format!(r#"{{"version":1,"listeners":[{both}],{service}}}"#)).contains("exactly one"));
        assert!(fault(r#"{"version":1,"listeners":[{"bind":"127.0.0.1:80","auto":{"service":"web"}}]}"#).contains("no service web"));
        let twice = r#"{"bind":"127.0.0.1:80","tcp":{"service":"web"}}"#;
        assert!(fault(&format!(r#"{{"version":1,"listeners":[{twice},{twice}],{service}}}"#)).contains("twice"));
    }

    #[test]
    fn what_is_written_is_read() {
        let json = r#"{"version":1,"listeners":[{"bind":"0.0.0.0:80","http":{"routes":[{"service":"web"}]}},
            {"bind":"0.0.0.0:81","auto":{"service":"web"}}],
            "services":{"web":{"active":{"name":"r1","addresses":["web-r1:8080"]}}}}"#;
        let table = Table::parse(json.as_bytes()).expect("a table");
        let written = serde_json::to_vec(&table).expect("JSON");
        assert_eq!(Table::parse(&written).expect("a table"), table);
    }
}
