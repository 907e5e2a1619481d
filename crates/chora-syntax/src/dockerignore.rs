//! `.dockerignore`: which files of a build context stay out of it, with Docker's own rules.

mod pattern;

use pattern::Pattern;

/// The rules of one file, in order; a later one wins.
#[derive(Debug, Clone, Default)]
pub struct Dockerignore {
    rules: Vec<Rule>,
}

#[derive(Debug, Clone)]
struct Rule {
    pattern: Pattern,
    /// Written with `!`: brings files back.
    is_exception: bool,
}

impl Dockerignore {
    /// Reads the rules. Comments and blank lines are skipped; a `!` with nothing after it is no rule.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        Self { rules: text.lines().filter(|line| !line.starts_with('#')).filter_map(rule).collect() }
    }

    /// Whether a path of the context (slashes, no leading one) stays out, by itself or with a directory above it.
    #[must_use]
    pub fn ignores(&self, path: &str) -> bool {
        let mut ignored = false;
        for rule in &self.rules {
            if rule.is_exception == ignored && matches_or_parent(&rule.pattern, path) {
                ignored = !rule.is_exception;
            }
        }
        ignored
    }

    /// Whether something below an ignored directory may be brought back, so that it has to be walked.
    #[must_use]
    pub fn may_include_below(&self, directory: &str) -> bool {
        let exceptions = || self.rules.iter().filter(|rule| rule.is_exception);
        exceptions().any(|rule| rule.pattern.may_match_below(directory) || matches_or_parent(&rule.pattern, directory))
    }
}

fn matches_or_parent(pattern: &Pattern, path: &str) -> bool {
    let parents = path.match_indices('/').filter_map(|(at, _)| path.get(..at));
    std::iter::once(path).chain(parents).any(|candidate| pattern.matches(candidate))
}

fn rule(line: &str) -> Option<Rule> {
    let line = line.trim();
    let (is_exception, text) = line.strip_prefix('!').map_or((false, line), |rest| (true, rest.trim()));
    if text.is_empty() {
        return None;
    }
    let cleaned = crate::compose::clean_path(text);
    let cleaned = cleaned.strip_prefix('/').filter(|rest| !rest.is_empty()).unwrap_or(&cleaned);
    Some(Rule { pattern: Pattern::new(cleaned), is_exception })
}

#[cfg(test)]
mod tests {
    use super::Dockerignore;

    fn ignored(rules: &str, paths: &[&str]) -> String {
        let file = Dockerignore::parse(rules);
        paths.iter().filter(|path| file.ignores(path)).copied().collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn rules_match_as_docker_matches_them() {
        for (rules, paths, expected) in [
            ("# c\n\n*.md\n", vec!["a.md", "b/a.md", "a.txt"], "a.md"),
            ("**/*.md", vec!["a.md", "b/c/a.md", "a.mdx"], "a.md b/c/a.md"),
            ("node_modules", vec!["node_modules", "node_modules/a/b", "x/node_modules"], "node_modules node_modules/a/b"),
            ("**/node_modules", vec!["x/node_modules", "x/node_modules/a", "my_node_modules"], "x/node_modules x/node_modules/a"),
            ("*\n!keep\n", vec!["a", "keep", "keep/x", "b/keep"], "a b/keep"),
            ("*.md\n!README*.md\nREADME-secret.md", vec!["a.md", "README.md", "README-secret.md"], "a.md README-secret.md"),
            ("/abs\n./rel/\n", vec!["abs", "rel", "rel/x"], "abs rel rel/x"),
            ("a/**", vec!["a", "a/b", "a/b/c", "ab"], "a/b a/b/c"),
            ("a/**/z", vec!["a/z", "a/b/c/z", "a/b/zz"], "a/z a/b/c/z"),
            ("**", vec!["a", "a/b"], "a a/b"),
            ("te?t.[ab]", vec!["test.a", "text.b", "test.c", "te/t.a"], "test.a text.b"),
            (r"a\*b", vec!["a*b", "axb"], "a*b"),
            ("!\n!only\n", vec!["only", "x"], ""),
            ("*/temp*", vec!["x/temporary", "temp", "x/y/temp"], "x/temporary"),
            ("[^a]x", vec!["ax", "bx"], "bx"),
            ("a(b)+.c", vec!["a(b)+.c", "ab.c"], "a(b)+.c"),
        ] {
            assert_eq!(ignored(rules, &paths), expected, "{rules}");
        }
    }

    #[test]
    fn a_directory_is_walked_when_something_in_it_may_come_back() {
        let file = Dockerignore::parse("*\n!src/**/*.rs\n!docs\n");
        for (directory, walked) in
            [("src", true), ("src/deep/er", true), ("docs", true), ("docs/x", true), ("target", false), ("srcs", false)]
        {
            assert_eq!(file.may_include_below(directory), walked, "{directory}");
        }
        assert!(!Dockerignore::parse("a\nb").may_include_below("a"));
        assert!(Dockerignore::parse("a\n!**/keep").may_include_below("a/b"));
    }

    proptest::proptest! {
        #[test]
        fn an_ignored_directory_that_is_not_walked_hides_nothing_included(
            rules in proptest::collection::vec("!?[ab*]{1,2}(/[ab*]{1,2}){0,2}", 1..4),
            path in "[ab]{1,2}/[ab]{1,2}/[ab]{1,2}",
        ) {
            let file = Dockerignore::parse(&rules.join("\n"));
            for directory in path.match_indices('/').filter_map(|(at, _)| path.get(..at)) {
                if file.ignores(directory) && !file.may_include_below(directory) {
                    assert!(file.ignores(&path), "{rules:?} {path}");
                }
            }
        }

        #[test]
        fn no_text_panics(rules in "\\PC{0,40}", path in "\\PC{0,40}") {
            let file = Dockerignore::parse(&rules);
            let _ = (file.ignores(&path), file.may_include_below(&path));
        }
    }
}
