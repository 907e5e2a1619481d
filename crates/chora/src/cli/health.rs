//! `chora health`.

use std::io::IsTerminal;
use std::time::Duration;

use chora_core::model::health::{Check, Verdict};
use chora_ops::Failure;
use chora_ops::health::{HealthOutcome, HealthRequest, health};
use clap::Args;

use super::EnvironmentArgs;
use super::door::{Door, next};
use super::duration::duration;
use super::output::{Answer, document};
use super::style::{BAD, BOLD, DIM, GOOD, WARN, paint, took};
use super::table::{Cell, Table};

/// Check what runs, on five levels
///
/// 1 container: it runs, and its HEALTHCHECK passes. 2 endpoint: it accepts traffic. 3 configuration: it has what it should have.
/// 4 process: the right process is alive. 5 function: it does its work; MCP servers are asked for their tools.
/// The exit code is the first level that fails; warnings change nothing.
#[derive(Debug, Args)]
pub(crate) struct HealthArgs {
    /// Check only these services
    #[arg(value_name = "SERVICE")]
    services: Vec<String>,
    #[command(flatten)]
    environment: EnvironmentArgs,
    /// Check only this level
    #[arg(short, long, value_name = "1-5", value_parser = clap::value_parser!(u8).range(1..=5))]
    level: Option<u8>,
    /// Check again and again, until Ctrl-C; with --json one document per line
    #[arg(short, long)]
    watch: bool,
    /// Wait this long between two checks
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "2s", requires = "watch")]
    interval: Duration,
}

pub(crate) async fn run(args: HealthArgs, door: &Door) -> Result<Answer, Failure> {
    let request = HealthRequest { environment: args.environment.environment, services: args.services, level: args.level };
    let cx = door.context(request.environment.as_deref())?;
    if !args.watch {
        let outcome = health(&cx, &request).await?;
        let text = render(&outcome);
        return Ok(Answer::new(&outcome, text)?.exit(outcome.first_failing_level.unwrap_or(0)));
    }
    let clears = std::io::stdout().is_terminal() && !door.output.json;
    loop {
        let outcome = health(&cx, &request).await?;
        let text = if door.output.json { format!("{}\n", document(&outcome)?) } else { render(&outcome) };
        let page = if clears { format!("\x1b[H\x1b[2J\x1b[3J{text}") } else { text };
        if !door.output.piece(&page)? {
            return Ok(Answer::written(outcome.first_failing_level.unwrap_or(0)));
        }
        tokio::select! {
            () = cx.clock.sleep(args.interval) => {}
            () = door.cancel.cancelled() => return Ok(Answer::written(outcome.first_failing_level.unwrap_or(0))),
        }
    }
}

fn render(outcome: &HealthOutcome) -> String {
    let mut table = Table::new(&["SERVICE", "LEVEL", "VERDICT", "TOOK", "EVIDENCE"]);
    for check in &outcome.checks {
        table.row(row(check));
    }
    let environment = outcome.environment.as_str();
    let version = outcome.version.as_deref().unwrap_or("nothing");
    let verdict = match outcome.first_failing_level {
        None => format!("{} {} is healthy in {environment}", paint(GOOD, "✓"), paint(BOLD, version)),
        Some(level) => format!("{} {} is not healthy in {environment}: level {level} fails", paint(BAD, "✗"), paint(BOLD, version)),
    };
    format!("{}\n{verdict}\n{} {}\n", table.render(), paint(DIM, "next:"), next(&outcome.next, environment))
}

fn row(check: &Check) -> Vec<Cell> {
    let (style, word) = match check.verdict {
        Verdict::Pass => (GOOD, "pass"),
        Verdict::Warning => (WARN, "warning"),
        Verdict::Fail => (BAD, "fail"),
        Verdict::Skipped => (DIM, "skipped"),
    };
    let evidence = if check.asked.is_empty() { check.answered.clone() } else { format!("{}: {}", check.asked, check.answered) };
    let time = if check.verdict == Verdict::Skipped { String::new() } else { took(check.duration_ms) };
    let level = format!("{} {}", check.level.number(), check.level.as_str());
    let evidence = if check.verdict == Verdict::Skipped { Cell::styled(DIM, evidence) } else { evidence.into() };
    vec![check.service.clone().into(), level.into(), Cell::styled(style, word), time.into(), evidence]
}
