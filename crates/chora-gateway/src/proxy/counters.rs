//! What a gateway counts of each service, in the text format of Prometheus.

use std::fmt::Write as _;
use std::net::SocketAddr;

use crate::metrics::Counter;

/// The counters of a service.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) requests: Counter,
    /// Requests answered 502, 503 or 504 by the gateway itself.
    pub(super) failures: Counter,
    /// Requests sent a second time because a release refused them.
    pub(super) retries: Counter,
    pub(super) connections: Counter,
    pub(super) switches: Counter,
    pub(super) drains: Counter,
    /// Requests, streams and connections that outlived their release's drain.
    pub(super) cut: Counter,
    pub(super) held: Counter,
    pub(super) hold_refused: Counter,
    pub(super) holds_expired: Counter,
}

/// The text that a scrape gets, of services and how much each has in flight.
pub(super) fn text<'a>(services: impl Iterator<Item = (&'a str, &'a Counters, usize)> + Clone) -> String {
    type Read = fn(&Counters) -> &Counter;
    let counters: [(&str, &str, Read); 10] = [
        ("chora_gateway_requests_total", "HTTP requests for a service", |c| &c.requests),
        ("chora_gateway_failures_total", "HTTP requests that the gateway itself answered 502, 503 or 504", |c| &c.failures),
        ("chora_gateway_retries_total", "HTTP requests sent again because a release refused them", |c| &c.retries),
        ("chora_gateway_connections_total", "TCP connections passed through", |c| &c.connections),
        ("chora_gateway_switches_total", "switches of the active release", |c| &c.switches),
        ("chora_gateway_drains_total", "releases drained", |c| &c.drains),
        ("chora_gateway_cut_total", "requests, streams and connections cut at the end of a drain", |c| &c.cut),
        ("chora_gateway_held_total", "requests that waited during a hold", |c| &c.held),
        ("chora_gateway_hold_refused_total", "requests refused during a hold", |c| &c.hold_refused),
        ("chora_gateway_holds_expired_total", "holds that nobody let go", |c| &c.holds_expired),
    ];
    let mut out = String::with_capacity(4096);
    for (name, help, read) in counters {
        _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} counter");
        for (service, counters, _) in services.clone() {
            _ = writeln!(out, "{name}{{service={service:?}}} {}", read(counters).get());
        }
    }
    let name = "chora_gateway_in_flight";
    _ = writeln!(out, "# HELP {name} requests and connections under way\n# TYPE {name} gauge");
    for (service, _, in_flight) in services {
        _ = writeln!(out, "{name}{{service={service:?}}} {in_flight}");
    }
    out
}

/// Adds what is counted of ports with TLS.
pub(super) fn handshakes<'a>(ports: impl Iterator<Item = (SocketAddr, &'a Counter)>, out: &mut String) {
    let name = "chora_gateway_failed_handshakes_total";
    for (index, (bind, failed)) in ports.enumerate() {
        if index == 0 {
            _ = writeln!(out, "# HELP {name} TLS handshakes that led to nothing\n# TYPE {name} counter");
        }
        _ = writeln!(out, "{name}{{listener=\"{bind}\"}} {}", failed.get());
    }
}
