//! `pull_policy`: when an image that is there is pulled all the same.

use std::time::Duration;

use jiff::Timestamp;

const HOUR: u64 = 3600;

/// Whether an image that was last pulled (or tagged) at a time is due again; what was never pulled is.
pub(super) fn is_due(policy: &str, tagged_at: Option<Timestamp>, now: Timestamp) -> bool {
    let Some(age) = longest_age(policy) else { return policy == "always" };
    let Some(tagged_at) = tagged_at else { return true };
    // A time that lies ahead was written by another clock.
    Duration::try_from(now.duration_since(tagged_at)).is_ok_and(|passed| passed >= age)
}

/// How old an image may become, where the policy says so (Compose Specification, `pull_policy`).
pub(super) fn longest_age(policy: &str) -> Option<Duration> {
    match policy {
        "daily" => Some(Duration::from_secs(24 * HOUR)),
        "weekly" => Some(Duration::from_secs(7 * 24 * HOUR)),
        other => duration(other.strip_prefix("every_")?),
    }
}

/// Reads `1w2d3h4m5s`, every unit optional.
fn duration(text: &str) -> Option<Duration> {
    let mut seconds = 0u64;
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit())?;
        let (digits, unit) = rest.split_at_checked(end)?;
        let length = match unit.chars().next()? {
            'w' => 7 * 24 * HOUR,
            'd' => 24 * HOUR,
            'h' => HOUR,
            'm' => 60,
            's' => 1,
            _ => return None,
        };
        seconds = seconds.checked_add(digits.parse::<u64>().ok()?.checked_mul(length)?)?;
        rest = unit.get(1..)?;
    }
    (!text.is_empty()).then(|| Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jiff::{SignedDuration, Timestamp};

    use super::{is_due, longest_age};

    #[test]
    fn ages_are_read_with_every_unit() {
        let hours = |count: u64| Some(Duration::from_secs(count * 3600));
        let cases = [
            ("daily", hours(24)),
            ("weekly", hours(168)),
            ("every_1w2d3h4m5s", Some(Duration::from_secs(788_645))),
            ("every_90m", Some(Duration::from_secs(5400))),
            ("every_", None),
            ("every_9", None),
            ("every_9y", None),
            ("every_99999999999999999999d", None),
            ("always", None),
            ("missing", None),
        ];
        for (policy, age) in cases {
            assert_eq!(longest_age(policy), age, "{policy}");
        }
    }

    #[test]
    fn an_image_is_due_when_it_is_older_than_its_policy_allows() {
        let now: Timestamp = "2026-01-08T00:00:00Z".parse().unwrap();
        let ago = |hours: i64| Some(now - SignedDuration::from_hours(hours));
        for (policy, pulled, due) in [
            ("always", ago(0), true),
            ("missing", None, false),
            ("never", None, false),
            ("daily", ago(23), false),
            ("daily", ago(24), true),
            ("daily", ago(-1), false),
            ("daily", None, true),
            ("weekly", ago(167), false),
            ("weekly", ago(168), true),
            ("every_2h", ago(1), false),
            ("every_2h", ago(3), true),
        ] {
            assert_eq!(is_due(policy, pulled, now), due, "{policy} {pulled:?}");
        }
    }
}
