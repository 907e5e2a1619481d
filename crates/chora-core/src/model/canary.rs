//! A canary: some requests go to a new release before all others do, and what both did with theirs is compared.

use std::fmt;

/// What is always allowed on top of the old release's latency, in microseconds: quick answers differ by chance.
const ALWAYS_ALLOWED: u64 = 10_000;

/// Which requests go to the new release, for how long, and when it is too bad for the others.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
pub struct CanaryRules {
    /// Percent of the requests.
    pub share: u32,
    /// For how long.
    pub seconds: u64,
    /// Requests with this header as well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header: Option<Mark>,
    /// Requests with this cookie as well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cookie: Option<Mark>,
    /// How many requests say something about a release.
    pub requests: u64,
    /// How many percent more of its requests than of the old release's may fail.
    pub errors: u32,
    /// How many percent longer 90 of 100 answers may take than 95 of 100 of the old release's do.
    pub slower: u32,
}

/// A header or a cookie.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
pub struct Mark {
    /// Its name.
    pub name: String,
    /// Its value; any where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
}

impl fmt::Display for CanaryRules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut which = Vec::new();
        if self.share > 0 {
            which.push(format!("{} % of the requests", self.share));
        }
        which.extend(self.header.as_ref().map(|header| format!("those with the header {}", header.words(": "))));
        which.extend(self.cookie.as_ref().map(|cookie| format!("those with the cookie {}", cookie.words("="))));
        write!(f, "{} for {}", which.join(" and "), span(self.seconds))
    }
}

/// Seconds as people say them.
pub(crate) fn span(seconds: u64) -> String {
    if seconds.is_multiple_of(60) { format!("{} min", seconds / 60) } else { format!("{seconds} s") }
}

impl Mark {
    fn words(&self, between: &str) -> String {
        self.value.as_ref().map_or_else(|| self.name.clone(), |value| format!("{}{between}{value}", self.name))
    }
}

/// What a release did with the requests that it got while a canary lasted.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct CanaryFigures {
    /// Requests that it got.
    pub requests: u64,
    /// Those that it has answered, failed, or was rid of.
    pub ended: u64,
    /// Those that it answered with 5xx, or not at all.
    pub errors: u64,
    /// Answers by how long they took: at most so many microseconds, and how many; in rising order.
    pub latencies: Vec<(u64, u64)>,
    /// Those that have waited for an answer since an earlier look.
    #[serde(default)]
    pub waiting: u64,
}

impl CanaryFigures {
    /// Adds those of another port of the same release.
    pub fn add(&mut self, other: &Self) {
        self.requests += other.requests;
        self.ended += other.ended;
        self.errors += other.errors;
        self.waiting += other.waiting;
        self.latencies.extend(&other.latencies);
        self.latencies.sort_unstable();
    }

    /// The same without what is under way: nobody will tell how that ends.
    #[must_use]
    pub fn without_open(self) -> Self {
        Self { requests: self.ended, ..self }
    }

    /// Whether these cannot have come after `earlier`: whoever counts has begun anew.
    #[must_use]
    pub const fn is_before(&self, earlier: &Self) -> bool {
        self.requests < earlier.requests || self.ended < earlier.ended
    }

    /// The same, knowing what there was a while ago: what came before that and has no answer yet counts as failed.
    #[must_use]
    pub fn since(self, earlier: &Self) -> Self {
        Self { waiting: earlier.requests.saturating_sub(self.ended), ..self }
    }

    /// Requests that failed, or that are not answered in time.
    #[must_use]
    pub const fn failed(&self) -> u64 {
        self.errors + self.waiting
    }

    /// The time in which so many percent of the answers came, in microseconds.
    #[must_use]
    pub fn within(&self, percent: u64) -> Option<u64> {
        let total: u64 = self.latencies.iter().map(|(_, count)| count).sum();
        let mut seen = 0;
        let reached = |(_, count): &&(u64, u64)| {
            seen += count;
            seen * 100 >= total * percent
        };
        self.latencies.iter().find(reached).map(|(took, _)| *took)
    }
}

/// What a comparison says of a new release.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Judgement {
    /// It got too few requests to say anything.
    TooFew,
    /// It is not worse.
    NotWorse,
    /// More of its requests fail.
    Failing,
    /// Its answers take longer.
    Slower,
}

impl Judgement {
    /// Whether the new release is worse.
    #[must_use]
    pub const fn is_bad(self) -> bool {
        matches!(self, Self::Failing | Self::Slower)
    }
}

impl fmt::Display for Judgement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooFew => "too few requests to compare",
            Self::NotWorse => "not worse",
            Self::Failing => "more requests fail",
            Self::Slower => "answers take longer",
        })
    }
}

