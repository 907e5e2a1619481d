//! One file on its way: staged, moved to its place, taken back. Every move may be repeated.

use std::collections::BTreeSet;
use std::fs::{self, File, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::thread;

use serde::{Deserialize, Serialize};

use super::apply::{Change, Content};
use super::hash;

/// How many files are waited for at the same time.
const SYNCED_AT_ONCE: usize = 32;

/// Which way a killed command is gone on with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Going {
    /// All is written.
    On,
    /// All is put back.
    Back,
}

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
    /// The hash of what stood there: another name of a file shows every edit of it, so a copy alone could not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    was: Option<String>,
    /// The hash of what is to stand there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    becomes: Option<String>,
}

impl Staged {
    pub(super) fn stage(root: &Path, staging: &Path, index: usize, change: &Change) -> io::Result<Self> {
        let place = root.join(&change.path);
        match &change.content {
            Content::Bytes(bytes) => {
                let file = write(&new(staging, index), bytes, change.executable)?;
                let like = change.like.as_ref().map_or_else(|| place.clone(), |path| root.join(path));
                take_over(&file, &like, change.executable)?;
            }
            Content::Former(path) => again(&root.join(path), &new(staging, index))?,
            Content::Gone => {}
        }
        let was = hash_of(&place)?;
        if was.is_some() {
            again(&place, &old(staging, index))?;
        }
        let missing = Path::new(&change.path).ancestors().skip(1).filter(|folder| !root.join(folder).is_dir()).last();
        Ok(Self {
            path: change.path.clone(),
            new: (change.content != Content::Gone).then_some(index),
            old: was.is_some().then_some(index),
            folder: missing.map(|folder| folder.display().to_string()),
            becomes: hash_of(&new(staging, index))?,
            was,
        })
    }

    /// Whether going on would lose what somebody has put there since it was staged.
    pub(super) fn is_in_the_way(&self, root: &Path, staging: &Path, going: Going) -> io::Result<bool> {
        let Some(there) = hash_of(&root.join(&self.path))? else { return Ok(false) };
        let staged = |path: Option<PathBuf>| path.map_or(Ok(None), |path| hash_of(&path));
        let (new, old) = (staged(self.new.map(|index| new(staging, index)))?, staged(self.old.map(|index| old(staging, index)))?);
        let is_as_before = self.was.as_ref().or(old.as_ref()) == Some(&there);
        Ok(match going {
            // What is not staged any more is in its place, and nothing is moved onto it.
            Going::On if self.new.is_some() => new.is_some_and(|new| new != there) && !is_as_before,
            Going::On => !is_as_before,
            Going::Back if self.old.is_some() && old.is_none() || self.old.is_none() && new.is_some() => false,
            Going::Back if self.old.is_none() && self.new.is_none() => false,
            // Older programs did not write down what they placed.
            Going::Back => !is_as_before && self.becomes.as_ref().map_or(self.new.is_none(), |becomes| *becomes != there),
        })
    }

    /// Where it is to stand.
    pub(super) fn path(&self) -> &str {
        &self.path
    }

    fn place(&self, root: &Path, staging: &Path) -> io::Result<()> {
        let place = root.join(&self.path);
        let Some(index) = self.new else {
            // Where a folder is by now, the file has gone before.
            return if is_folder(&place) { Ok(()) } else { gone(fs::remove_file(&place)) };
        };
        if is_folder(&place) {
            let folders = empty_folders(&place)?;
            folders.iter().rev().try_for_each(fs::remove_dir)?;
        }
        let Some(folder) = place.parent() else { return Ok(()) };
        fs::create_dir_all(folder)?;
        // What is not staged any more is in its place already.
        gone(fs::rename(new(staging, index), &place))
    }

