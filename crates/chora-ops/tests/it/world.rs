//! A project on disk, an engine in memory, and processes that can die.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use chora_core::model::container::{ContainerFilter, ContainerState};
use chora_core::model::event::DeployedBy;
use chora_core::model::ids::EnvironmentName;
use chora_core::plan::Observed;
use chora_core::plan::gateway::GATEWAY;
use chora_core::ports::{Engine as _, Store as _};
use chora_ops::context::{Context, Settings};
use chora_ops::deploy::{DeployOutcome, DeployRequest, deploy};
use chora_ops::event_log::EventLog;
use chora_ops::failure::Failure;
use chora_ops::gateway::Gateways;
use chora_ops::own_image::OwnImage;
use chora_ops::redactor::Redactor;
use chora_ops::roll_back::{RollbackRequest, roll_back};
use chora_ops::secrets::FileSecrets;
use chora_testkit::fake_engine::{Behaviour, FakeEngine};
use chora_testkit::fake_gateway::FakeGateway;
use chora_testkit::faults::Faults;
use chora_testkit::memory_blobs::MemoryBlobs;
use chora_testkit::memory_store::MemoryStore;
use chora_testkit::steady::{Listener, SteadyClock, SteadyHost, SteadyProber};
use indexmap::IndexMap;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

/// The value that must never be seen.
pub(crate) const SECRET: &str = "hunter2-do-not-print";

/// Everything that outlives a process.
pub(crate) struct World {
    pub(crate) project: TempDir,
    pub(crate) engine: FakeEngine,
    pub(crate) store: MemoryStore,
    pub(crate) faults: Faults,
    pub(crate) listener: Listener,
    blobs: MemoryBlobs,
    pub(crate) clock: SteadyClock,
    host: SteadyHost,
    /// What the gateway was told, where the environment has one.
    pub(crate) gateway: FakeGateway,
    /// Whether the service with the volume is published as well.
    published: bool,
}

/// Three services: one published, one internal (start-first), one with a volume; a one-shot, a config and a secret.
pub(crate) fn compose(version: &str) -> String {
    compose_with(version, "db:1", "")
}

