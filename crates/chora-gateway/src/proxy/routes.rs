//! Which service a request is for.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::acme::Challenges;
use super::service::Service;
use super::table::{HttpEntry, ListenerEntry, ListenerLimits, Maintenance, RedirectEntry};
use super::tls::Tls;

/// What a port does, as its connections find it at this moment.
pub(super) struct Routes {
    pub(super) kind: Kind,
    pub(super) tls: Option<Arc<Tls>>,
    /// How long the head of a request may take.
    pub(super) head: Duration,
    /// Most requests at once on a connection of HTTP/2.
    pub(super) streams: u32,
    /// How long a client may take nothing, where the table says so.
    write: Option<Duration>,
    pub(super) maintenance: Option<Maintenance>,
    /// What authorities look for before they issue a certificate.
    pub(super) challenges: Arc<Challenges>,
}

/// How long a client of HTTP may take nothing of what there is for it.
const UNREAD: Duration = Duration::from_secs(60);

pub(super) enum Kind {
    Http {
        routes: Vec<Route>,
        behind_proxy: bool,
    },
    /// All are sent to the port with TLS.
    Redirect(RedirectEntry),
    Tcp(Arc<Service>),
    /// One or the other, by what a connection begins with.
    Auto {
        service: Arc<Service>,
        behind_proxy: bool,
        h2c: bool,
    },
}

pub(super) struct Route {
    host: Option<String>,
    prefix: String,
    service: Arc<Service>,
}

impl Routes {
    /// `None` when a service is not there, which a checked table rules out.
    pub(super) fn new(
        (entry, tls): (&ListenerEntry, Option<&Arc<Tls>>),
        services: &BTreeMap<String, Arc<Service>>,
        (maintenance, challenges): (Option<&Maintenance>, &Arc<Challenges>),
    ) -> Option<Self> {
        let kind = match (&entry.http, &entry.tcp, &entry.auto) {
            (Some(HttpEntry { redirect_to_https: Some(to), .. }), _, _) => Kind::Redirect(to.clone()),
            (Some(http), _, _) => {
                let route = |entry: &super::table::RouteEntry| {
                    let service = Arc::clone(services.get(&entry.service)?);
                    let host = entry.host.as_ref().map(|host| host.to_ascii_lowercase());
                    Some(Route { host, prefix: entry.prefix.clone(), service })
                };
                let mut routes = http.routes.iter().map(route).collect::<Option<Vec<_>>>()?;
                // The first that fits is the best: those with a host first, among them the longest prefix.
                routes.sort_by_key(|route| (route.host.is_none(), std::cmp::Reverse(route.prefix.len())));
                Kind::Http { routes, behind_proxy: http.behind_proxy }
            }
            (None, Some(tcp), _) => Kind::Tcp(Arc::clone(services.get(&tcp.service)?)),
            (None, None, Some(auto)) => {
                let service = Arc::clone(services.get(&auto.service)?);
                Kind::Auto { service, behind_proxy: auto.behind_proxy, h2c: auto.h2c }
            }
            (None, None, None) => return None,
        };
        let ListenerLimits { head_ms, write_ms, streams, .. } = entry.limits;
        let (head, write) = (Duration::from_millis(head_ms), write_ms.map(Duration::from_millis));
        Some(Self { kind, tls: tls.cloned(), head, streams, write, maintenance: maintenance.cloned(), challenges: Arc::clone(challenges) })
    }

    /// How long a client may take nothing: of what is passed through, and of answers. Zero is for ever.
    pub(super) fn write(&self, passed: bool) -> Duration {
        self.write.unwrap_or(if passed { Duration::ZERO } else { UNREAD })
    }
}

/// The service for a host and a path.
pub(super) fn find<'a>(routes: &'a [Route], host: &str, path: &str) -> Option<&'a Arc<Service>> {
    let fits = |route: &&Route| route.host.as_ref().is_none_or(|wanted| wanted.eq_ignore_ascii_case(host)) && is_under(path, &route.prefix);
    routes.iter().find(fits).map(|route| &route.service)
}

/// Whether a path is a prefix or lies under it; `/api` has `/api/x` under it, but not `/apix`.
pub(super) fn is_under(path: &str, prefix: &str) -> bool {
    path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || prefix.ends_with('/') || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::is_under;

    #[test]
    fn prefixes_end_at_slashes() {
        for (path, prefix, under) in [
            ("/", "/", true),
            ("/api", "/", true),
            ("/api", "/api", true),
            ("/api/x", "/api", true),
            ("/apix", "/api", false),
            ("/api/", "/api/", true),
            ("/api", "/api/", false),
        ] {
            assert_eq!(is_under(path, prefix), under, "{path} under {prefix}");
        }
    }
}
