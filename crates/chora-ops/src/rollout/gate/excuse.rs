//! Which of a container's failures is told when its time has run out.

use chora_core::model::health::Check;

/// A failure, and whether it was asked for too short a time to say much.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Excuse {
    pub(super) check: Check,
    pub(super) cut_short: bool,
}

impl Excuse {
    /// The failure that says more: a question that the end of the budget cut short does not hide what failed before.
    pub(super) fn after(before: Option<Self>, now: Self) -> Self {
        let says_less = |before: &Self| now.cut_short && (now.check.level < before.check.level || now.check.asked == before.check.asked);
        before.filter(says_less).unwrap_or(now)
    }
}

#[cfg(test)]
mod tests {
    use chora_core::model::health::{Check, Level, Verdict};

    use super::Excuse;

    fn excuse(level: Level, asked: &str, answered: &str, cut_short: bool) -> Excuse {
        let (service, container) = ("web".to_owned(), "web-1".to_owned());
        let (asked, answered) = (asked.to_owned(), answered.to_owned());
        Excuse { check: Check { level, service, container, verdict: Verdict::Fail, asked, answered, duration_ms: 0 }, cut_short }
    }

    #[test]
    fn what_was_cut_short_hides_nothing_that_was_known_before() {
        let refused = || excuse(Level::Endpoint, "tcp 1234", "refused", false);
        let cut = || excuse(Level::Container, "HEALTHCHECK true", "did not end within 250ms", true);
        let failed = || excuse(Level::Container, "HEALTHCHECK true", "exit code 1", false);
        let hangs = || excuse(Level::Function, "mcp", "no answer within 500ms", true);
        let hung = || excuse(Level::Function, "mcp", "no answer within 5s", false);
        let cases = [
            (None, cut(), cut()),
            (Some(refused()), cut(), refused()),
            (Some(refused()), failed(), failed()),
            (Some(failed()), cut(), failed()),
            (Some(failed()), hangs(), hangs()),
            (Some(hung()), hangs(), hung()),
            (Some(hangs()), hung(), hung()),
        ];
        for (before, now, told) in cases {
            assert_eq!(Excuse::after(before.clone(), now.clone()), told, "{before:?} then {now:?}");
        }
    }
}