/// Compares a new release with the old one when so many percent of the canary's time are over.
#[must_use]
pub fn judge(rules: &CanaryRules, new: &CanaryFigures, old: &CanaryFigures, over: u64) -> Judgement {
    if new.requests < rules.requests {
        return Judgement::TooFew;
    }
    // failed / requests > before_failed / before + allowed / 100, in whole numbers.
    let before = old.requests.max(1);
    if new.failed() * 100 * before > (old.failed() * 100 + u64::from(rules.errors) * before) * new.requests {
        return Judgement::Failing;
    }
    let slower = |new: u64, old: u64| new > old + (old * u64::from(rules.slower) / 100).max(ALWAYS_ALLOWED);
    // The tail of the new release is judged more mildly: where 1 in 20 is slow, chance alone makes it 1 in 15 of a few.
    // Before the end it is slower when quick answers alone, coming as often as before, could not make up for it any more.
    let percent = 100_u64.saturating_sub(1000_u64.div_ceil(over.max(1)));
    let quick = if percent > 0 { new.within(percent) } else { None };
    match (quick, old.within(95)) {
        (Some(new), Some(before)) if old.requests >= rules.requests && slower(new, before) => Judgement::Slower,
        _ => Judgement::NotWorse,
    }
}

#[cfg(test)]
mod tests {
    use super::{CanaryFigures, CanaryRules, Judgement, Mark, judge};
    use crate::model::deployment::CanarySide;

    fn rules() -> CanaryRules {
        CanaryRules { share: 10, seconds: 300, header: None, cookie: None, requests: 20, errors: 5, slower: 50 }
    }

    fn figures(requests: u64, errors: u64, took: u64) -> CanaryFigures {
        let answered = requests - errors;
        CanaryFigures { requests, ended: requests, errors, latencies: vec![(took, answered)], waiting: 0 }
    }

    #[test]
    fn a_release_is_worse_when_more_fails_or_answers_take_longer() {
        let table = [
            (figures(19, 19, 1), figures(1000, 0, 1), Judgement::TooFew),
            (figures(20, 0, 1_000), figures(1000, 0, 1_000), Judgement::NotWorse),
            (figures(20, 1, 1_000), figures(1000, 0, 1_000), Judgement::NotWorse),
            (figures(20, 2, 1_000), figures(1000, 0, 1_000), Judgement::Failing),
            (figures(100, 15, 1_000), figures(1000, 100, 1_000), Judgement::NotWorse),
            (figures(100, 16, 1_000), figures(1000, 100, 1_000), Judgement::Failing),
            // 10 ms are always allowed, and half as long again of what takes long.
            (figures(20, 0, 11_000), figures(1000, 0, 1_000), Judgement::NotWorse),
            (figures(20, 0, 11_001), figures(1000, 0, 1_000), Judgement::Slower),
            (figures(20, 0, 150_000), figures(1000, 0, 100_000), Judgement::NotWorse),
            (figures(20, 0, 150_001), figures(1000, 0, 100_000), Judgement::Slower),
            // Nothing to compare the time with; errors speak for themselves.
            (figures(20, 0, 150_001), figures(3, 0, 1_000), Judgement::NotWorse),
            (figures(20, 2, 1), figures(0, 0, 1), Judgement::Failing),
        ];
        for (new, old, wanted) in table {
            assert_eq!(judge(&rules(), &new, &old, 100), wanted, "{new:?} against {old:?}");
        }
    }

    #[test]
    fn a_release_is_slower_before_the_end_when_quick_answers_could_not_make_up_for_it() {
        // So many of 100 answers are slow when so much of the time is over.
        let table = [
            (100, 10, false),
            (100, 11, true),
            (50, 20, false),
            (50, 21, true),
            (25, 40, false),
            (25, 41, true),
            (10, 100, false),
            (0, 100, false),
        ];
        for (over, slow, wanted) in table {
            let new = CanaryFigures { latencies: vec![(1_000, 100 - slow), (90_000, slow)], ..figures(100, 0, 1_000) };
            let judgement = judge(&rules(), &new, &figures(1000, 0, 1_000), over);
            assert_eq!(judgement == Judgement::Slower, wanted, "{slow} of 100 are slow after {over} % of the time: {judgement:?}");
        }
    }

    #[test]
    fn what_is_not_answered_counts_when_it_has_waited_since_an_earlier_look() {
        let earlier = CanaryFigures { requests: 30, ended: 10, ..CanaryFigures::default() };
        let now = CanaryFigures { requests: 40, ended: 12, ..CanaryFigures::default() };
        assert_eq!(now.clone().since(&earlier).failed(), 18);
        assert_eq!(judge(&rules(), &now.clone().since(&earlier), &figures(100, 0, 1), 100), Judgement::Failing);
        assert_eq!(judge(&rules(), &now.since(&CanaryFigures::default()), &figures(100, 0, 1), 100), Judgement::NotWorse);
    }

    #[test]
    fn ports_are_added_and_told_in_words() {
        let mut both = figures(90, 0, 2_000);
        both.add(&figures(10, 2, 250_000));
        assert_eq!((both.within(50), both.within(95)), (Some(2_000), Some(250_000)));
        assert_eq!(CanarySide::from(&both).to_string(), "100 requests, 2 failed (2.0 %), p50 2.0 ms, p95 250 ms");
        assert_eq!(CanarySide::from(&CanaryFigures::default()).to_string(), "0 requests, 0 failed (0.0 %)");
        let marked = CanaryRules { header: Some(Mark { name: "X-Canary".into(), value: Some("1".into()) }), ..rules() };
        assert_eq!(marked.to_string(), "10 % of the requests and those with the header X-Canary: 1 for 5 min");
        let cookie = CanaryRules { share: 0, seconds: 3, cookie: Some(Mark { name: "canary".into(), value: None }), ..rules() };
        assert_eq!(cookie.to_string(), "those with the cookie canary for 3 s");
    }
}
