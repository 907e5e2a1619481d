//! What a bridge counts, in the text format of Prometheus.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// A number that only grows.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Upper bounds of the latency histogram, in microseconds.
const BOUNDS: [u64; 14] = [100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 1_000_000, 5_000_000, 30_000_000];

/// How long something took, in buckets.
#[derive(Debug, Default)]
pub(crate) struct Histogram {
    buckets: [Counter; BOUNDS.len()],
    count: Counter,
    microseconds: Counter,
}

impl Histogram {
    pub(crate) fn observe(&self, took: Duration) {
        let microseconds = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        if let Some((_, bucket)) = BOUNDS.iter().zip(&self.buckets).find(|(bound, _)| microseconds <= **bound) {
            bucket.add(1);
        }
        self.count.add(1);
        self.microseconds.add(microseconds);
    }

    #[expect(clippy::cast_precision_loss, reason = "seconds as Prometheus has them")]
    fn write(&self, name: &str, label: &str, out: &mut String) {
        let before = if label.is_empty() { String::new() } else { format!("{label},") };
        let mut below = 0;
        for (bound, bucket) in BOUNDS.iter().zip(&self.buckets) {
            below += bucket.get();
            _ = writeln!(out, "{name}_bucket{{{before}le=\"{}\"}} {below}", *bound as f64 / 1e6);
        }
        _ = writeln!(out, "{name}_bucket{{{before}le=\"+Inf\"}} {}", self.count.get());
        let labels = braced(label);
        _ = writeln!(out, "{name}_sum{labels} {}\n{name}_count{labels} {}", self.microseconds.get() as f64 / 1e6, self.count.get());
    }
}

/// The counters of a bridge.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    pub(crate) requests: Counter,
    pub(crate) refused: Counter,
    pub(crate) calls: Histogram,
    pub(crate) calls_failed: Counter,
    pub(crate) sessions_opened: Counter,
    pub(crate) sessions_expired: Counter,
    pub(crate) children_started: Counter,
    pub(crate) children_ended: Counter,
    pub(crate) messages_dropped: Counter,
    pub(crate) streams_overflowed: Counter,
}

/// The counters of one server.
pub(crate) struct Measured<'a> {
    /// Says whose they are, `name="value"`; nothing where there is only one.
    pub(crate) label: String,
    pub(crate) metrics: &'a Metrics,
    /// Sessions that are open now.
    pub(crate) sessions: usize,
    /// Requests that stand alone and are under way now.
    pub(crate) lone_calls: usize,
}

/// A counter's name, what it counts, and where it is.
type Told = (&'static str, &'static str, fn(&Metrics) -> &Counter);

const COUNTERS: [Told; 9] = [
    ("http_requests_total", "HTTP requests", |metrics| &metrics.requests),
    ("http_refused_total", "HTTP requests refused for Host, Origin, token or size", |metrics| &metrics.refused),
    ("calls_failed_total", "calls that ended because the server's process did", |metrics| &metrics.calls_failed),
    ("sessions_opened_total", "sessions that clients opened", |metrics| &metrics.sessions_opened),
    ("sessions_expired_total", "sessions ended because nobody used them", |metrics| &metrics.sessions_expired),
    ("children_started_total", "server processes started", |metrics| &metrics.children_started),
    ("children_ended_total", "server processes that ended", |metrics| &metrics.children_ended),
    ("messages_dropped_total", "messages of the server that were meant for nobody", |metrics| &metrics.messages_dropped),
    ("streams_overflowed_total", "clients that did not read their answers", |metrics| &metrics.streams_overflowed),
];

/// What is counted now, in the same way.
type ToldNow = (&'static str, &'static str, fn(&Measured<'_>) -> usize);

const GAUGES: [ToldNow; 2] = [
    ("sessions", "open sessions", |measured| measured.sessions),
    ("lone_calls", "requests that stand alone and are under way", |measured| measured.lone_calls),
];

fn braced(label: &str) -> String {
    if label.is_empty() { String::new() } else { format!("{{{label}}}") }
}

/// The text that a scrape gets.
pub(crate) fn text(of: &[Measured<'_>]) -> String {
    let mut out = String::with_capacity(4096);
    for (name, help, counter) in COUNTERS {
        _ = writeln!(out, "# HELP chora_bridge_{name} {help}\n# TYPE chora_bridge_{name} counter");
        for Measured { label, metrics, .. } in of {
            _ = writeln!(out, "chora_bridge_{name}{} {}", braced(label), counter(metrics).get());
        }
    }
    for (name, help, gauge) in GAUGES {
        _ = writeln!(out, "# HELP chora_bridge_{name} {help}\n# TYPE chora_bridge_{name} gauge");
        for measured in of {
            _ = writeln!(out, "chora_bridge_{name}{} {}", braced(&measured.label), gauge(measured));
        }
    }
    let name = "chora_bridge_call_seconds";
    _ = writeln!(out, "# HELP {name} time from a call to its answer\n# TYPE {name} histogram");
    for Measured { label, metrics, .. } in of {
        metrics.calls.write(name, label, &mut out);
    }
    out
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Measured, Metrics, text};

    #[test]
    fn buckets_are_cumulative() {
        let metrics = Metrics::default();
        for took in [50, 200, 99_000_000] {
            metrics.calls.observe(Duration::from_micros(took));
        }
        metrics.requests.add(3);
        let of = |label: &str| Measured { label: label.to_owned(), metrics: &metrics, sessions: 2, lone_calls: 3 };
        let labelled = text(&[of("server=\"a\""), of("server=\"b\"")]);
        assert!(labelled.contains("chora_bridge_call_seconds_bucket{server=\"b\",le=\"0.0001\"} 1"), "{labelled}");
        assert_eq!(labelled.matches("# TYPE chora_bridge_sessions gauge").count(), 1);
        let text = text(&[of("")]);
        for line in [
            "chora_bridge_http_requests_total 3",
            "chora_bridge_sessions 2",
            "chora_bridge_lone_calls 3",
            "chora_bridge_call_seconds_bucket{le=\"0.0001\"} 1",
            "chora_bridge_call_seconds_bucket{le=\"0.00025\"} 2",
            "chora_bridge_call_seconds_bucket{le=\"30\"} 2",
            "chora_bridge_call_seconds_bucket{le=\"+Inf\"} 3",
            "chora_bridge_call_seconds_count 3",
        ] {
            assert!(text.lines().any(|other| other == line), "{line}\n{text}");
        }
    }
}
