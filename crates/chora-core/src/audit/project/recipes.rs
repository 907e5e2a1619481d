//! What is run by people and by CI.

use crate::audit::marks::{Evidence, Marks};
use crate::audit::plan::Snippet;
use crate::audit::subject::Subject;
use crate::audit::words::listed;

/// What can be asked for, and the names that it goes by.
const RECIPES: [(&str, &[&str]); 5] = [
    ("build", &["build", "image"]),
    ("up", &["up", "start", "dev", "run", "serve"]),
    ("down", &["down", "stop"]),
    ("logs", &["logs", "log"]),
    ("health", &["health", "healthcheck", "status", "ps"]),
];
/// What a workflow that has to do with containers runs.
const CONTAINERS: [&str; 6] = ["docker", "podman", "buildx", "chora ", "kaniko", "buildah"];

/// Whether a file holds recipes.
fn has_recipes(path: &str) -> bool {
    let name = path.to_ascii_lowercase();
    ["justfile", ".justfile", "makefile", "gnumakefile", "taskfile.yml", "taskfile.yaml", "package.json"].contains(&name.as_str())
}

/// Names of recipes in a file, each with its line.
fn names(path: &str, text: &str) -> Vec<(String, usize)> {
    let is_json = path.ends_with(".json");
    let is_tasks = path.to_ascii_lowercase().starts_with("taskfile");
    let mut found = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let head = match (is_json, is_tasks) {
            (true, _) => line.trim().strip_prefix('"').and_then(|rest| rest.split_once("\":")).map(|(name, _)| name),
            (_, true) => line.strip_prefix("  ").filter(|rest| !rest.starts_with(' ')).and_then(|rest| rest.strip_suffix(':')),
            // `name := value` gives a variable its value.
            _ if line.starts_with([' ', '\t', '#', '.', '[']) => None,
            _ => line.split_once(':').filter(|(_, rest)| !rest.starts_with('=')).map(|(head, _)| head),
        };
        let name = head.and_then(|head| head.split_whitespace().next()).map(|name| name.trim_start_matches('@'));
        found.extend(name.map(|name| (name.to_ascii_lowercase(), index + 1)));
    }
    found
}

/// A name without what says that it is about containers.
fn plain(name: &str) -> &str {
    let mut name = name;
    for prefix in ["docker", "compose", "container", "chora"] {
        name = name.strip_prefix(prefix).map_or(name, |rest| rest.trim_start_matches(['-', ':', '_']));
    }
    name
}

pub(super) fn recipes(subject: &Subject, marks: &mut Marks) {
    let files = subject.texts.iter().filter(|(path, _)| has_recipes(path));
    let best = files.map(|(path, text)| {
        let known = names(path, text);
        let is_there = |aliases: &[&str]| known.iter().find(|(name, _)| aliases.contains(&plain(name))).map(|(_, line)| *line);
        let found: Vec<(&str, Option<usize>)> = RECIPES.into_iter().map(|(what, aliases)| (what, is_there(aliases))).collect();
        (path, found)
    });
    let best = best.max_by_key(|(_, found)| found.iter().filter(|(_, line)| line.is_some()).count());
    let Some((path, found)) = best else { return marks.bad(Evidence::note("no justfile, no Makefile")) };
    let lacking: Vec<&str> = found.iter().filter(|(_, line)| line.is_none()).map(|(what, _)| *what).collect();
    let note = if lacking.is_empty() { "all five".to_owned() } else { format!("no {}", listed(&lacking)) };
    let line = found.iter().find_map(|(_, line)| *line).filter(|_| lacking.is_empty());
    marks.share(found.len() - lacking.len(), found.len(), Evidence::in_file(path, line, note));
}

pub(super) fn ci(subject: &Subject, marks: &mut Marks) {
    let mut others = None;
    for (path, text) in subject.texts.iter().filter(|(path, _)| !has_recipes(path)) {
        let line = text.lines().position(|line| CONTAINERS.iter().any(|word| line.contains(word)));
        match line {
            Some(line) => return marks.good(Evidence::in_file(path, Some(line + 1), "it works with the image")),
            None => others = Some(path),
        }
    }
    match others {
        Some(path) => marks.half(Evidence::in_file(path, None, "it does nothing with the image")),
        None => marks.bad(Evidence::note("no workflow of GitHub, GitLab or another service")),
    }
}

pub(super) fn workflow(subject: &Subject) -> Snippet {
    let text = |file: &str, text: &str| Snippet { file: Some(file.to_owned()), language: "yaml".to_owned(), text: text.to_owned() };
    if subject.paths.contains(".gitlab-ci.yml") {
        return text(
            ".gitlab-ci.yml",
            "image:\n  script:\n    - docker build .\n    - chora config --check\n    - chora audit --fail-under 90\n",
        );
    }
    text(
        ".github/workflows/docker.yml",
        "on: [push, pull_request]\njobs:\n  image:\n    runs-on: ubuntu-24.04\n    steps:\n      - uses: actions/checkout@v4\n      \
         - run: docker build .\n      - run: chora config --check\n      - run: chora audit --fail-under 90\n",
    )
}
