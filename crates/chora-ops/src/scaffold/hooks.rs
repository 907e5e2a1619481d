//! Hooks: programs that go over the files of a pattern before they are written. They work in a folder of their own, so one that fails,
//! or that dies, has touched nothing of the project.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use chora_template::render::MOST_FILES;
use chora_template::source::LARGEST_FILE;
use chora_template::{Answers, Catalogue, Pattern, ProjectFile, Rendered, path};

use super::program::{self, ProgramError};
use super::source::Fetched;
use super::{UNTOUCHED, staged, trust};
use crate::context::Settings;
use crate::failure::{Failure, FailureKind};

/// How long one may take.
const LIMIT: Duration = Duration::from_secs(300);

/// Which hooks run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Occasion {
    Init,
    Upgrade,
}

impl Occasion {
    const fn word(self) -> &'static str {
        match self {
            Self::Init => "init",
            Self::Upgrade => "upgrade",
        }
    }

    fn of(self, pattern: &Pattern) -> &[Vec<String>] {
        match self {
            Self::Init => &pattern.hooks.init,
            Self::Upgrade => &pattern.hooks.upgrade,
        }
    }
}

/// What is given to hooks.
pub(crate) struct Given<'a> {
    pub(crate) settings: &'a Settings,
    pub(crate) fetched: &'a Fetched,
    pub(crate) catalogue: &'a Catalogue<'a>,
    pub(crate) pattern: &'a Pattern,
    pub(crate) answers: &'a Answers,
    /// Sources that are trusted for this command.
    pub(crate) trust: &'a [String],
}

/// What hooks made of the files.
#[derive(Debug, Default)]
pub(crate) struct Hooked {
    pub(crate) files: Rendered,
    /// Files that they made or changed.
    pub(crate) touched: BTreeSet<String>,
    /// Those that did not run, because nobody trusts their source.
    pub(crate) skipped: Vec<String>,
}

/// Lets the hooks of a pattern go over its files.
pub(crate) fn run(given: &Given<'_>, occasion: Occasion, rendered: Rendered) -> Result<Hooked, Failure> {
    let line = |word: &String| given.catalogue.line(given.pattern, word, given.answers);
    let commands = occasion.of(given.pattern).iter().map(|words| words.iter().map(line).collect::<Result<Vec<String>, _>>());
    let commands = commands.collect::<Result<Vec<_>, _>>().map_err(|error| super::unrendered(given.fetched, &error.into()))?;
    let Some((name, source)) = given.fetched.name().filter(|_| !commands.is_empty()) else {
        return Ok(Hooked { files: rendered, ..Hooked::default() });
    };
    if !trust::is_trusted(given.settings, given.trust, name)? {
        let skipped = commands.iter().map(|words| words.join(" ")).collect();
        return Ok(Hooked { files: rendered, skipped, ..Hooked::default() });
    }
    let world = |error: io::Error| Failure::new(FailureKind::Unavailable, format!("hooks cannot be run: {error}")).state(UNTOUCHED);
    let folder = tempfile::tempdir().map_err(world)?;
    let bench = Bench { given, occasion, files: folder.path().join("files"), folder: folder.path() };
    bench.lay_out(source.iter(), &rendered).map_err(world)?;
    commands.iter().try_for_each(|words| bench.run(words))?;
    let files = bench.read()?;
    let touched = files.iter().filter(|(path, file)| rendered.get(*path) != Some(*file)).map(|(path, _)| path.clone()).collect();
    Ok(Hooked { files, touched, skipped: Vec::new() })
}

/// Where hooks work.
struct Bench<'a> {
    given: &'a Given<'a>,
    occasion: Occasion,
    folder: &'a Path,
    /// What is about to be written; the folder that they run in.
    files: PathBuf,
}

impl Bench<'_> {
    fn lay_out<'f>(&self, source: impl Iterator<Item = (&'f str, &'f ProjectFile)>, rendered: &Rendered) -> io::Result<()> {
        fs::create_dir(&self.files)?;
        let own = source.map(|(path, file)| (self.folder.join("source").join(path), file));
        let wanted = rendered.iter().map(|(path, file)| (self.files.join(path), file));
        for (path, file) in own.chain(wanted) {
            path.parent().map_or(Ok(()), fs::create_dir_all)?;
            staged::write(&path, &file.bytes, file.executable)?;
        }
        let answers = serde_json::to_vec_pretty(self.given.answers)?;
        fs::write(self.folder.join("answers.json"), answers)
    }

    fn run(&self, words: &[String]) -> Result<(), Failure> {
        let Some((program, arguments)) = words.split_first() else { return Ok(()) };
        // A path is one below the files; a name is looked for where programs are.
        let program = if program.contains('/') { self.files.join(program) } else { PathBuf::from(program) };
        let mut command = program::apart(program);
        command.args(arguments).current_dir(&self.files);
        command.env("CHORA_HOOK", self.occasion.word()).env("CHORA_ANSWERS", self.folder.join("answers.json"));
        command.env("CHORA_PATTERN", &self.given.pattern.name).env("CHORA_VERSION", self.given.pattern.version.to_string());
        command.env("CHORA_PROJECT", &self.given.settings.project_dir);
        let shown = words.join(" ");
        let failure = |reason: &str, kind| {
            let failure = Failure::new(kind, format!("the hook `{shown}` {reason}")).state(UNTOUCHED);
            failure.hint("mend the hook in the source, or leave --trust away to go on without it")
        };
        let ended = program::run(&mut command, b"", LIMIT).map_err(|error| match error {
            ProgramError::Missing => failure("cannot be run: there is no such program", FailureKind::NotFound),
            error => failure(&format!("cannot be run: {error}"), FailureKind::Unavailable),
        })?;
        if ended.status.success() {
            return Ok(());
        }
        let reason = ended.status.code().map_or_else(|| "was killed".to_owned(), |code| format!("ended with {code}"));
        Err(failure(&reason, FailureKind::Invalid).details(ended.last_lines()))
    }

    /// The files as the hooks left them.
    fn read(&self) -> Result<Rendered, Failure> {
        let refused = |message: String| {
            let failure = Failure::new(FailureKind::Invalid, format!("what the hooks left cannot be written: {message}"));
            failure.state(UNTOUCHED).hint("mend the hooks in the source")
        };
        let (mut files, mut open) = (Rendered::new(), vec![String::new()]);
        while let Some(folder) = open.pop() {
            for entry in fs::read_dir(self.files.join(&folder)).map_err(|error| refused(error.to_string()))? {
                let entry = entry.map_err(|error| refused(error.to_string()))?;
                let name = entry.file_name().to_string_lossy().into_owned();
                let path = if folder.is_empty() { name } else { format!("{folder}/{name}") };
                path::check(&path).map_err(|error| refused(error.to_string()))?;
                let metadata = entry.path().symlink_metadata().map_err(|error| refused(error.to_string()))?;
                if metadata.is_dir() {
                    open.push(path);
                } else if metadata.is_file() && metadata.len() <= LARGEST_FILE && files.len() < MOST_FILES {
                    let bytes = fs::read(entry.path()).map_err(|error| refused(error.to_string()))?;
                    files.insert(path, ProjectFile { bytes, executable: metadata.permissions().mode() & 0o100 != 0 });
                } else {
                    return Err(refused(format!("`{path}` is a link or a device, or too large, or one too many")));
                }
            }
        }
        Ok(files)
    }
}
