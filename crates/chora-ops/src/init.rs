//! `chora init`: writes the Docker files of a pattern into a project, all or none, and overwrites nothing.

use std::path::Path;

pub use crate::scaffold::source::address::is_repository_address;
pub use chora_template::Answers;
pub use chora_template::answers::Open;
use chora_template::answers::{Ask, Settled};
pub use chora_template::question::Question;
pub use chora_template::record::Source;
use chora_template::record::{RECORD, Record};
use chora_template::{Catalogue, Pattern, ProjectFile, Rendered};
use serde::{Deserialize, Serialize};

use crate::context::Settings;
use crate::failure::{Failure, FailureKind};
use crate::scaffold::apply::{self, Change};
use crate::scaffold::detect::Detected;
use crate::scaffold::hooks::{self, Given, Hooked, Occasion};
use crate::scaffold::{self, Filled, UNTOUCHED, detect, files};

/// Compose files of other names, which would stand beside the pattern's.
const OTHER_COMPOSE_FILES: [&str; 5] =
    ["compose.yml", "docker-compose.yml", "docker-compose.yaml", "compose.override.yaml", "compose.override.yml"];

/// What to write.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct InitRequest {
    /// A directory or repository of patterns, `SOURCE[@TAG]`; the built-in catalogue where absent.
    pub from: Option<String>,
    /// The pattern; the one that fits the project where absent.
    pub pattern: Option<String>,
    /// Answers to its questions, by name; the rest is found out or has a default.
    pub answers: Answers,
    /// Write over files that are there and differ.
    pub replace: bool,
    /// Tell what would be written, write nothing.
    pub dry_run: bool,
    /// Sources whose hooks may run; a person says so, never a model.
    #[serde(skip)]
    pub trust: Vec<String>,
}

