//! How phases are checked, recorded and taken back.

use super::{PlanPhase, PlanTask, Snippet};
use crate::audit::adoption::Adoption;
use crate::audit::phase::Phase;
use crate::audit::subject::{EnvironmentFiles, INLINE, ImageFile, Subject};
use crate::audit::words::listed;

/// How long it takes to run and to ask everything once.
const LAST_MINUTES: u16 = 20;

/// The command that resolves an environment, once these files are written.
fn resolve(subject: &Subject, environment: &EnvironmentFiles, written: &[String]) -> String {
    let own = environment.own_file();
    let added = Some(&own).filter(|own| written.contains(own) && !environment.files.contains(own));
    if subject.manifest().is_some() {
        let name = if environment.name == "production" { String::new() } else { format!(" --env {}", environment.name) };
        return format!("chora config --check{name}");
    }
    if environment.has_usual_file() && added.is_none() {
        return "chora config --check".to_owned();
    }
    // Without chora.yaml, Chora does not know which files belong together.
    let files: String = environment.files.iter().chain(added).map(|file| format!(" -f {}", quoted(file))).collect();
    format!("docker compose{files} config --quiet")
}

fn resolved(subject: &Subject, written: &[String]) -> Vec<String> {
    let mut commands: Vec<String> = subject.environments.iter().map(|environment| resolve(subject, environment, written)).collect();
    let mut seen = std::collections::HashSet::new();
    commands.retain(|command| seen.insert(command.clone()));
    commands
}

pub(super) fn commands(subject: &Subject, phase: Phase, files: &[String], percent: u8) -> Vec<String> {
    let build = |image: &ImageFile| format!("docker build --file {} {}", quoted(&image.path), quoted(&context(subject, &image.context)));
    let mut commands = match phase {
        Phase::Readable | Phase::Safety | Phase::Stack | Phase::Project => resolved(subject, files),
        Phase::Image => subject.images.iter().filter(|image| image.path != INLINE).map(build).collect(),
        Phase::Work => Vec::new(),
    };
    commands.push(format!("chora audit --fail-under {percent}"));
    commands
}

/// A build context as a person in the project's directory writes it.
fn context(subject: &Subject, context: &str) -> String {
    let below = context.strip_prefix(subject.directory.as_str()).map(|below| below.trim_start_matches('/'));
    below.map_or_else(|| context.to_owned(), |below| if below.is_empty() { ".".to_owned() } else { below.to_owned() })
}

/// A path as a shell takes it.
fn quoted(path: &str) -> String {
    let is_plain = path.chars().all(|character| character.is_ascii_alphanumeric() || "._-/".contains(character));
    if is_plain { path.to_owned() } else { format!("'{}'", path.replace('\'', "'\\''")) }
}

pub(super) fn rollback(subject: &Subject, files: &[String]) -> Vec<String> {
    let files: Vec<String> = files.iter().map(|file| quoted(file)).collect();
    if subject.is_repository {
        // A stash loses nothing, and takes files that are new, too.
        let stash = format!("git stash push --include-untracked -- {}", files.join(" "));
        return vec![format!("{stash}   # before the commit"), "git revert --no-edit HEAD   # after it".to_owned()];
    }
    files.iter().map(|file| format!("cp -a \"$BEFORE\"/{file} {file} || mv {file} {file}.taken-back")).collect()
}

pub(super) fn commit(subject: &Subject, phase: Phase, files: &[String]) -> Vec<String> {
    if !subject.is_repository {
        return Vec::new();
    }
    let files: Vec<String> = files.iter().map(|file| quoted(file)).collect();
    vec![format!("git add {}", files.join(" ")), format!("git commit -m \"docker: {}\"", phase.title())]
}

pub(super) fn prerequisites(subject: &Subject) -> Vec<String> {
    let mut all = vec!["`chora --version` and `docker version` answer".to_owned()];
    if subject.is_repository {
        all.push("nothing is uncommitted: `git status --short` prints nothing".to_owned());
        all.push("a branch of its own: `git switch -c docker-adoption`".to_owned());
    } else {
        all.push("a copy beside the project, which is no Git repository: `export BEFORE=\"$PWD.before\"; cp -a . \"$BEFORE\"`".to_owned());
    }
    all
}

/// The phase that asks whether the whole works.
pub(super) fn last(subject: &Subject, number: usize, done: &Adoption) -> PlanPhase {
    let task = |index: usize, title: &str, change: &str, commands: &str| PlanTask {
        number: format!("{number}.{index}"),
        feature: None,
        title: title.to_owned(),
        gain: 0.0,
        minutes: LAST_MINUTES / 2,
        places: Vec::new(),
        change: change.to_owned(),
        snippet: Some(Snippet { file: None, language: "bash".to_owned(), text: commands.to_owned() }),
    };
    let rest = match done.counts.unknown {
        0 => "Every feature is adopted.".to_owned(),
        1 => "1 feature could not be judged before; what it lacks is in the next plan.".to_owned(),
        unknown => format!("{unknown} features could not be judged before; what they lack is in the next plan."),
    };
    let run = "chora up\nchora health --env development\nchora down\n";
    PlanPhase {
        number,
        title: "the whole".to_owned(),
        minutes: LAST_MINUTES,
        percent: done.percent(),
        tasks: vec![
            task(1, "it runs, and answers on every level", "Start it for development, ask it, take it down.", run),
            task(2, "the audit agrees", &rest, &format!("chora audit --fail-under {}\n", done.percent())),
        ],
        check: vec!["chora config --check".to_owned(), format!("chora audit --fail-under {}", done.percent())],
        rollback: if subject.is_repository { vec!["git switch -   # the branch stays".to_owned()] } else { Vec::new() },
        commit: Vec::new(),
    }
}

pub(super) fn success(subject: &Subject, done: &Adoption) -> Vec<String> {
    let environments = subject.environments.iter().map(|environment| environment.name.as_str());
    let environments: Vec<&str> = environments.collect();
    vec![
        format!("`chora config --check` succeeds for {}", listed(&environments)),
        "`chora health --env development` exits with 0".to_owned(),
        format!("`chora audit --fail-under {}` exits with 0", done.percent()),
    ]
}
