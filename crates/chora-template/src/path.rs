//! Paths that a pattern may write: below the target, and nothing that belongs to another program.

/// What belongs to Git, wherever it is: a folder below may be a repository of its own.
const OF_GIT: &str = ".git";
/// The folder that belongs to Chora itself.
const OWN: &str = ".chora";

/// Why a path may not be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{path}` is outside of what a pattern may write: {reason}")]
pub struct PathError {
    /// The path as it was rendered.
    pub path: String,
    /// What is wrong with it.
    pub reason: &'static str,
}

/// Checks the path of a file, relative to the target, with `/` between its parts.
///
/// # Errors
/// What leads out of the target, into `.git` or `.chora`, or is no plain path.
pub fn check(path: &str) -> Result<(), PathError> {
    match reason(path) {
        Some(reason) => Err(PathError { path: path.escape_debug().to_string(), reason }),
        None => Ok(()),
    }
}

fn reason(path: &str) -> Option<&'static str> {
    if path.starts_with('/') {
        return Some("it is absolute");
    }
    if path.chars().any(|c| c.is_control() || matches!(c, '\\' | ':')) {
        return Some("it holds a character that paths of patterns do not have");
    }
    let mut parts = path.split('/');
    if parts.any(|part| part == "..") {
        return Some("it leads upwards");
    }
    if path.split('/').any(|part| part.is_empty() || part == ".") {
        return Some("a part of it has no name");
    }
    // File systems that ignore case would open the same folder.
    let is_of_git = path.split('/').any(|part| part.eq_ignore_ascii_case(OF_GIT));
    let is_own = path.split('/').next().is_some_and(|first| first.eq_ignore_ascii_case(OWN));
    (is_of_git || is_own).then_some("the folder belongs to another program")
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn plain_paths_below_the_target_are_taken() {
        for path in [
            "Dockerfile",
            "docs/DOCKER_SETUP.md",
            ".env.example",
            "a/b/c",
            ".github/workflows/test.yml",
            "a/.gitignore",
            "a/.chora/b",
            "..a/b..",
        ] {
            assert_eq!(check(path), Ok(()), "{path}");
        }
    }

    #[test]
    fn what_leads_elsewhere_is_refused() {
        for path in ["", "/etc/passwd", "..", "../a", "a/../../b", "a//b", "./a", "a/.", "a/", ".git/hooks/pre-commit", ".GIT/config"] {
            assert!(check(path).is_err(), "{path}");
        }
        for path in ["sub/.git/hooks/post-checkout", "a/b/.Git/config", "a/.git", ".git"] {
            assert!(check(path).is_err(), "{path}");
        }
        for path in [".chora/answers.yaml", "C:\\windows", "a\\..\\b", "a\nb", "C:a", "a\0b"] {
            assert!(check(path).is_err(), "{path:?}");
        }
    }
}
