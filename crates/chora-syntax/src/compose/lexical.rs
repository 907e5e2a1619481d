//! Paths as text: joined and cleaned without asking a disk, as the reference does.

/// The shortest equal path: no `.`, no `..` that can be resolved, no doubled or trailing slash. Empty becomes `.`.
pub(super) fn clean(path: &str) -> String {
    let absolute = path.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => match parts.last() {
                Some(&last) if last != ".." => {
                    parts.pop();
                }
                _ if absolute => {}
                _ => parts.push(".."),
            },
            part => parts.push(part),
        }
    }
    let joined = parts.join("/");
    match (absolute, joined.is_empty()) {
        (true, _) => format!("/{joined}"),
        (false, true) => ".".to_owned(),
        (false, false) => joined,
    }
}

/// A path below a directory, cleaned; an absolute path stands for itself.
pub(super) fn join(directory: &str, path: &str) -> String {
    if path.starts_with('/') { clean(path) } else { clean(&format!("{directory}/{path}")) }
}

/// The directory that holds a path.
pub(super) fn parent(path: &str) -> String {
    path.rsplit_once('/').map_or_else(|| ".".to_owned(), |(directory, _)| clean(if directory.is_empty() { "/" } else { directory }))
}

/// Whether a path is absolute on Windows: a drive with a slash, or two slashes in front.
pub(super) fn is_windows_absolute(path: &str) -> bool {
    let bytes = path.as_bytes();
    let slash = |at: usize| matches!(bytes.get(at), Some(b'\\' | b'/'));
    (bytes.get(1) == Some(&b':') && slash(2)) || (slash(0) && slash(1))
}

#[cfg(test)]
mod tests {
    use super::{clean, is_windows_absolute, join, parent};

    #[test]
    fn paths_are_cleaned_and_joined() {
        for (path, cleaned) in
            [("", "."), ("/", "/"), ("/a//b/./c/..", "/a/b"), ("../a/..", ".."), ("a/../..", ".."), ("/../a", "/a"), ("a/", "a")]
        {
            assert_eq!(clean(path), cleaned, "{path}");
        }
        assert_eq!(join("/p", "./a/../b"), "/p/b");
        assert_eq!(join("/p", "/x"), "/x");
        assert_eq!(parent("/a/b"), "/a");
        assert_eq!(parent("/a"), "/");
        assert!(is_windows_absolute(r"C:\x") && is_windows_absolute(r"\\.\pipe") && !is_windows_absolute("C:x"));
    }
}
