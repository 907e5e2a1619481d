//! Files around image and stack, and what version control leaves out.

use crate::audit::marks::{Evidence, Marks};
use crate::audit::plan::Snippet;
use crate::audit::subject::{PatternState, Subject};

/// Files with values of one machine.
const OWN_VALUES: [&str; 2] = [".env", ".env.local"];
/// Guides, by words of their names.
const GUIDES: [(&str, &[&str]); 3] = [
    ("set-up", &["docker_setup", "docker-setup", "docker.md", "setup", "getting-started", "getting_started"]),
    ("production", &["production", "deploy"]),
    ("troubleshooting", &["troubleshoot"]),
];

fn kept_out(subject: &Subject, path: &str, marks: &mut Marks) {
    match subject.ignored.get(path) {
        Some(Some(place)) => marks.good(Evidence::in_file(&place.file, Some(place.line), format!("`{path}`"))),
        _ => marks.bad(Evidence::in_file(".gitignore", None, format!("Git would take `{path}`"))),
    }
}

pub(super) fn environment_ignored(subject: &Subject, marks: &mut Marks) {
    OWN_VALUES.iter().for_each(|path| kept_out(subject, path, marks));
}

pub(super) fn secrets_ignored(subject: &Subject, marks: &mut Marks) {
    let files = subject.ignored.keys().filter(|path| !OWN_VALUES.contains(&path.as_str()));
    files.for_each(|path| kept_out(subject, path, marks));
}

pub(super) fn environment_files(subject: &Subject, marks: &mut Marks) {
    let groups: [&[&str]; 2] = [&[".env.defaults"], &[".env.example", ".env.sample", ".env.template", "env.example"]];
    for names in groups {
        match names.iter().find(|name| subject.paths.contains(**name)) {
            Some(name) => marks.good(Evidence::in_file(*name, None, "it is there")),
            None => marks.bad(Evidence::in_file(names.first().copied().unwrap_or_default(), None, "it is not there")),
        }
    }
}

pub(super) fn guides(subject: &Subject, marks: &mut Marks) {
    let is_guide = |path: &&String| [".md", ".rst", ".txt", ".adoc"].iter().any(|end| path.to_ascii_lowercase().ends_with(end));
    for (what, words) in GUIDES {
        let found = subject.paths.iter().filter(is_guide).find(|path| {
            let name = path.rsplit('/').next().unwrap_or(path).to_ascii_lowercase();
            words.iter().any(|word| name.contains(word))
        });
        match found {
            Some(path) => marks.good(Evidence::in_file(path, None, what)),
            None => marks.bad(Evidence::note(format!("no guide for {what}"))),
        }
    }
}

pub(super) fn pattern(subject: &Subject, marks: &mut Marks) {
    const RECORD: &str = ".chora/answers.yaml";
    match &subject.pattern {
        PatternState::None => marks.bad(Evidence::in_file(RECORD, None, "no pattern is recorded")),
        PatternState::Broken(reason) => marks.half(Evidence::in_file(RECORD, None, reason)),
        PatternState::Elsewhere { name, version, source } => {
            let note = format!("{name}, version {version} of {source}; `chora upgrade --check` asks for a newer one");
            marks.good(Evidence::in_file(RECORD, None, note));
        }
        PatternState::Known { name, version, latest, is_behind, deleted } => {
            match (is_behind, version == latest) {
                (false, _) => marks.good(Evidence::in_file(RECORD, None, format!("{name}, version {version}"))),
                (true, true) => marks.half(Evidence::in_file(RECORD, None, format!("{name}, version {version}, has other contents now"))),
                (true, false) => marks.half(Evidence::in_file(RECORD, None, format!("{name} is at version {version}, there is {latest}"))),
            }
            deleted.iter().for_each(|path| marks.half(Evidence::in_file(path, None, "it was deleted")));
        }
    }
}

pub(super) fn pattern_lines(subject: &Subject) -> Snippet {
    let text = match &subject.pattern {
        PatternState::None => "chora init --dry-run\n",
        _ => "chora upgrade --dry-run\nchora upgrade\n",
    };
    Snippet { file: None, language: "bash".to_owned(), text: text.to_owned() }
}
