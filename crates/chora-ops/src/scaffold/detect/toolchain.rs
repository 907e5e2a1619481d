//! The image that a project is built in, where its files want another version of the language than the patterns' own.

use std::fs;
use std::path::Path;

use super::entry::Clue;

/// Major and minor.
type Version = (u32, u32);

/// What the patterns build with (`templates/parts/project.yaml`).
const PYTHON: Version = (3, 12);
const NODE: Version = (22, 0);
const GO: Version = (1, 24);
const RUST: Version = (1, 89);

/// From `.python-version`, else from what `pyproject.toml` says of the versions that it runs with.
pub(super) fn python(root: &Path, pyproject: &str) -> Option<Clue> {
    let image = |(major, minor): Version, file: &str| {
        // Names of environments hold digits, too, and `3` is no image of its own.
        let is_one = major == PYTHON.0 && minor > 0;
        (is_one && (major, minor) != PYTHON).then(|| Clue::new("build_image", format!("python:{major}.{minor}-slim-bookworm"), file))
    };
    if let Some(pinned) = first_line(root, ".python-version").and_then(|line| version(&line)).filter(|pinned| pinned.0 == 3) {
        return image(pinned, ".python-version");
    }
    let sections = ["[project]", "[tool.poetry.dependencies]"];
    let asked = ["requires-python", "python"].iter().find_map(|key| super::toml_value(pyproject, &sections, key))?;
    image(fitting(&asked, PYTHON)?, "pyproject.toml")
}

/// From `.nvmrc` or `.node-version`, else from `engines.node`.
pub(super) fn node(root: &Path, engines: Option<&str>) -> Option<Clue> {
    let image =
        |(major, _): Version, file: &str| (major != NODE.0).then(|| Clue::new("build_image", format!("node:{major}-bookworm-slim"), file));
    for file in [".nvmrc", ".node-version"] {
        if let Some(pinned) = first_line(root, file).and_then(|line| version(&line)) {
            return image(pinned, file);
        }
    }
    // Of alternatives the last one is the newest.
    let asked = engines?.rsplit("||").next()?.replace(' ', ",");
    image(fitting(&asked, NODE)?, "package.json")
}

/// From `go.mod`: the image takes no newer toolchain than its own.
pub(super) fn go(manifest: &str) -> Option<Clue> {
    let named = |word: &str| manifest.lines().find_map(|line| version(line.strip_prefix(word)?));
    let (major, minor) = named("toolchain ").max(named("go ")).filter(|asked| *asked > GO)?;
    Some(Clue::new("build_image", format!("golang:{major}.{minor}-bookworm"), "go.mod"))
}

/// From `rust-toolchain.toml` or `rust-toolchain`, else from `rust-version`.
pub(super) fn rust(root: &Path, manifest: &str) -> Option<Clue> {
    let image = |(major, minor): Version, file: &str| Clue::new("build_image", format!("rust:{major}.{minor}-slim-bookworm"), file);
    for file in ["rust-toolchain.toml", "rust-toolchain"] {
        let text = fs::read_to_string(root.join(file)).unwrap_or_default();
        let channel = super::toml_value(&text, &["[toolchain]"], "channel").unwrap_or(text);
        // A nightly channel is named by its date.
        if let Some(pinned) = version(&channel).filter(|pinned| pinned.0 == RUST.0) {
            return (pinned != RUST).then(|| image(pinned, file));
        }
    }
    let least = version(&super::toml_value(manifest, &["[package]", "[workspace.package]"], "rust-version")?)?;
    (least > RUST).then(|| image(least, "Cargo.toml"))
}

fn first_line(root: &Path, file: &str) -> Option<String> {
    fs::read_to_string(root.join(file)).ok()?.lines().next().map(str::to_owned)
}

/// The first version in a text, such as of `v24.1.0`, `3.13`, `go1.25.3`; the whole of one that names no minor is `.0`.
fn version(text: &str) -> Option<Version> {
    let begins = text.find(|c: char| c.is_ascii_digit())?;
    let mut numbers = text.get(begins..)?.split('.').map(|word| word.chars().take_while(char::is_ascii_digit).collect::<String>());
    let major = numbers.next()?.parse().ok()?;
    Some((major, numbers.next().and_then(|minor| minor.parse().ok()).unwrap_or(0)))
}

/// The version that fits what is asked for (`>=3.13,<4`, `^24`, `==3.11.*`) and is next to the usual one.
fn fitting(asked: &str, usual: Version) -> Option<Version> {
    let mut fits = usual;
    for part in asked.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        let limit = version(part)?;
        if part.starts_with("<=") {
            fits = fits.min(limit);
        } else if part.starts_with('<') && fits >= limit {
            fits = below(limit, usual)?;
        } else if part.starts_with('=') || part.starts_with(|c: char| c.is_ascii_digit() || c == 'v') {
            fits = limit;
        } else if part.starts_with(['>', '^', '~']) {
            fits = fits.max(limit);
        }
    }
    Some(fits)
}

