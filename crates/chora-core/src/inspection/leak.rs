//! Leaks: secrets that whoever gets the image gets as well. What is told of one never holds it.

use super::config::ImageConfig;
use super::instruction::{passed, shown};
use super::{credential, token};
use crate::audit::words::{has_password, is_secret, is_worth_hiding};
use crate::model::health::Verdict;

/// Folders whose keys and tokens are usually made up.
const MADE_UP: [&str; 13] = [
    "test",
    "tests",
    "testing",
    "testdata",
    "test_data",
    "__tests__",
    "spec",
    "fixtures",
    "example",
    "examples",
    "doc",
    "docs",
    "certdata",
];
/// Leaks that are told of one file.
const OF_ONE_FILE: usize = 3;

/// A secret in an image.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
pub struct Leak {
    /// Variable, build argument, or file with its line.
    pub place: String,
    /// What it looks like.
    pub what: String,
    /// The instruction that brought it in.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub instruction: String,
    /// `fail`, or `warning` where it is likely none.
    pub verdict: Verdict,
}

impl std::fmt::Display for Leak {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.place, self.what)?;
        if self.instruction.is_empty() { Ok(()) } else { write!(f, " (from {})", self.instruction) }
    }
}

/// Looks through an image's variables, build arguments and instructions.
#[must_use]
pub fn leaks_in_config(config: &ImageConfig) -> Vec<Leak> {
    let mut leaks: Vec<Leak> = Vec::new();
    let mut add = |place: String, what: &str, instruction: String| {
        if !leaks.iter().any(|leak| leak.place == place) {
            leaks.push(Leak { place, what: what.to_owned(), instruction, verdict: Verdict::Fail });
        }
    };
    for (name, value) in config.environment.expose() {
        if let Some(what) = in_value(name, value) {
            add(format!("variable {name}"), what, String::new());
        }
    }
    for instruction in &config.history {
        let text = instruction.text.expose();
        let (all, mut is_told) = (passed(text), false);
        for passed in all {
            let kind = if passed.is_argument { "build argument" } else { "variable" };
            if let Some(what) = in_value(passed.name, passed.value) {
                is_told = true;
                add(format!("{kind} {}", passed.name), what, shown(text));
            }
        }
        if let Some(found) = token::find(text.as_bytes()).next().filter(|_| !is_told) {
            add("history".to_owned(), found.what, shown(text));
        }
    }
    leaks
}

fn in_value(name: &str, value: &str) -> Option<&'static str> {
    if let Some(found) = token::find(value.as_bytes()).next() {
        return Some(found.what);
    }
    if has_password(value) {
        return Some("an address with a password");
    }
    (is_secret(name) && is_worth_hiding(value)).then_some("a value by whose name it is a secret")
}

/// Looks through one file of a layer; `path` has no slash before it.
#[must_use]
pub fn leaks_in_file(path: &str, content: &[u8], instruction: &str) -> Vec<Leak> {
    let is_made_up = path.split('/').rev().skip(1).any(|folder| MADE_UP.contains(&folder));
    let leak = |place: String, what: String, is_certain: bool| {
        let verdict = if is_certain && !is_made_up { Verdict::Fail } else { Verdict::Warning };
        Leak { place, what, instruction: instruction.to_owned(), verdict }
    };
    if let Some(found) = std::str::from_utf8(content).ok().and_then(|text| credential::find(path, text)) {
        return vec![leak(format!("/{path}"), found.what, found.is_certain)];
    }
    let found = token::find(content).take(OF_ONE_FILE);
    let line = |at: usize| content.iter().take(at).filter(|byte| **byte == b'\n').count() + 1;
    found.map(|found| leak(format!("/{path}:{}", line(found.at)), found.what.to_owned(), true)).collect()
}

#[cfg(test)]
mod tests {
    use super::{ImageConfig, leaks_in_config, leaks_in_file};
    use crate::model::health::Verdict;

    const TOKEN: &str = "ghp_aB3dE5fG7hI9jK1lM3nO5pQ7rS9tU1vW3xY5z";

    #[test]
    fn configurations_tell_what_they_carry() {
        let config = serde_json::json!({
            "config": { "Env": ["PATH=/bin", "DB_PASSWORD=hunter2", "DEBUG_TOKEN=true", "URL=postgres://me:hunter2@db/x", format!("X={TOKEN}")] },
            "history": [
                { "created_by": "ENV DB_PASSWORD=hunter2", "empty_layer": true },
                { "created_by": "RUN |1 NPM_TOKEN=hunter2 /bin/sh -c npm ci # buildkit" },
                { "created_by": format!("RUN /bin/sh -c curl -H {TOKEN} x") },
                { "created_by": "RUN |1 PYTHON_SHA256=abc /bin/sh -c make" },
            ],
        });
        let leaks = leaks_in_config(&ImageConfig::parse(config.to_string().as_bytes()).unwrap());
        let told: Vec<String> = leaks.iter().map(ToString::to_string).collect();
        assert_eq!(
            told,
            [
                "variable DB_PASSWORD: a value by whose name it is a secret",
                "variable URL: an address with a password",
                "variable X: a GitHub token",
                "build argument NPM_TOKEN: a value by whose name it is a secret (from RUN npm ci)",
                "history: a GitHub token (from RUN curl -H [redacted] x)",
            ]
        );
    }

    #[test]
    fn files_tell_where_and_those_for_tests_are_doubted() {
        let text = format!("one\ntoken = '{TOKEN}'\n");
        let leaks = leaks_in_file("app/settings.py", text.as_bytes(), "COPY . /app");
        assert_eq!(leaks.iter().map(ToString::to_string).collect::<Vec<_>>(), ["/app/settings.py:2: a GitHub token (from COPY . /app)"]);
        assert_eq!(leaks[0].verdict, Verdict::Fail);
        assert_eq!(leaks_in_file("app/tests/x.py", text.as_bytes(), "")[0].verdict, Verdict::Warning);
        assert!(leaks_in_file("app/main.py", b"print()", "").is_empty());
    }
}
