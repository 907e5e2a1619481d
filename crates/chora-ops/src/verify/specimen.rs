//! A specimen: a container of an image, with what it depends on in a network of its own, without a way out unless one is asked for, asked on five levels
//! and removed again, however that ends. What a killed process leaves is known by its owner.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use chora_core::compose::{Network, Service};
use chora_core::model::container::{ContainerFilter, ContainerSpec};
use chora_core::model::deployment::Owner;
use chora_core::model::health::{Check, Level, Verdict};
use chora_core::model::ids::ImageId;
use chora_core::model::network::{Attachment, NetworkSpec};
use chora_core::plan::{GateTarget, labels};
use chora_core::ports::{EngineError, Liveness};
use futures_util::FutureExt as _;
use indexmap::IndexMap;
use tokio_util::sync::CancellationToken;

use super::role::{Need, Role};
use crate::context::Context;
use crate::failure::{Failure, FailureKind};
use crate::health::{Expectation, ServiceExpectations, examine};
use crate::rollout::bridged::{complete, put_under};
use crate::rollout::gate::{Budgets, Refusal, gate};
use crate::rollout::perform::{StepError, place};

/// Value of the label that marks specimens.
const VERIFY: &str = "verify";
/// Name of the service where the image is none of a project's.
const NAMELESS: &str = "image";
/// What is left of the time for telling which levels passed before the one that did not.
const LOOK: Duration = Duration::from_secs(2);

/// Tries to remove it.
const TRIES: u32 = 3;
/// The pause between two of them.
const PAUSE: Duration = Duration::from_millis(500);

/// What is started.
pub(super) struct Wanted<'a> {
    pub(super) image: &'a ImageId,
    pub(super) role: Option<&'a Role>,
    /// What has to be there first.
    pub(super) needs: &'a [Need],
    /// Variables beside those of the service.
    pub(super) variables: &'a [(String, String)],
    /// How long each may take to pass.
    pub(super) patience: Duration,
    /// Whether they reach anything else.
    pub(super) online: bool,
}

/// What came of it.
#[derive(Default)]
pub(super) struct Tried {
    pub(super) checks: Vec<Check>,
    /// Its last lines, where it did not pass.
    pub(super) log: Vec<String>,
    pub(super) warnings: Vec<String>,
}

impl Tried {
    fn of(check: Check) -> Self {
        Self { checks: vec![check], ..Self::default() }
    }

    fn has_failed(&self) -> bool {
        self.checks.iter().any(|check| check.verdict == Verdict::Fail)
    }
}

/// One container of it.
struct Part<'a> {
    name: String,
    network: &'a str,
    image: &'a ImageId,
    role: Option<&'a Role>,
    variables: &'a [(String, String)],
    patience: Duration,
    /// Where the engine listens.
    engine: &'a str,
}

impl Part<'_> {
    fn service(&self) -> &str {
        self.role.map_or(NAMELESS, |role| role.name.as_str())
    }

    fn target(&self) -> GateTarget {
        GateTarget { service: self.service().to_owned(), container: self.name.clone() }
    }

    fn check(&self, asked: &str, answered: String) -> Check {
        let GateTarget { service, container } = self.target();
        Check { level: Level::Container, service, container, verdict: Verdict::Fail, asked: asked.to_owned(), answered, duration_ms: 0 }
    }
}

/// Starts the image, asks it, and removes it.
pub(super) async fn try_out(cx: &Context, wanted: &Wanted<'_>) -> Result<Tried, Failure> {
    let name = format!("chora-specimen-{}", uuid::Uuid::now_v7().simple());
    let tried = AssertUnwindSafe(Box::pin(run(cx, &name, wanted))).catch_unwind().await;
    let tried = tried.unwrap_or_else(|panic| Err(Failure::of_panic(panic.as_ref())));
    // The signal that broke it off must not keep it from being removed.
    let patient = Context { cancel: CancellationToken::new(), ..cx.clone() };
    let needed = wanted.needs.iter().rev().map(|need| needed_name(&name, need));
    let names: Vec<String> = std::iter::once(name.clone()).chain(needed).collect();
    match (tried, remove(&patient, &names, &name).await) {
        (tried, Ok(())) => tried,
        (Ok(mut tried), Err(error)) => {
            tried.warnings.push(format!("{name} could not be removed ({error}); `chora prune` does it"));
            Ok(tried)
        }
        (Err(failure), Err(_)) => Err(failure.state(format!("{name}, containers and a network, may be left; `chora prune` removes them"))),
    }
}

fn needed_name(name: &str, need: &Need) -> String {
    format!("{name}-{}", need.role.name)
}

