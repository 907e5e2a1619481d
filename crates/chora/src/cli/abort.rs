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
}

/// Undo a deployment whose process was killed
#[derive(Debug, Args)]
pub(crate) struct AbortArgs {
    #[command(flatten)]
    environment: EnvironmentArgs,
}

pub(crate) async fn resume(args: ResumeArgs, door: &Door) -> Result<Answer, Failure> {
    let request = ResumeRequest { environment: args.environment.environment };
    let outcome = resume_open(&door.context(request.environment.as_deref())?, &request).await?;
    answer(&outcome)
}

pub(crate) async fn abort(args: AbortArgs, door: &Door) -> Result<Answer, Failure> {
    let request = ResumeRequest { environment: args.environment.environment };
    let outcome = abort_open(&door.context(request.environment.as_deref())?, &request).await?;
    answer(&outcome)
}

fn answer(outcome: &ResumeOutcome) -> Result<Answer, Failure> {
    let next = next(&outcome.next, outcome.environment.as_str());
    Answer::new(outcome, format!("{} {} in {}\n{} {next}\n", paint(GOOD, "✓"), outcome.message, outcome.environment, paint(DIM, "next:")))
}
