//! What every `Engine` adapter has to do, held against an engine with the test image.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a contract that is broken panics")]

pub mod builds;
pub mod containers;
pub mod execs;
pub mod files;
pub mod images;
pub mod networks;
pub mod settings;
pub mod streams;
pub mod volumes;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use chora_core::compose;
use chora_core::model::container::{Container, ContainerFilter, ContainerSpec, ContainerState, ExecOutcome, ExecSpec};
use chora_core::model::ids::{ContainerId, ImageId};
use chora_core::model::network::{Attachment, NetworkSpec, VolumeSpec};
use chora_core::ports::Engine;
use indexmap::IndexMap;

use crate::test_image::{SERVER, TestImage};

/// Label that everything made by the contract carries.
pub const LABEL: &str = "chora.test";
/// Longest wait for something that an engine does by itself; it ends as soon as it is done.
const PATIENCE: Duration = Duration::from_secs(60);

/// An engine, the test image on it, and names that nobody else uses.
pub struct Workbench {
    /// The engine under test.
    pub engine: Arc<dyn Engine>,
    /// Id of the test image.
    pub image: ImageId,
    /// `name:tag` of the test image.
    pub tag: String,
    /// Value of [`LABEL`] and beginning of every name.
    pub unique: String,
}

impl Workbench {
    /// Loads the test image under a name of its own.
    pub async fn new(engine: Arc<dyn Engine>) -> Self {
        static COUNTER: AtomicU32 = AtomicU32::new(0);
        let unique = format!("chora-test-{}-{}", std::process::id(), COUNTER.fetch_add(1, Ordering::Relaxed));
        let tag = format!("{unique}:1");
        let labels = IndexMap::from([(LABEL.to_owned(), unique.clone())]);
        let image = TestImage { tag: tag.clone(), labels, ..TestImage::default() };
        engine.load_image(image.archive()).await.expect("the test image loads");
        let image = engine.image(&tag).await.expect("the engine answers").expect("the test image is there");
        Self { engine, image: image.id.expect("an image has an id"), tag, unique }
    }

    /// Gives the labels of everything made here.
    #[must_use]
    pub fn labels(&self) -> IndexMap<String, String> {
        IndexMap::from([(LABEL.to_owned(), self.unique.clone())])
    }

    /// Gives a name of this workbench's own.
    #[must_use]
    pub fn name(&self, suffix: &str) -> String {
        format!("{}-{suffix}", self.unique)
    }

    /// Describes a container of the test image.
    #[must_use]
    pub fn spec(&self, suffix: &str) -> ContainerSpec {
        ContainerSpec {
            name: self.name(suffix),
            image: self.image.clone(),
            service: compose::Service::default(),
            labels: self.labels(),
            attachments: Vec::new(),
            network_mode: None,
            mounts: Vec::new(),
            files: Vec::new(),
            publish: false,
        }
    }

    /// Describes a container with environment.
    #[must_use]
    pub fn spec_with(&self, suffix: &str, environment: &[(&str, &str)]) -> ContainerSpec {
        let mut spec = self.spec(suffix);
        spec.service.environment = environment.iter().map(|(name, value)| ((*name).to_owned(), Some((*value).to_owned()))).collect();
        spec
    }

    /// Creates and starts a container.
    pub async fn run(&self, spec: &ContainerSpec) -> ContainerId {
        let id = self.engine.create_container(spec).await.expect("the container is created");
        self.engine.start_container(id.as_str()).await.expect("the container starts");
        id
    }

    /// Inspects a container that is there.
    pub async fn inspect(&self, container: &ContainerId) -> Container {
        self.engine.container(container.as_str()).await.expect("the engine answers").expect("the container is there")
    }

    /// Runs the test server's one-time commands in a container.
    pub async fn ask(&self, container: &ContainerId, words: &[&str]) -> ExecOutcome {
        let command = [&[SERVER], words].concat().into_iter().map(str::to_owned).collect();
        let exec = ExecSpec { command, ..ExecSpec::default() };
        self.engine.exec(container.as_str(), &exec, PATIENCE).await.expect("the command runs")
    }

    /// Creates a network.
    pub async fn network(&self, suffix: &str) -> String {
        let spec = NetworkSpec { name: self.name(suffix), network: compose::Network::default(), labels: self.labels() };
        self.engine.create_network(&spec).await.expect("the network is created");
        spec.name
    }

    /// Describes a named volume.
    #[must_use]
    pub fn volume(&self, suffix: &str) -> VolumeSpec {
        VolumeSpec { name: self.name(suffix), volume: compose::Volume::default(), labels: self.labels() }
    }

    /// Describes a place in a network.
    #[must_use]
    pub fn attachment(network: &str, aliases: &[&str]) -> Attachment {
        Attachment { network: network.to_owned(), aliases: aliases.iter().map(|alias| (*alias).to_owned()).collect(), options: None }
    }

