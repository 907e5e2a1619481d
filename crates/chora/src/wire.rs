//! Wiring: the only place that chooses adapters and builds a [`Context`].

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chora_core::model::container::Container;
use chora_core::model::health::{Probe, ProbeAnswer, ProbeVerdict};
use chora_core::ports::{Clock, Engine, Prober, Reporter};
use chora_docker::{DockerEngine, EndpointRequest};
use chora_ops::event_log::EventLog;
use chora_ops::probe::NetworkProber;
use chora_ops::project::{ConfigRequest, DEFAULT_ENVIRONMENT};
use chora_ops::secrets::FileSecrets;
use chora_ops::system::{SystemClock, SystemHost};
use chora_ops::{Context, Failure, Settings};
use chora_store::{FileBlobs, SqliteStore};
use tokio::sync::OnceCell;
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

/// Opens what an operation needs. Nothing is sent to the engine, and nothing is written to a directory that holds no project.
///
/// # Errors
/// What is wrong with the project's files, the store or the engine's address.
pub(crate) fn context(config: &Config, wanted: Wanted) -> Result<Context, Failure> {
    let settings = settings(config);
    chora_ops::project::config(&settings, &ConfigRequest { environment: wanted.environment.clone() })?;
    let state = config.project_dir.value.join(".chora");
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::start());
    let request = EndpointRequest { explicit: engine_address(config, wanted.environment.as_deref()), ..config.engine.clone() };
    let engine: Arc<dyn Engine> = Arc::new(DockerEngine::connect(&request)?);
    Ok(Context {
        store: Arc::new(SqliteStore::open(&state.join("storage.db"))?),
        blobs: Arc::new(FileBlobs::at(&state.join("blobs"))),
        secrets: Arc::new(FileSecrets::new(config.variables.clone().into_iter().collect())),
        host: Arc::new(SystemHost::this_process()),
        prober: Arc::new(LazyProber { engine: Arc::clone(&engine), clock: Arc::clone(&clock), prober: OnceCell::new() }),
        reporter: wanted.reporter,
        log: log(config),
        redactor: chora_ops::redactor::Redactor::default(),
        cancel: wanted.cancel,
        engine,
        clock,
        settings,
    })
}

/// The engine that `chora.yaml` names for an environment; a broken file is reported by the operation that reads all of it.
fn engine_address(config: &Config, environment: Option<&str>) -> Option<String> {
    let text = std::fs::read_to_string(config.project_dir.value.join("chora.yaml")).ok()?;
    let manifest = chora_syntax::manifest::parse(&text, "chora.yaml").ok()?;
    manifest.environments.get(environment.unwrap_or(DEFAULT_ENVIRONMENT))?.engine.clone()
}

/// A prober that asks the engine what it is when the first question comes, so that commands without questions send nothing.
struct LazyProber {
    engine: Arc<dyn Engine>,
    clock: Arc<dyn Clock>,
    prober: OnceCell<NetworkProber>,
}

#[async_trait]
impl Prober for LazyProber {
    async fn probe(&self, container: &Container, probe: &Probe, limit: Duration) -> ProbeAnswer {
        let ready = self.prober.get_or_try_init(|| async {
            let facts = self.engine.facts().await?;
            Ok::<_, chora_core::ports::EngineError>(NetworkProber::new(
                Arc::clone(&self.engine),
                facts,
                executable(),
                Arc::clone(&self.clock),
            ))
        });
        match ready.await {
            Ok(prober) => prober.probe(container, probe, limit).await,
            Err(error) => ProbeAnswer {
                verdict: ProbeVerdict::NoAnswer,
                asked: format!("the engine, about {}", container.name),
                answered: error.to_string(),
                took: Duration::ZERO,
                contract: None,
            },
        }
    }
}

/// This very program, for sidecars. The link stays right when the file was replaced while it runs.
fn executable() -> PathBuf {
    let link = PathBuf::from("/proc/self/exe");
    if link.exists() { link } else { std::env::current_exe().unwrap_or(link) }
}
