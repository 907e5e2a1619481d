//! Wiring: the only place that chooses adapters and builds a [`Context`].

use std::path::PathBuf;
use std::sync::Arc;

use chora_core::ports::{Clock, Engine, Reporter, Store};
use chora_docker::{DockerEngine, EndpointRequest};
use chora_ops::event_log::EventLog;
use chora_ops::probe::NetworkProber;
use chora_ops::project::Selection;
use chora_ops::secrets::FileSecrets;
use chora_ops::system::{SystemClock, SystemHost};
use chora_ops::{Context, Failure, Gateways, OwnImage, Settings};
use chora_store::{FileBlobs, SqliteStore};
use tokio_util::sync::CancellationToken;

use crate::config::Config;

/// What one run of an operation needs beside the settings.
#[derive(Clone)]
pub(crate) struct Wanted {
    /// The environment whose engine is used; `production` unless named.
    pub(crate) environment: Option<String>,
    /// Who is told.
    pub(crate) reporter: Arc<dyn Reporter>,
    /// Ends long work.
    pub(crate) cancel: CancellationToken,
    /// The operation is about the project's files as such, whatever they are worth: they are not read for it.
    pub(crate) of_files: bool,
}

/// The settings that operations see.
pub(crate) fn settings(config: &Config) -> Settings {
    Settings {
        project_dir: config.project_dir.value.clone(),
        variables: config.variables.clone(),
        deployed_by: config.deployed_by.value,
        pause: config.pause,
    }
}

/// The deployment log alone.
pub(crate) fn log(config: &Config) -> EventLog {
    EventLog::at(&config.project_dir.value)
}

/// The store of a project that has one; none is made.
///
/// # Errors
/// When it is there and cannot be opened.
pub(crate) fn store_if_there(config: &Config) -> Result<Option<Box<dyn Store>>, Failure> {
    let path = config.project_dir.value.join(".chora/storage.db");
    if path.exists() { Ok(Some(Box::new(SqliteStore::open(&path)?))) } else { Ok(None) }
}

/// Opens what an operation needs: the project's files are read, once, where they can be. Nothing is sent to the engine, and nothing is
/// written.
///
/// # Errors
/// What is wrong with the project's files, the store or the engine's address.
pub(crate) fn context(config: &Config, wanted: Wanted) -> Result<Context, Failure> {
    let settings = settings(config);
    let state = config.project_dir.value.join(".chora");
    let name = wanted.environment.clone().unwrap_or_else(|| chora_ops::project::DEFAULT_ENVIRONMENT.to_owned());
    let read = || chora_ops::project::read(&settings, &Selection { environment: wanted.environment });
    let project = match (!wanted.of_files).then(read) {
        None => None,
        Some(Ok(project)) => Some(project),
        // What was deployed is known to the store: operations that need no files go on.
        Some(Err(_)) if state.join("storage.db").exists() => None,
        Some(Err(failure)) => return Err(failure),
    };
    let engine = project.as_ref().map_or_else(|| chora_ops::project::engine(&settings, &name), |project| project.engine.clone());
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::start());
    let request = EndpointRequest { explicit: engine, ..config.engine.clone() };
    let engine: Arc<dyn Engine> = Arc::new(DockerEngine::connect(&request)?);
    // A config or secret may come from a variable of an env file.
    let variables = project.as_ref().map_or(&config.variables, |project| &project.variables);
    let secrets = FileSecrets::new(variables.clone().into_iter().collect());
    let own_image = OwnImage::new(Arc::clone(&engine), executable());
    Ok(Context {
        store: Arc::new(SqliteStore::lazily(&state.join("storage.db"))?),
        blobs: Arc::new(FileBlobs::at(&state.join("blobs"))),
        secrets: Arc::new(secrets),
        host: Arc::new(SystemHost::this_process()),
        prober: Arc::new(NetworkProber::new(Arc::clone(&engine), own_image.clone())),
        gateways: Gateways::new(Arc::clone(&engine)),
        own_image,
        reporter: wanted.reporter,
        log: log(config),
        redactor: chora_ops::redactor::Redactor::default(),
        cancel: wanted.cancel,
        engine,
        clock,
        settings,
        project: project.map(Arc::new),
    })
}

/// This very program, for sidecars and gateways. The link stays right when the file was replaced while it runs.
fn executable() -> PathBuf {
    let link = PathBuf::from("/proc/self/exe");
    if link.exists() { link } else { std::env::current_exe().unwrap_or(link) }
}
