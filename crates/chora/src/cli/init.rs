//! `chora init`.

use chora_ops::Failure;
use chora_ops::init::{FileChange, InitOutcome, InitRequest, init};
use clap::Args;

use super::answers::AnswerArgs;
use super::door::Door;
use super::output::Answer;
use super::style::{DIM, GOOD, PLAIN, WARN, paint};

/// Write the Docker files of a pattern into the project
///
/// Finds out what it can about the project, takes the rest from --set, --answers and defaults, and writes all files or none.
/// Files that are there and differ are left alone: then nothing is written. What was answered is kept in .chora, for
/// `chora upgrade`.
#[derive(Debug, Args)]
pub(crate) struct InitArgs {
    /// The pattern [default: the one that fits the project]
    #[arg(long, value_name = "NAME")]
    pattern: Option<String>,
    #[command(flatten)]
    answers: AnswerArgs,
    /// Write over files that are there and differ
    #[arg(long)]
    replace: bool,
    /// Print what would be written, write nothing
    #[arg(long)]
    dry_run: bool,
}

pub(crate) fn run(args: InitArgs, door: &Door) -> Result<Answer, Failure> {
    let answers = args.answers.read()?;
    let request = InitRequest { pattern: args.pattern, answers, replace: args.replace, dry_run: args.dry_run };
    let outcome = init(&door.settings(), &request)?;
    let text = render(&outcome);
    Answer::new(&outcome, text)
}

fn render(outcome: &InitOutcome) -> String {
    let found: String = outcome.found.iter().map(|line| format!("{} {line}\n", paint(DIM, "found:"))).collect();
    let line = |change: FileChange| match (change, outcome.dry_run) {
        (FileChange::Created, false) => paint(GOOD, "created "),
        (FileChange::Created, true) => paint(GOOD, "create  "),
        (FileChange::Replaced, false) => paint(WARN, "replaced"),
        (FileChange::Replaced, true) => paint(WARN, "replace "),
        (FileChange::Same, _) => paint(PLAIN, "same    "),
    };
    let files: String = outcome.files.iter().map(|file| format!("{} {}\n", line(file.change), file.path)).collect();
    let title = format!("pattern {}, version {}, in {}\n", outcome.pattern, outcome.version, outcome.directory);
    format!("{found}{title}{files}{} {}\n", paint(DIM, "next:"), outcome.next)
}
