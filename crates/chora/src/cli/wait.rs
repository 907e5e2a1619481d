//! `chora wait`.

use std::time::Duration;

use chora_ops::system::SystemClock;
use chora_ops::wait::{WaitRequest, wait_for};
use chora_ops::{Failure, FailureKind};
use clap::Args;

use super::duration::duration;
use super::output::Answer;
use super::style::{BAD, DIM, GOOD, count, paint, took};

/// Wait until services answer
///
/// Asks with exponential back-off until every target is ready; exit code 1 when one is not in time. Needs no project and no engine.
#[derive(Debug, Args)]
pub(crate) struct WaitArgs {
    /// tcp://host:port, `http://host:port/path` or `postgres://user@host:port/database`
    #[arg(required = true, value_name = "TARGET")]
    targets: Vec<String>,
    /// End after this time
    #[arg(short, long, value_name = "TIME", value_parser = duration, default_value = "60s")]
    timeout: Duration,
}

pub(crate) fn run(args: WaitArgs) -> Result<Answer, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::new(FailureKind::Unavailable, format!("no runtime could be started: {error}")))?;
    let request = WaitRequest { targets: args.targets, limit: args.timeout };
    let outcome = runtime.block_on(wait_for(&SystemClock::start(), &request));
    runtime.shutdown_background();
    let outcome = outcome.map_err(|error| Failure::new(FailureKind::Invalid, error.to_string()).hint("chora wait --help"))?;
    let line = |target: &chora_ops::wait::TargetOutcome| {
        let mark = if target.ready { paint(GOOD, "✓") } else { paint(BAD, "✗") };
        format!(
            "{mark} {}: {} {}\n",
            target.target,
            target.answered,
            paint(DIM, format!("({}, asked {})", took(target.took_ms), count(target.attempts as usize, "time")))
        )
    };
    let text = outcome.targets.iter().map(line).collect();
    Ok(Answer::new(&outcome, text)?.exit(u8::from(!outcome.ok)))
}
