//! The short form of a device: `source[:target[:permissions]]`.

/// Source, target and permissions; the target defaults to the source, permissions to `rwm`.
pub(crate) fn parse(text: &str) -> Result<(&str, &str, &str), String> {
    let mut parts = text.split(':');
    let source = parts.next().unwrap_or_default();
    let target = parts.next().filter(|target| !target.is_empty()).unwrap_or(source);
    let permissions = parts.next().unwrap_or("rwm");
    if parts.next().is_some() {
        return Err(format!("`{text}` has more than source, target and permissions"));
    }
    Ok((source, target, permissions))
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn missing_parts_have_defaults() {
        assert_eq!(parse("/dev/a"), Ok(("/dev/a", "/dev/a", "rwm")));
        assert_eq!(parse("/dev/a:/dev/b:r"), Ok(("/dev/a", "/dev/b", "r")));
        assert!(parse("a:b:c:d").is_err());
    }
}