    fn take_back(&self, root: &Path, staging: &Path) -> io::Result<()> {
        let place = root.join(&self.path);
        match (self.old, self.new) {
            (Some(index), _) => {
                // It may have gone with its folder.
                place.parent().map_or(Ok(()), fs::create_dir_all)?;
                gone(fs::rename(old(staging, index), &place))?;
            }
            // Where a folder is, what it had before is back already.
            (None, Some(index)) if !new(staging, index).exists() && !is_folder(&place) => gone(fs::remove_file(&place))?,
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
    match fs::hard_link(file, name) {
        // It may be another name of this very file already: to copy onto it would empty both.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(error),
        Err(_) => fs::copy(file, name).map(|_| ()),
        Ok(()) => Ok(()),
    }
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
    // What is there already may be another name of a file of the project, which would be emptied.
    let mut file = File::create_new(path)?;
    file.write_all(bytes)?;
    if executable {
        let mode = file.metadata()?.permissions().mode();
        file.set_permissions(Permissions::from_mode(mode | ((mode & 0o444) >> 2)))?;
    }
    Ok(file)
}

/// A file that is closed to others stays so.
fn take_over(file: &File, like: &Path, executable: bool) -> io::Result<()> {
    let mode = match fs::symlink_metadata(like) {
        Ok(metadata) if metadata.is_file() => metadata.permissions().mode() & 0o777,
        _ => return Ok(()),
    };
    let running = if executable { (mode & 0o444) >> 2 } else { 0 };
    file.set_permissions(Permissions::from_mode(mode & !0o111 | running))
}

pub(super) fn is_folder(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_dir())
}

/// A folder and those in it, where they hold nothing else, outer ones first.
fn empty_folders(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let (mut found, mut next) = (vec![folder.to_owned()], 0);
    while let Some(folder) = found.get(next).cloned() {
        for entry in fs::read_dir(&folder)? {
            let path = entry?.path();
            if !is_folder(&path) {
                let there = format!("{} is there", path.display());
                return Err(io::Error::new(io::ErrorKind::DirectoryNotEmpty, there));
            }
            found.push(path);
        }
        next += 1;
    }
    Ok(found)
}

/// The hash of a file, the empty text for what is none; nothing where nothing or a folder is.
fn hash_of(path: &Path) -> io::Result<Option<String>> {
    match fs::symlink_metadata(path) {
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
        Ok(metadata) if metadata.is_dir() => Ok(None),
        Ok(metadata) if !metadata.is_file() => Ok(Some(String::new())),
        metadata => metadata.and_then(|_| fs::read(path)).map(|bytes| Some(hash(&bytes))),
    }
}

fn new(staging: &Path, index: usize) -> PathBuf {
    staging.join(format!("{index}.new"))
}

fn old(staging: &Path, index: usize) -> PathBuf {
    staging.join(format!("{index}.old"))
}

fn gone(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::super::apply::{Change, apply, resume};
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    const COMPLETED: &str = "what a killed command had begun was completed: a, bin/run, docs/deep/b, old, kept/a";
    const TAKEN_BACK: &str = "what a killed command had begun was taken back: a, bin/run, docs/deep/b, old, kept/a";

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
        assert_eq!(resume(project.path()).unwrap(), None);
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
            assert_eq!(resume(project.path()).unwrap().as_deref(), Some(COMPLETED));
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
            assert_eq!(resume(project.path()).unwrap().as_deref(), Some(TAKEN_BACK));
            assert_eq!(files(project.path()), pairs(&[("a", "old a"), ("old", "old")]), "after {moved} moves and {back} back");
        }
    }

    /// Every kind of change of `changes`, edited in place or anew after a death.
    const EDITS: [&str; 5] = ["a", "bin/run", "docs/deep/b", "old", "kept/a"];

    fn edit(project: &tempfile::TempDir, path: &str, in_place: bool) {
        let path = project.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        if !in_place && path.exists() {
            fs::remove_file(&path).unwrap();
        }
        fs::write(path, "edited since").unwrap();
    }

    #[test]
    fn what_was_edited_since_a_death_is_never_written_over() {
        for (list, moved, (index, path), in_place) in ["changes.json", "undo.json"].into_iter().flat_map(|list| {
            let of_all =
                move |moved| EDITS.into_iter().enumerate().flat_map(move |edit| [(list, moved, edit, true), (list, moved, edit, false)]);
            (0..=changes().len()).flat_map(of_all)
        }) {
            let (project, _) = dead(list, moved);
            edit(&project, path, in_place);
            // What was moved to its place already, or has no copy to be put back, is nobody's to write over.
            let is_free =
                if list == "changes.json" { index < moved && path != "old" } else { index >= moved && !["a", "old"].contains(&path) };
            let what = format!("{list}, {moved} moved, {path} edited, in place: {in_place}");
            match resume(project.path()) {
                Ok(settled) => assert!(is_free && settled.is_some(), "{what}"),
                Err(failure) => {
                    assert!(!is_free && failure.message.contains(&format!("`{path}` was edited")), "{what}: {failure:?}");
                    assert_eq!(fs::read_to_string(project.path().join(path)).unwrap(), "edited since", "{what}");
                    // As its hint says.
                    fs::rename(project.path().join(path), project.path().join("mine")).unwrap();
                    resume(project.path()).unwrap();
                    fs::create_dir_all(project.path().join(path).parent().unwrap()).unwrap();
                    fs::rename(project.path().join("mine"), project.path().join(path)).unwrap();
                }
            }
            assert_eq!(fs::read_to_string(project.path().join(path)).unwrap(), "edited since", "{what}");
        }
    }

    #[test]
    fn a_death_after_all_was_written_is_in_nobody_s_way() {
        let (project, _) = dead("changes.json", changes().len());
        fs::remove_file(project.path().join(".chora/pending/changes.json")).unwrap();
        assert_eq!(resume(project.path()).unwrap(), None);
        apply(&settings(&project), &[Change::text("a", "newer a")]).unwrap();
        assert_eq!(fs::read_to_string(project.path().join("a")).unwrap(), "newer a");
    }

    /// A file where a folder was, and a folder where a file was.
    fn turned() -> (tempfile::TempDir, Vec<Change>) {
        let project = project();
        fs::create_dir_all(project.path().join("guide/deep")).unwrap();
        fs::write(project.path().join("guide/deep/b"), "old b").unwrap();
        let gone = |path: &str| Change::gone(path.to_owned());
        let changes = vec![Change::text("a/x", "x"), gone("a"), Change::text("guide", "g"), gone("guide/deep/b")];
        (project, super::super::apply::ordered(&changes))
    }

    const BEFORE: &[(&str, &str)] = &[("a", "old a"), ("guide/deep/b", "old b"), ("old", "old")];
    const AFTER: &[(&str, &str)] = &[("a/x", "x"), ("guide", "g"), ("old", "old")];

    #[test]
    fn a_file_becomes_a_folder_and_a_folder_a_file() {
        let (project, changes) = turned();
        apply(&settings(&project), &changes).unwrap();
        assert_eq!(files(project.path()), pairs(AFTER));
    }

    #[test]
    fn what_turns_into_the_other_may_die_anywhere() {
        for undone in [false, true] {
            for (moved, back) in (0..=4).flat_map(|moved| (0..=if undone { 4 } else { 0 }).map(move |back| (moved, back))) {
                let (project, changes) = turned();
                let staging = project.path().join(".chora/pending");
                fs::create_dir_all(&staging).unwrap();
                let stage = |(index, change)| super::Staged::stage(project.path(), &staging, index, change).unwrap();
                let pending = super::super::apply::Pending { changes: changes.iter().enumerate().map(stage).collect() };
                let list = staging.join(if undone { "undo.json" } else { "changes.json" });
                super::put(&list, serde_json::to_string(&pending).unwrap().as_bytes(), false).unwrap();
                super::place_all(project.path(), &staging, &pending.changes[..moved], |_| ()).unwrap();
                super::take_back_all(project.path(), &staging, &pending.changes[4 - back..]).unwrap();
                resume(project.path()).unwrap();
                let expected = pairs(if undone { BEFORE } else { AFTER });
                assert_eq!(files(project.path()), expected, "{moved} moved, {back} back, undone: {undone}");
            }
        }
    }

    #[test]
    fn what_somebody_has_in_a_folder_keeps_it_from_becoming_a_file() {
        let (project, changes) = turned();
        fs::write(project.path().join("guide/mine"), "mine").unwrap();
        let failure = apply(&settings(&project), &changes).unwrap_err();
        assert_eq!(
            (failure.message.as_str(), failure.state.as_str()),
            ("`guide` is a folder, a file should be there", "nothing was written")
        );
        assert_eq!(fs::read_to_string(project.path().join("a")).unwrap(), "old a");
    }

    #[test]
    fn nothing_is_staged_onto_something() {
        let project = project();
        let (staging, file) = (project.path().join("staging"), project.path().join("a"));
        fs::create_dir(&staging).unwrap();
        for taken in ["0.old", "0.new"] {
            fs::hard_link(&file, staging.join(taken)).unwrap();
            let staged = super::Staged::stage(project.path(), &staging, 0, &Change::text("a", "new a"));
            assert_eq!(staged.unwrap_err().kind(), std::io::ErrorKind::AlreadyExists, "{taken}");
            assert_eq!(fs::read_to_string(&file).unwrap(), "old a", "{taken}");
            fs::remove_dir_all(&staging).unwrap();
            fs::create_dir(&staging).unwrap();
        }
    }

    #[test]
    fn a_death_before_all_was_staged_changed_nothing() {
        let project = project();
        fs::create_dir_all(project.path().join(".chora/pending.unfinished")).unwrap();
        assert_eq!(resume(project.path()).unwrap(), None);
        assert_eq!(files(project.path()), pairs(&[("a", "old a"), ("old", "old")]));
    }
}
