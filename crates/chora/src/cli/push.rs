//! `chora push`.

use chora_ops::Failure;
use chora_ops::push::{PushOutcome, PushRequest, push};
use clap::Args;

use super::EnvironmentArgs;
use super::door::{Door, next};
use super::output::Answer;
use super::style::{DIM, paint};
use super::table::{Cell, Table};

/// Push the images that the project builds to a registry
///
/// They go there as they are built from the files as they are now, as REGISTRY/NAME:VERSION. Logins are those of `docker login`.
/// For releases there is `chora release`, which verifies before it pushes.
#[derive(Debug, Args)]
pub(crate) struct PushArgs {
    /// The registry's host, with a path where it has one, such as ghcr.io/acme
    registry: String,
    /// Push only these services' images
    #[arg(value_name = "SERVICE")]
    services: Vec<String>,
    #[command(flatten)]
    environment: EnvironmentArgs,
    /// Push under this tag [default: what git says]
    #[arg(long, value_name = "VERSION")]
    version: Option<String>,
    /// Show what would be pushed and touch nothing
    #[arg(short = 'n', long)]
    dry_run: bool,
}

pub(crate) async fn run(args: PushArgs, door: &Door) -> Result<Answer, Failure> {
    let PushArgs { registry, services, environment, version, dry_run } = args;
    let request = PushRequest { registry, environment: environment.environment, services, version, dry_run };
    let outcome = push(&door.context(request.environment.as_deref())?, &request).await?;
    let text = render(&outcome);
    Answer::new(&outcome, text)
}

fn render(outcome: &PushOutcome) -> String {
    let mut table = Table::new(&["SERVICE", if outcome.dry_run { "WOULD BE PUSHED AS" } else { "PUSHED AS" }, "DIGEST"]);
    for (service, image) in &outcome.images {
        table.row(vec![
            service.clone().into(),
            image.reference.clone().into(),
            Cell::styled(DIM, image.digest.clone().unwrap_or_default()),
        ]);
    }
    format!("{}{} {}\n", table.render(), paint(DIM, "next:"), next(&outcome.next, outcome.environment.as_str()))
}
