//! The short form of a mount: `[source:]target[:options]`.

/// What a short form says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ShortVolume {
    pub(crate) source: String,
    pub(crate) target: String,
    pub(crate) read_only: bool,
    pub(crate) is_bind: bool,
    pub(crate) propagation: Option<String>,
    pub(crate) selinux: Option<String>,
    pub(crate) nocopy: bool,
}

/// Reads a short form; a Windows drive letter is part of its path.
pub(crate) fn parse(text: &str) -> Result<ShortVolume, String> {
    match text.len() {
        0 => return Err("an empty mount".to_owned()),
        1 | 2 => return Ok(ShortVolume { target: text.to_owned(), ..ShortVolume::default() }),
        _ => {}
    }
    let mut volume = ShortVolume::default();
    let sections = sections(text);
    if sections.iter().any(|section| section.is_empty()) {
        return Err(format!("`{text}` has an empty section between colons"));
    }
    match sections.as_slice() {
        [target] => volume.target = (*target).to_owned(),
        [source, target, rest @ ..] => {
            volume.source = (*source).to_owned();
            volume.target = (*target).to_owned();
            match rest {
                [] => {}
                [options] => options.split(',').for_each(|option| set(&mut volume, option)),
                _ => return Err(format!("`{text}` has too many colons")),
            }
        }
        [] => {}
    }
    volume.is_bind = is_path(&volume.source);
    Ok(volume)
}

fn set(volume: &mut ShortVolume, option: &str) {
    match option {
        "ro" => volume.read_only = true,
        "rw" => volume.read_only = false,
        "nocopy" => volume.nocopy = true,
        "rprivate" | "private" | "rshared" | "shared" | "rslave" | "slave" => volume.propagation = Some(option.to_owned()),
        "z" | "Z" => volume.selinux = Some(option.to_owned()),
        _ => {}
    }
}

/// Splits at colons, except the one after a drive letter.
fn sections(text: &str) -> Vec<&str> {
    let mut sections = Vec::new();
    let mut start = 0;
    for (at, _) in text.match_indices(':') {
        let section = text.get(start..at).unwrap_or_default();
        let mut letters = section.chars();
        let is_drive = letters.next().is_some_and(char::is_alphabetic) && letters.next().is_none();
        if !is_drive {
            sections.push(section);
            start = at + 1;
        }
    }
    sections.push(text.get(start..).unwrap_or_default());
    sections
}

fn is_path(source: &str) -> bool {
    let mut letters = source.chars();
    let first = letters.next();
    source.starts_with(['.', '/', '~'])
        || source.starts_with(r"\\")
        || (first.is_some_and(char::is_alphabetic) && letters.next() == Some(':'))
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn sources_targets_and_options_are_told_apart() {
        for (text, source, target, is_bind) in [
            ("/data", "", "/data", false),
            ("db:/data", "db", "/data", false),
            ("./a:/a:ro,z", "./a", "/a", true),
            (r"C:\a:/a", r"C:\a", "/a", true),
            ("db:C:\\a", "db", "C:\\a", false),
            ("~:/a", "~", "/a", true),
            ("ab", "", "ab", false),
        ] {
            let volume = parse(text).unwrap();
            assert_eq!((volume.source.as_str(), volume.target.as_str(), volume.is_bind), (source, target, is_bind), "{text}");
        }
        assert!(parse("vol:/b:ro").unwrap().read_only);
        for bad in ["", ":::", "aa:", "db:/a:ro:x", ":/x"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
