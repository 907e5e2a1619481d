//! `chora events`: the deployment log, read, followed, verified and mended.

use chora_core::model::event::{Event, EventStatus, EventType};
use chora_ops::Failure;
use chora_ops::event_log::{Entry, EventQuery, Line, LogReport, Repair, Start};
use chora_ops::system::SystemClock;
use clap::{Args, Subcommand, ValueEnum};
use jiff::Timestamp;
use serde_json::json;

use super::door::Door;
use super::duration::since;
use super::history::when;
use super::output::{Answer, document};
use super::style::{BAD, DIM, GOOD, WARN, count, paint, took};
use super::table::{Cell, Table};
use crate::wire;

/// Show the deployment log, check it, or mend it
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct EventsArgs {
    #[command(subcommand)]
    command: Option<EventsCommand>,
    #[command(flatten)]
    list: ListArgs,
}

#[derive(Debug, Subcommand)]
enum EventsCommand {
    /// Show the log
    List(ListArgs),
    /// Check every line: readable, and one beginning and one end for each deployment
    Verify,
    /// Mend damaged lines without losing one; the original stays beside it
    Repair,
}

#[derive(Debug, Args)]
struct ListArgs {
    /// Show events since then: `10m` ago, or a time stamp
    #[arg(long, value_name = "WHEN", value_parser = since)]
    since: Option<Timestamp>,
    /// Show events of this type
    #[arg(long = "type", value_name = "TYPE", value_enum)]
    event_type: Option<TypeArg>,
    /// Show events with this status
    #[arg(long, value_enum)]
    status: Option<StatusArg>,
    /// Show events that concern this service
    #[arg(long)]
    service: Option<String>,
    /// Show events of this environment
    #[arg(short, long = "env", value_name = "NAME")]
    environment: Option<String>,
    /// Show events with this trace id
    #[arg(long = "trace", value_name = "ID")]
    trace_id: Option<String>,
    /// Keep showing what comes, until Ctrl-C; with --json one document per line
    #[arg(short, long)]
    follow: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
#[value(rename_all = "snake_case")]
enum TypeArg {
    Deployment,
    Rollback,
    HealthCheck,
    Backup,
    ConfigurationChange,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
#[value(rename_all = "snake_case")]
enum StatusArg {
    Success,
    Failure,
    InProgress,
}

pub(crate) async fn run(args: EventsArgs, door: &Door) -> Result<Answer, Failure> {
    match args.command {
        None => list(args.list, door).await,
        Some(EventsCommand::List(args)) => list(args, door).await,
        Some(EventsCommand::Verify) => {
            let report = wire::log(&door.config).verify()?;
            let text = verified(&report);
            let document = json!({ "ok": report.is_sound(), "report": report });
            Ok(Answer::verbatim(document, text).exit(u8::from(!report.is_sound())))
        }
        Some(EventsCommand::Repair) => {
            let repair = wire::log(&door.config).repair()?;
            let text = repaired(&repair);
            Answer::new(&repair, text)
        }
    }
}

async fn list(args: ListArgs, door: &Door) -> Result<Answer, Failure> {
    let log = wire::log(&door.config);
    let query = query(&args);
    if args.follow {
        return follow(door, &query).await;
    }
    let entries = log.events(&query)?;
    let damaged = log.verify()?.damaged.len();
    let document = json!({ "ok": true, "events": entries.iter().map(|entry| &entry.event).collect::<Vec<_>>(), "damaged_lines": damaged });
    let warnings = if damaged == 0 {
        Vec::new()
    } else {
        vec![format!("{} cannot be read: `chora events repair` mends the log", count(damaged, "line"))]
    };
    Ok(Answer::verbatim(document, table(&entries)).warnings(&warnings))
}

async fn follow(door: &Door, query: &EventQuery) -> Result<Answer, Failure> {
    let clock = SystemClock::start();
    let mut follower = wire::log(&door.config).follow(Start::Beginning);
    loop {
        for line in follower.next(&clock).await? {
            let text = match line {
                Line::Event(entry) if !query.matches(&entry.event) => continue,
                Line::Event(entry) if door.output.json => format!("{}\n", document(&entry.event)?),
                Line::Event(entry) => one(&entry.event),
                Line::Damaged(damaged) if door.output.json => format!("{}\n", document(&damaged)?),
                Line::Damaged(damaged) => format!("{} line {}: {}\n", paint(WARN, "damaged"), damaged.number, damaged.reason),
            };
            if !door.output.piece(&text)? {
                return Ok(Answer::written(0));
            }
        }
    }
}

fn query(args: &ListArgs) -> EventQuery {
    EventQuery {
        since: args.since,
        event_type: args.event_type.map(|kind| match kind {
            TypeArg::Deployment => EventType::Deployment,
            TypeArg::Rollback => EventType::Rollback,
            TypeArg::HealthCheck => EventType::HealthCheck,
            TypeArg::Backup => EventType::Backup,
            TypeArg::ConfigurationChange => EventType::ConfigurationChange,
        }),
        status: args.status.map(|status| match status {
            StatusArg::Success => EventStatus::Success,
            StatusArg::Failure => EventStatus::Failure,
            StatusArg::InProgress => EventStatus::InProgress,
        }),
        service: args.service.clone(),
        environment: args.environment.clone(),
        trace_id: args.trace_id.clone(),
    }
}

fn table(entries: &[Entry]) -> String {
    if entries.is_empty() {
        return "no events\n".to_owned();
    }
    let mut table = Table::new(&["TIME", "TYPE", "ENVIRONMENT", "VERSION", "STATUS", "TOOK", "SERVICES", "ERRORS"]);
    for entry in entries {
        table.row(row(&entry.event));
    }
    table.render()
}

fn one(event: &Event) -> String {
    let mut table = Table::new(&["", "", "", "", "", "", "", ""]);
    table.row(row(event));
    table.render().lines().skip(1).map(|line| format!("{line}\n")).collect()
}

fn row(event: &Event) -> Vec<Cell> {
    let (style, status) = match event.status {
        EventStatus::Success => (GOOD, "success"),
        EventStatus::Failure => (BAD, "failure"),
        EventStatus::InProgress => (DIM, "in_progress"),
    };
    let kind = match event.event_type {
        EventType::Deployment => "deployment",
        EventType::Rollback => "rollback",
        EventType::HealthCheck => "health_check",
        EventType::Backup => "backup",
        EventType::ConfigurationChange => "configuration_change",
    };
    let time = std::time::Duration::try_from_secs_f64(event.duration_seconds).unwrap_or_default();
    let time =
        if event.status == EventStatus::InProgress { String::new() } else { took(u64::try_from(time.as_millis()).unwrap_or(u64::MAX)) };
    let environment = event.metadata.get("environment_name").and_then(|name| name.as_str()).unwrap_or(event.environment.as_str());
    vec![
        when(event.timestamp).into(),
        kind.into(),
        environment.into(),
        event.version.clone().into(),
        Cell::styled(style, status),
        time.into(),
        event.services.join(",").into(),
        event.errors.first().and_then(|error| error.lines().next()).unwrap_or_default().into(),
    ]
}

fn verified(report: &LogReport) -> String {
    let mut text = if report.is_sound() {
        format!("{} the log is sound: {}\n", paint(GOOD, "✓"), count(report.lines, "line"))
    } else {
        format!("{} the log is not sound: {}\n", paint(BAD, "✗"), count(report.lines, "line"))
    };
    for damaged in &report.damaged {
        text.push_str(&format!("  line {} cannot be read: {}\n", damaged.number, damaged.reason));
    }
    for (number, words) in &report.normalised {
        text.push_str(&format!("  {}\n", paint(DIM, format!("line {number} is in an older vocabulary: {}", words.join(", ")))));
    }
    let kinds =
        [("has no end", &report.without_end), ("ended twice", &report.ended_twice), ("has no beginning", &report.without_beginning)];
    for (what, ids) in kinds {
        text.extend(ids.iter().map(|id| format!("  deployment {id} {what}\n")));
    }
    let next = if !report.damaged.is_empty() {
        "chora events repair"
    } else if !report.without_end.is_empty() {
        "chora status"
    } else {
        return text;
    };
    text.push_str(&format!("{} {next}\n", paint(DIM, "next:")));
    text
}

fn repaired(repair: &Repair) -> String {
    let Some(backup) = &repair.backup else { return format!("{} nothing to mend: {}\n", paint(GOOD, "✓"), count(repair.kept, "line")) };
    let numbers = |what: &str, lines: &[usize]| {
        let list: Vec<String> = lines.iter().map(ToString::to_string).collect();
        if list.is_empty() { String::new() } else { format!("  {what}: {}\n", list.join(", ")) }
    };
    let mut text = format!("{} the log is mended: {}\n", paint(GOOD, "✓"), count(repair.kept, "line"));
    text.push_str(&numbers("joined at line", &repair.joined));
    text.push_str(&numbers("split at line", &repair.split));
    text.push_str(&numbers("moved to deployment.damaged.jsonl, line", &repair.set_aside));
    text.push_str(&format!("  the original is {}\n", backup.display()));
    text
}