/// Labels of what is there for this process only.
fn marks(cx: &Context) -> IndexMap<String, String> {
    let owner = serde_json::to_string(&cx.host.owner()).unwrap_or_default();
    IndexMap::from([(labels::SPECIMEN.to_owned(), VERIFY.to_owned()), (labels::OWNER.to_owned(), owner)])
}

/// What it needs first, then the image itself. What fails of the former is told in its place.
async fn run(cx: &Context, name: &str, wanted: &Wanted<'_>) -> Result<Tried, Failure> {
    let facts = cx.engine.facts().await?;
    let network =
        NetworkSpec { name: name.to_owned(), network: Network { internal: !wanted.online, ..Network::default() }, labels: marks(cx) };
    cx.engine.create_network(&network).await?;
    let (patience, engine) = (wanted.patience, facts.endpoint.as_str());
    let mut warnings = Vec::new();
    for need in wanted.needs {
        let (name, role) = (needed_name(name, need), Some(&need.role));
        let part = Part { name, network: &network.name, image: &need.image, role, variables: &[], patience, engine };
        let tried = Box::pin(judged(cx, &part)).await?;
        if tried.has_failed() {
            return Ok(tried);
        }
        warnings.extend(tried.warnings);
    }
    let Wanted { image, role, variables, .. } = *wanted;
    let mut tried = Box::pin(judged(cx, &Part { name: name.to_owned(), network: name, image, role, variables, patience, engine })).await?;
    warnings.append(&mut tried.warnings);
    Ok(Tried { warnings, ..tried })
}

/// A job has to end well, everything else to answer.
async fn judged(cx: &Context, part: &Part<'_>) -> Result<Tried, Failure> {
    let mut tried =
        if part.role.is_some_and(|role| role.is_job) { Box::pin(finish(cx, part)).await? } else { Box::pin(ask(cx, part)).await? };
    let withheld = part.role.map(|role| role.apart(part.engine).2).unwrap_or_default();
    if !withheld.is_empty() {
        let words =
            format!("`{}` is started without {}: sockets and devices of the host lead out of it", part.service(), withheld.join(", "));
        tried.warnings.push(words);
    }
    Ok(tried)
}

/// Starts a container and asks it on all levels until it passes or cannot any more.
async fn ask(cx: &Context, part: &Part<'_>) -> Result<Tried, Failure> {
    if let Some(tried) = start(cx, part).await? {
        return Ok(tried);
    }
    let expectation = part.role.map_or_else(Expectation::default, Role::expectation);
    let expectations = ServiceExpectations::of_one(part.service(), expectation);
    let budgets = Budgets { usual: part.patience, ..Budgets::default() };
    let target = part.target();
    match Box::pin(gate(cx, std::slice::from_ref(&target), &expectations, &budgets)).await {
        Ok(checks) => Ok(Tried { checks, ..Tried::default() }),
        Err(refusal) => refused(cx, &target, &expectations, *refusal).await,
    }
}

/// Runs a job to its end.
async fn finish(cx: &Context, part: &Part<'_>) -> Result<Tried, Failure> {
    if let Some(tried) = start(cx, part).await? {
        return Ok(tried);
    }
    let said = tokio::select! {
        code = cx.engine.wait_container(&part.name) => match code? {
            0 => {
                let done = part.check("exit code", "0: it ran to its end".to_owned());
                return Ok(Tried::of(Check { verdict: Verdict::Pass, ..done }));
            }
            code => format!("it was to run to completion and ended with exit code {code}"),
        },
        () = cx.clock.sleep(part.patience) => format!("it was to run to completion and did not within {:?}", part.patience),
        () = cx.cancel.cancelled() => return Err(super::interrupted()),
    };
    let log = crate::logs::last_lines(cx, &part.name).await.iter().map(|line| cx.redactor.clean(line)).collect();
    Ok(Tried { log, ..Tried::of(part.check("exit code", said)) })
}

async fn spec(cx: &Context, part: &Part<'_>) -> Result<ContainerSpec, Failure> {
    let (mut service, mut mounts) = match part.role {
        Some(role) => {
            let (service, mounts, _) = role.apart(part.engine);
            (service, mounts)
        }
        // A server on standard streams ends with its input.
        None => (Service { stdin_open: true, restart: Some("no".to_owned()), ..Service::default() }, Vec::new()),
    };
    service.environment.extend(part.variables.iter().map(|(name, value)| (name.clone(), Some(value.clone()))));
    let mut files = Vec::new();
    if let Some(role) = part.role {
        let expectation = role.expectation();
        let paired = expectation.files.iter().zip(role.contents.iter().cloned()).collect();
        files = place(cx, &service, paired, &mut mounts).await.map_err(told)?;
        if let Some(bridge) = &role.bridge {
            put_under(cx, bridge, part.image, &mut service, &mut mounts).await.map_err(told)?;
        }
    }
    let aliases = part.role.map_or_else(|| vec![NAMELESS.to_owned()], |role| role.aliases.clone());
    let attachment = Attachment { network: part.network.to_owned(), aliases, options: None };
    // The image's own label would make it one of the project's.
    let mut labels = marks(cx);
    labels.insert(labels::PROJECT.to_owned(), part.network.to_owned());
    Ok(ContainerSpec {
        name: part.name.clone(),
        image: part.image.clone(),
        service,
        labels,
        attachments: vec![attachment],
        network_mode: None,
        mounts,
        files,
        publish: false,
    })
}

