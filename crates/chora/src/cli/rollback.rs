//! `chora rollback`.

use chora_ops::Failure;
use chora_ops::roll_back::{RollbackRequest, roll_back};
use clap::Args;

use super::EnvironmentArgs;
use super::deploy::render;
use super::door::Door;
use super::output::Answer;

/// Make an earlier release live again
///
/// Image, configuration and secrets go back together, through the same health gate as a deploy. Exit codes are those of `deploy`.
#[derive(Debug, Args)]
pub(crate) struct RollbackArgs {
    /// Version or release id, see `chora history` [default: the last good release]
    release: Option<String>,
    #[command(flatten)]
    environment: EnvironmentArgs,
    /// Show the plan and touch nothing
    #[arg(short = 'n', long)]
    dry_run: bool,
}

impl RollbackArgs {
    pub(crate) const fn is_dry_run(&self) -> bool {
        self.dry_run
    }
}

pub(crate) async fn run(args: RollbackArgs, door: &Door) -> Result<Answer, Failure> {
    let request = RollbackRequest { environment: args.environment.environment, release: args.release, dry_run: args.dry_run };
    let outcome = {
        let cx = door.context(request.environment.as_deref())?;
        Box::pin(roll_back(&cx, &request)).await?
    };
    let text = render(&outcome);
    Ok(Answer::new(&outcome, text)?.warnings(&outcome.warnings))
}
