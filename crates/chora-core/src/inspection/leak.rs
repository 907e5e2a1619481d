//! Leaks: secrets that whoever gets the image gets as well. What is told of one never holds it.

use super::config::ImageConfig;
use super::instruction::{given_away, passed, shown};
use super::{address, credential, token};
use crate::audit::words::{has_password, is_secret, is_worth_hiding};
use crate::model::health::Verdict;

/// Folders whose keys and tokens are usually made up, in lower case.
const MADE_UP: [&str; 16] = [
    "test",
    "tests",
    "testing",
    "testdata",
    "test_data",
    "__tests__",
    "selftest",
    "selftests",
    "self_test",
    "spec",
    "fixtures",
    "example",
    "examples",
    "doc",
    "docs",
    "certdata",
];
/// Folders of libraries, which tell how addresses are written.
const LIBRARIES: [&str; 5] = ["site-packages", "dist-packages", "node_modules", "vendor", "gems"];
/// Beginnings of the paths of what distributions and languages bring along.
const BROUGHT: [&str; 7] = ["usr/lib/", "usr/share/", "usr/include/", "usr/local/lib/", "usr/local/share/", "usr/local/go/", "lib/"];
/// Ends of files that are there to be read by people.
const PROSE: [&str; 5] = [".md", ".rst", ".txt", ".html", ".adoc"];
/// The key that Debian's `ssl-cert` makes when it is installed.
const SNAKEOIL: &str = "etc/ssl/private/ssl-cert-snakeoil.key";
/// Where a leak is that an instruction itself has.
const HISTORY: &str = "history";
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
        let is_told = |leak: &Leak| leak.place == place && (place != HISTORY || leak.instruction == instruction);
        if !leaks.iter().any(is_told) {
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
        let found = token::find(text.as_bytes()).map(|found| found.what).next().filter(|_| !is_told);
        if let Some(what) = given_away(text).next().or(found) {
            add(HISTORY.to_owned(), what, shown(text));
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
    let is_made_up = path.split('/').rev().skip(1).any(|folder| MADE_UP.contains(&folder.to_ascii_lowercase().as_str()));
    let leak = |place: String, what: String, is_certain: bool| {
        let verdict = if is_certain && !is_made_up { Verdict::Fail } else { Verdict::Warning };
        Leak { place, what, instruction: instruction.to_owned(), verdict }
    };
    let text = String::from_utf8_lossy(content);
    let mut leaks = Vec::new();
    if let Some(found) = credential::find(path, &text) {
        leaks.push(leak(format!("/{path}"), found.what, found.is_certain));
        if found.is_certain {
            return leaks;
        }
    }
    let place = |at: usize| format!("/{path}:{}", text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1);
    let tokens = token::find(text.as_bytes()).map(|found| match found.what {
        "a private key" if path == SNAKEOIL => {
            let what = "the key of Debian's ssl-cert, which all who have the image know: delete it in the RUN that installs it";
            leak(place(found.at), what.to_owned(), false)
        }
        what => leak(place(found.at), what.to_owned(), true),
    });
    let is_own = !is_brought(path) && !PROSE.iter().any(|end| path.ends_with(end));
    let addresses = address::find(&text).map(|at| leak(place(at), "an address with a password".to_owned(), is_own));
    leaks.extend(tokens.chain(addresses).take(OF_ONE_FILE));
    leaks
}

/// Whether a file is likely not the project's own.
fn is_brought(path: &str) -> bool {
    BROUGHT.iter().any(|start| path.starts_with(start)) || path.split('/').any(|folder| LIBRARIES.contains(&folder))
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
                { "created_by": "RUN /bin/sh -c pip install --index-url https://me:hunter2@pip.shop/simple x # buildkit" },
                { "created_by": "RUN /bin/sh -c API_TOKEN=abc make # buildkit" },
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
                "history: an address with a password (from RUN pip install --index-url [redacted] x)",
                "history: a value by whose name it is a secret (from RUN API_TOKEN=[redacted] make)",
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

    #[test]
    fn files_of_variables_hide_no_tokens() {
        let leaks =
            |content: &[u8]| leaks_in_file("app/.env", content, "").iter().map(|leak| (leak.to_string(), leak.verdict)).collect::<Vec<_>>();
        let pat = format!("GITHUB_PAT={TOKEN}\n");
        assert_eq!(leaks(pat.as_bytes()), [("/app/.env: values of GITHUB_PAT".to_owned(), Verdict::Fail)]);
        // One byte of Latin-1 does not make it another file.
        let latin = [b"NAME=Andr\xe9\n", pat.as_bytes()].concat();
        assert_eq!(leaks(&latin), [("/app/.env: values of GITHUB_PAT".to_owned(), Verdict::Fail)]);
        let noted = format!("PORT=1\n# {TOKEN}\n");
        let expected = [("/app/.env: variables of one place", Verdict::Warning), ("/app/.env:2: a GitHub token", Verdict::Fail)];
        assert_eq!(leaks(noted.as_bytes()), expected.map(|(text, verdict)| (text.to_owned(), verdict)));
    }

    #[test]
    fn addresses_in_files_are_found_and_those_of_libraries_doubted() {
        let text = b"# db\nurl = 'postgres://app:hunter2@db/x'\n";
        for (path, verdict) in [
            ("app/settings.py", Verdict::Fail),
            ("etc/pip.conf", Verdict::Fail),
            ("app/README.md", Verdict::Warning),
            ("usr/lib/python3/x.py", Verdict::Warning),
            ("app/.venv/lib/python3.12/site-packages/sqlalchemy/engine.py", Verdict::Warning),
        ] {
            let leaks = leaks_in_file(path, text, "");
            assert_eq!(
                (leaks.len(), leaks[0].verdict, leaks[0].to_string()),
                (1, verdict, format!("/{path}:2: an address with a password"))
            );
        }
    }

    #[test]
    fn keys_that_everybody_has_are_doubted() {
        let key = format!("-----BEGIN PRIVATE KEY-----\n{}\n", "aB3dE5fG7h".repeat(6));
        let found = |path: &str| leaks_in_file(path, key.as_bytes(), "").remove(0);
        assert_eq!(found("etc/ssl/private/shop.key").verdict, Verdict::Fail);
        let snakeoil = found("etc/ssl/private/ssl-cert-snakeoil.key");
        assert!(snakeoil.verdict == Verdict::Warning && snakeoil.what.contains("delete it in the RUN"), "{snakeoil}");
        for path in ["usr/lib/python3/dist-packages/Crypto/SelfTest/PublicKey/test_import_RSA.py", "app/Tests/key.pem"] {
            assert_eq!(found(path).verdict, Verdict::Warning, "{path}");
        }
    }
}
