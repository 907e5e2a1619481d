//! What lies around image and stack: recipes, workflows, guides, what Git leaves out, the pattern.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use chora_core::audit::{EnvironmentFiles, PatternState};
use chora_syntax::span::Place;
use chora_template::record::RECORD;
use chora_template::upgrade::Fate;
use ignore::gitignore::GitignoreBuilder;

use super::environments::{below, secret_files};
use super::{read, shown};
use crate::context::Settings;
use crate::upgrade::{UpgradeAction, UpgradeRequest, record, upgrade};

/// Folders that are looked into, each with how deep.
const FOLDERS: [(&str, usize); 7] = [
    ("", 0),
    ("docs", 3),
    (".github/workflows", 0),
    (".gitea/workflows", 0),
    (".forgejo/workflows", 0),
    (".circleci", 0),
    (".chora/contracts", 0),
];
/// Files of CI services, and of recipes.
const READ: [&str; 17] = [
    ".gitlab-ci.yml",
    ".travis.yml",
    ".drone.yml",
    ".woodpecker.yml",
    "azure-pipelines.yml",
    "bitbucket-pipelines.yml",
    "jenkinsfile",
    "buildspec.yml",
    "cloudbuild.yaml",
    "justfile",
    ".justfile",
    "makefile",
    "gnumakefile",
    "taskfile.yml",
    "taskfile.yaml",
    "package.json",
    ".circleci/config.yml",
];
/// As many files of a folder are looked at.
const MOST: usize = 1000;

/// Files of the project, as far as they matter.
pub(super) fn paths(root: &Path) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (folder, depth) in FOLDERS {
        walk(root, &root.join(folder), depth, &mut found);
    }
    found
}

fn walk(root: &Path, folder: &Path, depth: usize, found: &mut BTreeSet<String>) {
    // What cannot be listed is not there for an audit.
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten().take(MOST) {
        let path = entry.path();
        match std::fs::metadata(&path) {
            Ok(metadata) if metadata.is_file() => found.extend([shown(root, &path)]),
            Ok(metadata) if metadata.is_dir() && depth > 0 => walk(root, &path, depth - 1, found),
            _ => {}
        }
    }
}

pub(super) fn texts(root: &Path, paths: &BTreeSet<String>) -> BTreeMap<String, String> {
    let is_wanted = |path: &&String| READ.contains(&path.to_ascii_lowercase().as_str()) || path.contains("/workflows/");
    paths.iter().filter(is_wanted).filter_map(|path| Some((path.clone(), read(&root.join(path)).ok()?))).collect()
}

/// Files that Git should not take: values of one machine, and secrets.
pub(super) fn private(root: &Path, environments: &[EnvironmentFiles]) -> Vec<String> {
    let secrets = secret_files(environments);
    let secrets = secrets.iter().filter_map(|path| below(root, path));
    [".env", ".env.local"].into_iter().map(str::to_owned).chain(secrets).collect()
}

/// For each path, the line that keeps Git from taking it.
pub(super) fn ignored(root: &Path, wanted: &[String]) -> BTreeMap<String, Option<Place>> {
    wanted.iter().map(|path| (path.clone(), kept_out(root, path))).collect()
}

fn kept_out(root: &Path, path: &str) -> Option<Place> {
    // A project may be a part of a repository.
    let top = repository(root).unwrap_or(root);
    let whole = root.strip_prefix(top).unwrap_or(Path::new("")).join(path);
    // The file that is nearest decides.
    for folder in whole.ancestors().skip(1) {
        let relative = whole.strip_prefix(folder).ok()?;
        let mut files = vec![top.join(folder).join(".gitignore")];
        if folder.as_os_str().is_empty() {
            files.push(top.join(".git/info/exclude"));
        }
        for file in files {
            let Ok(text) = read(&file) else { continue };
            match decided(&text, relative) {
                Some(Some(line)) => return Some(Place { file: from(root, &file), line }),
                Some(None) => return None,
                None => {}
            }
        }
    }
    None
}

/// What a file says about a path: the line that keeps it out, or that it does not; nothing where it says nothing.
fn decided(text: &str, path: &Path) -> Option<Option<usize>> {
    let mut rules = GitignoreBuilder::new("");
    for line in text.lines() {
        // A line that Git cannot read keeps nothing out.
        drop(rules.add_line(None, line));
    }
    let rules = rules.build().ok()?;
    match rules.matched_path_or_any_parents(path, false) {
        ignore::Match::Ignore(glob) => {
            let written = text.lines().position(|line| line.trim() == glob.original().trim());
            Some(Some(written.unwrap_or(0) + 1))
        }
        ignore::Match::Whitelist(_) => Some(None),
        ignore::Match::None => None,
    }
}

/// A path as it is written in the project's directory.
fn from(root: &Path, file: &Path) -> String {
    let mut up = String::new();
    for folder in root.ancestors() {
        if let Ok(below) = file.strip_prefix(folder) {
            return format!("{up}{}", below.display());
        }
        up.push_str("../");
    }
    file.display().to_string()
}

/// The Git repository that a project is, or is a part of.
pub(super) fn repository(root: &Path) -> Option<&Path> {
    root.ancestors().find(|folder| folder.join(".git").exists())
}

pub(super) fn pattern(settings: &Settings) -> PatternState {
    if !settings.project_dir.join(RECORD).exists() {
        return PatternState::None;
    }
    // Nothing is fetched for an audit, and no hook runs: a record may name any source, with a commit or without.
    if let Ok(record) = record(&settings.project_dir)
        && let Some(source) = record.source
    {
        return PatternState::Elsewhere { name: record.pattern, version: record.version, source: source.from };
    }
    match upgrade(settings, &UpgradeRequest { action: UpgradeAction::DryRun, ..UpgradeRequest::default() }) {
        Ok(outcome) => PatternState::Known {
            deleted: outcome.files.iter().filter(|file| file.fate == Fate::KeptDeleted).map(|file| file.path.clone()).collect(),
            name: outcome.pattern,
            version: outcome.from,
            latest: outcome.to,
            is_behind: outcome.is_behind,
        },
        Err(failure) => PatternState::Broken(failure.message),
    }
}
