//! `chora probe`: one question, asked from here; for HEALTHCHECKs and for people.

use std::path::PathBuf;
use std::time::Duration;

use chora_core::model::health::{HttpProbe, McpCall, McpProbe, McpTransport, ProbeVerdict};
use chora_ops::probe::{FileQuestion, ProbeRequest, ProcessQuestion, Question, attend, run_blocking};
use chora_ops::{Failure, FailureKind};
use clap::{Args, Subcommand};
use indexmap::IndexMap;
use serde_json::Value;

use super::duration::duration;
use super::output::{Answer, Output};
use super::style::{BAD, DIM, GOOD, WARN, paint, took};

/// Ask one thing, once: exit code 0 or 1
///
/// Usable as an image's own HEALTHCHECK: `HEALTHCHECK CMD ["/chora", "probe", "http", "http://localhost:8000/health"]`.
/// Needs no project, no engine and nothing from the image.
#[derive(Debug, Args)]
pub(crate) struct ProbeArgs {
    #[command(subcommand)]
    question: ProbeCommand,
    /// End after this time
    #[arg(short, long, global = true, value_name = "TIME", value_parser = duration, default_value = "5s")]
    timeout: Duration,
}

#[derive(Debug, Subcommand)]
enum ProbeCommand {
    /// Ask whether an HTTP answer satisfies the conditions
    Http(HttpArgs),
    /// Ask whether a port accepts connections
    Tcp {
        /// host:port
        target: String,
    },
    /// Ask whether an MCP server does its work: handshake, list of tools, contract, optional call
    Mcp(McpArgs),
    /// Ask whether a file is as it should be
    File(FileArgs),
    /// Ask whether a process runs
    Process {
        /// Its program's name, or a part of its command line
        name: String,
    },
    /// Answer questions on standard input, as a sidecar
    #[command(hide = true)]
    Attend,
}

#[derive(Debug, Args)]
struct HttpArgs {
    /// `http://host:port/path`
    url: String,
    /// Accept this status code only; may be repeated [default: 200 to 399]
    #[arg(long, value_name = "CODE")]
    status: Vec<u16>,
    /// Send this header, as `Name: value`
    #[arg(short = 'H', long, value_name = "HEADER", value_parser = header)]
    header: Vec<(String, String)>,
    /// Want this text in the body
    #[arg(long, value_name = "TEXT")]
    contains: Option<String>,
    /// Want this value in the JSON body, as `/pointer=value`
    #[arg(long = "json-value", value_name = "POINTER=VALUE", value_parser = pointer)]
    values: Vec<(String, Value)>,
}

#[derive(Debug, Args)]
struct McpArgs {
    /// `http://host:port/mcp`
    url: String,
    /// Speak the older HTTP+SSE transport
    #[arg(long)]
    sse: bool,
    /// Send this header, as `Name: value`
    #[arg(short = 'H', long, value_name = "HEADER", value_parser = header)]
    header: Vec<(String, String)>,
    /// Compare with the contract in this file
    #[arg(long, value_name = "FILE")]
    contract: Option<PathBuf>,
    /// Call this tool
    #[arg(long, value_name = "NAME")]
    tool: Option<String>,
    /// Call it with these arguments, a JSON object
    #[arg(long, value_name = "JSON", requires = "tool", value_parser = json)]
    arguments: Option<Value>,
    /// Want this text in its result
    #[arg(long, value_name = "TEXT", requires = "tool")]
    expect: Option<String>,
}

#[derive(Debug, Args)]
struct FileArgs {
    /// The file
    path: PathBuf,
    /// Refuse an empty file
    #[arg(long)]
    non_empty: bool,
    /// Want it written within this time
    #[arg(long, value_name = "TIME", value_parser = duration)]
    younger_than: Option<Duration>,
    /// Want this SHA-256
    #[arg(long, value_name = "HEX")]
    sha256: Option<String>,
}

pub(crate) fn run(args: ProbeArgs, output: Output) -> Result<Answer, Failure> {
    let refused = |error: chora_ops::probe::TargetError| Failure::new(FailureKind::Invalid, error.to_string()).hint("chora probe --help");
    let Some(question) = question(args.question) else {
        let attended = attend(|line| output.piece(line).unwrap_or(false));
        return attended.map(|()| Answer::written(0)).map_err(|error| Failure::new(FailureKind::Internal, error.to_string()));
    };
    let request = ProbeRequest { question, limit: args.timeout };
    let outcome = run_blocking(&request).map_err(refused)?;
    let answer = &outcome.answer;
    let mark = match answer.verdict {
        ProbeVerdict::Pass => paint(GOOD, "ok"),
        ProbeVerdict::Degraded => paint(WARN, "degraded"),
        ProbeVerdict::NoAnswer | ProbeVerdict::WrongAnswer | ProbeVerdict::Refused => paint(BAD, "failed"),
    };
    let time = took(u64::try_from(answer.took.as_millis()).unwrap_or(u64::MAX));
    let text = if output.verbosity < 0 {
        String::new()
    } else {
        format!("{mark} {}: {} {}\n", answer.asked, answer.answered, paint(DIM, format!("({time})")))
    };
    Ok(Answer::new(&outcome, text)?.exit(u8::from(!outcome.ok)))
}

/// `None` when it is others who ask.
fn question(command: ProbeCommand) -> Option<Question> {
    Some(match command {
        ProbeCommand::Http(args) => {
            let conditions = HttpProbe {
                status: args.status,
                headers: args.header.into_iter().collect(),
                body_contains: args.contains,
                body_json: args.values.into_iter().collect(),
                ..HttpProbe::default()
            };
            Question::Http { url: args.url, conditions }
        }
        ProbeCommand::Tcp { target } => Question::Tcp { target },
        ProbeCommand::Mcp(args) => {
            let arguments = args.arguments.unwrap_or_else(|| Value::Object(serde_json::Map::new()));
            let how = McpProbe {
                transport: if args.sse { McpTransport::Sse } else { McpTransport::StreamableHttp },
                headers: args.header.into_iter().collect::<IndexMap<_, _>>(),
                call: args.tool.map(|tool| McpCall { tool, arguments, expect: args.expect }),
                ..McpProbe::default()
            };
            Question::Mcp { url: args.url, how: Box::new(how), contract_file: args.contract }
        }
        ProbeCommand::File(args) => {
            let FileArgs { path, non_empty, younger_than, sha256 } = args;
            Question::File(FileQuestion { path, non_empty, younger_than, sha256 })
        }
        ProbeCommand::Process { name } => Question::Process(ProcessQuestion { name }),
        ProbeCommand::Attend => return None,
    })
}

fn header(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once(':').ok_or("write it as `Name: value`")?;
    Ok((name.trim().to_owned(), value.trim().to_owned()))
}

/// `/status=ok` or `/count=3`: what is no JSON is a string.
fn pointer(text: &str) -> Result<(String, Value), String> {
    let (pointer, value) = text.split_once('=').filter(|(pointer, _)| pointer.starts_with('/')).ok_or("write it as `/pointer=value`")?;
    Ok((pointer.to_owned(), serde_json::from_str(value).unwrap_or_else(|_| Value::String(value.to_owned()))))
}

fn json(text: &str) -> Result<Value, String> {
    match serde_json::from_str(text) {
        Ok(value @ Value::Object(_)) => Ok(value),
        Ok(_) => Err("it is no JSON object".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}
