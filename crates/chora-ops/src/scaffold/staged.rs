//! One file on its way: staged, moved to its place, taken back. Every move may be repeated.

use std::collections::BTreeSet;
use std::fs::{self, File, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::thread;

use serde::{Deserialize, Serialize};

use super::apply::{Change, Content};

/// How many files are waited for at the same time.
const SYNCED_AT_ONCE: usize = 32;

/// A change whose contents wait in the staging folder.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Staged {
    path: String,
    /// The number that its contents are staged under; the file goes where absent.
    new: Option<usize>,
    /// The number of the copy of what stood there.
    old: Option<usize>,
    /// The first folder that has to be made for it.
    folder: Option<String>,
}

impl Staged {
    pub(super) fn stage(root: &Path, staging: &Path, index: usize, change: &Change) -> io::Result<Self> {
        let place = root.join(&change.path);
        match &change.content {
            Content::Bytes(bytes) => drop(write(&new(staging, index), bytes, change.executable)?),
            Content::Former(path) => again(&root.join(path), &new(staging, index))?,
            Content::Gone => {}
        }
        let is_there = place.is_file();
        if is_there {
            again(&place, &old(staging, index))?;
        }
        let missing = Path::new(&change.path).ancestors().skip(1).filter(|folder| !root.join(folder).exists()).last();
        Ok(Self {
            path: change.path.clone(),
            new: (change.content != Content::Gone).then_some(index),
            old: is_there.then_some(index),
            folder: missing.map(|folder| folder.display().to_string()),
        })
    }

    /// Where it is to stand.
    pub(super) fn path(&self) -> &str {
        &self.path
    }

    fn place(&self, root: &Path, staging: &Path) -> io::Result<()> {
        let place = root.join(&self.path);
        let Some(index) = self.new else { return gone(fs::remove_file(&place)) };
        let Some(folder) = place.parent() else { return Ok(()) };
        fs::create_dir_all(folder)?;
        // What is not staged any more is in its place already.
        gone(fs::rename(new(staging, index), &place))
    }

    fn take_back(&self, root: &Path, staging: &Path) -> io::Result<()> {
        let place = root.join(&self.path);
        match (self.old, self.new) {
            (Some(index), _) => gone(fs::rename(old(staging, index), &place))?,
            (None, Some(index)) if !new(staging, index).exists() => gone(fs::remove_file(&place))?,
            (None, _) => {}
        }
        let Some(first) = &self.folder else { return Ok(()) };
        let made = Path::new(&self.path).ancestors().skip(1).take_while(|folder| folder.starts_with(first));
        // One that somebody has put something into stays.
        made.for_each(|folder| drop(fs::remove_dir(root.join(folder))));
        Ok(())
    }
}

/// Another name for a file, which is as good as a copy: what stands in a project is never written into, only replaced.
fn again(file: &Path, name: &Path) -> io::Result<()> {
    fs::hard_link(file, name).or_else(|_| fs::copy(file, name).map(|_| ()))
}

/// Moves all to their places, and says after which; the error names the file.
pub(super) fn place_all(root: &Path, staging: &Path, changes: &[Staged], placed: impl Fn(usize)) -> Result<(), (String, io::Error)> {
    changes.iter().enumerate().try_for_each(|(index, staged)| {
        staged.place(root, staging).map_err(|error| (staged.path.clone(), error))?;
        placed(index);
        Ok(())
    })?;
    let folders: BTreeSet<PathBuf> = changes.iter().filter_map(|staged| Some(root.join(&staged.path).parent()?.to_owned())).collect();
    sync(&folders.into_iter().collect::<Vec<_>>()).map_err(|error| ("folders".to_owned(), error))
}

/// Waits until all that is staged is on the disk.
pub(super) fn sync_all(staging: &Path, changes: &[Staged]) -> io::Result<()> {
    sync(&changes.iter().filter_map(|staged| Some(new(staging, staged.new?))).collect::<Vec<_>>())
}

/// Many at once: a disk that is waited for by several writes once for all of them.
fn sync(paths: &[PathBuf]) -> io::Result<()> {
    let share = paths.len().div_ceil(SYNCED_AT_ONCE).max(1);
    let one = |path: &PathBuf| gone(File::open(path).and_then(|file| file.sync_all()));
    thread::scope(|scope| {
        let all: Vec<_> = paths.chunks(share).map(|some| scope.spawn(move || some.iter().try_for_each(one))).collect();
        all.into_iter().try_for_each(|thread| thread.join().unwrap_or_else(|_| Err(io::Error::other("a thread ended early"))))
    })
}

/// Puts everything back as it was, the last first.
pub(super) fn take_back_all(root: &Path, staging: &Path, changes: &[Staged]) -> io::Result<()> {
    changes.iter().rev().try_for_each(|staged| staged.take_back(root, staging))
}

/// Writes a file durably, with the permissions that the system gives to new files.
pub(super) fn put(path: &Path, bytes: &[u8], executable: bool) -> io::Result<()> {
    write(path, bytes, executable)?.sync_all()
}

/// The same, without waiting for the disk.
pub(super) fn write(path: &Path, bytes: &[u8], executable: bool) -> io::Result<File> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    if executable {
        let mode = file.metadata()?.permissions().mode();
        file.set_permissions(Permissions::from_mode(mode | ((mode & 0o444) >> 2)))?;
    }
    Ok(file)
}

