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

impl ByteSize {
    /// Reads a size with an optional binary unit: `512`, `64m`, `1.5GiB`, `10 kb`.
    ///
    /// # Errors
    /// When the text is no such size, or negative.
    pub fn parse(text: &str) -> Result<Self, UnitError> {
        let fail = || UnitError::Bytes(text.to_owned());
        let last = text.rfind(|c: char| c.is_ascii_digit() || matches!(c, '.' | ' ')).ok_or_else(fail)?;
        let (number, suffix) = text.split_at(last + 1);
        let number = number.strip_suffix(' ').unwrap_or(number);
        let valid = number.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'e' | b'E' | b'+' | b'-' | b'_'));
        let size: f64 = number.parse().ok().filter(|size: &f64| valid && size.is_finite() && *size >= 0.0).ok_or_else(fail)?;
        let suffix = suffix.to_ascii_lowercase();
        let power = match suffix.strip_suffix("ib").filter(|rest| rest.len() == 1).or_else(|| suffix.strip_suffix('b')).unwrap_or(&suffix) {
            "" => 0,
            "k" => 1,
            "m" => 2,
            "g" => 3,
            "t" => 4,
            "p" => 5,
            _ => return Err(fail()),
        };
        let bytes = size * 1024f64.powi(power);
        if bytes >= 9.2e18 {
            return Err(fail());
        }
        #[expect(clippy::cast_possible_truncation, reason = "cut below a byte, and checked to fit")]
        Ok(Self(bytes as i64))
    }
}

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

    /// Reads what Compose reads: `1h30m`, `1.5s`, `2d`, `1w`, `0`. Nothing negative.
    fn from_str(text: &str) -> Result<Self, UnitError> {
        let fail = || UnitError::Duration(text.to_owned());
        let mut rest = text.strip_prefix('+').unwrap_or(text);
        if rest == "0" {
            return Ok(Self(Duration::ZERO));
        }
        if rest.is_empty() {
            return Err(fail());
        }
        let mut nanos = 0u64;
        while !rest.is_empty() {
            let number_len = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(fail)?;
            let (number, tail) = rest.split_at(number_len);
            let unit_len = tail.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(tail.len());
            let (unit, tail) = tail.split_at(unit_len);
            let part = part_nanos(number, unit_nanos(unit).ok_or_else(fail)?).ok_or_else(fail)?;
            nanos = nanos.checked_add(part).filter(|sum| i64::try_from(*sum).is_ok()).ok_or_else(fail)?;
            rest = tail;
        }
        Ok(Self(Duration::from_nanos(nanos)))
    }
}

fn unit_nanos(unit: &str) -> Option<u64> {
    Some(match unit {
        "ns" => 1,
        "us" | "µs" | "μs" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        "d" => 86_400_000_000_000,
        "w" => 604_800_000_000_000,
        _ => return None,
    })
}

/// `number` of a unit; the fraction is cut below a nanosecond.
fn part_nanos(number: &str, unit: u64) -> Option<u64> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
        return None;
    }
    let whole = if whole.is_empty() { 0 } else { whole.parse::<u64>().ok()? }.checked_mul(unit)?;
    let fraction = fraction.get(..fraction.len().min(15))?;
    let scale = 10u128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    let digits = if fraction.is_empty() { 0 } else { fraction.parse::<u128>().ok()? };
    whole.checked_add(u64::try_from(digits * u128::from(unit) / scale).ok()?)
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

/// A number whose canonical form is decimal text.
pub(super) mod decimal_text {
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

    #[expect(clippy::ref_option, reason = "the signature serde asks for")]
    pub(in super::super) fn serialize<S: Serializer>(value: &Option<i64>, serializer: S) -> Result<S::Ok, S::Error> {
        value.map(|value| value.to_string()).serialize(serializer)
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?;
        text.map(|text| text.parse().map_err(|_| D::Error::custom(format!("`{text}` is not a number")))).transpose()
    }
}

/// How a limit is written: one number, or soft and hard.
#[derive(Debug, Clone, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(untagged)]
pub(super) enum UlimitForm {
    Single(i64),
    Range {
        #[serde(default)]
        soft: i64,
        #[serde(default)]
        hard: i64,
    },
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
    use super::{ByteSize, GoDuration};

    #[test]
    fn durations_read_and_print_as_go_does() {
        for (text, printed) in [
            ("90s", "1m30s"),
            ("1d2h", "26h0m0s"),
            ("0", "0s"),
            ("1.0000000001s", "1s"),
            ("1.5h", "1h30m0s"),
            ("500ms", "500ms"),
            ("0s", "0s"),
            ("1h0m1s", "1h0m1s"),
            ("1500ms", "1.5s"),
        ] {
            assert_eq!(text.parse::<GoDuration>().unwrap().to_string(), printed);
        }
        for bad in ["", "10", "s", "1x", "1.2.3s", "-5s", ".s", "99999999999999999999h", "9999999999h"] {
            assert!(bad.parse::<GoDuration>().is_err(), "{bad}");
        }
    }

    #[test]
    fn sizes_read_binary_units() {
        for (text, bytes) in [("512", 512), ("64m", 67_108_864), ("1.5GiB", 1_610_612_736), ("10 kb", 10_240), ("2B", 2), ("0", 0)] {
            assert_eq!(ByteSize::parse(text).unwrap().0, bytes, "{text}");
        }
        for bad in ["", "m", "-1", "1x", "1kbb", "1 000", "99999999p", "nan", "1ib"] {
            assert!(ByteSize::parse(bad).is_err(), "{bad}");
        }
    }
}
