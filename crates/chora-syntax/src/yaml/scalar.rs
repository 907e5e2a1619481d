//! Plain scalars: which text is null, a boolean or a number. Follows go-yaml v4, which the reference uses.

use super::Value;

/// The value of an unquoted, untagged scalar. Dates stay text.
pub(super) fn resolve(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        "true" | "True" | "TRUE" => return Value::Bool(true),
        "false" | "False" | "FALSE" => return Value::Bool(false),
        _ => {}
    }
    let Some(first) = text.bytes().next() else { return Value::Null };
    if !(first.is_ascii_digit() || matches!(first, b'+' | b'-' | b'.')) {
        return Value::Text(text.to_owned());
    }
    number(text).unwrap_or_else(|| Value::Text(text.to_owned()))
}

fn number(text: &str) -> Option<Value> {
    if matches!(text, ".nan" | ".NaN" | ".NAN") {
        return Some(Value::Float(f64::NAN));
    }
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    if matches!(unsigned, ".inf" | ".Inf" | ".INF") {
        return Some(Value::Float(if text.starts_with('-') { f64::NEG_INFINITY } else { f64::INFINITY }));
    }
    let plain = if text.starts_with('.') { text.to_owned() } else { text.replace('_', "") };
    if let Some(value) = integer(&plain) {
        return Some(Value::Int(value));
    }
    if !is_decimal(&plain) {
        return None;
    }
    plain.parse().ok().filter(|value: &f64| value.is_finite()).map(Value::Float)
}

/// Decimal, `0x`, `0o`, `0b` and the older `017` octal form, with a sign.
fn integer(text: &str) -> Option<i64> {
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, text.get(1..)?),
        b'+' => (false, text.get(1..)?),
        _ => (false, text),
    };
    let lower = digits.to_ascii_lowercase();
    let (radix, digits) = if let Some(rest) = lower.strip_prefix("0x") {
        (16, rest)
    } else if let Some(rest) = lower.strip_prefix("0o") {
        (8, rest)
    } else if let Some(rest) = lower.strip_prefix("0b") {
        (2, rest)
    } else if lower.len() > 1 && lower.starts_with('0') {
        (8, lower.as_str())
    } else {
        (10, lower.as_str())
    };
    if digits.starts_with(['+', '-']) {
        return None;
    }
    let value = i128::from_str_radix(digits, radix).ok()?;
    i64::try_from(if negative { -value } else { value }).ok()
}

/// `[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?`
fn is_decimal(text: &str) -> bool {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (mantissa, exponent) = unsigned.split_once(['e', 'E']).map_or((unsigned, None), |(m, e)| (m, Some(e)));
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let mantissa_fits = match mantissa.split_once('.') {
        Some((whole, fraction)) => digits(whole) && digits(fraction) && !(whole.is_empty() && fraction.is_empty()),
        None => !mantissa.is_empty() && digits(mantissa),
    };
    let exponent_fits = exponent.is_none_or(|exponent| {
        let exponent = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        !exponent.is_empty() && digits(exponent)
    });
    mantissa_fits && exponent_fits
}

#[cfg(test)]
mod tests {
    use super::{Value, resolve};

    #[test]
    fn plain_scalars_resolve_as_in_go_yaml() {
        for (text, value) in [
            ("", Value::Null),
            ("yes", Value::Text("yes".to_owned())),
            ("True", Value::Bool(true)),
            ("017", Value::Int(15)),
            ("0o17", Value::Int(15)),
            ("0x1F", Value::Int(31)),
            ("08", Value::Float(8.0)),
            ("1_000", Value::Int(1000)),
            ("-5", Value::Int(-5)),
            ("1e3", Value::Float(1000.0)),
            (".5", Value::Float(0.5)),
            ("3.10", Value::Float(3.1)),
            ("22:22", Value::Text("22:22".to_owned())),
            ("1.2.3", Value::Text("1.2.3".to_owned())),
            ("2001-01-01", Value::Text("2001-01-01".to_owned())),
            ("+-5", Value::Text("+-5".to_owned())),
            ("99999999999999999999", Value::Float(1e20)),
        ] {
            assert_eq!(resolve(text), value, "{text}");
        }
    }
}
