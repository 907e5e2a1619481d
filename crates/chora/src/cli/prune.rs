//! `chora prune`.

use chora_ops::Failure;
use chora_ops::stack::{PsRequest, RemovedOutcome, prune};
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
}

pub(crate) async fn run(args: PruneArgs, door: &Door) -> Result<Answer, Failure> {
    let request = PsRequest { environment: args.environment.environment };
    let outcome = prune(&door.context(request.environment.as_deref())?, &request).await?;
    let environment = request.environment.as_deref().unwrap_or(chora_ops::project::DEFAULT_ENVIRONMENT);
    let text = removed(&outcome, environment);
    Answer::new(&outcome, text)
}

/// What is gone, by name.
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
        format!("removed {} of {environment}", gone.join(", "))
    };
    format!("{} {head}\n{text}{} {}\n", paint(GOOD, "✓"), paint(DIM, "next:"), next(&outcome.next, environment))
}