    /// Waits until an inspection satisfies a condition.
    pub async fn until(&self, container: &ContainerId, what: &str, condition: impl Fn(&Container) -> bool) -> Container {
        let wait = async {
            loop {
                let seen = self.inspect(container).await;
                if condition(&seen) {
                    return seen;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(PATIENCE, wait).await.unwrap_or_else(|_| panic!("never: {what}"))
    }

    /// Waits until a command in a container succeeds.
    pub async fn until_answers(&self, container: &ContainerId, words: &[&str]) -> String {
        let wait = async {
            loop {
                let outcome = self.ask(container, words).await;
                if outcome.exit_code == 0 {
                    return outcome.output;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(PATIENCE, wait).await.unwrap_or_else(|_| panic!("never: {words:?}"))
    }

    /// Waits until a container has ended.
    pub async fn until_ended(&self, container: &ContainerId) -> Container {
        self.until(container, "ended", |seen| seen.state == ContainerState::Exited).await
    }

    /// Removes everything that carries the label; the engine may be in any state.
    pub async fn clean_up(&self) {
        let labels = self.labels();
        let filter = ContainerFilter { labels: labels.clone(), all: true };
        for container in self.engine.containers(&filter).await.unwrap_or_default() {
            let _ = self.engine.remove_container(container.id.as_str(), true).await;
        }
        for network in self.engine.networks(&labels).await.unwrap_or_default() {
            let _ = self.engine.remove_network(&network.name).await;
        }
        for volume in self.engine.volumes(&labels).await.unwrap_or_default() {
            let _ = self.engine.remove_volume(&volume.name).await;
        }
        for image in self.engine.images(&labels).await.unwrap_or_default() {
            for tag in &image.tags {
                let _ = self.engine.remove_image(tag).await;
            }
            if let Some(id) = &image.id {
                let _ = self.engine.remove_image(id.as_str()).await;
            }
        }
    }
}

/// Runs one case and cleans up, whether it passed or not.
pub async fn run_case<F>(engine: Arc<dyn Engine>, case: impl FnOnce(Arc<Workbench>) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let bench = Arc::new(Workbench::new(engine).await);
    let outcome = tokio::spawn(case(Arc::clone(&bench))).await;
    bench.clean_up().await;
    if let Err(failure) = outcome {
        std::panic::resume_unwind(failure.into_panic());
    }
}

/// Writes one test per case of the contract for the engine (`Arc<dyn Engine>`) that the expression makes.
#[macro_export]
macro_rules! engine_contract {
    ($engine:expr) => {
        $crate::engine_contract!(@cases $engine; containers: a_life_from_creation_to_removal, names_are_taken_once, calls_are_forgiving,
            what_is_gone_is_said, exit_codes_come_back, a_deaf_process_is_killed_after_its_grace, memory_has_an_end,
            lists_follow_labels, a_failed_creation_leaves_nothing, processes_are_listed);
        $crate::engine_contract!(@cases $engine; settings: environment_is_set_and_unset, words_replace_the_images_own,
            a_health_check_is_run, the_older_and_newer_keys_arrive, mounts_arrive, ports_are_published, a_taken_port_is_said,
            a_restart_policy_is_followed);
        $crate::engine_contract!(@cases $engine; execs: output_and_code_come_back, output_is_bounded, time_is_bounded,
            what_cannot_run_is_an_outcome, a_stopped_container_runs_nothing, the_command_gets_its_surroundings,
            a_piped_command_converses, a_piped_command_that_does_not_end_is_told, a_piped_container_goes_with_its_input);
        $crate::engine_contract!(@cases $engine; files: files_are_written_with_owner_and_mode, a_read_only_root_takes_secrets,
            a_tmpfs_over_run_takes_secrets, places_that_lose_files_are_refused, files_are_read, secrets_show_nowhere);
        $crate::engine_contract!(@cases $engine; networks: networks_come_and_go, names_resolve_in_every_network,
            connections_are_forgiving, a_network_in_use_stays);
        $crate::engine_contract!(@cases $engine; volumes: volumes_come_and_go, data_outlives_its_container);
        $crate::engine_contract!(@cases $engine; images: images_are_told_and_tagged, images_are_listed_by_label,
            a_registry_that_is_down_is_told_from_one_that_refuses);
        $crate::engine_contract!(@cases $engine; streams: logs_keep_streams_apart, logs_follow_to_the_end, a_terminal_has_one_stream,
            events_arrive_and_are_replayed);
        $crate::engine_contract!(@cases $engine; builds: a_build_honours_its_section, a_secret_reaches_its_step_only,
            a_failed_step_is_told_with_its_last_lines, a_front_end_that_cannot_be_pulled_is_named);
    };
    (@cases $engine:expr; $group:ident: $($case:ident),* $(,)?) => {
        $(#[tokio::test]
        async fn $case() {
            $crate::engine_contract::run_case($engine, |bench| async move {
                $crate::engine_contract::$group::$case(&bench).await;
            })
            .await;
        })*
    };
}
