//! A project: its directory, its `chora.yaml`, and its stack resolved for one environment.

mod load;
mod manifest;
mod next;
mod recall;

use std::path::PathBuf;

use chora_core::compose::Stack;
use chora_core::model::bridge::Bridge;
use chora_core::model::canary::CanaryRules;
use chora_core::model::environment::Environment;
use chora_core::model::health::ServiceHealth;
use chora_core::plan::Rollout;
use indexmap::IndexMap;

pub(crate) use load::resolve_environment;
pub use load::{ConfigOutcome, ConfigRequest, Selection, config, load, read};
pub use next::in_environment;
pub use recall::engine;
pub(crate) use recall::load_or_recall;

/// The environment that `deploy` uses when none is named.
pub const DEFAULT_ENVIRONMENT: &str = "production";
/// The environment that `up` uses when none is named.
pub const DEVELOPMENT: &str = "development";
/// A project resolved for one environment.
#[derive(Debug, Clone)]
pub struct Project {
    /// Its directory.
    pub directory: PathBuf,
    /// Repository or project name, as events state it.
    pub repository: String,
    /// The environment with every default filled in.
    pub environment: Environment,
    /// The engine's address where `chora.yaml` names one.
    pub engine: Option<String>,
    /// The resolved stack.
    pub stack: Stack,
    /// What interpolation saw: the variables of the process, then those of env files.
    pub variables: IndexMap<String, String>,
    /// Files that it was read from.
    pub files: Vec<PathBuf>,
    /// The Compose files among them that were asked for.
    pub compose_files: Vec<PathBuf>,
    /// Bridges that services are run under, by service.
    pub bridges: IndexMap<String, Bridge>,
    /// Checks asked for, by service.
    pub health: IndexMap<String, ServiceHealth>,
    /// Rollout asked for, by service.
    pub rollouts: IndexMap<String, Rollout>,
    /// Canaries asked for, by service.
    pub canaries: IndexMap<String, CanaryRules>,
    /// Where each service's contract is, or would be, relative to the directory.
    pub contracts: IndexMap<String, PathBuf>,
    /// Keys that a deployment must refuse, each as a rendered diagnostic.
    pub unsupported: Vec<String>,
    /// Worth knowing, each as a rendered diagnostic.
    pub warnings: Vec<String>,
}
