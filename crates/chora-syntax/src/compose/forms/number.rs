//! Booleans, numbers, sizes and durations, also where they are written as text.

use crate::compose::model::{ByteSize, GoDuration};
use crate::yaml::{Node, Value};

/// A boolean, or one of the words that YAML 1.1 had for it.
pub(crate) fn flag(node: &Node) -> Result<bool, String> {
    match &node.value {
        Value::Bool(value) => Ok(*value),
        Value::Text(text) => match text.to_lowercase().as_str() {
            "true" | "y" | "yes" | "on" => Ok(true),
            "false" | "n" | "no" | "off" => Ok(false),
            _ => Err("`true` or `false`".to_owned()),
        },
        _ => Err("`true` or `false`".to_owned()),
    }
}

/// A whole number within bounds. A fraction is cut, as the reference does.
pub(crate) fn integer(node: &Node, min: i64, max: i64) -> Result<i64, String> {
    let expected = || match (min, max) {
        (i64::MIN, i64::MAX) => "a whole number".to_owned(),
        (min, i64::MAX) => format!("a whole number from {min}"),
        (min, max) => format!("a whole number from {min} to {max}"),
    };
    let value = match &node.value {
        Value::Int(value) => Some(*value),
        Value::Float(value) if value.abs() < 9e15 =>
        {
            #[expect(clippy::cast_possible_truncation, reason = "checked to fit; the fraction is cut on purpose")]
            Some(value.trunc() as i64)
        }
        Value::Text(text) => text.parse().ok(),
        _ => None,
    };
    value.filter(|value| (min..=max).contains(value)).ok_or_else(expected)
}

/// A number, rounded to the 32 bits in which the reference keeps it.
pub(crate) fn float(node: &Node) -> Result<f32, String> {
    let value = match &node.value {
        #[expect(clippy::cast_precision_loss, reason = "the reference keeps 32 bits")]
        Value::Int(value) => Some(*value as f32),
        #[expect(clippy::cast_possible_truncation, reason = "the reference keeps 32 bits")]
        Value::Float(value) => Some(*value as f32),
        Value::Text(text) => text.parse().ok(),
        _ => None,
    };
    value.filter(|value: &f32| value.is_finite()).ok_or_else(|| "a number".to_owned())
}

/// A percentage; as a number it is whole.
pub(crate) fn percent(node: &Node) -> Result<f32, String> {
    let whole = match &node.value {
        Value::Float(_) => false,
        Value::Int(value) => (0..=100).contains(value),
        _ => true,
    };
    float(node).ok().filter(|_| whole).ok_or_else(|| "a whole number from 0 to 100".to_owned())
}

/// A size in bytes.
pub(crate) fn bytes(node: &Node) -> Result<i64, String> {
    let expected = || "a size such as `512m`".to_owned();
    match &node.value {
        Value::Int(value) => Ok(*value),
        Value::Text(text) => ByteSize::parse(text).map(|size| size.0).map_err(|_| expected()),
        _ => Err(expected()),
    }
}

/// A duration.
pub(crate) fn duration(node: &Node) -> Result<GoDuration, String> {
    node.as_text().and_then(|text| text.parse().ok()).ok_or_else(|| "a duration such as `1m30s`".to_owned())
}

/// A file mode; text is read as octal.
pub(crate) fn file_mode(node: &Node) -> Result<i64, String> {
    let value = match &node.value {
        Value::Int(value) => Some(*value),
        Value::Text(text) => i64::from_str_radix(text, 8).ok(),
        _ => None,
    };
    value.filter(|value| *value >= 0).ok_or_else(|| "a file mode such as `0440`".to_owned())
}

/// A number of devices; `all` is -1.
pub(crate) fn device_count(node: &Node) -> Result<i64, String> {
    match &node.value {
        Value::Int(value) => Ok(*value),
        Value::Text(text) if text.eq_ignore_ascii_case("all") => Ok(-1),
        Value::Text(text) => text.parse().map_err(|_| "`all` or a number".to_owned()),
        _ => Err("`all` or a number".to_owned()),
    }
}
