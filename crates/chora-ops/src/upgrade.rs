//! `chora upgrade`: brings a project's files to the present pattern, or to other answers, by a three-way merge.

mod clean;
mod unfinished;
mod wanted;

use std::collections::BTreeMap;
use std::path::Path;

use chora_template::answers::Ask;
pub use chora_template::merge::ConflictStyle;
use chora_template::record::{BASE, RECORD, Record, Source};
use chora_template::upgrade::{Fate, Planned, Upgrade, Write, plan};
use chora_template::{Answers, ProjectFile, Rendered};
use serde::{Deserialize, Serialize};

use self::wanted::Wanted;
use crate::context::Settings;
use crate::failure::{Failure, FailureKind};
use crate::scaffold::apply::{self, Change};
use crate::scaffold::{self, Filled, UNTOUCHED, files};

/// What to bring up to date.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct UpgradeRequest {
    /// What to do.
    pub action: UpgradeAction,
    /// Other answers than before, by question.
    pub answers: Answers,
    /// A tag, branch or commit of the source; of the built-in catalogue its version. The newest where absent.
    pub to: Option<String>,
    /// The source has moved: take it from this directory or repository from now on.
    pub from: Option<String>,
    /// Go on with changes that are not committed.
    pub dirty: bool,
    /// How conflicts are told; a model resolves what is marked.
    #[serde(skip)]
    pub conflict: ConflictStyle,
    /// Sources whose hooks may run; a person says so, never a model.
    #[serde(skip)]
    pub trust: Vec<String>,
}

/// What to do about an upgrade.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum UpgradeAction {
    /// Do it.
    #[default]
    Merge,
    /// Tell what it would do, write nothing.
    DryRun,
    /// After conflicts: they are resolved.
    Continue,
    /// After conflicts: put every file back as it was before.
    Abort,
}

/// What became of the files.
#[derive(Debug, Clone, Default, Serialize, schemars::JsonSchema)]
pub struct UpgradeOutcome {
    /// Where the pattern is from; the built-in catalogue where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<Source>,
    /// The pattern.
    pub pattern: String,
    /// The version before.
    pub from: u32,
    /// The version now.
    pub to: u32,
    /// Whether the pattern or the answers have changed since the files were written.
    pub is_behind: bool,
    /// What became of each file; those that stay as they are are left out.
    pub files: Vec<FileFate>,
    /// Files that a person has to look at.
    pub conflicts: usize,
    /// Questions that are new and that nobody answered: their defaults were taken.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub assumed: Vec<String>,
    /// Hooks that were not run, because nobody trusts their source.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub skipped_hooks: Vec<String>,
    /// Files with changes that are not committed: an upgrade that is not told to go on refuses.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub uncommitted: Vec<String>,
    /// Copies of files that were edited after the upgrade that was taken back.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub copies: Vec<String>,
    /// What a killed command had begun, and what became of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub settled: Option<String>,
    /// Nothing was written: this is what would be.
    pub dry_run: bool,
    /// The next command.
    pub next: String,
}

/// What became of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct FileFate {
    /// Relative to the project.
    pub path: String,
    /// Where it was, when the pattern has moved it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// What became of it.
    pub fate: Fate,
}

/// Merges what changed in the pattern, or in the answers, into the project's files.
///
/// An outcome with conflicts is written too: the places are marked, and `Continue` or `Abort` ends it.
///
/// # Errors
/// Not found when the project has no pattern, or the source no such version; conflict while another upgrade waits for its conflicts, or
/// when there are changes that are not committed; invalid answers. Then nothing is written.
pub fn upgrade(settings: &Settings, request: &UpgradeRequest) -> Result<UpgradeOutcome, Failure> {
    upgrade_asking(settings, request, &mut |_| None)
}

/// The same, with somebody who can be asked what is new.
///
/// # Errors
/// As for [`upgrade`].
pub fn upgrade_asking(settings: &Settings, request: &UpgradeRequest, ask: &mut Ask<'_>) -> Result<UpgradeOutcome, Failure> {
    let begun = apply::begin(&settings.project_dir, request.action == UpgradeAction::DryRun)?;
    let outcome = act(settings, request, ask).map_err(|failure| begun.told(failure))?;
    Ok(UpgradeOutcome { settled: begun.settled, ..outcome })
}

