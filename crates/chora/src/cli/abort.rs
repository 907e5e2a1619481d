//! `chora resume` and `chora abort`.

use chora_ops::Failure;
use chora_ops::resume::{ResumeOutcome, ResumeRequest, abort as abort_open, resume as resume_open};
use clap::Args;

use super::EnvironmentArgs;
use super::door::{Door, next};
use super::output::Answer;
use super::style::{DIM, GOOD, paint};

/// Go on with a deployment whose process was killed
#[derive(Debug, Args)]
pub(crate) struct ResumeArgs {
    #[command(flatten)]
    environment: EnvironmentArgs,
    /// Show what would be done and touch nothing
    #[arg(short = 'n', long)]
    dry_run: bool,
}

/// Undo a deployment whose process was killed
#[derive(Debug, Args)]
pub(crate) struct AbortArgs {
    #[command(flatten)]
    environment: EnvironmentArgs,
    /// Show what would be done and touch nothing
    #[arg(short = 'n', long)]
    dry_run: bool,
}

pub(crate) async fn resume(args: ResumeArgs, door: &Door) -> Result<Answer, Failure> {
    let request = ResumeRequest { environment: args.environment.environment, dry_run: args.dry_run };
    let outcome = resume_open(&door.context(request.environment.as_deref())?, &request).await?;
    answer(&outcome)
}

pub(crate) async fn abort(args: AbortArgs, door: &Door) -> Result<Answer, Failure> {
    let request = ResumeRequest { environment: args.environment.environment, dry_run: args.dry_run };
    let outcome = abort_open(&door.context(request.environment.as_deref())?, &request).await?;
    answer(&outcome)
}

fn answer(outcome: &ResumeOutcome) -> Result<Answer, Failure> {
    let next = next(&outcome.next, outcome.environment.as_str());
    let steps: String = outcome.steps.iter().map(|step| format!("  {step}\n")).collect();
    let head = match outcome.outcome {
        Some(_) => format!("{} {} in {}", paint(GOOD, "✓"), outcome.message, outcome.environment),
        None => format!("{} in {}; nothing was touched", outcome.message, outcome.environment),
    };
    Answer::new(outcome, format!("{head}\n{steps}{} {next}\n", paint(DIM, "next:")))
}
