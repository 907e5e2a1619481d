//! `chora upgrade`.

use chora_ops::upgrade::{ConflictStyle, UpgradeAction, UpgradeOutcome, UpgradeRequest, upgrade_asking};
use chora_ops::{Failure, FailureKind};
use clap::{Args, ValueEnum};

use super::answers::AnswerArgs;
use super::door::Door;
use super::output::Answer;
use super::prompt::{self, Which};
use super::source::{self, TrustArgs};
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
    /// Go to this tag, branch or commit of the source [default: the newest version]
    #[arg(long, value_name = "VERSION", conflicts_with_all = ["continue", "abort"])]
    to: Option<String>,
    /// Take the pattern from this directory or repository from now on
    #[arg(long, value_name = "SOURCE[@TAG]", conflicts_with_all = ["continue", "abort"])]
    from: Option<String>,
    #[command(flatten)]
    trust: TrustArgs,
    /// Go on with changes that are not committed
    #[arg(long)]
    dirty: bool,
    /// How conflicts are told
    #[arg(long, value_name = "STYLE", value_enum, default_value_t = Style::Inline)]
    conflict: Style,
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

/// How conflicts are told.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Style {
    /// Both sides stand in the file, between markers
    Inline,
    /// The file stays as it is there, the pattern's change stands in a file `.rej` beside it
    Rej,
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

pub(crate) fn run(args: UpgradeArgs, door: &Door) -> Result<Answer, Failure> {
    let settings = door.settings();
    let request = UpgradeRequest {
        action: args.action(),
        answers: args.answers.read()?,
        to: args.to,
        from: args.from.map(|from| source::as_named(&settings, from)),
        dirty: args.dirty,
        conflict: match args.conflict {
            Style::Inline => ConflictStyle::Inline,
            Style::Rej => ConflictStyle::Rej,
        },
        trust: args.trust.named(&settings),
    };
    let mut asked = prompt::person(args.answers.is_silent() || args.check, Which::All);
    let outcome = upgrade_asking(&settings, &request, &mut asked)?;
    let text = told(&outcome, request.action);
    let exit = match (args.check, outcome.is_behind, outcome.conflicts) {
        (true, is_behind, _) => u8::from(is_behind),
        (false, _, conflicts) if conflicts > 0 && !outcome.dry_run => FailureKind::Conflict.exit_code(),
        _ => 0,
    };
    let mut warnings: Vec<String> = outcome.settled.iter().cloned().collect();
    warnings.extend(source::warnings(outcome.source.as_ref(), &outcome.skipped_hooks));
    Ok(Answer::new(&outcome, text)?.exit(exit).warnings(&warnings))
}

fn told(outcome: &UpgradeOutcome, action: UpgradeAction) -> String {
    format!("{}{} {}\n", words(outcome, action), paint(DIM, "next:"), outcome.next)
}

/// The outcome in words, without the next command.
pub(crate) fn words(outcome: &UpgradeOutcome, action: UpgradeAction) -> String {
    let pattern = &outcome.pattern;
    let to = format!("{}{}", outcome.to, source::told(outcome.source.as_ref()));
    let title = match action {
        UpgradeAction::Continue => format!("{pattern} is at version {to}\n"),
        UpgradeAction::Abort => format!("{pattern} is as it was before the upgrade\n"),
        _ if !outcome.is_behind => format!("{pattern} is up to date, version {to}\n"),
        _ if outcome.from == outcome.to => format!("{pattern}, version {to}, with other contents\n"),
        _ => format!("{pattern}, from version {} to {to}\n", outcome.from),
    };
    let fate = |line: &chora_ops::upgrade::FileFate| {
        let word =
            serde_json::to_value(line.fate).ok().and_then(|value| value.as_str().map(|word| word.replace('_', "-"))).unwrap_or_default();
        let from = line.from.as_ref().map_or_else(String::new, |from| format!(", was {from}"));
        format!("{word:<12} {}{from}\n", line.path)
    };
    let assumed: String = outcome.assumed.iter().map(|name| format!("assumed      {name}, a new question\n")).collect();
    let uncommitted: String = outcome.uncommitted.iter().map(|path| format!("uncommitted  {path}\n")).collect();
    let copies: String = outcome.copies.iter().map(|path| format!("copy         {path}, which was edited since\n")).collect();
    let files = if action == UpgradeAction::Abort { String::new() } else { outcome.files.iter().map(fate).collect() };
    title + &files + &assumed + &uncommitted + &copies
}
