//! `chora history`.

use chora_core::model::deployment::{DeploymentAction, OutcomeKind};
use chora_ops::Failure;
use chora_ops::status::{HistoryLine, HistoryOutcome, HistoryRequest, history};
use clap::Args;
use jiff::Timestamp;

use super::EnvironmentArgs;
use super::door::{Door, next};
use super::output::Answer;
use super::style::{BAD, BOLD, DIM, GOOD, PLAIN, WARN, paint, took};
use super::table::{Cell, Table};

/// Longest cause in a table, in characters; `--json` has all of it.
const CAUSE: usize = 100;

/// List deployments, newest first
#[derive(Debug, Args)]
pub(crate) struct HistoryArgs {
    #[command(flatten)]
    environment: EnvironmentArgs,
    /// List at most this many
    #[arg(short = 'l', long, value_name = "N", default_value_t = 20)]
    limit: u32,
}

pub(crate) async fn run(args: HistoryArgs, door: &Door) -> Result<Answer, Failure> {
    let request = HistoryRequest { environment: args.environment.environment, limit: Some(args.limit) };
    let outcome = history(&door.context(request.environment.as_deref())?, &request).await?;
    let text = render(&outcome);
    Answer::new(&outcome, text)
}

fn render(outcome: &HistoryOutcome) -> String {
    let environment = outcome.environment.as_str();
    if outcome.deployments.is_empty() {
        return format!("nothing was deployed in {environment} yet\n{} {}\n", paint(DIM, "next:"), next("chora deploy", environment));
    }
    let mut table = Table::new(&["STARTED", "ACTION", "VERSION", "OUTCOME", "TOOK", "RELEASE", "CAUSE"]);
    for line in &outcome.deployments {
        table.row(row(line));
    }
    format!("{}{} {}\n", table.render(), paint(DIM, "next:"), next(&outcome.next, environment))
}

fn row(line: &HistoryLine) -> Vec<Cell> {
    let (style, word) = match line.outcome {
        Some(OutcomeKind::Deployed) if line.live => (GOOD, "live"),
        Some(OutcomeKind::Deployed) => (PLAIN, "deployed"),
        Some(OutcomeKind::Unchanged) => (DIM, "unchanged"),
        Some(OutcomeKind::Kept) => (WARN, "kept"),
        Some(OutcomeKind::Restored) => (WARN, "restored"),
        Some(OutcomeKind::Degraded) => (BAD, "degraded"),
        None => (WARN, "unfinished"),
    };
    let action = match line.action {
        DeploymentAction::Deploy => "deploy",
        DeploymentAction::Rollback => "rollback",
    };
    let seconds = line.duration_seconds.and_then(|seconds| std::time::Duration::try_from_secs_f64(seconds).ok());
    let time = seconds.map(|time| took(u64::try_from(time.as_millis()).unwrap_or(u64::MAX))).unwrap_or_default();
    let first = line.cause.lines().next().unwrap_or_default();
    let cause =
        if first.chars().count() > CAUSE { format!("{}…", first.chars().take(CAUSE).collect::<String>()) } else { first.to_owned() };
    vec![
        when(line.started_at).into(),
        action.into(),
        Cell::styled(if line.live { BOLD } else { PLAIN }, line.version.clone()),
        Cell::styled(style, word),
        time.into(),
        Cell::styled(DIM, line.release.to_string()),
        cause.into(),
    ]
}

/// A point in time to the second, in UTC.
pub(crate) fn when(timestamp: Timestamp) -> String {
    timestamp.strftime("%Y-%m-%d %H:%M:%SZ").to_string()
}
