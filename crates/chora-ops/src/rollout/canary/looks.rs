//! What gateways told of a canary so far: which requests are late by now, and what was counted before a gateway began anew.

use std::collections::VecDeque;
use std::time::Duration;

use crate::gateway::{Side, Sides};

/// Looks at a canary, one after the other.
#[derive(Default)]
pub(super) struct Looks {
    /// How long a request may be unanswered before it counts as failed.
    patience: Duration,
    /// What was seen earlier, as long as it is needed.
    earlier: VecDeque<(Duration, Sides)>,
    /// What was told last, and what came of it before the gateway began anew.
    told: Sides,
    before: Sides,
}

/// What a look finds.
pub(super) struct Look {
    /// Everything that was counted.
    pub(super) now: Sides,
    /// What there was when a request must have come to be late by now.
    pub(super) then: Sides,
    /// The gateway has begun anew since the look before.
    pub(super) anew: bool,
}

impl Looks {
    pub(super) fn new(patience: Duration) -> Self {
        Self { patience, ..Self::default() }
    }

    /// Takes in what a gateway tells.
    pub(super) fn take(&mut self, now: Duration, told: Sides) -> Look {
        let anew = self.told.iter().any(|(backend, last)| told.get(backend).is_some_and(|side| side.is_before(last)));
        if anew {
            for (backend, side) in std::mem::take(&mut self.told) {
                self.before.entry(backend).or_default().add(&side.without_open());
            }
            // What was open then is not late now: it was lost with the gateway.
            self.earlier.clear();
        }
        let mut sides = told.clone();
        for (backend, side) in &mut sides {
            if let Some(before) = self.before.get(backend) {
                side.add(before);
            }
        }
        self.told = told;
        Look { then: self.before_late(now, &sides), now: sides, anew }
    }

    fn before_late(&mut self, now: Duration, sides: &Sides) -> Sides {
        let is_late = |at: &Duration| *at + self.patience <= now;
        while self.earlier.get(1).is_some_and(|(at, _)| is_late(at)) {
            self.earlier.pop_front();
        }
        let then = self.earlier.front().filter(|(at, _)| is_late(at)).map(|(_, sides)| sides.clone());
        self.earlier.push_back((now, sides.clone()));
        then.unwrap_or_default()
    }
}

impl Side {
    fn add(&mut self, other: &Self) {
        self.new.add(&other.new);
        self.old.add(&other.old);
    }

    fn without_open(self) -> Self {
        Self { new: self.new.without_open(), old: self.old.without_open() }
    }

    /// Whether one side of it cannot have come after `earlier`.
    fn is_before(&self, earlier: &Self) -> bool {
        self.new.is_before(&earlier.new) || self.old.is_before(&earlier.old)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use chora_core::model::canary::CanaryFigures;

    use super::{Look, Looks, Side, Sides};

    /// The new release got so many requests, answered so many, and so many of them badly; the old one the same ten times.
    fn told(requests: u64, ended: u64, errors: u64) -> Sides {
        let side = |times: u64| CanaryFigures {
            requests: requests * times,
            ended: ended * times,
            errors: errors * times,
            latencies: vec![(1_000, (ended - errors) * times)],
            waiting: 0,
        };
        Sides::from([("web:8080".to_owned(), Side { new: side(1), old: side(10) })])
    }

    /// Requests, errors and late requests of the new release.
    fn new(look: &Look) -> (u64, u64, u64) {
        let now = look.now["web:8080"].new.clone();
        let then = look.then.get("web:8080").cloned().unwrap_or_default().new;
        (now.requests, now.errors, now.since(&then).waiting)
    }

    #[test]
    fn what_waits_longer_than_is_allowed_is_late() {
        let mut looks = Looks::new(Duration::from_secs(2));
        let seen: Vec<_> = [(1, told(5, 3, 0)), (2, told(8, 3, 0)), (3, told(9, 4, 0)), (4, told(9, 4, 0))]
            .into_iter()
            .map(|(at, told)| new(&looks.take(Duration::from_secs(at), told)))
            .collect();
        assert_eq!(seen, [(5, 0, 0), (8, 0, 0), (9, 0, 1), (9, 0, 4)]);
    }

    #[test]
    fn what_was_counted_before_a_gateway_began_anew_still_counts_and_what_it_lost_is_not_late() {
        let mut looks = Looks::new(Duration::from_secs(1));
        let counts = [told(30, 20, 5), told(40, 32, 8), told(3, 2, 0), told(6, 6, 1), told(1, 0, 0), told(1, 0, 0)];
        let seen: Vec<_> = (0..).zip(counts).map(|(at, told)| looks.take(Duration::from_secs(at), told)).collect();
        assert_eq!(seen.iter().map(|look| look.anew).collect::<Vec<_>>(), [false, false, true, false, true, false]);
        // Of the 40, 32 had come to an end.
        let wanted = [(30, 5, 0), (40, 8, 0), (35, 8, 0), (38, 9, 0), (39, 9, 0), (39, 9, 1)];
        assert_eq!(seen.iter().map(new).collect::<Vec<_>>(), wanted);
        let answers: u64 = seen[5].now["web:8080"].old.latencies.iter().map(|(_, count)| count).sum();
        assert_eq!(answers, 10 * (32 + 6 - 9));
    }
}
