//! What every operation is given: the ports, and settings read once.

use std::path::PathBuf;
use std::sync::Arc;

use chora_core::model::event::{DeployedBy, Event, Progress, ProgressState};
use chora_core::ports::{Blobs, Clock, Engine, Host, Prober, Reporter, Secrets, Store};
use indexmap::IndexMap;
use tokio_util::sync::CancellationToken;

use crate::event_log::EventLog;
use crate::gateway::Gateways;
use crate::own_image::OwnImage;
use crate::project::Project;
use crate::redactor::Redactor;

/// The ports and settings of one run; built only in the program's wiring.
#[derive(Clone)]
pub struct Context {
    /// Container engine.
    pub engine: Arc<dyn Engine>,
    /// Durable state.
    pub store: Arc<dyn Store>,
    /// Content-addressed bytes.
    pub blobs: Arc<dyn Blobs>,
    /// Values of configs and secrets.
    pub secrets: Arc<dyn Secrets>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// This process and others.
    pub host: Arc<dyn Host>,
    /// Probes over the network.
    pub prober: Arc<dyn Prober>,
    /// Gateways, to be told where requests go.
    pub gateways: Gateways,
    /// The image of this program.
    pub own_image: OwnImage,
    /// Who is told.
    pub reporter: Arc<dyn Reporter>,
    /// The deployment log.
    pub log: EventLog,
    /// Secrets met so far; nothing that is told contains one.
    pub redactor: Redactor,
    /// Ends long work; what was begun is undone.
    pub cancel: CancellationToken,
    /// Settings.
    pub settings: Settings,
    /// The project of the environment that is worked on, where the wiring has read it; it is not read again then.
    pub project: Option<Arc<Project>>,
}

/// Settings of one run.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The project's directory, absolute.
    pub project_dir: PathBuf,
    /// The process's environment variables, for interpolation.
    pub variables: IndexMap<String, String>,
    /// Who asks.
    pub deployed_by: DeployedBy,
    /// Stops before or after a journaled step until the process is killed; tests only, absent from release builds.
    pub pause: Option<Pause>,
}

/// Where a test wants the process to stand still, to be killed there, or to meet a bug.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pause {
    /// Step index in the plan.
    pub step: u32,
    /// After the step's work, before it is journaled as done; else after it is journaled as begun, before its work.
    pub after: bool,
    /// Counts undo steps instead.
    pub undo: bool,
    /// Panics instead of standing still.
    pub panics: bool,
}

impl Context {
    /// Reports progress outside or inside a plan.
    pub(crate) fn note(&self, state: ProgressState, what: &str, note: &str, (step, steps): (u32, u32)) {
        let (what, note) = (self.redactor.clean(what), self.redactor.clean(note));
        self.reporter.progress(&Progress { state, what, note, step, steps });
    }

    /// Writes an event to the log and tells the reporter.
    pub(crate) fn record(&self, event: &Event) -> Result<(), crate::event_log::LogError> {
        let event = self.redactor.event(event);
        self.log.append(&event)?;
        self.reporter.event(&event);
        Ok(())
    }
}
