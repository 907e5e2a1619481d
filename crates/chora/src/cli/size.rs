//! Sizes as they are written on a command line.

/// Reads `250MB`, `1gb`, `100000`.
pub(super) fn size(text: &str) -> Result<u64, String> {
    let refused = || format!("`{text}` is no size; write it as 250MB or 1GB");
    // The units of people, not of memory: the same that sizes are shown in.
    let upper = text.trim().to_ascii_uppercase();
    let unit = [("GB", 1_000_000_000), ("G", 1_000_000_000), ("MB", 1_000_000), ("M", 1_000_000), ("KB", 1_000), ("K", 1_000), ("B", 1)];
    let (number, factor) = unit.iter().find_map(|(name, factor)| Some((upper.strip_suffix(name)?, *factor))).unwrap_or((&upper, 1));
    let number: u64 = number.trim().parse().map_err(|_| refused())?;
    number.checked_mul(factor).ok_or_else(refused)
}

#[cfg(test)]
mod tests {
    use super::size;

    #[test]
    fn sizes_are_read_as_they_are_shown() {
        for (text, expected) in [
            ("250MB", Some(250_000_000)),
            ("1 gb", Some(1_000_000_000)),
            ("7", Some(7)),
            ("x", None),
            ("-1MB", None),
            ("99999999999GB", None),
        ] {
            assert_eq!(size(text).ok(), expected, "{text}");
        }
    }
}
