//! `chora logs`: the output of several containers, merged line by line.

use std::collections::BTreeSet;

use anstyle::Style;
use chora_core::model::container::{LogChunk, LogQuery, LogStream};
use chora_core::ports::EngineError;
use chora_ops::Failure;
use clap::Args;
use futures_util::StreamExt;
use futures_util::stream::{BoxStream, SelectAll};
use jiff::Timestamp;
use serde_json::json;

use super::EnvironmentArgs;
use super::door::Door;
use super::duration::since;
use super::output::Answer;
use super::services::{Instance, instances};
use super::style::{PLAIN, SERVICES, paint};

/// Show the output of the services
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
    tail: Option<u64>,
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

/// Output of the container with this index; nothing when it ended.
type Piece = (usize, Option<Result<LogChunk, EngineError>>);

/// One container's lines.
struct Source {
    name: String,
    container: String,
    service: String,
    style: Style,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
}

pub(crate) async fn run(args: LogsArgs, door: &Door) -> Result<Answer, Failure> {
    let cx = door.context(args.environment.environment.as_deref())?;
    let (_, found) = instances(&cx, args.environment.environment.as_deref(), &args.services).await?;
    let chosen = chosen(found, args.all);
    if chosen.is_empty() && !door.output.json {
        door.output.say("no containers\n");
    }
    let query = LogQuery { follow: args.follow, tail: args.tail, since: args.since, timestamps: args.timestamps };
    let width = chosen.iter().map(|instance| instance.name().len()).max().unwrap_or(0);
    let services: Vec<&String> = chosen.iter().map(|instance| &instance.service).collect::<BTreeSet<_>>().into_iter().collect();
    let mut sources = Vec::new();
    let mut streams: SelectAll<BoxStream<'static, Piece>> = SelectAll::new();
    for (index, instance) in chosen.iter().enumerate() {
        let chunks = cx.engine.logs(instance.container.id.as_str(), &query).await?;
        let ended = futures_util::stream::once(async { None });
        streams.push(chunks.map(Some).chain(ended).map(move |chunk| (index, chunk)).boxed());
        let color = services.iter().position(|service| *service == &instance.service).unwrap_or(0) % SERVICES.len();
        let style = SERVICES.get(color).copied().unwrap_or(PLAIN);
        sources.push(Source {
            name: format!("{:width$}", instance.name()),
            container: instance.container.name.clone(),
            service: instance.service.clone(),
            style,
            stdout: Vec::new(),
            stderr: Vec::new(),
        });
    }
    while let Some((index, chunk)) = streams.next().await {
        let Some(source) = sources.get_mut(index) else { continue };
        let text = match chunk {
            Some(chunk) => source.take(&chunk?, door.output.json),
            None => source.rest(door.output.json),
        };
        if !text.is_empty() && !door.output.piece(&text)? {
            break;
        }
    }
    Ok(Answer::written(0))
}

/// Running containers; a service without one shows its newest stopped one.
fn chosen(found: Vec<Instance>, all: bool) -> Vec<Instance> {
    if all {
        return found;
    }
    let up: BTreeSet<(String, u32)> =
        found.iter().filter(|instance| instance.is_up()).map(|instance| (instance.service.clone(), instance.number)).collect();
    let mut seen = BTreeSet::new();
    let mut kept: Vec<Instance> = found
        .into_iter()
        .rev()
        .filter(|instance| {
            let key = (instance.service.clone(), instance.number);
            instance.is_up() || (!up.contains(&key) && seen.insert(key))
        })
        .collect();
    kept.reverse();
    kept
}

impl Source {
    /// Takes bytes in and gives the lines that are whole now.
    fn take(&mut self, chunk: &LogChunk, json: bool) -> String {
        let pending = match chunk.stream {
            LogStream::Stdout => &mut self.stdout,
            LogStream::Stderr => &mut self.stderr,
        };
        pending.extend_from_slice(&chunk.bytes);
        let whole = pending.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
        let lines: Vec<u8> = pending.drain(..whole).collect();
        self.render(&lines, chunk.stream, json)
    }

    /// What is left when a container ended in the middle of a line.
    fn rest(&mut self, json: bool) -> String {
        let (stdout, stderr) = (std::mem::take(&mut self.stdout), std::mem::take(&mut self.stderr));
        self.render(&stdout, LogStream::Stdout, json) + &self.render(&stderr, LogStream::Stderr, json)
    }

    fn render(&self, lines: &[u8], stream: LogStream, json: bool) -> String {
        let text = String::from_utf8_lossy(lines);
        let lines = text.lines().map(|line| {
            if json {
                format!("{}\n", json!({ "service": self.service, "container": self.container, "stream": stream, "line": line }))
            } else {
                format!("{} {line}\n", paint(self.style, format!("{} |", self.name)))
            }
        });
        lines.collect()
    }
}
