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
    fn write(&self, name: &str, out: &mut String) {
        let mut below = 0;
        for (bound, bucket) in BOUNDS.iter().zip(&self.buckets) {
            below += bucket.get();
            _ = writeln!(out, "{name}_bucket{{le=\"{}\"}} {below}", *bound as f64 / 1e6);
        }
        _ = writeln!(out, "{name}_bucket{{le=\"+Inf\"}} {}", self.count.get());
        _ = writeln!(out, "{name}_sum {}\n{name}_count {}", self.microseconds.get() as f64 / 1e6, self.count.get());
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

impl Metrics {
    /// The text that a scrape gets. `sessions` are those that are open now.
    pub(crate) fn text(&self, sessions: usize) -> String {
        let mut out = String::with_capacity(4096);
        let counters = [
            ("chora_bridge_http_requests_total", "HTTP requests", &self.requests),
            ("chora_bridge_http_refused_total", "HTTP requests refused for Host, Origin, token or size", &self.refused),
            ("chora_bridge_calls_failed_total", "calls that ended because the server's process did", &self.calls_failed),
            ("chora_bridge_sessions_opened_total", "sessions that clients opened", &self.sessions_opened),
            ("chora_bridge_sessions_expired_total", "sessions ended because nobody used them", &self.sessions_expired),
            ("chora_bridge_children_started_total", "server processes started", &self.children_started),
            ("chora_bridge_children_ended_total", "server processes that ended", &self.children_ended),
            ("chora_bridge_messages_dropped_total", "messages of the server that were meant for nobody", &self.messages_dropped),
            ("chora_bridge_streams_overflowed_total", "clients that did not read their answers", &self.streams_overflowed),
        ];
        for (name, help, counter) in counters {
            _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} counter\n{name} {}", counter.get());
        }
        _ = writeln!(
            out,
            "# HELP chora_bridge_sessions open sessions\n# TYPE chora_bridge_sessions gauge\nchora_bridge_sessions {sessions}"
        );
        let name = "chora_bridge_call_seconds";
        _ = writeln!(out, "# HELP {name} time from a call to its answer\n# TYPE {name} histogram");
        self.calls.write(name, &mut out);
        out
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Metrics;

    #[test]
    fn buckets_are_cumulative() {
        let metrics = Metrics::default();
        for took in [50, 200, 99_000_000] {
            metrics.calls.observe(Duration::from_micros(took));
        }
        metrics.requests.add(3);
        let text = metrics.text(2);
        for line in [
            "chora_bridge_http_requests_total 3",
            "chora_bridge_sessions 2",
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
