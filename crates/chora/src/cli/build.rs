//! `chora build`.

use chora_ops::Failure;
use chora_ops::stack::{BuildRequest, build};
use clap::Args;

use super::EnvironmentArgs;
use super::door::Door;
use super::output::Answer;
use super::style::{DIM, paint};
use super::table::{Cell, Table};

/// Build the images of services that have a `build` section
#[derive(Debug, Args)]
pub(crate) struct BuildArgs {
    /// Build only these services
    #[arg(value_name = "SERVICE")]
    services: Vec<String>,
    #[command(flatten)]
    environment: EnvironmentArgs,
    /// Build images whose inputs did not change, too
    #[arg(long)]
    again: bool,
    /// Name the version in the images' labels
    #[arg(long, value_name = "VERSION")]
    version: Option<String>,
}

pub(crate) async fn run(args: BuildArgs, door: &Door) -> Result<Answer, Failure> {
    let request =
        BuildRequest { environment: args.environment.environment, services: args.services, again: args.again, version: args.version };
    let outcome = {
        let cx = door.context(request.environment.as_deref())?;
        build(&cx, &request).await?
    };
    if outcome.images.is_empty() {
        return Answer::new(&outcome, "no service has a `build` section\n".to_owned());
    }
    let mut table = Table::new(&["SERVICE", "IMAGE", "ID"]);
    for (service, pin) in &outcome.images {
        table.row(vec![service.clone().into(), pin.reference.clone().into(), Cell::styled(DIM, pin.id.to_string())]);
    }
    let text = format!("{}{} {}\n", table.render(), paint(DIM, "next:"), outcome.next);
    Answer::new(&outcome, text)
}
