//! Changes that are not committed: an upgrade on top of them could not be told from them afterwards.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use crate::context::Settings;
use crate::failure::{Failure, FailureKind};
use crate::scaffold::UNTOUCHED;
use crate::scaffold::apply::Change;
use crate::scaffold::program::{self, git};

/// How long `git` may take.
const LIMIT: Duration = Duration::from_secs(60);

/// Files with changes that are not committed: tracked ones anywhere in the project, others where the upgrade writes.
pub(super) fn uncommitted(settings: &Settings, changes: &[Change]) -> Result<Vec<String>, Failure> {
    let root = settings.project_dir.as_path();
    if changes.is_empty() || !root.ancestors().any(is_repository) {
        return Ok(Vec::new());
    }
    let written: BTreeSet<&str> = changes.iter().map(|change| change.path.as_str()).collect();
    let (prefix, lines) = status(root)?;
    let is_in_the_way = |(state, path): &(String, String)| state != "??" || written.contains(path.as_str());
    let relative = lines.into_iter().map(|(state, path)| (state, path.strip_prefix(&prefix).unwrap_or(&path).to_owned()));
    Ok(relative.filter(is_in_the_way).map(|(_, path)| path).collect())
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
    command.args(["--no-optional-locks", "status", "--porcelain", "--no-renames", "-z", "--untracked-files=all", "--", "."]);
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
    Err(failure.state(UNTOUCHED).hint("commit or stash them, then chora upgrade; or chora upgrade --dirty"))
}
