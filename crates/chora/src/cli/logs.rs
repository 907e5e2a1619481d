//! `chora logs`: the output of several containers, merged line by line.

use std::collections::BTreeSet;

use anstyle::Style;
use chora_ops::Failure;
use chora_ops::logs::{LogLine, LogLines, LogSource, LogsRequest, stream_logs};
use clap::Args;
use futures_util::StreamExt as _;
use jiff::Timestamp;
use serde_json::json;

use super::EnvironmentArgs;
use super::door::Door;
use super::duration::since;
use super::output::Answer;
use super::style::{PLAIN, SERVICES, paint};

/// Lines that are there already are written together, so many at once.
const BATCH: usize = 256;

/// Show the output of the services
///
/// Where no environment is named and only development runs, that one is meant.
#[derive(Debug, Args)]
pub(crate) struct LogsArgs {
    /// Show only these services
    #[arg(value_name = "SERVICE")]
    services: Vec<String>,
    #[command(flatten)]
    environment: EnvironmentArgs,
    /// Keep showing what comes, until Ctrl-C
    #[arg(short, long)]
    follow: bool,
    /// Show only the last N lines of each container
    #[arg(short = 'n', long, value_name = "N")]
    tail: Option<u32>,
    /// Show lines since then: `10m` ago, or a time stamp
    #[arg(long, value_name = "WHEN", value_parser = since)]
    since: Option<Timestamp>,
    /// Show the engine's time stamps
    #[arg(short, long)]
    timestamps: bool,
    /// Show stopped containers that are kept for rollback, too
    #[arg(long)]
    all: bool,
}

/// How the lines of one container are shown.
struct Look {
    /// Service and number, padded to the longest of all.
    name: String,
    style: Style,
}

pub(crate) async fn run(args: LogsArgs, door: &Door) -> Result<Answer, Failure> {
    let LogsArgs { services, environment, follow, tail, since, timestamps, all } = args;
    let environment = door.running(environment.environment).await?;
    let cx = door.context(environment.as_deref())?;
    let request = LogsRequest { environment, services, tail, since, timestamps, all };
    let LogLines { sources, lines, .. } = stream_logs(&cx, &request, follow).await?;
    if sources.is_empty() && !door.output.json {
        door.output.say("no containers\n");
    }
    let looks = looks(&sources);
    let mut batches = lines.ready_chunks(BATCH);
    while let Some(batch) = batches.next().await {
        let mut text = String::new();
        let mut broken = None;
        for line in batch {
            match line {
                Ok(line) => text.push_str(&render(&line, &sources, &looks, door.output.json)),
                Err(failure) => broken = Some(failure),
            }
        }
        if !door.output.piece(&text)? {
            break;
        }
        if let Some(failure) = broken {
            return Err(failure);
        }
    }
    Ok(Answer::written(0))
}

/// Every service has a colour of its own.
fn looks(sources: &[LogSource]) -> Vec<Look> {
    let name = |source: &LogSource| format!("{}-{}", source.service, source.number);
    let width = sources.iter().map(|source| name(source).len()).max().unwrap_or(0);
    let services: Vec<&String> = sources.iter().map(|source| &source.service).collect::<BTreeSet<_>>().into_iter().collect();
    let look = |source: &LogSource| {
        let color = services.iter().position(|service| *service == &source.service).unwrap_or(0) % SERVICES.len();
        Look { name: format!("{:width$}", name(source)), style: SERVICES.get(color).copied().unwrap_or(PLAIN) }
    };
    sources.iter().map(look).collect()
}

fn render(line: &LogLine, sources: &[LogSource], looks: &[Look], json: bool) -> String {
    let LogLine { source, stream, text } = line;
    let (Some(source), Some(look)) = (sources.get(*source), looks.get(*source)) else { return String::new() };
    if json {
        format!("{}\n", json!({ "service": source.service, "container": source.container, "stream": stream, "line": text }))
    } else {
        format!("{} {text}\n", paint(look.style, format!("{} |", look.name)))
    }
}