fn act(settings: &Settings, request: &UpgradeRequest, ask: &mut Ask<'_>) -> Result<UpgradeOutcome, Failure> {
    let root = settings.project_dir.as_path();
    let dry_run = request.action == UpgradeAction::DryRun;
    let record = record(root)?;
    match request.action {
        UpgradeAction::Continue => return unfinished::resolved(settings, &record),
        UpgradeAction::Abort => return unfinished::abort(settings, &record),
        UpgradeAction::Merge | UpgradeAction::DryRun => unfinished::refuse(root)?,
    }
    let fetched = wanted::fetch(settings, &record, request)?;
    let catalogue = fetched.catalogue()?;
    let base = base(root, &record)?;
    let wanted = Wanted::of(settings, (&fetched, &catalogue), (&record, &base), (request, ask))?;
    let work = Work::new(root, &base, &wanted, request.conflict)?;
    let is_behind =
        wanted.differs(&record, &base) || (request.to.is_some() || request.from.is_some()) && record.source.as_ref() != fetched.source();
    let changes = if is_behind { work.changes(root, &base, &wanted, fetched.source()) } else { Vec::new() };
    let uncommitted = match clean::uncommitted(settings, &base, &changes) {
        _ if request.dirty => Vec::new(),
        // Who only asks, in CI for instance, need not have Git.
        Err(_) if dry_run => Vec::new(),
        found => found?,
    };
    if !dry_run && !changes.is_empty() {
        clean::refuse(&uncommitted)?;
        let mut all = changes;
        if work.has_conflicts() {
            all.extend(unfinished::note(root, &all, &work)?);
        }
        apply::apply(settings, &all)?;
    }
    let next = match (dry_run, work.has_conflicts()) {
        (true, _) if is_behind && !uncommitted.is_empty() => {
            "commit or stash what is not, then the same command without --check and --dry-run"
        }
        // Answers, versions and sources are part of it, and have to be told again.
        (true, _) if is_behind && *request != (UpgradeRequest { action: UpgradeAction::DryRun, ..UpgradeRequest::default() }) => {
            "the same command without --check and --dry-run"
        }
        (true, _) if is_behind => "chora upgrade",
        (false, true) => unfinished::NEXT,
        _ => "chora config",
    };
    Ok(UpgradeOutcome {
        source: fetched.source().cloned(),
        from: record.version,
        to: wanted.pattern.version,
        pattern: record.pattern,
        is_behind,
        conflicts: work.conflicts().count(),
        files: work.fates(),
        assumed: wanted.assumed,
        skipped_hooks: wanted.skipped,
        uncommitted,
        copies: Vec::new(),
        settled: None,
        dry_run,
        next: next.to_owned(),
    })
}

/// What the project remembers about its pattern.
pub(crate) fn record(root: &Path) -> Result<Record, Failure> {
    let Some(file) = files::read(root, RECORD)? else {
        let failure = Failure::new(FailureKind::NotFound, format!("the project has no pattern: there is no {RECORD}"));
        return Err(failure.state(UNTOUCHED).hint("chora init"));
    };
    Record::read(&String::from_utf8_lossy(&file.bytes)).map_err(|error| scaffold::unreadable(&error))
}

/// The files as the pattern wrote them.
fn base(root: &Path, record: &Record) -> Result<Rendered, Failure> {
    let mut base = Rendered::new();
    for (path, hash) in &record.files {
        let kept = format!("{BASE}/{path}");
        let Some(mut file) = files::read(root, &kept)? else {
            let failure = Failure::new(FailureKind::NotFound, format!("`{kept}` is not there: it is unknown what the pattern wrote"));
            return Err(failure.state(UNTOUCHED).hint(format!("take {BASE} back from version control")));
        };
        file.executable = hash.ends_with("+x");
        file.bytes = as_written(&file, hash.trim_end_matches("+x")).ok_or_else(|| {
            // Merged from, it would count as the pattern's: what it has of ours would be taken back without a word.
            let failure = Failure::new(FailureKind::Conflict, format!("`{kept}` is not what the pattern wrote: somebody has edited it"));
            let hint = format!("take it back from version control as it was before that (git log -- {kept}), then run the command again");
            failure.state(UNTOUCHED).hint(hint)
        })?;
        base.insert(path.clone(), file);
    }
    Ok(base)
}

