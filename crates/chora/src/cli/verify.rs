//! `chora verify`.

use std::time::Duration;

use chora_core::inspection::{LayerReport, size as shown_size};
use chora_core::model::health::Verdict;
use chora_ops::Failure;
use chora_ops::verify::{VerifyOutcome, VerifyRequest, verify};
use clap::Args;

use super::EnvironmentArgs;
use super::door::{Door, next};
use super::duration::duration;
use super::output::Answer;
use super::size::size;
use super::style::{BAD, BOLD, DIM, GOOD, WARN, paint};
use super::table::{Cell, Table};

/// Look into an image, start it apart from everything else, and say whether it is fit to be released
///
/// It must not run as root, has to carry the labels of OCI (and the version asked for), a HEALTHCHECK, no secret in its layers,
/// variables or history, and be no larger than allowed. Then it is started in a network of its own without a way out and asked on
/// five levels, as the service that has this image where there is one. What was started is always removed.
/// The exit code is 1 when something fails.
#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    /// The image: name:tag, name@digest or id; it is pulled where the engine lacks it
    image: String,
    #[command(flatten)]
    environment: EnvironmentArgs,
    /// Start it as this service
    #[arg(short, long)]
    service: Option<String>,
    /// Fail unless its label names this version
    #[arg(long, value_name = "VERSION")]
    version: Option<String>,
    /// Fail when its files have more bytes, such as 250MB
    #[arg(long, value_name = "SIZE", value_parser = size)]
    max_size: Option<u64>,
    /// Set a variable for its start, as KEY=VALUE
    #[arg(long = "set", value_name = "KEY=VALUE")]
    variables: Vec<String>,
    /// Let this file, or all below this folder, hold what looks like a secret; may be repeated
    #[arg(long, value_name = "PATH")]
    allow: Vec<String>,
    /// Look into it only
    #[arg(long)]
    no_start: bool,
    /// Give it a network with a way out; without, nothing that it is started with reaches the world
    #[arg(long)]
    online: bool,
    /// Wait this long for it to pass [default: the gate's time, or 60s]
    #[arg(long, value_name = "TIME", value_parser = duration)]
    timeout: Option<Duration>,
}

pub(crate) async fn run(args: VerifyArgs, door: &Door) -> Result<Answer, Failure> {
    let request = VerifyRequest {
        image: args.image,
        environment: args.environment.environment,
        service: args.service,
        version: args.version,
        max_size_bytes: args.max_size,
        variables: args.variables,
        allow: args.allow,
        no_start: args.no_start,
        online: args.online,
        limit_ms: args.timeout.map(|timeout| u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX)),
    };
    let cx = door.context_anywhere(request.environment.as_deref())?;
    let outcome = verify(&cx, &request).await?;
    let text = format!(
        "{}{} {}\n",
        render(&outcome),
        paint(DIM, "next:"),
        next(&outcome.next, request.environment.as_deref().unwrap_or("production"))
    );
    Ok(Answer::new(&outcome, text)?.warnings(&outcome.warnings).exit(u8::from(!outcome.ok)))
}

/// What was found, without the next command.
pub(super) fn render(outcome: &VerifyOutcome) -> String {
    let mut table = Table::new(&["CHECK", "VERDICT", "FOUND"]);
    for remark in &outcome.remarks {
        table.row(vec![remark.aspect.as_str().into(), verdict(remark.verdict), remark.found.clone().into()]);
    }
    for check in &outcome.checks {
        let evidence = if check.asked.is_empty() { check.answered.clone() } else { format!("{}: {}", check.asked, check.answered) };
        table.row(vec![format!("{} {}", check.level.number(), check.level.as_str()).into(), verdict(check.verdict), evidence.into()]);
    }
    let verdicts = outcome.remarks.iter().map(|remark| remark.verdict).chain(outcome.checks.iter().map(|check| check.verdict));
    let (failed, all) = (verdicts.clone().filter(|verdict| *verdict == Verdict::Fail).count(), verdicts.count());
    let closing = match failed {
        0 => format!("{} {} is fit", paint(GOOD, "✓"), paint(BOLD, &outcome.image)),
        failed => format!("{} {} is not fit: {failed} of {all} checks fail", paint(BAD, "✗"), paint(BOLD, &outcome.image)),
    };
    format!("{}\n{}{}{}{closing}\n", table.render(), layers(&outcome.layers), advice(outcome), log(outcome))
}

fn verdict(verdict: Verdict) -> Cell {
    match verdict {
        Verdict::Pass => Cell::styled(GOOD, "pass"),
        Verdict::Warning => Cell::styled(WARN, "warning"),
        Verdict::Fail => Cell::styled(BAD, "fail"),
        Verdict::Skipped => Cell::styled(DIM, "skipped"),
    }
}

fn layers(layers: &[LayerReport]) -> String {
    let mut table = Table::new(&["LAYER", "SIZE", "FILES", "MADE BY", "LARGEST"]);
    for (place, layer) in layers.iter().enumerate() {
        let largest = layer.largest.first().map_or_else(String::new, |file| format!("{} {}", file.path, shown_size(file.size_bytes)));
        let cells = [(place + 1).to_string(), shown_size(layer.size_bytes), layer.files.to_string(), layer.instruction.clone(), largest];
        table.row(cells.into_iter().map(Cell::from).collect());
    }
    if layers.is_empty() { String::new() } else { format!("{}\n", table.render()) }
}

fn advice(outcome: &VerifyOutcome) -> String {
    let remarks = outcome.remarks.iter().filter(|remark| !remark.advice.is_empty());
    let mut lines: Vec<String> = remarks.map(|remark| format!("{}: {}", remark.aspect.as_str(), remark.advice)).collect();
    for (place, layer) in outcome.layers.iter().enumerate() {
        lines.extend(layer.advice.iter().map(|advice| format!("layer {}: {advice}", place + 1)));
    }
    if lines.is_empty() { String::new() } else { format!("{}\n  {}\n\n", paint(BOLD, "What to do:"), lines.join("\n  ")) }
}

fn log(outcome: &VerifyOutcome) -> String {
    if outcome.log.is_empty() {
        return String::new();
    }
    format!("{}\n  {}\n\n", paint(BOLD, "It wrote last:"), outcome.log.join("\n  "))
}
