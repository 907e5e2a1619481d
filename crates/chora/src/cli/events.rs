//! `chora events`: the deployment log, read, followed, verified and mended.

use chora_core::model::event::{EventStatus, EventType};
use chora_core::ports::Store;
use chora_ops::Failure;
use chora_ops::event_log::{Entry, EventQuery, Line, LogReport, Part, Repair, Start, repair, verify};
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
    /// Mend what `verify` finds without losing a line; the original stays beside it
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
            let (store, warnings) = store(door);
            let report = verify(&wire::log(&door.config), store.as_deref()).await?;
            let text = verified(&report);
            let document = json!({ "ok": report.is_sound(), "report": report });
            Ok(Answer::verbatim(document, text).warnings(&warnings).exit(u8::from(!report.is_sound())))
        }
        Some(EventsCommand::Repair) => {
            let (store, warnings) = store(door);
            let repair = repair(&wire::log(&door.config), store.as_deref()).await?;
            let text = repaired(&repair);
            Ok(Answer::new(&repair, text)?.warnings(&warnings))
        }
    }
}

/// What else knows how deployments ended. The log can be read and mended without it.
fn store(door: &Door) -> (Option<Box<dyn Store>>, Vec<String>) {
    match wire::store_if_there(&door.config) {
        Ok(store) => (store, Vec::new()),
        Err(failure) => (None, vec![format!("only the log itself is known: {failure}")]),
    }
}

/// Has the log told first what the gateway did while no command ran. What cannot be found out is no reason to show nothing.
async fn take_in(args: &ListArgs, door: &Door) -> Vec<String> {
    let found = async {
        let environment = door.running(args.environment.clone()).await?;
        if wire::store_if_there(&door.config)?.is_none() {
            return Ok(Vec::new());
        }
        let cx = door.context(environment.as_deref())?;
        chora_ops::watch::catch_up(&cx, environment.as_deref()).await
    };
    found.await.unwrap_or_else(|failure: Failure| vec![format!("what the gateway did meanwhile is not known: {failure}")])
}

async fn list(args: ListArgs, door: &Door) -> Result<Answer, Failure> {
    let mut warnings = Box::pin(take_in(&args, door)).await;
    let log = wire::log(&door.config);
    let query = query(&args);
    if args.follow {
        return follow(door, &query).await;
    }
    let entries = log.events(&query)?;
    let damaged = log.verify()?.damaged.len();
    let document = json!({ "ok": true, "events": entries.iter().map(|entry| &entry.event).collect::<Vec<_>>(), "damaged_lines": damaged });
    if damaged > 0 {
        warnings.push(format!("{} cannot be read: `chora events repair` mends the log", count(damaged, "line")));
    }
    Ok(Answer::verbatim(document, table(&entries)).warnings(&warnings))
}

async fn follow(door: &Door, query: &EventQuery) -> Result<Answer, Failure> {
    let clock = SystemClock::start();
    let mut follower = wire::log(&door.config).follow(Start::Beginning);
    let mut recent = query.recent();
    loop {
        for line in follower.next(&clock).await? {
            let text = match line {
                Line::Event(entry) if !recent.asks_for(&entry.event) => continue,
                Line::Event(entry) if door.output.json => format!("{}\n", document(&entry.event)?),
                Line::Event(entry) => one(&entry),
                Line::Damaged(damaged) if door.output.json => format!("{}\n", document(&json!({ "damaged": damaged }))?),
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
    let mut table = Table::new(&["TIME", "TYPE", "ENVIRONMENT", "VERSION", "STATUS", "TOOK", "SERVICES", "NOTES"]);
    for entry in entries {
        table.row(row(entry));
    }
    table.render()
}

fn one(entry: &Entry) -> String {
    let mut table = Table::new(&["", "", "", "", "", "", "", ""]);
    table.row(row(entry));
    table.render().lines().skip(1).map(|line| format!("{line}\n")).collect()
}

fn row(entry: &Entry) -> Vec<Cell> {
    let event = &entry.event;
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
    let time = match entry.took() {
        Some(time) => took(u64::try_from(time.as_millis()).unwrap_or(u64::MAX)),
        None if event.status == EventStatus::InProgress => String::new(),
        None => "–".to_owned(),
    };
    let environment = event.metadata.get("environment_name").and_then(|name| name.as_str()).unwrap_or(event.environment.as_str());
    vec![
        when(event.timestamp).into(),
        kind.into(),
        environment.into(),
        event.version.clone().into(),
        Cell::styled(style, status),
        time.into(),
        event.services.join(",").into(),
        event.errors.first().or(event.notes.as_ref()).and_then(|words| words.lines().next()).unwrap_or_default().into(),
    ]
}

fn verified(report: &LogReport) -> String {
    let mut text = if report.is_sound() {
        format!("{} the log is sound: {}\n", paint(GOOD, "✓"), count(report.lines, "line"))
    } else {
        format!("{} the log is not sound: {}\n", paint(BAD, "✗"), count(report.lines, "line"))
    };
    for line in &report.normalised {
        let words = format!("line {} is in an older vocabulary: {}", line.number, line.changes.join(", "));
        text.push_str(&format!("  {}\n", paint(DIM, words)));
    }
    text.push_str(&faults(report));
    text
}

/// What is wrong, and the next commands.
fn faults(report: &LogReport) -> String {
    let mut text = String::new();
    for damaged in &report.damaged {
        text.push_str(&format!("  line {} cannot be read: {}\n", damaged.number, damaged.reason));
    }
    let kinds =
        [("has no end", &report.without_end), ("ended twice", &report.ended_twice), ("has no beginning", &report.without_beginning)];
    for (what, ids) in kinds {
        text.extend(ids.iter().map(|id| format!("  deployment {id} {what}\n")));
    }
    text.extend(report.next.iter().map(|next| format!("{} {next}\n", paint(DIM, "next:"))));
    text
}

fn repaired(repair: &Repair) -> String {
    let lines = count(repair.kept, "line");
    let Some(backup) = &repair.backup else {
        let sign = if repair.after.is_sound() { paint(GOOD, "✓") } else { paint(WARN, "•") };
        return format!("{sign} nothing to mend: {lines}\n{}", faults(&repair.after));
    };
    let numbers = |what: &str, lines: &[usize]| {
        let list: Vec<String> = lines.iter().map(ToString::to_string).collect();
        if list.is_empty() { String::new() } else { format!("  {what}: {}\n", list.join(", ")) }
    };
    let mut text = format!("{} the log is mended: {lines}\n", paint(GOOD, "✓"));
    text.push_str(&numbers("joined at line", &repair.joined));
    text.push_str(&numbers("split at line", &repair.split));
    text.push_str(&numbers("moved to deployment.damaged.jsonl, line", &repair.set_aside));
    text.push_str(&numbers("told before and moved there too, line", &repair.duplicates));
    for added in &repair.added {
        let part = match added.part {
            Part::Beginning => "beginning",
            Part::End => "end",
        };
        text.push_str(&format!("  written again: the {part} of deployment {}\n", added.deployment));
    }
    text.push_str(&format!("  the original is {}\n{}", backup.display(), faults(&repair.after)));
    text
}
