//! `chora upgrade`: brings a project's files to the present pattern, or to other answers, by a three-way merge.

mod unfinished;

use std::collections::BTreeSet;
use std::path::Path;

use chora_template::record::{BASE, RECORD, Record};
use chora_template::upgrade::{Fate, Write, decide};
use chora_template::{Answers, Catalogue, Pattern, Rendered, RenderedFile};
use serde::{Deserialize, Serialize};

use crate::context::Settings;
use crate::failure::{Failure, FailureKind};
use crate::scaffold::apply::{self, Change};
use crate::scaffold::{self, UNTOUCHED, files};

/// What to bring up to date.
#[derive(Debug, Clone, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct UpgradeRequest {
    /// What to do.
    pub action: UpgradeAction,
    /// Other answers than before, by question.
    pub answers: Answers,
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
#[derive(Debug, Clone, Serialize, schemars::JsonSchema)]
pub struct UpgradeOutcome {
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
    /// What became of it.
    pub fate: Fate,
}

/// Merges what changed in the pattern, or in the answers, into the project's files.
///
/// An outcome with conflicts is written too: the places are marked, and `Continue` or `Abort` ends it.
///
/// # Errors
/// Not found when the project has no pattern; conflict while another upgrade waits for its conflicts; invalid answers.
/// Then nothing is written.
pub fn upgrade(settings: &Settings, request: &UpgradeRequest) -> Result<UpgradeOutcome, Failure> {
    let root = settings.project_dir.as_path();
    if request.action != UpgradeAction::DryRun {
        apply::resume(root)?;
    }
    let record = record(root)?;
    match request.action {
        UpgradeAction::Continue => return unfinished::resolved(root, &record),
        UpgradeAction::Abort => return unfinished::abort(root, &record),
        UpgradeAction::Merge | UpgradeAction::DryRun => unfinished::refuse(root)?,
    }
    let catalogue = scaffold::catalogue()?;
    let wanted = Wanted::of(&catalogue, &record, &request.answers)?;
    let base = base(root, &record)?;
    let (changes, lines) = merged(root, &base, &wanted)?;
    let conflicts: Vec<&str> = lines.iter().filter(|line| line.fate == Fate::Conflict).map(|line| line.path.as_str()).collect();
    let is_behind = base != wanted.rendered || record.answers != wanted.answers || record.version != wanted.pattern.version;
    let dry_run = request.action == UpgradeAction::DryRun;
    if is_behind && !dry_run {
        let mut all = changes.clone();
        all.extend(scaffold::memory(wanted.pattern, &wanted.answers, &wanted.rendered));
        let stale = base.keys().filter(|path| !wanted.rendered.contains_key(*path));
        all.extend(stale.map(|path| Change { path: format!("{BASE}/{path}"), bytes: None, executable: false }));
        if !conflicts.is_empty() {
            all.extend(unfinished::note(root, &all, &conflicts)?);
        }
        apply::apply(root, &all)?;
    }
    let next = match (dry_run, conflicts.is_empty()) {
        (true, _) if is_behind => "chora upgrade",
        (false, false) => "resolve what is marked, then chora upgrade --continue; chora upgrade --abort puts all back",
        _ => "chora config",
    };
    let conflicts = conflicts.len();
    let (from, to, next) = (record.version, wanted.pattern.version, next.to_owned());
    Ok(UpgradeOutcome { pattern: record.pattern, from, to, is_behind, files: lines, conflicts, dry_run, next })
}

/// The pattern as it is now, for the answers of before and those that are new.
struct Wanted<'a> {
    pattern: &'a Pattern,
    answers: Answers,
    rendered: Rendered,
}

impl<'a> Wanted<'a> {
    fn of(catalogue: &'a Catalogue<'_>, record: &Record, other: &Answers) -> Result<Self, Failure> {
        let pattern = scaffold::pattern(catalogue, &record.pattern)?;
        if record.version > pattern.version {
            let message = format!("a newer chora wrote version {} of `{}`; this one has {}", record.version, pattern.name, pattern.version);
            return Err(Failure::new(FailureKind::Conflict, message).state(UNTOUCHED).hint("use the newer chora"));
        }
        // Questions that the pattern asks no more are forgotten; new ones have their defaults.
        let answers = catalogue.settle(pattern, other, &record.answers);
        let answers = answers.map_err(|error| scaffold::unanswered(&pattern.name, &error))?;
        let rendered = catalogue.render(pattern, &answers).map_err(|error| scaffold::unrendered(&error))?;
        Ok(Self { pattern, answers, rendered })
    }
}

fn record(root: &Path) -> Result<Record, Failure> {
    let Some(file) = files::read(root, RECORD)? else {
        let failure = Failure::new(FailureKind::NotFound, format!("the project has no pattern: there is no {RECORD}"));
        return Err(failure.state(UNTOUCHED).hint("chora init"));
    };
    Record::read(&String::from_utf8_lossy(&file.bytes)).map_err(|error| {
        Failure::new(FailureKind::Invalid, error.to_string()).state(UNTOUCHED).hint(format!("take {RECORD} back from version control"))
    })
}

/// The files as the pattern wrote them.
fn base(root: &Path, record: &Record) -> Result<Rendered, Failure> {
    let mut base = Rendered::new();
    for (path, hash) in &record.files {
        let kept = format!("{BASE}/{path}");
        let text = files::read(root, &kept)?.and_then(|file| String::from_utf8(file.bytes).ok());
        let Some(text) = text.map(|text| text.replace("\r\n", "\n")) else {
            let failure = Failure::new(FailureKind::NotFound, format!("`{kept}` is not there: it is unknown what the pattern wrote"));
            return Err(failure.state(UNTOUCHED).hint(format!("take {BASE} back from version control")));
        };
        base.insert(path.clone(), RenderedFile { text, executable: hash.ends_with("+x") });
    }
    Ok(base)
}

fn merged(root: &Path, base: &Rendered, wanted: &Wanted<'_>) -> Result<(Vec<Change>, Vec<FileFate>), Failure> {
    let label = format!("{} {}", wanted.pattern.name, wanted.pattern.version);
    let (mut changes, mut lines) = (Vec::new(), Vec::new());
    for path in base.keys().chain(wanted.rendered.keys()).collect::<BTreeSet<_>>() {
        let ours = files::read(root, path)?;
        let decision = decide(base.get(path), ours.as_ref(), wanted.rendered.get(path), &label);
        match decision.write {
            Write::Nothing => {}
            Write::File(file) => changes.push(Change { path: path.clone(), bytes: Some(file.bytes), executable: file.executable }),
            Write::Removal => changes.push(Change { path: path.clone(), bytes: None, executable: false }),
        }
        if decision.fate != Fate::Same {
            lines.push(FileFate { path: path.clone(), fate: decision.fate });
        }
    }
    Ok((changes, lines))
}