/// What was written.
#[derive(Debug, Clone, Serialize, schemars::JsonSchema)]
pub struct InitOutcome {
    /// Where the pattern is from; the built-in catalogue where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<Source>,
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
    /// Questions that nobody answered: their defaults were taken.
    pub assumed: Vec<String>,
    /// Hooks that were not run, because nobody trusts their source.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub skipped_hooks: Vec<String>,
    /// What was written and has no effect where it is.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// What a killed command had begun, and what became of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub settled: Option<String>,
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

/// Writes a pattern's files; what is neither given nor found out has its default.
///
/// # Errors
/// Invalid or not found when source, pattern or answers are not right; conflict when files are there that differ, or the project has a
/// pattern already; denied when it may not be written; unavailable when the source cannot be reached. Then nothing is written.
pub fn init(settings: &Settings, request: &InitRequest) -> Result<InitOutcome, Failure> {
    init_asking(settings, request, &mut |_| None)
}

/// The same, with somebody who can be asked.
///
/// # Errors
/// As for [`init`].
pub fn init_asking(settings: &Settings, request: &InitRequest, ask: &mut Ask<'_>) -> Result<InitOutcome, Failure> {
    let begun = apply::begin(&settings.project_dir, request.dry_run)?;
    let written = write(settings, request, ask).map_err(|failure| begun.told(failure))?;
    Ok(InitOutcome { settled: begun.settled, ..written })
}

fn write(settings: &Settings, request: &InitRequest, ask: &mut Ask<'_>) -> Result<InitOutcome, Failure> {
    let root = settings.project_dir.as_path();
    refuse_second(root)?;
    let found = detect::detect(root);
    let fetched = scaffold::fetch(settings, request.from.as_deref())?;
    let catalogue = fetched.catalogue()?;
    let pattern = chosen(&catalogue, request, &found)?;
    let settled = catalogue.ask(pattern, &request.answers, &found.answers, ask);
    let Settled { answers, assumed } = settled.map_err(|error| scaffold::unanswered(&pattern.name, &error))?;
    let rendered = catalogue.render(pattern, &answers).map_err(|error| scaffold::unrendered(&fetched, &error))?;
    let given = Given { settings, fetched: &fetched, catalogue: &catalogue, pattern, answers: &answers, trust: &request.trust };
    let Hooked { files: rendered, touched, skipped } = hooks::run(&given, Occasion::Init, rendered)?;
    let lines = rendered.iter().map(|(path, file)| line(root, path, file)).collect::<Result<Vec<_>, _>>()?;
    refuse_others(root, &lines, request.replace)?;
    let filled = Filled { pattern, answers: &answers, files: &rendered, hooked: touched.into_iter().collect(), source: fetched.source() };
    if !request.dry_run {
        let written = rendered.iter().zip(&lines).filter(|(_, line)| line.change != FileChange::Same);
        let mut changes: Vec<Change> = written.map(|((path, file), _)| Change::file(path, file)).collect();
        changes.extend(scaffold::memory(root, filled));
        apply::apply(settings, &changes)?;
    }
    Ok(InitOutcome {
        source: fetched.source().cloned(),
        pattern: pattern.name.clone(),
        version: pattern.version,
        directory: root.display().to_string(),
        next: next(request, &rendered),
        answers,
        found: found.evidence,
        assumed,
        skipped_hooks: skipped,
        settled: None,
        warnings: unread(root, &lines),
        files: lines,
        dry_run: request.dry_run,
    })
}

fn next(request: &InitRequest, rendered: &Rendered) -> String {
    let guide = ["docs/DOCKER_SETUP.md", "docs/CI.md"].into_iter().find(|path| rendered.contains_key(*path));
    match guide {
        // Answers and sources are part of it, and have to be told again.
        _ if request.dry_run && *request == (InitRequest { dry_run: true, ..InitRequest::default() }) => "chora init".to_owned(),
        _ if request.dry_run => "the same command without --dry-run".to_owned(),
        Some(guide) if rendered.contains_key("chora.yaml") => format!("chora config, then chora up; {guide} says more"),
        Some(guide) => format!("chora config; {guide} says more"),
        None => "chora config".to_owned(),
    }
}

/// The pattern that is named, that fits the project, or that is the only one of its source.
fn chosen<'a>(catalogue: &'a Catalogue<'_>, request: &InitRequest, found: &Detected) -> Result<&'a Pattern, Failure> {
    if let Some(name) = &request.pattern {
        return scaffold::pattern(catalogue, name);
    }
    let mut all = catalogue.patterns();
    match (all.next(), all.next(), catalogue.find(found.pattern)) {
        (Some(only), None, _) => Ok(only),
        (_, _, Some(fitting)) => Ok(fitting),
        _ => {
            let names: Vec<&str> = catalogue.patterns().map(|pattern| pattern.name.as_str()).collect();
            let failure = Failure::new(FailureKind::Invalid, "the source has several patterns, none is named").state(UNTOUCHED);
            Err(failure.hint(format!("take one with --pattern: {}", names.join(", "))))
        }
    }
}

/// Where services look for what they are to do: at the top of a repository, nowhere else.
const AT_THE_TOP: [&str; 2] = [".github/workflows/", ".gitlab-ci.yml"];

/// Workflows of a project that is a part of a repository.
fn unread(root: &Path, lines: &[FileLine]) -> Vec<String> {
    let Some(top) = detect::repository_above(root) else { return Vec::new() };
    let of_ci = lines.iter().filter(|line| AT_THE_TOP.iter().any(|start| line.path.starts_with(start)));
    let warning = |line: &FileLine| {
        let top = top.display();
        format!(
            "{} is not read where it is: the top of the repository is {top}; move it there, and let its steps work in the project's folder",
            line.path
        )
    };
    of_ci.map(warning).collect()
}

fn refuse_second(root: &Path) -> Result<(), Failure> {
    let Some(ProjectFile { bytes, .. }) = files::read(root, RECORD)? else { return Ok(()) };
    let record = Record::read(&String::from_utf8_lossy(&bytes)).map_err(|error| scaffold::unreadable(&error))?;
    let what = format!("the project has the pattern `{}`, version {}, already", record.pattern, record.version);
    Err(Failure::new(FailureKind::Conflict, what).state(UNTOUCHED).hint("`chora upgrade` brings it up to date, with other answers too"))
}

fn line(root: &Path, path: &str, file: &ProjectFile) -> Result<FileLine, Failure> {
    let change = match files::read(root, path)? {
        None => FileChange::Created,
        Some(there) if there == *file => FileChange::Same,
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
    let beside: Vec<&str> = beside.collect();
    details.extend(beside.iter().map(|name| format!("{name} is a Compose file of its own")));
    if details.is_empty() {
        return Ok(());
    }
    let stay = if beside.is_empty() { String::new() } else { format!(", which leaves {} where it is", beside.join(", ")) };
    let hint = format!("move them away, or run the same command with --replace to write over what differs{stay}");
    let message = format!("{} has files of its own where the pattern writes", root.display());
    let failure = Failure::new(FailureKind::Conflict, message).details(details);
    Err(failure.state(UNTOUCHED).hint(hint))
}