/// The bytes with this hash; Git may have changed how lines end, either way.
fn as_written(file: &ProjectFile, hash: &str) -> Option<Vec<u8>> {
    let is_it = |bytes: &Vec<u8>| scaffold::hash(bytes) == hash;
    if is_it(&file.bytes) {
        return Some(file.bytes.clone());
    }
    let plain = file.text()?.replace("\r\n", "\n");
    let with_carriage_returns = plain.replace('\n', "\r\n").into_bytes();
    [plain.into_bytes(), with_carriage_returns].into_iter().find(is_it)
}

/// What is to be done, file by file.
struct Work {
    planned: Vec<Planned>,
    style: ConflictStyle,
    label: String,
}

impl Work {
    fn new(root: &Path, base: &Rendered, wanted: &Wanted<'_>, style: ConflictStyle) -> Result<Self, Failure> {
        let mut ours: BTreeMap<String, ProjectFile> = BTreeMap::new();
        for path in base.keys().chain(wanted.files.keys()) {
            if let Some(file) = files::find(root, path)? {
                ours.insert(path.clone(), file);
            }
        }
        let label = format!("{} {}", wanted.pattern.name, wanted.pattern.version);
        let telling = (label.as_str(), style);
        let planned = plan(&Upgrade { base, ours: &ours, wanted: &wanted.files, renames: &wanted.renames, telling });
        let work = Self { planned, style, label };
        for (path, _) in work.rejected() {
            if files::read(root, &path)?.is_some() {
                let failure = Failure::new(FailureKind::Conflict, format!("`{path}` is there already")).state(UNTOUCHED);
                return Err(failure.hint("move it away, then run the command again"));
            }
        }
        Ok(work)
    }

    fn conflicts(&self) -> impl Iterator<Item = &str> {
        self.planned.iter().filter(|planned| planned.decision.fate == Fate::Conflict).map(|planned| planned.path.as_str())
    }

    fn has_conflicts(&self) -> bool {
        self.conflicts().next().is_some()
    }

    /// What stands apart: `.rej` files with the changes that were not taken.
    fn rejected(&self) -> impl Iterator<Item = (String, String)> {
        self.planned.iter().filter(|_| self.style == ConflictStyle::Rej).filter_map(|planned| {
            let hunks = planned.decision.rejected.as_ref()?;
            Some((format!("{}.rej", planned.path), format!("--- {path}\n+++ {path} ({})\n{hunks}", self.label, path = planned.path)))
        })
    }

    fn fates(&self) -> Vec<FileFate> {
        let told = self.planned.iter().filter(|planned| planned.decision.fate != Fate::Same);
        told.map(|planned| FileFate { path: planned.path.clone(), from: planned.from.clone(), fate: planned.decision.fate }).collect()
    }

    /// What is to be written, the project's memory last.
    fn changes(&self, root: &Path, base: &Rendered, wanted: &Wanted<'_>, source: Option<&Source>) -> Vec<Change> {
        let mut changes = Vec::new();
        for planned in &self.planned {
            match &planned.decision.write {
                Write::Nothing => {}
                Write::File(file) => {
                    changes.push(Change::file(&planned.path, file).like(planned.from.as_deref()));
                }
                Write::Removal => changes.push(Change::gone(planned.path.clone())),
            }
            changes.extend(planned.from.clone().map(Change::gone));
        }
        changes.extend(self.rejected().map(|(path, text)| Change::text(&path, &text)));
        let stale = base.keys().filter(|path| !wanted.files.contains_key(*path));
        changes.extend(stale.map(|path| Change::gone(format!("{BASE}/{path}"))));
        let filled =
            Filled { pattern: wanted.pattern, answers: &wanted.answers, files: &wanted.files, hooked: wanted.hooked.clone(), source };
        changes.extend(scaffold::memory(root, filled).into_iter().filter(|change| {
            let kept = change.path.strip_prefix(BASE).and_then(|path| base.get(path.trim_start_matches('/')));
            kept.is_none_or(|kept| change.bytes() != Some(&kept.bytes))
        }));
        changes
    }
}
