//! Asks an MCP server that speaks over standard streams: one of its own is started beside the one that serves, in the same
//! container, and ended afterwards. The main process is left alone: what is written to its input belongs to its clients.

use std::sync::Arc;
use std::time::Duration;

use chora_core::model::container::{Container, ExecSpec};
use chora_core::model::health::{McpProbe, ProbeAnswer};
use chora_core::ports::{Engine, EngineError};
use tokio::time::Instant;

use super::answer::{Deadline, Passed, Trouble, answer};
use super::mcp::{Stdio, ask_stdio};
use super::sidecar::SidecarProber;

/// Marks the server and what it starts, so that they are found when they do not end by themselves.
pub(super) const MARK: &str = "CHORA_PROBE";
/// How long a server may take to end once its input has (specification 2025-11-25, Lifecycle, Shutdown).
const FAREWELL: Duration = Duration::from_secs(2);

/// Asks over standard streams.
#[derive(Clone)]
pub(super) struct StdioProber {
    engine: Arc<dyn Engine>,
    sidecar: SidecarProber,
}

impl StdioProber {
    pub(super) fn new(engine: Arc<dyn Engine>, sidecar: SidecarProber) -> Self {
        Self { engine, sidecar }
    }

    pub(super) async fn probe(&self, container: &Container, probe: &McpProbe, limit: Duration) -> ProbeAnswer {
        let started = Instant::now();
        let command = if probe.command.is_empty() { &container.command } else { &probe.command };
        // Arguments may hold secrets.
        let asked = format!("mcp stdio {} in {}", command.first().map_or("", String::as_str), container.name);
        let (this, id, command, probe) = (self.clone(), container.id.to_string(), command.clone(), probe.clone());
        // On a task of its own, so that the server is ended also when nobody waits for the answer any more.
        let work = tokio::spawn(async move { this.ask(&id, command, &probe, limit).await });
        let outcome = work.await.unwrap_or_else(|error| Err(Trouble::Silent(format!("the question was given up: {error}"))));
        answer(asked, outcome, started.elapsed())
    }

    async fn ask(&self, container: &str, command: Vec<String>, probe: &McpProbe, limit: Duration) -> Result<Passed, Trouble> {
        let deadline = Deadline::after(limit);
        if command.is_empty() {
            return Err(Trouble::Refused("it has no command to start a server with".to_owned(), None));
        }
        let mark = uuid::Uuid::now_v7().simple().to_string();
        let exec = ExecSpec { command, environment: vec![format!("{MARK}={mark}")], ..ExecSpec::default() };
        let opened = deadline.bound("the start of the server", async { Ok(self.engine.exec_piped(container, &exec).await) }).await?;
        let mut stdio = Stdio::new(opened.map_err(unstartable)?, deadline);
        let outcome = ask_stdio(&mut stdio, probe).await;
        let (has_ended, complaint) = (stdio.has_ended(), stdio.complaint());
        match stdio.into_pipes().finish(FAREWELL).await {
            Ok(code @ (126 | 127)) if has_ended => {
                Err(Trouble::Refused(format!("the command cannot be run (exit code {code}){}", said(complaint)), None))
            }
            Ok(code) if has_ended => {
                outcome.map_err(|trouble| trouble.map(|words| format!("{words}, with exit code {code}{}", said(complaint))))
            }
            Ok(_) => outcome.map_err(|trouble| trouble.map(|words| format!("{words}{}", said(complaint)))),
            Err(EngineError::TimedOut { .. }) => {
                self.end(container, &mark).await;
                outcome.map_err(|trouble| trouble.map(|words| format!("{words}{}", said(complaint))))
            }
            // The connection went with the container; the answer stands.
            Err(error) => {
                tracing::debug!(%error, container, "how the probed server ended is not known");
                outcome
            }
        }
    }

    /// Ends what outlives its input, from a container that sees its processes.
    async fn end(&self, container: &str, mark: &str) {
        if let Err(error) = self.sidecar.end(container, mark).await {
            tracing::warn!(error, container, "a server that was started to be asked still runs");
        }
    }
}

fn unstartable(error: EngineError) -> Trouble {
    match error {
        EngineError::Invalid { reason } => Trouble::Refused(format!("the command cannot be run: {reason}"), None),
        error => Trouble::Silent(error.to_string()),
    }
}

fn said(complaint: Option<String>) -> String {
    complaint.map_or_else(String::new, |line| format!("; it said: {line}"))
}
