//! Changes that are not committed: an upgrade on top of them could not be told from them afterwards.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use chora_template::Rendered;
use chora_template::upgrade::is_as_written;

use crate::context::Settings;
use crate::failure::{Failure, FailureKind};
use crate::scaffold::apply::Change;
use crate::scaffold::program::{self, git};
use crate::scaffold::{UNTOUCHED, files};

/// How long `git` may take.
const LIMIT: Duration = Duration::from_secs(60);

/// Files with changes that are not committed: tracked ones anywhere in the project, others where the upgrade writes; of those that Git
/// ignores, which are never committed, the ones that are not as the pattern wrote them.
pub(super) fn uncommitted(settings: &Settings, base: &Rendered, changes: &[Change]) -> Result<Vec<String>, Failure> {
    let root = settings.project_dir.as_path();
    if changes.is_empty() || !root.ancestors().any(is_repository) {
        return Ok(Vec::new());
    }
    let written: BTreeSet<&str> = changes.iter().map(|change| change.path.as_str()).collect();
    let (prefix, lines) = status(root)?;
    let mut found = BTreeSet::new();
    for (state, whole) in lines {
        let path = whole.strip_prefix(&prefix).unwrap_or(&whole);
        match state.as_str() {
            "!!" => {
                // A folder stands for all that is in it, the project itself included.
                let is_hidden = |path: &&&str| {
                    let path = format!("{prefix}{path}");
                    path == whole || whole.ends_with('/') && path.starts_with(&whole)
                };
                for hidden in written.iter().filter(is_hidden) {
                    found.extend(is_edited(root, base, hidden)?.then(|| (*hidden).to_owned()));
                }
            }
            "??" if !written.contains(path) => {}
            _ => found.extend([path.to_owned()]),
        }
    }
    Ok(found.into_iter().collect())
}

/// Whether what stands there is of somebody's own. What the project remembers is not: it is known by its hashes.
fn is_edited(root: &Path, base: &Rendered, path: &str) -> Result<bool, Failure> {
    if path.starts_with(".chora/") {
        return Ok(false);
    }
    let there = files::find(root, path)?;
    Ok(there.is_some_and(|there| base.get(path).is_none_or(|base| !is_as_written(&there, base))))
}

fn is_repository(folder: &Path) -> bool {
    let git = folder.join(".git");
    git.is_file() || git.join("HEAD").exists()
}

/// Where the project is in its repository, and each file that is not as it was committed: two letters, and the path in the repository.
fn status(root: &Path) -> Result<(String, Vec<(String, String)>), Failure> {
    let untold = |reason: Vec<String>| {
        let failure = Failure::new(FailureKind::Unavailable, "git does not tell whether all is committed").details(reason);
        failure.state(UNTOUCHED).hint("mend it, or go on without knowing: chora upgrade --dirty")
    };
    let mut command = git();
    // Nothing of the index is written.
    command.args(["--no-optional-locks", "status", "--porcelain", "--no-renames", "-z"]);
    // What is not committed inside of a submodule is not overwritten here, and would be in the way for ever.
    command.args(["--untracked-files=all", "--ignored=matching", "--ignore-submodules=dirty", "--", "."]);
    let ended = program::run(command.current_dir(root), b"", LIMIT).map_err(|error| untold(vec![error.to_string()]))?;
    if !ended.status.success() {
        return Err(untold(ended.last_lines()));
    }
    let text = String::from_utf8_lossy(&ended.stdout).into_owned();
    let lines = text.split('\0').filter_map(|line| Some((line.get(..2)?.to_owned(), line.get(3..)?.to_owned())));
    let top = root.ancestors().find(|folder| is_repository(folder)).unwrap_or(root);
    let prefix = root.strip_prefix(top).map(|folder| format!("{}/", folder.display())).unwrap_or_default();
    Ok((if prefix == "/" { String::new() } else { prefix }, lines.collect()))
}

/// Refuses where there are any.
pub(super) fn refuse(uncommitted: &[String]) -> Result<(), Failure> {
    if uncommitted.is_empty() {
        return Ok(());
    }
    let failure = Failure::new(FailureKind::Conflict, "the project has changes that are not committed").details(uncommitted.to_vec());
    Err(failure
        .state(UNTOUCHED)
        .hint("commit or stash them (git add --force, where Git ignores them), then run the same command; or the same with --dirty"))
}
