//! `chora probe`: one question with its target, asked from here, answered within its limit.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use chora_core::model::contract::Contract;
use chora_core::model::health::{HttpProbe, McpProbe, McpTransport, Probe, ProbeAnswer, ProbeVerdict};
use tokio::time::Instant;

use super::address::{TargetError, Url, resolve};
use super::local::{FileQuestion, ProcessQuestion, probe_file, probe_process};

/// What to ask.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Question {
    /// Does `host:port` accept connections?
    Tcp {
        /// `host:port` or `tcp://host:port`.
        target: String,
    },
    /// Does an HTTP answer satisfy the conditions?
    Http {
        /// `http://host:port/path`.
        url: String,
        /// Conditions; port and path come from the URL.
        conditions: HttpProbe,
    },
    /// Does an MCP server do its work?
    Mcp {
        /// `http://host:port/path`.
        url: String,
        /// How to ask; port and path come from the URL.
        how: Box<McpProbe>,
        /// A recorded contract to compare with.
        contract_file: Option<PathBuf>,
    },
    /// A probe of a host that is looked up by name, asked as a probe of an address is.
    Named {
        /// Name of the host.
        host: String,
        /// What; with the port.
        probe: Box<Probe>,
    },
    /// Is a file as it should be?
    File(FileQuestion),
    /// Does a process run?
    Process(ProcessQuestion),
    /// Not a question: processes with this mark in their environment are to end.
    End {
        /// The mark.
        mark: String,
    },
    /// A probe with its address, as a sidecar receives it.
    Address {
        /// Where.
        address: SocketAddr,
        /// What.
        probe: Box<Probe>,
    },
}

/// A question and how long its answer may take.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProbeRequest {
    /// What to ask.
    pub question: Question,
    /// Time budget for everything.
    pub limit: Duration,
}

/// How it went.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct ProbeOutcome {
    /// The conditions hold; `degraded` counts as holding.
    pub ok: bool,
    /// The answer with its evidence.
    pub answer: ProbeAnswer,
}