fn new(staging: &Path, index: usize) -> PathBuf {
    staging.join(format!("{index}.new"))
}

fn old(staging: &Path, index: usize) -> PathBuf {
    staging.join(format!("{index}.old"))
}

fn gone(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::super::apply::{Change, apply, resume};
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    fn settings(project: &tempfile::TempDir) -> crate::Settings {
        let deployed_by = chora_core::model::event::DeployedBy::Human;
        crate::Settings { project_dir: project.path().to_owned(), variables: indexmap::IndexMap::new(), deployed_by, pause: None }
    }

    fn changes() -> Vec<Change> {
        let removal = Change::gone("old".into());
        let run = Change { executable: true, ..Change::text("bin/run", "#!") };
        vec![Change::text("a", "new a"), run, Change::text("docs/deep/b", "b"), removal, Change::former("kept/a".into(), "a")]
    }

    fn project() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a"), "old a").unwrap();
        fs::write(folder.path().join("old"), "old").unwrap();
        folder
    }

    /// Every file below a folder with its text.
    fn files(root: &std::path::Path) -> Vec<(String, String)> {
        let (mut found, mut open) = (Vec::new(), vec![root.to_owned()]);
        while let Some(folder) = open.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    open.push(path)
                } else {
                    found.push((path.strip_prefix(root).unwrap().display().to_string(), fs::read_to_string(&path).unwrap()));
                }
            }
        }
        found.sort();
        found
    }

    fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
        list.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect()
    }

    #[test]
    fn all_is_written() {
        let project = project();
        apply(&settings(&project), &changes()).unwrap();
        assert_eq!(files(project.path()), pairs(&[("a", "new a"), ("bin/run", "#!"), ("docs/deep/b", "b"), ("kept/a", "old a")]));
        assert_eq!(fs::metadata(project.path().join("bin/run")).unwrap().permissions().mode() & 0o100, 0o100);
        assert!(!resume(project.path()).unwrap());
    }

    #[test]
    fn nothing_is_written_when_one_cannot_be() {
        let project = project();
        fs::write(project.path().join("docs"), "a file").unwrap();
        let failure = apply(&settings(&project), &changes()).unwrap_err();
        assert_eq!(failure.state, "nothing was written");
        assert_eq!(files(project.path()), pairs(&[("a", "old a"), ("docs", "a file"), ("old", "old")]));
        assert!(!project.path().join("bin").exists() && !project.path().join(".chora").exists());
    }

    /// What a command leaves that died after it had moved so many files, under a list of this name.
    fn dead(list: &str, moved: usize) -> (tempfile::TempDir, Vec<super::Staged>) {
        let project = project();
        let staging = project.path().join(".chora/pending");
        fs::create_dir_all(&staging).unwrap();
        let stage = |(index, change)| super::Staged::stage(project.path(), &staging, index, change).unwrap();
        let pending = super::super::apply::Pending { changes: changes().iter().enumerate().map(stage).collect() };
        super::put(&staging.join(list), serde_json::to_string(&pending).unwrap().as_bytes(), false).unwrap();
        super::place_all(project.path(), &staging, &pending.changes[..moved], |_| ()).unwrap();
        (project, pending.changes)
    }

    #[test]
    fn what_a_death_left_is_gone_on_with() {
        for moved in 0..=changes().len() {
            let (project, _) = dead("changes.json", moved);
            assert!(resume(project.path()).unwrap());
            assert_eq!(
                files(project.path()),
                pairs(&[("a", "new a"), ("bin/run", "#!"), ("docs/deep/b", "b"), ("kept/a", "old a")]),
                "after {moved} moves"
            );
        }
    }

    #[test]
    fn a_death_on_the_way_back_is_gone_on_with_as_well() {
        for (moved, back) in (0..=changes().len()).flat_map(|moved| (0..=changes().len()).map(move |back| (moved, back))) {
            let (project, staged) = dead("undo.json", moved);
            let last = &staged[staged.len() - back..];
            super::take_back_all(project.path(), &project.path().join(".chora/pending"), last).unwrap();
            assert!(resume(project.path()).unwrap());
            assert_eq!(files(project.path()), pairs(&[("a", "old a"), ("old", "old")]), "after {moved} moves and {back} back");
        }
    }

    #[test]
    fn a_death_after_all_was_written_is_in_nobody_s_way() {
        let (project, _) = dead("changes.json", changes().len());
        fs::remove_file(project.path().join(".chora/pending/changes.json")).unwrap();
        assert!(!resume(project.path()).unwrap());
        apply(&settings(&project), &[Change::text("a", "newer a")]).unwrap();
        assert_eq!(fs::read_to_string(project.path().join("a")).unwrap(), "newer a");
    }

    #[test]
    fn a_death_before_all_was_staged_changed_nothing() {
        let project = project();
        fs::create_dir_all(project.path().join(".chora/pending.unfinished")).unwrap();
        assert!(!resume(project.path()).unwrap());
        assert_eq!(files(project.path()), pairs(&[("a", "old a"), ("old", "old")]));
    }
}
