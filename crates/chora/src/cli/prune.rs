//! `chora prune`.

use chora_ops::Failure;
use chora_ops::stack::{PruneRequest, RemovedOutcome, prune};
use clap::Args;

use super::EnvironmentArgs;
use super::door::{Door, next};
use super::output::Answer;
use super::style::{DIM, GOOD, count, paint};

/// Remove stopped containers and built images that no kept release needs
#[derive(Debug, Args)]
pub(crate) struct PruneArgs {
    #[command(flatten)]
    environment: EnvironmentArgs,
    /// Show what would be removed and touch nothing
    #[arg(short = 'n', long)]
    dry_run: bool,
}

pub(crate) async fn run(args: PruneArgs, door: &Door) -> Result<Answer, Failure> {
    let request = PruneRequest { environment: args.environment.environment, dry_run: args.dry_run };
    let outcome = prune(&door.context(request.environment.as_deref())?, &request).await?;
    let environment = request.environment.as_deref().unwrap_or(chora_ops::project::DEFAULT_ENVIRONMENT);
    let text = removed(&outcome, environment);
    Answer::new(&outcome, text)
}

/// What is gone, or would be, by name.
pub(crate) fn removed(outcome: &RemovedOutcome, environment: &str) -> String {
    let kinds =
        [("container", &outcome.containers), ("network", &outcome.networks), ("volume", &outcome.volumes), ("image", &outcome.images)];
    let mut text = String::new();
    for (kind, names) in kinds {
        text.extend(names.iter().map(|name| format!("  {kind} {name}\n")));
    }
    let gone: Vec<String> = kinds.iter().filter(|(_, names)| !names.is_empty()).map(|(kind, names)| count(names.len(), kind)).collect();
    let head = if gone.is_empty() {
        format!("nothing to remove in {environment}")
    } else {
        let verb = if outcome.dry_run { "would remove" } else { "removed" };
        format!("{verb} {} of {environment}", gone.join(", "))
    };
    format!("{} {head}\n{text}{} {}\n", paint(GOOD, "✓"), paint(DIM, "next:"), next(&outcome.next, environment))
}