/// Asks on a runtime of this thread's own: the quick way for a HEALTHCHECK, which is a process per question.
///
/// # Errors
/// When the target cannot be asked as it is written.
pub fn run_blocking(request: &ProbeRequest) -> Result<ProbeOutcome, TargetError> {
    if let Some(answer) = local(&request.question) {
        return Ok(outcome(answer));
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build();
    let runtime = runtime.map_err(|error| TargetError::File { reason: format!("no runtime could be started: {error}") })?;
    let result = runtime.block_on(run(request));
    // A name lookup that hangs must not hold the process.
    runtime.shutdown_background();
    result
}

/// Asks once.
///
/// # Errors
/// When the target cannot be asked as it is written.
pub async fn run(request: &ProbeRequest) -> Result<ProbeOutcome, TargetError> {
    let limit = request.limit;
    match &request.question {
        Question::File(file) => Ok(outcome(probe_file(file))),
        Question::Process(process) => Ok(outcome(probe_process(process))),
        Question::End { mark } => Ok(outcome(super::marked::end(mark).await)),
        Question::Address { address, probe } => Ok(outcome(super::ask(*address, probe, limit).await)),
        Question::Named { host, probe } => {
            let port = probe.port();
            ask_each((host, &format!("localhost:{port}")), port, probe, limit).await
        }
        Question::Tcp { target } => {
            let url = Url::parse(target, "tcp")?;
            expect_scheme(&url, target, "tcp")?;
            let port = url.port.ok_or_else(|| malformed(target, "it names no port"))?;
            ask_each((&url.host, &url.authority()), port, &Probe::Tcp { port }, limit).await
        }
        Question::Http { url: target, conditions } => {
            let url = Url::parse(target, "http")?;
            expect_scheme(&url, target, "http")?;
            let port = url.port.unwrap_or(80);
            ask_each(
                (&url.host, &url.authority()),
                port,
                &Probe::Http(HttpProbe { port, path: path_of(&url), ..conditions.clone() }),
                limit,
            )
            .await
        }
        Question::Mcp { url: target, how, contract_file } => {
            let url = Url::parse(target, "http")?;
            expect_scheme(&url, target, "http")?;
            let port = url.port.unwrap_or(80);
            let contract = match contract_file {
                Some(path) => Some(read_contract(path)?),
                None => how.contract.clone(),
            };
            let mcp = McpProbe { port, path: url.path.clone(), contract, ..(**how).clone() };
            if mcp.transport == McpTransport::Stdio {
                return Err(malformed(target, "stdio servers have no URL"));
            }
            ask_each((&url.host, &url.authority()), port, &Probe::Mcp(mcp), limit).await
        }
    }
}

fn local(question: &Question) -> Option<ProbeAnswer> {
    match question {
        Question::File(file) => Some(probe_file(file)),
        Question::Process(process) => Some(probe_process(process)),
        Question::Tcp { .. }
        | Question::Http { .. }
        | Question::Mcp { .. }
        | Question::Named { .. }
        | Question::Address { .. }
        | Question::End { .. } => None,
    }
}

/// Asks every address of the host until one answers; HTTP requests are for the authority.
async fn ask_each((host, authority): (&str, &str), port: u16, probe: &Probe, limit: Duration) -> Result<ProbeOutcome, TargetError> {
    let started = Instant::now();
    let unresolved = |reason: String| {
        let error = TargetError::Unresolved { host: host.to_owned(), reason };
        // The world's fault, as a refused connection is: a health check must say no, not that it was asked wrongly.
        let asked = format!("address of {host}");
        outcome(ProbeAnswer {
            verdict: ProbeVerdict::NoAnswer,
            asked,
            answered: error.to_string(),
            took: started.elapsed(),
            contract: None,
        })
    };
    let addresses = match tokio::time::timeout(limit, resolve(host, port)).await {
        Ok(Ok(addresses)) => addresses,
        Ok(Err(TargetError::Unresolved { reason, .. })) => return Ok(unresolved(reason)),
        Ok(Err(error)) => return Err(error),
        Err(_) => return Ok(unresolved("no answer in time".to_owned())),
    };
    let mut last = None;
    for address in addresses {
        let left = limit.saturating_sub(started.elapsed());
        if last.is_some() && left.is_zero() {
            break;
        }
        let answer = super::ask_as(address, authority, probe, left).await;
        let silent = answer.verdict == ProbeVerdict::NoAnswer;
        // Of several refusals the first is told: it is the address people mean.
        if !silent || last.is_none() {
            last = Some(answer);
        }
        if !silent {
            break;
        }
    }
    Ok(last.map_or_else(|| unresolved("the name has no address".to_owned()), outcome))
}

fn outcome(answer: ProbeAnswer) -> ProbeOutcome {
    ProbeOutcome { ok: matches!(answer.verdict, ProbeVerdict::Pass | ProbeVerdict::Degraded), answer }
}

fn path_of(url: &Url) -> String {
    if url.path.starts_with('/') { url.path.clone() } else { format!("/{}", url.path) }
}

fn expect_scheme(url: &Url, target: &str, scheme: &str) -> Result<(), TargetError> {
    match url.scheme.as_str() {
        found if found == scheme => Ok(()),
        "https" => Err(TargetError::Tls { target: super::address::without_password(target) }),
        _ => Err(malformed(target, &format!("it should begin with `{scheme}://`"))),
    }
}

fn malformed(target: &str, reason: &str) -> TargetError {
    TargetError::Malformed { target: super::address::without_password(target), reason: reason.to_owned() }
}

fn read_contract(path: &Path) -> Result<Contract, TargetError> {
    crate::contract::read(path).map_err(|error| TargetError::File { reason: error.to_string() })
}
