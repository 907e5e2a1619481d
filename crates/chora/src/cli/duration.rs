//! Durations and points in time as people write them.

use std::time::Duration;

use chora_syntax::compose::model::GoDuration;
use jiff::{SignedDuration, Timestamp};

/// `500ms`, `30s`, `1h30m`; a bare number is seconds.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    if let Ok(seconds) = text.parse::<u64>() {
        return Ok(Duration::from_secs(seconds));
    }
    text.parse::<GoDuration>().map(|duration| duration.0).map_err(|_| "write it as `500ms`, `30s` or `1h30m`".to_owned())
}

/// `10m` (ago), or a time stamp such as `2026-11-21T10:00:00Z`, or a day.
pub(crate) fn since(text: &str) -> Result<Timestamp, String> {
    if let Ok(timestamp) = text.parse::<Timestamp>() {
        return Ok(timestamp);
    }
    if let Ok(day) = format!("{text}T00:00:00Z").parse::<Timestamp>() {
        return Ok(day);
    }
    let ago = duration(text).ok().and_then(|ago| SignedDuration::try_from(ago).ok());
    let then = ago.and_then(|ago| Timestamp::now().checked_sub(ago).ok());
    then.ok_or_else(|| "write it as `10m` (ago), `2026-11-21` or `2026-11-21T10:00:00Z`".to_owned())
}

#[cfg(test)]
mod tests {
    use super::{duration, since};
    use std::time::Duration;

    #[test]
    fn durations_and_times_are_read_as_written() {
        assert_eq!(duration("3"), Ok(Duration::from_secs(3)));
        assert_eq!(duration("1h30m"), Ok(Duration::from_secs(5_400)));
        assert!(duration("soon").is_err());
        assert_eq!(since("2026-11-21").unwrap().to_string(), "2026-11-21T00:00:00Z");
        assert!(since("10m").unwrap() > since("2h").unwrap());
        assert!(since("yesterday-ish").is_err());
    }
}