/// The version before one: Python counts minors, Node majors.
fn below((major, minor): Version, usual: Version) -> Option<Version> {
    if usual.1 > 0 { Some((major, minor.checked_sub(1)?)) } else { Some((major.checked_sub(1)?, 0)) }
}

#[cfg(test)]
mod tests {
    use chora_template::{Answers, Catalogue};
    use serde_json::Value;

    use super::{GO, NODE, PYTHON, RUST, Version, fitting, go, node, python, rust, version};

    #[test]
    fn what_is_asked_for_is_fitted() {
        for (asked, fits) in [
            (">=3.11", (3, 12)),
            (">=3.13,<4", (3, 13)),
            ("^3.13", (3, 13)),
            ("~=3.14.1", (3, 14)),
            (">=3.9,<3.12", (3, 11)),
            ("==3.11.*", (3, 11)),
            ("<=3.10", (3, 10)),
            (">=3.11,!=3.11.4,<3.15", (3, 12)),
        ] {
            assert_eq!(fitting(asked, PYTHON), Some(fits), "{asked}");
        }
        for (asked, fits) in [(">=18", 22), (">=24.1", 24), ("24.x", 24), ("^20", 22), ("<21", 20)] {
            assert_eq!(fitting(asked, NODE), Some((fits, 0)).filter(|_| asked != ">=24.1").or(Some((24, 1))), "{asked}");
        }
        assert_eq!(fitting("whatever", PYTHON), None);
        assert_eq!((version("cpython-3.13.2"), version("lts/jod"), version("v24")), (Some((3, 13)), None, Some((24, 0))));
    }

    #[test]
    fn images_follow_the_manifests() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let image = |clue: Option<super::Clue>| clue.map(|clue| (clue.answer.as_str().unwrap().to_owned(), clue.file));
        let told = |image: &str, file: &str| Some((image.to_owned(), file.to_owned()));
        let newer = "[project]\nrequires-python = \">=3.14\"\n";
        assert_eq!(image(python(root, newer)), told("python:3.14-slim-bookworm", "pyproject.toml"));
        assert_eq!(image(python(root, "[project]\nrequires-python = \">=3.10\"\n")), None);
        assert_eq!(
            image(python(root, "[tool.poetry.dependencies]\npython = \"^3.13\"\n")),
            told("python:3.13-slim-bookworm", "pyproject.toml")
        );
        std::fs::write(root.join(".python-version"), "3.11\n").unwrap();
        assert_eq!(image(python(root, newer)), told("python:3.11-slim-bookworm", ".python-version"));
        for other in ["shop-3-env\n", "3\n", "shop\n"] {
            std::fs::write(root.join(".python-version"), other).unwrap();
            assert_eq!(image(python(root, "")), None, "{other}");
        }
        assert_eq!(image(node(root, Some(">=20 || >=24"))), told("node:24-bookworm-slim", "package.json"));
        assert_eq!((image(node(root, Some(">=20"))), image(node(root, None))), (None, None));
        std::fs::write(root.join(".nvmrc"), "v20.11.1\n").unwrap();
        assert_eq!(image(node(root, Some(">=24"))), told("node:20-bookworm-slim", ".nvmrc"));
        assert_eq!(image(go("module a\n\ngo 1.25.0\n\ntoolchain go1.26.1\n")), told("golang:1.26-bookworm", "go.mod"));
        assert_eq!(image(go("module a\n\ngo 1.22\n")), None);
        assert_eq!(image(rust(root, "[package]\nrust-version = \"1.91\"\n")), told("rust:1.91-slim-bookworm", "Cargo.toml"));
        assert_eq!(image(rust(root, "[package]\nrust-version = \"1.80\"\n")), None);
        std::fs::write(root.join("rust-toolchain.toml"), "[toolchain]\nchannel = \"1.85.0\"\n").unwrap();
        assert_eq!(image(rust(root, "")), told("rust:1.85-slim-bookworm", "rust-toolchain.toml"));
        for other in ["channel = \"nightly-2026-01-01\"", "channel = \"stable\"", "targets = [\"x86_64-unknown-linux-musl\"]"] {
            std::fs::write(root.join("rust-toolchain.toml"), format!("[toolchain]\n{other}\n")).unwrap();
            assert_eq!(image(rust(root, "")), None, "{other}");
        }
    }

    /// What is said here of the patterns' images is true.
    #[test]
    fn the_usual_versions_are_those_of_the_patterns() {
        let catalogue = Catalogue::built_in().unwrap();
        let pattern = catalogue.find("minimal").unwrap();
        let usual: [(&str, Version); 4] = [("python", PYTHON), ("node", NODE), ("go", GO), ("rust", RUST)];
        for (language, expected) in usual {
            let given = Answers::from([("name".to_owned(), Value::from("x")), ("language".to_owned(), Value::from(language))]);
            let answers = catalogue.settle(pattern, &given, &Answers::new()).unwrap();
            let image = answers["build_image"].as_str().unwrap();
            assert_eq!(version(image), Some(expected), "{image}");
        }
    }
}
