//! What sources may hold: a scan of text, for rules that no lint covers.

use std::fs;
use std::path::{Path, PathBuf};

/// Longest file; tests inside it are not counted.
const LONGEST_FILE: usize = 600;
/// Crates that decide and never touch the world.
const PURE: [&str; 4] = ["chora-syntax", "chora-core", "chora-lint", "chora-template"];
/// How code would reach the world.
const WORLD: [&str; 14] = [
    "std::env",
    "std::fs",
    "TcpStream",
    "TcpListener",
    "UdpSocket",
    "std::process",
    "SystemTime::now",
    "Instant::now",
    "Timestamp::now",
    "Zoned::now",
    "thread::sleep",
    "thread::spawn",
    "env::var",
    "File::open",
];
/// How a library would print.
const PRINTING: [&str; 5] = ["println!(", "eprintln!(", "print!(", "eprint!(", "dbg!("];
/// Where people's files are on their machines.
const HOMES: [&str; 3] = ["/home/", "/Users/", "/root/"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the workspace is there")
}

/// A file of the workspace.
pub(super) fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).expect("it is a text file of the workspace")
}

/// Files below a folder of the workspace, paths relative to it.
fn files_below(folder: &str) -> Vec<PathBuf> {
    let (root, mut found, mut open) = (root(), Vec::new(), vec![PathBuf::from(folder)]);
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(root.join(&folder)).expect("the folder can be read") {
            let entry = entry.expect("the folder can be read");
            let path = folder.join(entry.file_name());
            match entry.file_type().expect("it has a type") {
                kind if kind.is_dir() && entry.file_name() != "target" => open.push(path),
                kind if kind.is_file() => found.push(path),
                _ => {}
            }
        }
    }
    found.sort();
    found
}

/// Rust sources of the product.
fn sources() -> Vec<(String, PathBuf)> {
    let files = files_below("crates").into_iter().filter_map(|path| {
        let mut parts = path.components().skip(1).map(|part| part.as_os_str().to_string_lossy().into_owned());
        let (crate_name, folder) = (parts.next()?, parts.next()?);
        let is_source = folder == "src" && path.extension().is_some_and(|extension| extension == "rs");
        // A file of tests that a source includes by `mod tests;`.
        let is_test = path.file_stem().is_some_and(|stem| stem == "tests");
        (is_source && !is_test).then_some((crate_name, path))
    });
    let files: Vec<_> = files.collect();
    assert!(files.len() > 100, "the scan finds the sources: {} files", files.len());
    files
}

/// Lines before the inline tests, comments left out, with their numbers.
fn code(path: &Path) -> Vec<(usize, String)> {
    let text = read(&path.to_string_lossy());
    let product = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let lines = product.lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with("//"));
    lines.map(|(index, line)| (index + 1, line.to_owned())).collect()
}

/// Places in these sources where one of the words stands.
fn places(words: &[&str], wanted: impl Fn(&str, &Path) -> bool) -> Vec<String> {
    let mut found = Vec::new();
    for (_, path) in sources().iter().filter(|(crate_name, path)| wanted(crate_name, path)) {
        for (number, line) in code(path) {
            if words.iter().any(|word| line.contains(word)) {
                found.push(format!("{}:{number}: {}", path.display(), line.trim()));
            }
        }
    }
    found
}

#[test]
fn pure_crates_do_not_touch_the_world() {
    let found = places(&WORLD, |name, _| PURE.contains(&name));
    assert!(found.is_empty(), "time, environment and files are arguments in pure crates:\n{}", found.join("\n"));
}

#[test]
fn libraries_do_not_print() {
    let is_program = |path: &Path| path.components().any(|part| part.as_os_str() == "bin");
    let found = places(&PRINTING, |name, path| name != "chora" && !is_program(path));
    assert!(found.is_empty(), "libraries tell the Reporter and the log, they never print:\n{}", found.join("\n"));
}

#[test]
fn environment_variables_are_read_in_one_place() {
    let found = places(&["env::var"], |name, path| name != "chora-testkit" && !path.ends_with("chora/src/config.rs"));
    assert!(found.is_empty(), "only config.rs of the program reads environment variables:\n{}", found.join("\n"));
}

#[test]
fn modules_are_files_beside_their_folder() {
    let found: Vec<_> = files_below("crates").into_iter().filter(|path| path.ends_with("mod.rs")).collect();
    assert!(found.is_empty(), "`foo.rs` beside `foo/`, never `mod.rs`: {found:?}");
}

#[test]
fn files_stay_short() {
    let lengths = sources().into_iter().map(|(_, path)| {
        let text = read(&path.to_string_lossy());
        (text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default().lines().count(), path)
    });
    let long: Vec<_> = lengths.filter(|(lines, _)| *lines > LONGEST_FILE).collect();
    assert!(long.is_empty(), "a file has at most {LONGEST_FILE} lines, tests not counted: {long:?}");
}

#[test]
fn nothing_names_a_path_of_one_machine() {
    let checkout = root();
    let mut found = places(&HOMES, |_, _| true);
    // A checkout directly below `/`, as in a container, has a name that is an ordinary word.
    let is_telling = checkout.components().count() > 2;
    let everywhere = ["crates", "docs", "scripts", ".ci"].into_iter().flat_map(files_below);
    let beside = ["Cargo.toml", "Makefile", "README.md", "CONTRIBUTING.md", "CHANGELOG.md", "deny.toml", "clippy.toml"].map(PathBuf::from);
    for path in everywhere.chain(beside).filter(|_| is_telling) {
        let text = String::from_utf8_lossy(&fs::read(checkout.join(&path)).expect("the file can be read")).into_owned();
        let lines = text.lines().enumerate().filter(|(_, line)| line.contains(checkout.to_string_lossy().as_ref()));
        found.extend(lines.map(|(index, _)| format!("{}:{}", path.display(), index + 1)));
    }
    assert!(found.is_empty(), "a path of one machine stands in:\n{}", found.join("\n"));
}
