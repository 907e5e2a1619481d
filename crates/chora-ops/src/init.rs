//! `chora init`: writes the Docker files of a pattern into a project, all or none, and overwrites nothing.

use std::path::Path;

use chora_template::record::{RECORD, Record};
use chora_template::upgrade::ProjectFile;
use chora_template::{Answers, RenderedFile};
use serde::{Deserialize, Serialize};

use crate::context::Settings;
use crate::failure::{Failure, FailureKind};
use crate::scaffold::apply::{self, Change};
use crate::scaffold::{self, UNTOUCHED, detect, files};

/// Compose files of other names, which would stand beside the pattern's.
const OTHER_COMPOSE_FILES: [&str; 5] =
    ["compose.yml", "docker-compose.yml", "docker-compose.yaml", "compose.override.yaml", "compose.override.yml"];

/// What to write.
#[derive(Debug, Clone, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct InitRequest {
    /// The pattern; the one that fits the project where absent.
    pub pattern: Option<String>,
    /// Answers to its questions, by name; the rest is found out or has a default.
    pub answers: Answers,
    /// Write over files that are there and differ.
    pub replace: bool,
    /// Tell what would be written, write nothing.
    pub dry_run: bool,
}

/// What was written.
#[derive(Debug, Clone, Serialize, schemars::JsonSchema)]
pub struct InitOutcome {
    /// The pattern.
    pub pattern: String,
    /// Its version.
    pub version: u32,
    /// Where.
    pub directory: String,
    /// Every answer.
    pub answers: Answers,
    /// What was found out about the project, and from which file.
    pub found: Vec<String>,
    /// The files.
    pub files: Vec<FileLine>,
    /// Nothing was written: this is what would be.
    pub dry_run: bool,
    /// The next command.
    pub next: String,
}

/// What became of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct FileLine {
    /// Relative to the project.
    pub path: String,
    /// What became of it.
    pub change: FileChange,
}

/// What becomes of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FileChange {
    /// It was not there.
    Created,
    /// It is there already, just so.
    Same,
    /// Another one was there.
    Replaced,
}

/// Writes a pattern's files.
///
/// # Errors
/// Invalid or not found when pattern or answers are not right; conflict when files are there that differ, or the project has a
/// pattern already; denied when it may not be written. Then nothing is written.
pub fn init(settings: &Settings, request: &InitRequest) -> Result<InitOutcome, Failure> {
    let root = settings.project_dir.as_path();
    if !request.dry_run {
        apply::resume(root)?;
    }
    refuse_second(root)?;
    let found = detect::detect(root);
    let catalogue = scaffold::catalogue()?;
    let pattern = scaffold::pattern(&catalogue, request.pattern.as_deref().unwrap_or(found.pattern))?;
    let answers = catalogue.settle(pattern, &request.answers, &found.answers);
    let answers = answers.map_err(|error| scaffold::unanswered(&pattern.name, &error))?;
    let rendered = catalogue.render(pattern, &answers).map_err(|error| scaffold::unrendered(&error))?;
    let lines = rendered.iter().map(|(path, file)| line(root, path, file)).collect::<Result<Vec<_>, _>>()?;
    refuse_others(root, &lines, request.replace)?;
    if !request.dry_run {
        let written = rendered.iter().zip(&lines).filter(|(_, line)| line.change != FileChange::Same);
        let change = |(path, file): (&String, &RenderedFile)| Change { executable: file.executable, ..Change::text(path, &file.text) };
        let mut changes: Vec<Change> = written.map(|(file, _)| change(file)).collect();
        changes.extend(scaffold::memory(pattern, &answers, &rendered));
        apply::apply(root, &changes)?;
    }
    let guide = ["docs/DOCKER_SETUP.md", "docs/CI.md"].into_iter().find(|path| rendered.contains_key(*path));
    let next = match guide {
        _ if request.dry_run => "chora init".to_owned(),
        Some(guide) if rendered.contains_key("chora.yaml") => format!("chora config, then chora up; {guide} says more"),
        Some(guide) => format!("chora config; {guide} says more"),
        None => "chora config".to_owned(),
    };
    Ok(InitOutcome {
        pattern: pattern.name.clone(),
        version: pattern.version,
        directory: root.display().to_string(),
        answers,
        found: found.evidence,
        files: lines,
        dry_run: request.dry_run,
        next,
    })
}

fn refuse_second(root: &Path) -> Result<(), Failure> {
    let Some(ProjectFile { bytes, .. }) = files::read(root, RECORD)? else { return Ok(()) };
    let what = match Record::read(&String::from_utf8_lossy(&bytes)) {
        Ok(record) => format!("the project has the pattern `{}`, version {}, already", record.pattern, record.version),
        Err(error) => error.to_string(),
    };
    Err(Failure::new(FailureKind::Conflict, what).state(UNTOUCHED).hint("`chora upgrade` brings it up to date, with other answers too"))
}

fn line(root: &Path, path: &str, file: &RenderedFile) -> Result<FileLine, Failure> {
    let change = match files::read(root, path)? {
        None => FileChange::Created,
        Some(there) if there.bytes == file.text.as_bytes() && there.executable == file.executable => FileChange::Same,
        Some(_) => FileChange::Replaced,
    };
    Ok(FileLine { path: path.to_owned(), change })
}

/// Files that are there and differ stay, unless they are to be replaced; a second set of Compose files would be ambiguous.
fn refuse_others(root: &Path, lines: &[FileLine], replace: bool) -> Result<(), Failure> {
    let differ = lines.iter().filter(|line| line.change == FileChange::Replaced && !replace);
    let mut details: Vec<String> = differ.map(|line| format!("{} is there and differs", line.path)).collect();
    // A pattern without Compose files is for a project that has its own.
    let writes_compose = lines.iter().any(|line| line.path == "compose.yaml");
    let beside = OTHER_COMPOSE_FILES.into_iter().filter(|name| writes_compose && !replace && root.join(name).exists());
    details.extend(beside.map(|name| format!("{name} is a Compose file of its own")));
    if details.is_empty() {
        return Ok(());
    }
    let failure = Failure::new(FailureKind::Conflict, "the project has files of its own where the pattern writes").details(details);
    Err(failure.state(UNTOUCHED).hint("move them away, or take the pattern's with `chora init --replace`"))
}
