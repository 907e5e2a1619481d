//! `chora upgrade`.

use chora_ops::upgrade::{UpgradeAction, UpgradeOutcome, UpgradeRequest, upgrade};
use chora_ops::{Failure, FailureKind};
use clap::Args;

use super::answers::AnswerArgs;
use super::door::Door;
use super::output::Answer;
use super::style::{DIM, paint};

/// Bring the files of a pattern up to date, edits kept
///
/// Compares what the pattern wrote with what stands there and with what it would write now, and merges by lines. Where both
/// changed the same lines the places are marked, and the exit code is 75 until --continue or --abort has ended it.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "flags of a command line are what they are")]
pub(crate) struct UpgradeArgs {
    #[command(flatten)]
    answers: AnswerArgs,
    /// Write nothing; exit with 1 when the files are behind
    #[arg(long, conflicts_with_all = ["dry_run", "continue", "abort"])]
    check: bool,
    /// Print what would become of each file, write nothing
    #[arg(long, conflicts_with_all = ["continue", "abort"])]
    dry_run: bool,
    /// The marked places are resolved
    #[arg(long = "continue", conflicts_with_all = ["abort", "answers", "set"])]
    r#continue: bool,
    /// Put every file back as it was before the upgrade
    #[arg(long, conflicts_with_all = ["answers", "set"])]
    abort: bool,
}

impl UpgradeArgs {
    const fn action(&self) -> UpgradeAction {
        match (self.check || self.dry_run, self.r#continue, self.abort) {
            (true, _, _) => UpgradeAction::DryRun,
            (false, true, _) => UpgradeAction::Continue,
            (false, false, true) => UpgradeAction::Abort,
            (false, false, false) => UpgradeAction::Merge,
        }
    }
}

pub(crate) fn run(args: &UpgradeArgs, door: &Door) -> Result<Answer, Failure> {
    let request = UpgradeRequest { action: args.action(), answers: args.answers.read()? };
    let outcome = upgrade(&door.settings(), &request)?;
    let text = told(&outcome, request.action);
    let exit = match (args.check, outcome.is_behind, outcome.conflicts) {
        (true, is_behind, _) => u8::from(is_behind),
        (false, _, conflicts) if conflicts > 0 && !outcome.dry_run => FailureKind::Conflict.exit_code(),
        _ => 0,
    };
    Ok(Answer::new(&outcome, text)?.exit(exit))
}

fn told(outcome: &UpgradeOutcome, action: UpgradeAction) -> String {
    format!("{}{} {}\n", words(outcome, action), paint(DIM, "next:"), outcome.next)
}

/// The outcome in words, without the next command.
pub(crate) fn words(outcome: &UpgradeOutcome, action: UpgradeAction) -> String {
    let (pattern, to) = (&outcome.pattern, outcome.to);
    let title = match action {
        UpgradeAction::Continue => format!("{pattern} is at version {to}\n"),
        UpgradeAction::Abort => format!("{pattern} is as it was before the upgrade\n"),
        _ if !outcome.is_behind => format!("{pattern} is up to date, version {to}\n"),
        _ if outcome.from == to => format!("{pattern}, version {to}, with other contents\n"),
        _ => format!("{pattern}, from version {} to {to}\n", outcome.from),
    };
    let fate = |line: &chora_ops::upgrade::FileFate| {
        let word =
            serde_json::to_value(line.fate).ok().and_then(|value| value.as_str().map(|word| word.replace('_', "-"))).unwrap_or_default();
        format!("{word:<12} {}\n", line.path)
    };
    let files = if action == UpgradeAction::Abort { String::new() } else { outcome.files.iter().map(fate).collect() };
    title + &files
}