/// The same where the service with the volume is published as well, and is another one in every version.
pub(crate) fn compose_published(version: &str) -> String {
    compose_with(version, &format!("db:{version}"), r#"ports: ["5432:5432"]"#)
}

fn compose_with(version: &str, db: &str, db_ports: &str) -> String {
    format!(
        r#"name: shop
services:
  web:
    image: web:{version}
    ports: ["8080:80"]
    depends_on: {{api: {{condition: service_healthy}}}}
    configs: [{{source: motd, target: /etc/motd}}]
    secrets: [key]
  api:
    image: api:{version}
    secrets: [key]
    depends_on:
      db: {{condition: service_healthy}}
      migrate: {{condition: service_completed_successfully}}
  migrate:
    image: migrate:{version}
    depends_on: {{db: {{condition: service_healthy}}}}
  db:
    image: {db}
    {db_ports}
    volumes: ["data:/data"]
volumes: {{data: {{}}}}
configs: {{motd: {{content: "version {version}"}}}}
secrets: {{key: {{file: ./key.txt}}}}
"#
    )
}

impl World {
    /// A world whose registry and engine know versions 1, 2 and `bad` of every image.
    pub(crate) fn new() -> Self {
        let faults = Faults::new();
        let engine = FakeEngine::new(faults.clone());
        let gateway = FakeGateway::default();
        {
            let program = gateway.program(&engine);
            let mut state = engine.world();
            state.programs.insert("/chora".to_owned(), program);
            for version in ["1", "2", "bad"] {
                let broken = version == "bad";
                state.add_image(&format!("web:{version}"), if broken { Behaviour::Unhealthy } else { Behaviour::Healthy });
                state.add_image(&format!("api:{version}"), Behaviour::Healthy);
                let api = state.images.get_mut(&format!("sha256:api:{version}")).unwrap();
                (api.entrypoint, api.command) = (vec!["/run.sh".to_owned()], vec!["serve".to_owned()]);
                state.add_image(&format!("migrate:{version}"), Behaviour::Exits(0));
            }
            ["1", "2", "bad"].into_iter().for_each(|version| state.add_image(&format!("db:{version}"), Behaviour::Healthy));
        }
        let project = TempDir::new().unwrap();
        std::fs::write(project.path().join("key.txt"), SECRET).unwrap();
        std::fs::write(project.path().join("chora.yaml"), "environments: {production: {gate_timeout: 1s, gateway: false}}\n").unwrap();
        Self {
            store: MemoryStore::new(faults.clone()),
            blobs: MemoryBlobs::new(faults.clone()),
            host: SteadyHost::default(),
            clock: SteadyClock::default(),
            listener: Listener::default(),
            engine,
            faults,
            project,
            gateway,
            published: false,
        }
    }

    /// A world whose published ports belong to a gateway.
    pub(crate) fn with_gateway() -> Self {
        let world = Self { published: true, ..Self::new() };
        std::fs::write(world.project.path().join("chora.yaml"), "environments: {production: {gate_timeout: 1s}}\n").unwrap();
        world
    }

    /// A world in which `api` is run under a bridge.
    pub(crate) fn bridged() -> Self {
        let world = Self::new();
        world.configure("services: {api: {bridge: true}}");
        world
    }

    /// Sets what `chora.yaml` says beside the environment.
    pub(crate) fn configure(&self, services: &str) {
        let text = format!("environments: {{production: {{gate_timeout: 1s, gateway: false}}}}\n{services}\n");
        std::fs::write(self.project.path().join("chora.yaml"), text).unwrap();
    }

    /// A world with a gateway that watches every new release for ten minutes; nothing is swapped in it.
    pub(crate) fn watched() -> Self {
        let world = Self { published: false, ..Self::with_gateway() };
        let text = "environments: {production: {gate_timeout: 1s, watch: 10m}}\n";
        std::fs::write(world.project.path().join("chora.yaml"), text).unwrap();
        world
    }

    /// A world with a gateway that tries a new `web` out for two seconds; nothing is swapped in it.
    pub(crate) fn canary() -> Self {
        let world = Self { published: false, ..Self::with_gateway() };
        let text = "environments: {production: {gate_timeout: 1s}}\nservices: {web: {rollout: {canary: 10%, for: 2s}}}\n";
        std::fs::write(world.project.path().join("chora.yaml"), text).unwrap();
        world
    }

    /// What serves, as `service image` pairs: what runs but for what is kept warm.
    pub(crate) async fn serving(&self) -> Vec<String> {
        let engine = Arc::new(self.engine.clone());
        let filter = ContainerFilter { labels: IndexMap::new(), all: true };
        let (containers, networks) = (engine.containers(&filter).await.unwrap(), engine.networks(&IndexMap::new()).await.unwrap());
        let observed = Observed::new(&containers, &networks, &[]);
        let warm = |name: &str| observed.containers.iter().any(|container| container.name == name && observed.is_warm(container));
        let state = self.engine.world();
        let mut serving: Vec<String> = state
            .containers
            .values()
            .filter(|container| container.state == ContainerState::Running && !warm(&container.spec.name))
            .map(|container| (&container.spec.labels["com.docker.compose.service"], &container.spec.image))
            .filter(|(service, _)| *service != GATEWAY)
            .map(|(service, image)| format!("{service} {}", image.as_str().trim_start_matches("sha256:")))
            .collect();
        serving.sort();
        serving
    }

    pub(crate) fn write(&self, version: &str) {
        let text = if self.published { compose_published(version) } else { compose(version) };
        std::fs::write(self.project.path().join("compose.yaml"), text).unwrap();
    }

    pub(crate) fn context(&self) -> Context {
        Context {
            engine: Arc::new(self.engine.clone()),
            store: Arc::new(self.store.clone()),
            blobs: Arc::new(self.blobs.clone()),
            secrets: Arc::new(FileSecrets::new(BTreeMap::new())),
            clock: Arc::new(self.clock.clone()),
            host: Arc::new(self.host.clone()),
            prober: Arc::new(SteadyProber),
            gateways: Gateways::new(Arc::new(self.engine.clone())),
            own_image: OwnImage::new(Arc::new(self.engine.clone()), self.project.path().join("chora.yaml")),
            reporter: Arc::new(self.listener.clone()),
            log: EventLog::at(self.project.path()),
            redactor: Redactor::default(),
            cancel: CancellationToken::new(),
            settings: Settings {
                project_dir: self.project.path().to_owned(),
                variables: IndexMap::new(),
                deployed_by: DeployedBy::Human,
                pause: None,
            },
            project: None,
        }
    }

    /// Another living process in another directory, with the same engine and store.
    pub(crate) fn another(&self) -> Self {
        Self {
            project: TempDir::new().unwrap(),
            engine: self.engine.clone(),
            store: self.store.clone(),
            faults: self.faults.clone(),
            listener: self.listener.clone(),
            blobs: self.blobs.clone(),
            clock: self.clock.clone(),
            host: self.host.another(),
            gateway: self.gateway.clone(),
            published: self.published,
        }
    }

    /// A world with the same past, of its own: what happens in one is not known in the other. Calls count from 0 again.
    pub(crate) fn fork(&self) -> Self {
        let faults = Faults::new();
        let (engine, gateway) = (self.engine.fork(faults.clone()), self.gateway.fork());
        let program = gateway.program(&engine);
        engine.world().programs.insert("/chora".to_owned(), program);
        let project = TempDir::new().unwrap();
        copy(self.project.path(), project.path());
        Self {
            project,
            store: self.store.fork(faults.clone()),
            blobs: self.blobs.fork(faults.clone()),
            host: self.host.fork(),
            clock: self.clock.fork(),
            listener: Listener::default(),
            engine,
            faults,
            gateway,
            published: self.published,
        }
    }

    /// The process is killed; what follows runs in another one.
    pub(crate) fn kill(&mut self) {
        self.host = self.host.killed();
        self.faults.revive();
    }

    pub(crate) async fn deploy(&self, version: &str) -> Result<DeployOutcome, Failure> {
        self.write(version);
        let request = DeployRequest { version: Some(format!("v{version}")), ..DeployRequest::default() };
        Box::pin(deploy(&self.context(), &request)).await
    }

    pub(crate) async fn roll_back(&self) -> Result<DeployOutcome, Failure> {
        Box::pin(roll_back(&self.context(), &RollbackRequest::default())).await
    }

    /// What runs, as `service image` pairs.
    pub(crate) fn running(&self) -> Vec<String> {
        let running = self.engine.world().running().into_iter().filter(|(service, _)| service != GATEWAY && !service.is_empty());
        running.map(|(service, image)| format!("{service} {image}")).collect()
    }

    /// The deployment log's lines.
    pub(crate) fn log(&self) -> Vec<serde_json::Value> {
        let text = std::fs::read_to_string(log_file(self.project.path())).unwrap_or_default();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The version of the live release.
    pub(crate) async fn live(&self) -> Option<String> {
        let environment = EnvironmentName::new("production");
        let id = self.store.live_release(&environment).await.unwrap()?;
        self.store.release(&id).await.unwrap().map(|release| release.version)
    }
}

fn copy(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            std::fs::create_dir(&to).unwrap();
            copy(&entry.path(), &to);
        } else {
            std::fs::copy(entry.path(), to).unwrap();
        }
    }
}

pub(crate) fn log_file(project: &Path) -> std::path::PathBuf {
    project.join(".chora/memory/events/deployment.jsonl")
}

/// What runs beside a gateway when a version is live.
pub(crate) fn expected_published(version: &str) -> Vec<String> {
    vec![format!("api api:{version}"), format!("db db:{version}"), format!("web web:{version}")]
}

/// Figures of a canary that fails more of its requests.
pub(crate) fn worse() -> serde_json::Value {
    let side = |requests: u64, errors: u64| serde_json::json!({ "requests": requests, "ended": requests, "errors": errors, "latencies": [[2047, requests - errors]] });
    serde_json::json!({ "new": side(100, 20), "old": side(900, 0) })
}

/// What runs when a version is live.
pub(crate) fn expected(version: &str) -> Vec<String> {
    vec![format!("api api:{version}"), "db db:1".to_owned(), format!("web web:{version}")]
}
