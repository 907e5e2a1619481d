//! Numbers printed as Go's `%v` prints them, so that text made from numbers equals the reference's.

/// The shortest decimal form; an exponent below 1e-4 and from 1e6 on.
pub(crate) fn go_float(value: f64) -> String {
    let magnitude = value.abs();
    if magnitude != 0.0 && !(1e-4..1e6).contains(&magnitude) {
        let text = format!("{value:e}");
        let Some((digits, exponent)) = text.split_once('e') else { return text };
        let (sign, power) = exponent.strip_prefix('-').map_or(('+', exponent), |power| ('-', power));
        return format!("{digits}e{sign}{power:0>2}");
    }
    value.to_string()
}

#[cfg(test)]
mod tests {
    use super::go_float;

    #[test]
    fn floats_print_as_go_prints_them() {
        for (value, text) in [
            (1.0, "1"),
            (3.1, "3.1"),
            (0.1, "0.1"),
            (999_999.0, "999999"),
            (1e6, "1e+06"),
            (1_234_567.5, "1.2345675e+06"),
            (1e21, "1e+21"),
            (1e-5, "1e-05"),
            (1.5e-10, "1.5e-10"),
            (-2.5, "-2.5"),
        ] {
            assert_eq!(go_float(value), text);
        }
    }
}
