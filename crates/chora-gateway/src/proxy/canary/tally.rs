//! What a release did with its requests while a canary lasts.

use std::time::Duration;

use serde_json::{Value, json};

use crate::metrics::Counter;

/// Parts of each doubling of the time: a bucket ends at most a quarter above where it begins.
const PARTS: u32 = 4;
/// The last bucket is for everything from about 19 minutes.
const BUCKETS: usize = 120;

/// Requests, their ends and how long answers took.
pub(super) struct Tally {
    pub(super) requests: Counter,
    /// Those that are over, however.
    pub(super) ended: Counter,
    pub(super) errors: Counter,
    buckets: [Counter; BUCKETS],
}

impl Default for Tally {
    fn default() -> Self {
        Self {
            requests: Counter::default(),
            ended: Counter::default(),
            errors: Counter::default(),
            buckets: std::array::from_fn(|_| Counter::default()),
        }
    }
}

impl Tally {
    pub(super) fn observe(&self, took: Duration) {
        let microseconds = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        if let Some(bucket) = self.buckets.get(index(microseconds)) {
            bucket.add(1);
        }
    }

    /// As the control API tells it: latencies by the end of their bucket, in microseconds.
    pub(super) fn figures(&self) -> Value {
        let latencies: Vec<(u64, u64)> =
            (0..).zip(&self.buckets).map(|(index, bucket)| (end(index), bucket.get())).filter(|(_, count)| *count > 0).collect();
        // Ends first: what has ended was asked before, whatever happens between the two looks.
        let (ended, errors) = (self.ended.get(), self.errors.get());
        json!({ "requests": self.requests.get(), "ended": ended, "errors": errors, "latencies": latencies })
    }
}

/// The bucket of a time: the doubling that it lies in, and which quarter of it.
fn index(microseconds: u64) -> usize {
    let microseconds = microseconds.max(PARTS.into());
    let doubling = microseconds.ilog2();
    let quarter = (microseconds >> (doubling - 2)) & 3;
    let index = (doubling - 2) * PARTS + u32::try_from(quarter).unwrap_or(0);
    usize::try_from(index).unwrap_or(usize::MAX).min(BUCKETS - 1)
}

/// Where a bucket ends.
fn end(index: u32) -> u64 {
    let (doubling, quarter) = (index / PARTS, u64::from(index % PARTS));
    ((quarter + 5) << doubling) - 1
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Tally, end, index};

    #[test]
    fn a_bucket_ends_where_the_next_begins() {
        for bucket in 0..119 {
            assert_eq!(index(end(bucket)), bucket as usize, "{bucket}");
            assert_eq!(index(end(bucket) + 1), bucket as usize + 1, "{bucket}");
        }
        assert_eq!((index(0), index(u64::MAX)), (0, 119));
    }

    #[test]
    fn figures_hold_what_was_observed() {
        let tally = Tally::default();
        for took in [3, 900, 1000, 20_000] {
            tally.observe(Duration::from_micros(took));
        }
        let figures = tally.figures();
        assert_eq!(figures["latencies"], serde_json::json!([[4, 1], [1023, 2], [20_479, 1]]));
    }
}
