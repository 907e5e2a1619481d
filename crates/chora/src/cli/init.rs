//! `chora init`.

use chora_ops::Failure;
use chora_ops::init::{FileChange, InitOutcome, InitRequest, init_asking};
use clap::Args;

use super::answers::AnswerArgs;
use super::door::Door;
use super::output::Answer;
use super::prompt::{self, Which};
use super::source::{self, TrustArgs};
use super::style::{DIM, GOOD, PLAIN, WARN, paint};

/// Write the Docker files of a pattern into the project
///
/// Finds out what it can about the project, takes the rest from --set, --answers, a person at a terminal and defaults, and writes
/// all files or none. Files that are there and differ are left alone: then nothing is written. What was answered is kept in
/// .chora, for `chora upgrade`.
#[derive(Debug, Args)]
pub(crate) struct InitArgs {
    /// Take patterns from this directory or repository instead of the built-in catalogue
    #[arg(long, value_name = "SOURCE[@TAG]")]
    from: Option<String>,
    /// The pattern [default: the one that fits the project]
    #[arg(long, value_name = "NAME")]
    pattern: Option<String>,
    #[command(flatten)]
    answers: AnswerArgs,
    #[command(flatten)]
    trust: TrustArgs,
    /// Write over files that are there and differ
    #[arg(long)]
    replace: bool,
    /// Print what would be written, write nothing
    #[arg(long)]
    dry_run: bool,
}

pub(crate) fn run(args: InitArgs, door: &Door) -> Result<Answer, Failure> {
    let settings = door.settings();
    let request = InitRequest {
        from: args.from.map(|from| source::as_named(&settings, from)),
        pattern: args.pattern,
        replace: args.replace,
        dry_run: args.dry_run,
        trust: args.trust.named(&settings),
        answers: args.answers.read()?,
    };
    let mut asked = prompt::person(args.answers.is_silent(), Which::Guesses);
    let outcome = init_asking(&settings, &request, &mut asked)?;
    let text = render(&outcome);
    let mut warnings: Vec<String> = outcome.settled.iter().chain(&outcome.warnings).cloned().collect();
    warnings.extend(source::warnings(outcome.source.as_ref(), &outcome.skipped_hooks));
    Ok(Answer::new(&outcome, text)?.warnings(&warnings))
}

fn render(outcome: &InitOutcome) -> String {
    let found: String = outcome.found.iter().map(|line| format!("{} {line}\n", paint(DIM, "found:"))).collect();
    let said = |name: &String| Some(format!("{name} {}", prompt::shown(outcome.answers.get(name)?)));
    let assumed: Vec<String> = outcome.assumed.iter().filter_map(said).collect();
    let assumed = if assumed.is_empty() {
        String::new()
    } else {
        format!("{} {}; --set NAME=ANSWER says otherwise\n", paint(DIM, "assumed:"), assumed.join(", "))
    };
    let line = |change: FileChange| match (change, outcome.dry_run) {
        (FileChange::Created, false) => paint(GOOD, "created "),
        (FileChange::Created, true) => paint(GOOD, "create  "),
        (FileChange::Replaced, false) => paint(WARN, "replaced"),
        (FileChange::Replaced, true) => paint(WARN, "replace "),
        (FileChange::Same, _) => paint(PLAIN, "same    "),
    };
    let files: String = outcome.files.iter().map(|file| format!("{} {}\n", line(file.change), file.path)).collect();
    let from = source::told(outcome.source.as_ref());
    let title = format!("pattern {}, version {}{from}, in {}\n", outcome.pattern, outcome.version, outcome.directory);
    format!("{found}{assumed}{title}{files}{} {}\n", paint(DIM, "next:"), outcome.next)
}
