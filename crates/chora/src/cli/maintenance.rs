//! `chora maintenance`.

use chora_ops::Failure;
use chora_ops::maintenance::{MaintenanceOutcome, MaintenanceRequest, maintenance};
use clap::{Args, ValueEnum};

use super::EnvironmentArgs;
use super::door::{Door, next};
use super::output::Answer;
use super::style::{DIM, GOOD, paint};

/// Answer in place of the services, or let them answer again
///
/// The gateway of the environment answers HTTP requests with 503, a page and Retry-After, but for the paths that are allowed.
/// It lasts through deployments, until it is turned off.
#[derive(Debug, Args)]
pub(crate) struct MaintenanceArgs {
    /// In maintenance or not
    #[arg(value_enum, value_name = "on|off")]
    state: State,
    #[command(flatten)]
    environment: EnvironmentArgs,
    /// What the page says
    #[arg(short, long, value_name = "TEXT")]
    message: Option<String>,
    /// Path that is served all the same, with everything below it; may be repeated
    #[arg(long, value_name = "PATH")]
    allow: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum State {
    On,
    Off,
}

pub(crate) async fn run(args: MaintenanceArgs, door: &Door) -> Result<Answer, Failure> {
    let MaintenanceArgs { state, environment, message, allow } = args;
    let request = MaintenanceRequest { environment: environment.environment, on: state == State::On, message, allow };
    let outcome = maintenance(&door.context(request.environment.as_deref())?, &request).await?;
    let text = render(&outcome);
    Ok(Answer::new(&outcome, text)?.warnings(&outcome.warnings))
}

fn render(outcome: &MaintenanceOutcome) -> String {
    let said = if outcome.on { "is in maintenance" } else { "is not in maintenance" };
    let closing = next(&outcome.next, outcome.environment.as_str());
    format!("{} {} {said}\n{} {closing}\n", paint(GOOD, "✓"), outcome.environment, paint(DIM, "next:"))
}
