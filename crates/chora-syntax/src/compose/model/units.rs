//! Byte sizes, durations and limits as Compose writes them.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Why a unit could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnitError {
    /// Not a Go duration.
    #[error("`{0}` is not a duration such as 1m30s")]
    Duration(String),
    /// Not a byte size.
    #[error("`{0}` is not a byte size such as 512m")]
    Bytes(String),
}

/// A number of bytes; canonical form is a decimal string.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, schemars::JsonSchema)]
#[schemars(with = "String")]
pub struct ByteSize(pub i64);

impl Serialize for ByteSize {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for ByteSize {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map(Self).map_err(|_| serde::de::Error::custom(UnitError::Bytes(text)))
    }
}

/// A duration; canonical form is Go's, such as `1m30s`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, schemars::JsonSchema)]
#[schemars(with = "String")]
pub struct GoDuration(pub Duration);

impl std::str::FromStr for GoDuration {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let fail = || UnitError::Duration(text.to_owned());
        let mut nanos = 0f64;
        let mut rest = text;
        if rest.is_empty() {
            return Err(fail());
        }
        while !rest.is_empty() {
            let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').filter(|at| *at > 0).ok_or_else(fail)?;
            let (number, tail) = rest.split_at(digits);
            let unit_len = tail.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(tail.len());
            let (unit, tail) = tail.split_at(unit_len);
            let scale = match unit {
                "ns" => 1.0,
                "us" | "µs" => 1e3,
                "ms" => 1e6,
                "s" => 1e9,
                "m" => 60e9,
                "h" => 3600e9,
                "d" => 86_400e9,
                "w" => 604_800e9,
                _ => return Err(fail()),
            };
            nanos += number.parse::<f64>().map_err(|_| fail())? * scale;
            rest = tail;
        }
        Duration::try_from_secs_f64(nanos / 1e9).map(Self).map_err(|_| fail())
    }
}

impl std::fmt::Display for GoDuration {
    /// Writes Go's `time.Duration.String` form.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let nanos = self.0.as_nanos();
        if nanos == 0 {
            return f.write_str("0s");
        }
        if nanos < 1_000_000_000 {
            let (unit, size) = if nanos < 1_000 {
                ("ns", 1)
            } else if nanos < 1_000_000 {
                ("µs", 1_000)
            } else {
                ("ms", 1_000_000)
            };
            return write!(f, "{}{unit}", fraction(nanos, size));
        }
        let seconds = nanos / 1_000_000_000;
        let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
        if hours > 0 {
            write!(f, "{hours}h")?;
        }
        if hours > 0 || minutes > 0 {
            write!(f, "{minutes}m")?;
        }
        write!(f, "{}s", fraction(nanos % 60_000_000_000, 1_000_000_000))
    }
}

fn fraction(nanos: u128, size: u128) -> String {
    let (whole, part) = (nanos / size, nanos % size);
    if part == 0 {
        return whole.to_string();
    }
    let width = size.ilog10() as usize;
    let text = format!("{whole}.{part:0width$}");
    text.trim_end_matches('0').to_owned()
}

impl Serialize for GoDuration {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for GoDuration {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// How a limit is written: one number, or soft and hard.
#[derive(Debug, Clone, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(untagged)]
pub(super) enum UlimitForm {
    Single(i64),
    Range { soft: i64, hard: i64 },
}

impl From<UlimitForm> for super::Ulimit {
    fn from(form: UlimitForm) -> Self {
        match form {
            UlimitForm::Single(value) => Self { soft: value, hard: value },
            UlimitForm::Range { soft, hard } => Self { soft, hard },
        }
    }
}

impl From<super::Ulimit> for UlimitForm {
    fn from(limit: super::Ulimit) -> Self {
        if limit.soft == limit.hard { Self::Single(limit.soft) } else { Self::Range { soft: limit.soft, hard: limit.hard } }
    }
}

#[cfg(test)]
mod tests {
    use super::GoDuration;

    #[test]
    fn durations_read_and_print_as_go_does() {
        for (text, printed) in
            [("90s", "1m30s"), ("1.5h", "1h30m0s"), ("500ms", "500ms"), ("0s", "0s"), ("1h0m1s", "1h0m1s"), ("1500ms", "1.5s")]
        {
            assert_eq!(text.parse::<GoDuration>().unwrap().to_string(), printed);
        }
        for bad in ["", "10", "s", "1x", "1.2.3s"] {
            assert!(bad.parse::<GoDuration>().is_err(), "{bad}");
        }
    }
}