fn told(error: StepError) -> Failure {
    match error {
        StepError::Engine(error) => error.into(),
        other => Failure::new(FailureKind::Unavailable, other.to_string()),
    }
}

/// Creates and starts a container; one that cannot even be started fails on the first level.
async fn start(cx: &Context, part: &Part<'_>) -> Result<Option<Tried>, Failure> {
    let spec = spec(cx, part).await?;
    match create(cx, &spec, part).await {
        Ok(()) => Ok(None),
        Err(error) if error.is_bad_world() => Err(error.into()),
        Err(error) => Ok(Some(Tried::of(part.check("start", error.to_string())))),
    }
}

async fn create(cx: &Context, spec: &ContainerSpec, part: &Part<'_>) -> Result<(), EngineError> {
    cx.engine.create_container(spec).await?;
    if part.role.is_some_and(|role| role.bridge.is_some()) {
        Box::pin(complete(cx, &spec.name)).await.map_err(|error| match error {
            StepError::Engine(error) => error,
            other => EngineError::Failed { reason: other.to_string() },
        })?;
    }
    cx.engine.start_container(&spec.name).await
}

async fn refused(cx: &Context, target: &GateTarget, expectations: &ServiceExpectations, refusal: Refusal) -> Result<Tried, Failure> {
    if let Some(error) = refusal.engine {
        return Err(error.into());
    }
    if refusal.interrupted {
        return Err(super::interrupted());
    }
    // The gate tells what failed; what passed before that is worth knowing too.
    let before: Vec<Level> = Level::ALL.into_iter().filter(|level| *level < refusal.check.level).collect();
    let mut checks = if before.is_empty() { Vec::new() } else { examine(cx, target, expectations, &before, LOOK).await.checks };
    checks.retain(|check| check.verdict != Verdict::Fail);
    let late = if refusal.out_of_time { format!(" (not within {:?})", refusal.budget) } else { String::new() };
    checks.push(Check { answered: format!("{}{late}", refusal.check.answered), ..refusal.check });
    let log = refusal.log.iter().map(|line| cx.redactor.clean(line)).collect();
    Ok(Tried { checks, log, ..Tried::default() })
}

/// Removes containers and network; an engine that is busy is asked again.
async fn remove(cx: &Context, containers: &[String], network: &str) -> Result<(), EngineError> {
    let mut tries = 1;
    loop {
        let removed = async {
            for name in containers {
                cx.engine.remove_container(name, true).await?;
            }
            cx.engine.remove_network(network).await
        };
        let removed = removed.await;
        if removed.is_ok() || tries >= TRIES {
            return removed;
        }
        tries += 1;
        cx.clock.sleep(PAUSE).await;
    }
}

/// Removes what verifications left whose process was killed; gives the names of containers and networks.
///
/// # Errors
/// What the engine says; what is in use is left alone.
pub(crate) async fn remove_leftovers(cx: &Context, dry_run: bool) -> Result<(Vec<String>, Vec<String>), EngineError> {
    let marked = IndexMap::from([(labels::SPECIMEN.to_owned(), VERIFY.to_owned())]);
    let is_left = |labels: &IndexMap<String, String>| {
        let owner = labels.get(labels::OWNER).and_then(|text| serde_json::from_str::<Owner>(text).ok());
        owner.is_none_or(|owner| cx.host.liveness(&owner) == Liveness::Dead)
    };
    let (mut containers, mut networks) = (Vec::new(), Vec::new());
    for container in cx.engine.containers(&ContainerFilter { labels: marked.clone(), all: true }).await? {
        if is_left(&container.labels) {
            if !dry_run {
                cx.engine.remove_container(container.id.as_str(), true).await?;
            }
            containers.push(container.name);
        }
    }
    for network in cx.engine.networks(&marked).await?.into_iter().filter(|network| is_left(&network.labels)) {
        if !dry_run {
            match cx.engine.remove_network(&network.name).await {
                Err(EngineError::Conflict { .. }) => continue,
                removed => removed?,
            }
        }
        networks.push(network.name);
    }
    Ok((containers, networks))
}
